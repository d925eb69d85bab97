// Every engine does the same, and what documented zlib streams do: one list of tests, run for each engine that
// offers the transport.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import zlib from 'node:zlib';
import fc from 'fast-check';
import {
  type CompressedTransport,
  CompressionError,
  compressionEngine,
  createDeflater,
  createInflater,
  deflateWhole,
  ENGINES,
  type EngineName,
  type Inflater,
  passesCheck,
  usableTransport,
} from './compression.ts';
import { SCRATCH_BYTES, scratch } from './scratch.ts';

const TRANSPORTS: readonly CompressedTransport[] = ['zlib-stream', 'zstd-stream'];
const OFFERED = (Object.keys(ENGINES) as EngineName[]).flatMap((engine) =>
  TRANSPORTS.filter((transport) => engine !== 'documented' || transport === 'zlib-stream').map(
    (transport) => [engine, transport] as const,
  ),
);

const read = (inflater: Inflater, input: Uint8Array): string => {
  const length = inflater.push(input);
  return inflater.output.toString('utf8', 0, length);
};

/** Text that compresses badly, the same for the same seed. */
function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Frames as a gateway in Node makes them with documented streams (protocol reference 1.4). */
async function referenceFrames(
  transport: CompressedTransport,
  messages: readonly string[],
): Promise<Buffer[]> {
  const stream = transport === 'zlib-stream' ? zlib.createDeflate() : zlib.createZstdCompress();
  const kind = transport === 'zlib-stream' ? zlib.constants.Z_SYNC_FLUSH : zlib.constants.ZSTD_e_flush;
  const frames: Buffer[] = [];
  let parts: Buffer[] = [];
  stream.on('data', (part: Buffer) => parts.push(part));
  for (const message of messages) {
    parts = [];
    stream.write(message);
    stream.flush(kind, () => stream.emit('flushed'));
    await once(stream, 'flushed');
    frames.push(Buffer.concat(parts));
  }
  stream.destroy();
  return frames;
}

test('this Node passes the self-check with its fast engine for both transports', () => {
  assert.equal(compressionEngine('zlib-stream'), 'handle');
  assert.equal(compressionEngine('zstd-stream'), 'handle');
});

test('documented calls offer zlib-stream only, and say so', () => {
  assert.equal(passesCheck('documented', 'zlib-stream'), true);
  assert.equal(passesCheck('documented', 'zstd-stream'), false);
  assert.throws(() => createInflater('zstd-stream', { engine: 'documented' }), CompressionError);
  assert.throws(() => createDeflater('zstd-stream', { engine: 'documented' }), CompressionError);
});

test('where a transport cannot be had, the next one is asked for', () => {
  assert.equal(usableTransport('zstd-stream'), 'zstd-stream');
  assert.equal(
    usableTransport('zstd-stream', (transport) => transport === 'zlib-stream'),
    'zlib-stream',
  );
  assert.equal(
    usableTransport('zstd-stream', () => false),
    'none',
  );
  assert.equal(
    usableTransport('zlib-stream', (transport) => transport === 'zstd-stream'),
    'none',
  );
});

test('an engine that is wrong in any way fails the self-check', (context) => {
  const broken: [string, Partial<Inflater>][] = [
    ['returns the wrong length', { push: () => 3 }],
    ['accepts anything', { push: (input) => input.length }],
    [
      'throws something else',
      {
        push() {
          throw new TypeError('writeSync is not a function');
        },
      },
    ],
  ];
  for (const [what, part] of broken) {
    const mock = context.mock.method(ENGINES.handle, 'inflater', () => ({
      output: Buffer.alloc(300_000),
      close() {},
      push: () => 0,
      ...part,
    }));
    assert.equal(passesCheck('handle', 'zlib-stream'), false, what);
    mock.mock.restore();
  }
  assert.equal(passesCheck('handle', 'zlib-stream'), true);
});

for (const [engine, transport] of OFFERED) {
  const name = `${engine} ${transport}`;

  test(`${name}: the self-check passes`, () => assert.equal(passesCheck(engine, transport), true));

  test(`${name}: reads what documented streams write, in one stream, giants between dwarfs`, async () => {
    const messages = Array.from({ length: 40 }, (_, i) =>
      i % 13 === 5 ? noise(300_000, i).toString('base64') : `{"t":"MESSAGE_CREATE","s":${i},"op":0,"d":{}}`,
    );
    const inflater = createInflater(transport, { engine });
    for (const [i, frame] of (await referenceFrames(transport, messages)).entries())
      assert.equal(read(inflater, frame), messages[i], `message ${i}`);
    inflater.close();
    inflater.close();
  });

  test(`${name}: documented streams read what it writes, each message as soon as it is flushed`, async () => {
    const deflater = createDeflater(transport, { engine });
    const stream = transport === 'zlib-stream' ? zlib.createInflate() : zlib.createZstdDecompress();
    let text = '';
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    for (let i = 0; i < 30; i++) {
      const message = i % 9 === 4 ? noise(200_000, i) : Buffer.from(`{"s":${i}}`);
      text = '';
      stream.write(deflater.push(message), () => stream.emit('written'));
      await once(stream, 'written');
      assert.ok(text === message.toString('latin1'), `message ${i}`);
    }
    deflater.close();
    stream.destroy();
  });

  test(`${name}: any messages come back, and two contexts do not mix`, () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 400 }), { maxLength: 20 }), (messages) => {
        const deflaters = [createDeflater(transport, { engine }), createDeflater(transport, { engine })];
        const inflaters = [createInflater(transport, { engine }), createInflater(transport, { engine })];
        for (const [i, message] of messages.entries()) {
          const which = i % 2;
          assert.equal(read(inflaters[which]!, deflaters[which]!.push(Buffer.from(message))), message);
        }
        for (const context of [...deflaters, ...inflaters]) context.close();
      }),
      { numRuns: 20 },
    );
  });

  test(`${name}: reads a range of a larger buffer`, () => {
    const frame = createDeflater(transport, { engine }).push(Buffer.from('in the middle'));
    const wide = Buffer.concat([Buffer.alloc(7, 0xff), frame, Buffer.alloc(9, 0xff)]);
    const inflater = createInflater(transport, { engine });
    const length = inflater.push(wide, 7, 7 + frame.length);
    assert.equal(inflater.output.toString('utf8', 0, length), 'in the middle');
    inflater.close();
  });

  test(`${name}: the limit is exact`, () => {
    for (const size of [1, 1000, SCRATCH_BYTES - 1, SCRATCH_BYTES, SCRATCH_BYTES + 1, 4 * SCRATCH_BYTES]) {
      const frame = createDeflater(transport, { engine }).push(Buffer.alloc(size, 'a'));
      const enough = createInflater(transport, { engine, maxBytes: size });
      assert.equal(enough.push(frame), size);
      if (size > 1) {
        const strict = createInflater(transport, { engine, maxBytes: size - 1 });
        assert.throws(() => strict.push(frame), CompressionError, `${size} bytes`);
        strict.close();
      }
      enough.close();
    }
  });

  test(`${name}: a bomb is refused before it takes memory`, () => {
    const frame = createDeflater(transport, { engine }).push(Buffer.alloc(8 * 1024 * 1024));
    const before = scratch().length;
    const inflater = createInflater(transport, { engine, maxBytes: 100_000 });
    assert.throws(() => inflater.push(frame), CompressionError);
    inflater.close();
    assert.ok(scratch().length <= Math.max(before, 2 * SCRATCH_BYTES), `${scratch().length} bytes held`);
  });

  test(`${name}: bad bytes and bytes after the end are refused, and the next context is not hurt`, async () => {
    const garbage = createInflater(transport, { engine });
    assert.throws(() => garbage.push(Buffer.alloc(64, 0xa7)), CompressionError);
    garbage.close();
    const mangled = createInflater(transport, { engine });
    const frame = Buffer.from(createDeflater(transport, { engine }).push(noise(5000)));
    frame.fill(0xff, 2, 40);
    assert.throws(() => mangled.push(frame), CompressionError);
    mangled.close();
    assert.equal(
      read(
        createInflater(transport, { engine }),
        createDeflater(transport, { engine }).push(Buffer.from('well')),
      ),
      'well',
    );
    // The streams inside report errors as events too, one turn later: unheard they would end the process.
    await new Promise(setImmediate);
  });
}

for (const transport of TRANSPORTS) {
  test(`${transport}: memory of a giant message is given back when small ones follow`, () => {
    const deflater = createDeflater(transport);
    const inflater = createInflater(transport);
    const giant = deflater.push(noise(1_000_000));
    assert.equal(inflater.push(giant), 1_000_000);
    assert.ok(scratch().length >= 1_000_000);
    for (let i = 0; i < 200; i++) read(inflater, deflater.push(Buffer.from('small')));
    assert.equal(scratch().length, SCRATCH_BYTES);
    assert.equal(read(inflater, deflater.push(Buffer.from('still reading'))), 'still reading');
  });

  test(`${transport}: what an inflater wrote cannot be compressed where it lies`, () => {
    const inflater = createInflater(transport);
    const length = inflater.push(createDeflater(transport).push(Buffer.from('text')));
    assert.throws(() => createDeflater(transport).push(inflater.output.subarray(0, length)), /invariant/);
  });
}

test('bytes after the end of a zlib stream are refused', () => {
  const inflater = createInflater('zlib-stream');
  const whole = zlib.deflateSync('the end');
  assert.equal(read(inflater, whole), 'the end');
  assert.throws(() => inflater.push(Buffer.from('more')), CompressionError);
});

test('a zstd stream with a window over 8 MiB is refused before the window is allocated', () => {
  // Magic, descriptor 0 (a window byte follows), the window byte, then one raw last block of one byte.
  const frame = (window: number) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, window, 0x09, 0, 0, 0x61]);
  assert.equal(read(createInflater('zstd-stream'), frame(0x68)), 'a');
  assert.throws(() => createInflater('zstd-stream').push(frame(0x70)), /windowTooLarge/);
});

test('frames begin and end as the protocol says', () => {
  const hello = Buffer.from('{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}');
  for (const engine of Object.keys(ENGINES) as EngineName[]) {
    const deflater = createDeflater('zlib-stream', { engine });
    const frames = [deflater.push(hello), deflater.push(hello)];
    assert.equal(frames[0]!.toString('hex', 0, 2), '789c', engine);
    assert.notEqual(frames[1]!.toString('hex', 0, 2), '789c', engine);
    for (const frame of frames) assert.equal(frame.toString('hex', frame.length - 4), '0000ffff', engine);
  }
  const zstd = createDeflater('zstd-stream').push(hello);
  assert.equal(zstd.toString('hex', 0, 6), '28b52ffd0040');
});

test('whole compression is one complete zlib stream', () => {
  assert.equal(zlib.inflateSync(deflateWhole(Buffer.from('alone'))).toString(), 'alone');
});
