// The frame parser and builder: every split, every refusal, what is copied and what is kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { serverFrame } from './frame.cases.ts';
import { buildFrame, closePayload, createFrameParser, OPCODE } from './frame.ts';

interface Seen {
  readonly calls: string[];
  readonly sources: Buffer[];
}

function openParser(maxBytes = 1_000_000) {
  const seen: Seen = { calls: [], sources: [] };
  const parser = createFrameParser(maxBytes, {
    onMessage(bytes, start, end, binary) {
      seen.sources.push(bytes);
      seen.calls.push(`${binary ? 'binary' : 'text'} ${bytes.toString('latin1', start, end)}`);
    },
    onPing: (bytes, start, end) => seen.calls.push(`ping ${bytes.toString('latin1', start, end)}`),
    onClose: (code, reason) => seen.calls.push(`close ${code} ${reason}`),
    onBad: (reason) => seen.calls.push(`bad ${reason}`),
  });
  /** Feeds through one reused buffer, as the socket does. */
  const shared = Buffer.alloc(200_000);
  const feed = (...pieces: Uint8Array[]): void => {
    for (const piece of pieces) {
      shared.set(piece);
      parser.feed(shared, 0, piece.length);
      shared.fill(0xee, 0, piece.length);
    }
  };
  return { parser, seen, feed, shared };
}

const TALK = Buffer.concat([
  serverFrame(OPCODE.TEXT, 'hello'),
  serverFrame(OPCODE.BINARY, 'b'.repeat(200)),
  serverFrame(OPCODE.TEXT, ''),
  serverFrame(OPCODE.PING, 'p1'),
  serverFrame(OPCODE.TEXT, 'one ', { final: false }),
  serverFrame(OPCODE.PING, 'p2'),
  serverFrame(OPCODE.CONTINUATION, '', { final: false }),
  serverFrame(OPCODE.PONG, 'unasked'),
  serverFrame(OPCODE.CONTINUATION, 'two'),
  serverFrame(OPCODE.BINARY, 'last'),
  serverFrame(OPCODE.CLOSE, Buffer.concat([closePayload(4009), Buffer.from('gone')])),
  serverFrame(OPCODE.TEXT, 'after the close'),
]);
const TOLD = [
  'text hello',
  `binary ${'b'.repeat(200)}`,
  'text ',
  'ping p1',
  'ping p2',
  'text one two',
  'binary last',
  'close 4009 gone',
];

test('a talk split once, at every byte, is read the same', () => {
  for (let cut = 0; cut <= TALK.length; cut++) {
    const { feed, seen, parser } = openParser();
    feed(TALK.subarray(0, cut), TALK.subarray(cut));
    assert.deepEqual(seen.calls, TOLD, `cut at ${cut}`);
    assert.equal(parser.heldBytes(), 0);
  }
});

test('a talk fed byte by byte is read the same', () => {
  const { feed, seen } = openParser();
  feed(...Array.from(TALK, (byte) => Uint8Array.of(byte)));
  assert.deepEqual(seen.calls, TOLD);
});

test('any frames in any pieces are read as they were written', () => {
  const frames = fc.array(
    fc.oneof(
      fc.record({ size: fc.integer({ min: 0, max: 300 }), parts: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ size: fc.constantFrom(125, 126, 127, 65_535, 65_536), parts: fc.constant(1) }),
    ),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 70_000 }), { maxLength: 12 }), (list, sizes) => {
      const wire: Buffer[] = [];
      const told: string[] = [];
      for (const [index, { size, parts }] of list.entries()) {
        const body = Buffer.alloc(size, 97 + index);
        told.push(`binary ${body.toString('latin1')}`);
        const step = Math.ceil(size / parts) || 1;
        for (let part = 0; part < parts; part++) {
          wire.push(
            serverFrame(
              part === 0 ? OPCODE.BINARY : OPCODE.CONTINUATION,
              body.subarray(part * step, part === parts - 1 ? size : (part + 1) * step),
              { final: part === parts - 1 },
            ),
          );
        }
      }
      const bytes = Buffer.concat(wire);
      const { feed, seen } = openParser();
      let at = 0;
      for (const size of [...sizes, ...Array.from({ length: 8 }, () => 100_000)]) {
        feed(bytes.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(seen.calls, told);
    }),
    { numRuns: 60 },
  );
});

test('a frame that is whole in what was read is not copied', () => {
  const { feed, seen, shared } = openParser();
  feed(Buffer.concat([serverFrame(OPCODE.BINARY, 'one'), serverFrame(OPCODE.TEXT, 'two')]));
  assert.deepEqual(
    seen.sources.map((source) => source === shared),
    [true, true],
  );
});

test('memory is held only while a frame or message is unfinished, and follows the bytes that came', () => {
  const { feed, parser } = openParser(50_000_000);
  const frame = serverFrame(OPCODE.BINARY, Buffer.alloc(40_000));
  feed(frame.subarray(0, 100));
  assert.equal(parser.heldBytes(), frame.length);
  feed(frame.subarray(100));
  assert.equal(parser.heldBytes(), 0);
  feed(serverFrame(OPCODE.BINARY, Buffer.alloc(10), { length: 40_000_000 }));
  assert.ok(parser.heldBytes() <= 65_536);
  parser.stop();
  assert.equal(parser.heldBytes(), 0);
});

for (const [what, bytes, reason] of [
  ['a masked frame', serverFrame(OPCODE.TEXT, 'x', { masked: true }), 'masked'],
  ['RSV1', serverFrame(OPCODE.TEXT, 'x', { reserved: 0x40 }), 'reserved bits set'],
  ['RSV2', serverFrame(OPCODE.TEXT, 'x', { reserved: 0x20 }), 'reserved bits set'],
  ['RSV3 of a control frame', serverFrame(OPCODE.PING, 'x', { reserved: 0x10 }), 'reserved bits set'],
  ['opcode 3', serverFrame(3, 'x'), 'opcode 3'],
  ['opcode 11', serverFrame(11, 'x'), 'opcode 11'],
  ['a fragmented ping', serverFrame(OPCODE.PING, 'x', { final: false }), 'fragmented control frame'],
  ['a long ping', serverFrame(OPCODE.PING, 'x'.repeat(126)), 'control frame too long'],
  ['a continuation first', serverFrame(OPCODE.CONTINUATION, 'x'), 'continuation of nothing'],
  [
    'a message within a message',
    Buffer.concat([serverFrame(OPCODE.TEXT, 'x', { final: false }), serverFrame(OPCODE.TEXT, 'y')]),
    'message within a message',
  ],
  [
    'a message over the limit',
    serverFrame(OPCODE.TEXT, '', { length: 1001 }),
    '1001 bytes in one message, 1000 allowed',
  ],
  [
    'a 64 bit length',
    serverFrame(OPCODE.TEXT, '', { length: 2 ** 40 }),
    `${2 ** 40} bytes in one message, 1000 allowed`,
  ],
  [
    'fragments over the limit together',
    Buffer.concat([
      serverFrame(OPCODE.TEXT, 'x'.repeat(600), { final: false }),
      serverFrame(OPCODE.CONTINUATION, 'x'.repeat(401)),
    ]),
    '1001 bytes in one message, 1000 allowed',
  ],
  ['close code 999', serverFrame(OPCODE.CLOSE, closePayload(999)), 'close code 999'],
  ['close code 1006', serverFrame(OPCODE.CLOSE, closePayload(1006)), 'close code 1006'],
  ['close code 5000', serverFrame(OPCODE.CLOSE, closePayload(5000)), 'close code 5000'],
  ['half a close code', serverFrame(OPCODE.CLOSE, Buffer.from([15])), 'close code 0'],
] as const) {
  test(`${what} is refused, once, whole or in bytes, and nothing follows`, () => {
    const wire = Buffer.concat([bytes, serverFrame(OPCODE.TEXT, 'later')]);
    const whole = openParser(1000);
    whole.feed(wire);
    assert.deepEqual(whole.seen.calls, [`bad ${reason}`]);
    const bytewise = openParser(1000);
    bytewise.feed(...Array.from(wire, (byte) => Uint8Array.of(byte)));
    assert.deepEqual(bytewise.seen.calls, [`bad ${reason}`]);
    assert.equal(bytewise.parser.heldBytes(), 0);
  });
}

test('a message of exactly the limit passes, whole and in fragments', () => {
  const { feed, seen } = openParser(1000);
  feed(
    serverFrame(OPCODE.TEXT, 'x'.repeat(1000)),
    serverFrame(OPCODE.TEXT, 'y'.repeat(999), { final: false }),
    serverFrame(OPCODE.CONTINUATION, 'y'),
  );
  assert.deepEqual(seen.calls, [`text ${'x'.repeat(1000)}`, `text ${'y'.repeat(1000)}`]);
});

test('an empty close frame is told as 1005', () => {
  const { feed, seen } = openParser();
  feed(serverFrame(OPCODE.CLOSE, ''));
  assert.deepEqual(seen.calls, ['close 1005 ']);
});

test('stop from within a call ends the parsing of the same read', () => {
  const calls: number[] = [];
  const parser = createFrameParser(1000, {
    onMessage(_bytes, start) {
      calls.push(start);
      parser.stop();
    },
    onPing() {},
    onClose() {},
    onBad() {},
  });
  const two = Buffer.concat([serverFrame(OPCODE.TEXT, 'one'), serverFrame(OPCODE.TEXT, 'two')]);
  parser.feed(two, 0, two.length);
  parser.feed(two, 0, two.length);
  assert.deepEqual(calls, [2]);
});

test('random bytes never throw and never report after an end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 40 }), (bytes, step) => {
      const { feed, seen } = openParser(100);
      for (let at = 0; at < bytes.length; at += step) feed(bytes.subarray(at, at + step));
      const end = seen.calls.findIndex((call) => /^(bad|close)/.test(call));
      assert.ok(end === -1 || end === seen.calls.length - 1);
    }),
    { numRuns: 300 },
  );
});

test('a client frame is masked, and unmasks to what was given, at every length form', () => {
  const mask = Uint8Array.of(0x12, 0x34, 0x56, 0x78);
  for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
    const payload = Buffer.alloc(length, 'abc');
    const frame = buildFrame(OPCODE.TEXT, payload, mask);
    const headLength = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    assert.equal(frame[0], 0x81);
    assert.equal(frame[1]! & 0x80, 0x80);
    assert.equal(frame.length, headLength + 4 + length);
    assert.deepEqual(frame.subarray(headLength, headLength + 4), Buffer.from(mask));
    const body = frame.subarray(headLength + 4).map((byte, at) => byte ^ mask[at & 3]!);
    assert.equal(Buffer.compare(body, payload), 0);
    const announced =
      length < 126
        ? frame[1]! & 0x7f
        : length < 65_536
          ? frame.readUInt16BE(2)
          : Number(frame.readBigUInt64BE(2));
    assert.equal(announced, length);
  }
});
