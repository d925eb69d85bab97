import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EVENT_TYPES, eventTypeId } from './event-type.ts';
import { createHeader, parseHeader, scanHeader } from './header.ts';

interface Envelope {
  readonly t: string | null;
  readonly s: number | null;
  readonly op: number;
  readonly d: unknown;
}

const known = fc.constantFrom(...EVENT_TYPES.slice(1));
const plainName = fc.oneof(known, fc.stringMatching(/^[A-Z0-9_]{1,40}$/));
const envelope: fc.Arbitrary<Envelope> = fc.record({
  t: fc.option(plainName),
  s: fc.option(fc.nat(0xffffffff)),
  op: fc.nat(999),
  d: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
});

/** The envelope in the known form, somewhere in a larger buffer. */
function place(text: string, before: string, behind: string): { buffer: Buffer; start: number; end: number } {
  const buffer = Buffer.from(before + text + behind);
  const start = Buffer.byteLength(before);
  return { buffer, start, end: start + Buffer.byteLength(text) };
}

function checkAgainst(message: Envelope, bytes: Uint8Array, header: ReturnType<typeof createHeader>): void {
  const buffer = Buffer.from(bytes);
  assert.equal(header.op, message.op);
  assert.equal(header.s, message.s ?? -1);
  assert.equal(header.type, message.t === null ? 0 : eventTypeId(message.t));
  if (message.t === null) assert.deepEqual([header.typeStart, header.typeEnd], [-1, -1]);
  else assert.equal(JSON.parse(`"${buffer.toString('utf8', header.typeStart, header.typeEnd)}"`), message.t);
  assert.deepEqual(JSON.parse(buffer.toString('utf8', header.dataStart, header.dataEnd)), message.d);
}

describe('header', () => {
  test('a scan says the same as JSON.parse for any envelope in the known form, wherever it lies', () => {
    fc.assert(
      fc.property(envelope, fc.string(), fc.string(), ({ t, s, op, d }, before, behind) => {
        const text = JSON.stringify({ t, s, op, d });
        const { buffer, start, end } = place(text, before, behind);
        const header = createHeader();
        assert.equal(scanHeader(buffer, start, end, header), true, text);
        checkAgainst({ t, s, op, d }, buffer, header);
      }),
      { numRuns: 500 },
    );
  });

  test('every listed event is found, and no name that differs in one character', () => {
    const header = createHeader();
    for (const [id, name] of EVENT_TYPES.entries()) {
      if (id === 0) continue;
      for (let at = -1; at < name.length; at++) {
        const other =
          at < 0 ? name : `${name.slice(0, at)}${name[at] === 'X' ? 'Y' : 'X'}${name.slice(at + 1)}`;
        const bytes = Buffer.from(`{"t":"${other}","s":1,"op":0,"d":{}}`);
        assert.ok(scanHeader(bytes, 0, bytes.length, header));
        assert.equal(header.type, eventTypeId(other), other);
      }
    }
  });

  test('the captured HELLO of the protocol reference is in the known form', () => {
    const text =
      '{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250,"_trace":["[\\"gateway-prd-us-east1-c-7s4x\\",{\\"micros\\":0.0}]"]}}';
    const bytes = Buffer.from(text);
    const header = createHeader();
    assert.ok(scanHeader(bytes, 0, bytes.length, header));
    checkAgainst(JSON.parse(text) as Envelope, bytes, header);
  });

  test('any other order, whitespace, escape or number form goes the slow way, which re-writes it', () => {
    const texts = [
      '{"op":0,"d":{"a":1},"s":5,"t":"READY"}',
      '{"s":5,"t":"READY","op":0,"d":{"a":1}}',
      '{"d":{"op":7,"s":9,"t":"X"},"t":"READY","s":5,"op":0}',
      ' {"t":"READY","s":5,"op":0,"d":{"a":1}}',
      '{"t": "READY","s":5,"op":0,"d":{"a":1}}',
      '{"t":"READY","s":5,"op":0,"d":{"a":1}}\n',
      '{"t":"READY","s":5,"op":0 ,"d":{"a":1}}',
      '{"t":"READY","s":5.0,"op":0,"d":{"a":1}}',
      '{"t":"READY","s":5e0,"op":0,"d":{"a":1}}',
      '{"t":"\\u0052EADY","s":5,"op":0,"d":{"a":1}}',
      '{"\\u0074":"READY","s":5,"op":0,"d":{"a":1}}',
      '{"t":"READY","s":5,"op":0,"x":[],"d":{"a":1}}',
      '{"t":"READY","s":5,"d":{"a":1},"op":0}',
    ];
    const header = createHeader();
    for (const text of texts) {
      const bytes = Buffer.from(text);
      assert.equal(scanHeader(bytes, 0, bytes.length, header), false, text);
      const parsed = parseHeader(bytes, 0, bytes.length);
      assert.ok(parsed, text);
      const { t, s, op, d } = JSON.parse(text) as Envelope;
      checkAgainst({ t, s, op, d }, parsed.bytes, parsed.header);
      assert.ok(scanHeader(parsed.bytes, 0, parsed.bytes.length, header), text);
    }
  });

  test('the slow way reads any envelope, also one that no scan takes', () => {
    const any = fc.record({
      t: fc.option(fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units))),
      s: fc.option(fc.nat(0xffffffff)),
      op: fc.integer(),
      d: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
    });
    fc.assert(
      fc.property(any, fc.constantFrom(undefined, 1, '\t'), (message, space) => {
        const text = JSON.stringify(
          { d: message.d, op: message.op, t: message.t, s: message.s },
          null,
          space,
        );
        const { buffer, start, end } = place(text, 'x', 'y');
        const parsed = parseHeader(buffer, start, end);
        assert.ok(parsed);
        // JSON can't write every string of code units; what it wrote is what counts.
        checkAgainst({ ...message, t: (JSON.parse(text) as Envelope).t }, parsed.bytes, parsed.header);
      }),
      { numRuns: 300 },
    );
  });

  test('what is no gateway message at all is undefined', () => {
    const texts = [
      '',
      '{',
      'null',
      '[]',
      '5',
      '"x"',
      '{}',
      '{"op":"0"}',
      '{"op":1.5}',
      '{"t":"READY","s":1,"d":{}}',
      '\u0000',
    ];
    for (const text of texts) {
      const bytes = Buffer.from(text);
      assert.equal(parseHeader(bytes, 0, bytes.length), undefined, text);
      assert.equal(scanHeader(bytes, 0, bytes.length, createHeader()), false, text);
    }
  });

  test('a sequence number that is none, or beyond 32 bits, counts as null', () => {
    const header = createHeader();
    for (const s of ['-1', '1.5', '"7"', '4294967296', '99999999999999999999', 'true', '{}']) {
      const bytes = Buffer.from(`{"t":"READY","s":${s},"op":0,"d":{}}`);
      assert.equal(scanHeader(bytes, 0, bytes.length, header), false, s);
      assert.equal(parseHeader(bytes, 0, bytes.length)?.header.s, -1, s);
    }
    const largest = Buffer.from('{"t":"READY","s":4294967295,"op":0,"d":{}}');
    assert.ok(scanHeader(largest, 0, largest.length, header));
    assert.equal(header.s, 4294967295);
  });

  test('a message cut short at any byte is refused, and nothing is read outside of it', () => {
    fc.assert(
      fc.property(envelope, (message) => {
        const whole = Buffer.from(
          JSON.stringify({ t: message.t, s: message.s, op: message.op, d: message.d }),
        );
        for (let end = 0; end < Math.min(whole.length, 80); end++) {
          // Behind `end` lie the very bytes that would complete the message, as in a reused buffer.
          const { bytes, outside } = guarded(whole, end);
          const found = scanHeader(bytes, 0, end, createHeader());
          assert.deepEqual(outside, [], `cut at ${end}`);
          // A cut message may still end in a brace of its data; it never has more data than there is.
          if (found) assert.equal(whole[end - 1], 0x7d);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('a prefix of the envelope itself is never taken for a message', () => {
    const whole = Buffer.from('{"t":"GUILD_CREATE","s":123,"op":0,"d":{}}');
    for (let end = 0; end < whole.length - 1; end++)
      assert.equal(scanHeader(whole, 0, end, createHeader()), false, `cut at ${end}`);
    const other = Buffer.from('{"t":null,"s":null,"op":11,"d":null}');
    for (let end = 0; end < other.length; end++)
      assert.equal(scanHeader(other, 0, end, createHeader()), false, `cut at ${end}`);
  });
});

/** The same bytes, noting every index that is read at or beyond `end`. */
function guarded(buffer: Buffer, end: number): { bytes: Uint8Array; outside: number[] } {
  const outside: number[] = [];
  const bytes = new Proxy(buffer, {
    get(target, key) {
      const index = typeof key === 'string' ? Number(key) : Number.NaN;
      if (index >= end || index < 0) outside.push(index);
      return Reflect.get(target, key, target) as unknown;
    },
  });
  return { bytes, outside };
}
