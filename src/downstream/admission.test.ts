// Every bad thing that a handler may say, and the close code that Discord would use for it. What the code does
// with random bytes is asked too: it must answer, and never throw.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ALL_INTENTS, INTENTS, intentNames, UNPRIVILEGED_INTENTS } from '../wire/intents.ts';
import {
  admitIdentify,
  admitResume,
  bareToken,
  checkQuery,
  HANDLER_MESSAGE_BYTES_MAX,
  isRefusal,
  type Refusal,
  readIntents,
  readMessage,
} from './admission.ts';

const GUILD = '175928847299117063';
const layout = { shardCount: 4, intents: UNPRIVILEGED_INTENTS };

function read(message: unknown) {
  return readMessage(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)), false);
}

/** Asserts a refusal that fits in a close frame, and returns its reason. */
function refusal(answer: object | number | undefined, close: number): string {
  assert.ok(typeof answer === 'object' && isRefusal(answer), `refused, but got ${JSON.stringify(answer)}`);
  assert.equal(answer.close, close);
  assertFits(answer);
  return answer.reason;
}

function assertFits(answer: Refusal): void {
  assert.ok(Buffer.byteLength(answer.reason) <= 123, `fits a close frame: ${answer.reason}`);
  assert.ok(!answer.reason.includes('\ufffd'), 'is not cut inside a character');
}

describe('a message', () => {
  const presence = { since: null, activities: [], status: 'online', afk: false };
  const bad: Array<[name: string, message: unknown, close: number, reason: RegExp]> = [
    ['nothing', '', 4002, /not valid JSON/],
    ['half of an object', '{"op":1', 4002, /not valid JSON/],
    ['two objects', '{"op":1}{"op":1}', 4002, /not valid JSON/],
    ['a number', '7', 4002, /an object with an integer op/],
    ['null', 'null', 4002, /an object with an integer op/],
    ['a list', '[{"op":1}]', 4002, /an object with an integer op/],
    ['no op', { d: {} }, 4002, /an object with an integer op/],
    ['an op as text', { op: '1' }, 4002, /an object with an integer op/],
    ['a broken op', { op: 1.5 }, 4002, /an object with an integer op/],
    ['an op that nobody knows', { op: 99, d: {} }, 4001, /Unknown opcode: 99/],
    ['a giant op', { op: 1e300, d: {} }, 4001, /Unknown opcode: 1e\+300/],
    ['a negative op', { op: -1, d: {} }, 4001, /Unknown opcode: -1/],
    ["a server's op", { op: 10, d: {} }, 4001, /Unknown opcode: 10/],
    ['a dispatch', { op: 0, t: 'READY', s: 1, d: {} }, 4001, /Unknown opcode: 0/],
    ['an IDENTIFY without d', { op: 2 }, 4002, /op 2 needs an object/],
    ['an IDENTIFY with a list', { op: 2, d: [] }, 4002, /op 2 needs an object/],
    ['a RESUME with null', { op: 6, d: null }, 4002, /op 6 needs an object/],
    ['a command with text', { op: 8, d: 'all' }, 4002, /op 8 needs an object/],
    ['a presence without afk', { op: 3, d: { ...presence, afk: undefined } }, 4001, /afk/],
    ['a presence without activities', { op: 3, d: { ...presence, activities: undefined } }, 4001, /activit/],
    ['a presence of no list', { op: 3, d: { ...presence, activities: {} } }, 4001, /activities, a list/],
    ['a voice state of no guild', { op: 4, d: { channel_id: null } }, 4001, /guild_id, a snowflake/],
    ['a voice state without a channel', { op: 4, d: { guild_id: GUILD } }, 4001, /channel_id/],
    ['a request for members of nobody', { op: 8, d: { guild_id: GUILD } }, 4001, /query or user_ids/],
    ['a request for members of a name', { op: 8, d: { guild_id: 'mine', query: '' } }, 4001, /guild_id/],
    ['a request for sounds of one', { op: 31, d: { guild_ids: GUILD } }, 4001, /a list of snowflakes/],
    ['a request for channels without fields', { op: 43, d: { guild_id: GUILD } }, 4001, /fields, a list/],
    [
      'a command beyond 4096 bytes',
      { op: 8, d: { guild_id: GUILD, query: '', nonce: 'x'.repeat(4096) } },
      4002,
      /at most 4096/,
    ],
    [
      'anything beyond 15 KiB',
      { op: 2, d: { token: 'x'.repeat(HANDLER_MESSAGE_BYTES_MAX) } },
      4002,
      /at most 15360/,
    ],
  ];
  for (const [name, message, close, reason] of bad) {
    it(`that is ${name} is refused with ${close}`, () => {
      assert.match(refusal(read(message), close), reason);
    });
  }

  it('in a binary frame is refused with 4002', () => {
    assert.match(refusal(readMessage(Buffer.from('{"op":1}'), true), 4002), /binary/);
  });

  it('that beats is taken whatever its d is', () => {
    for (const d of [undefined, null, 5, '5', {}])
      assert.deepEqual(read({ op: 1, d }), { type: 'heartbeat' });
  });

  it('that identifies may be larger than a command', () => {
    const message = read({ op: 2, d: { token: 't', presence: 'x'.repeat(8_000) } });
    assert.equal('type' in message && message.type, 'identify');
  });

  const commands: Array<[op: number, d: string]> = [
    [3, '{"since":null,"activities":[],"status":"idle","afk":false}'],
    [4, '{"guild_id":"175928847299117063","channel_id":null,"self_mute":false}'],
    [4, '{"guild_id":175928847299117063,"channel_id":175928847299117064}'],
    [8, '{"guild_id":175928847299117063,"presences":false,"limit":0,"query":""}'],
    [8, '{"guild_id":"175928847299117063","user_ids":[175928847299117065]}'],
    [31, '{"guild_ids":["175928847299117063"]}'],
    [43, '{"guild_id":"175928847299117063","fields":["status"]}'],
  ];
  for (const [op, d] of commands) {
    it(`that commands by op ${op} keeps its text byte for byte: ${d}`, () => {
      const text = `{ "op" : ${op}, "d":${d}}`;
      const message = read(text);
      assert.ok('type' in message && message.type === 'command');
      assert.deepEqual([message.op, message.text], [op, text]);
    });
  }

  it('of random bytes gets an answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isBinary) => {
        const answer = readMessage(Buffer.from(bytes), isBinary);
        if (isRefusal(answer)) assertFits(answer);
      }),
    );
  });

  it('of random JSON gets an answer, and so do the IDENTIFYs and RESUMEs in it', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(0, -0, 4, 1e21, 2 ** 53, null, [0, 4], [-1, 4]));
    const data = fc.record(
      { token: value, shard: value, intents: value, presence: value, session_id: value, seq: value },
      { requiredKeys: [] },
    );
    const message = fc.record(
      { op: fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 6, 8, 31, 43), value), d: fc.oneof(data, value) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(message, fc.jsonValue()), (said) => {
        const answer = read(JSON.stringify(said));
        if (isRefusal(answer)) return assertFits(answer);
        if (answer.type === 'heartbeat' || answer.type === 'command') return;
        bareToken(answer.data['token']);
        for (const admitted of [admitIdentify(answer.data, layout), admitResume(answer.data)])
          if (isRefusal(admitted)) assertFits(admitted);
      }),
    );
  });
});

describe('a URL', () => {
  const cases: Array<[query: string, close: number | undefined]> = [
    ['', undefined],
    ['v=10&encoding=json', undefined],
    ['v=9', undefined],
    ['v=10&encoding=json&compress=zlib-stream', undefined],
    ['v=8', 4012],
    ['v=ten', 4012],
    ['v=', 4012],
    ['v=10&encoding=etf', 4002],
    [`v=${'9'.repeat(500)}`, 4012],
    [`encoding=${'%F0%9F%8E%B2'.repeat(100)}`, 4002],
  ];
  for (const [query, close] of cases) {
    it(`with ${query.slice(0, 40) || 'no query'} is ${close ? `refused with ${close}` : 'taken'}`, () => {
      const answer = checkQuery(new URLSearchParams(query));
      if (close) refusal(answer, close);
      else assert.equal(answer, undefined);
    });
  }
});

describe('a token', () => {
  it('is taken with and without its scheme', () => {
    assert.equal(bareToken('abc'), 'abc');
    assert.equal(bareToken('Bot abc'), 'abc');
    assert.equal(bareToken(' Bot  abc '), 'abc');
  });

  it('that is no text, or far too long, is none', () => {
    for (const token of [undefined, null, 7, {}, ['abc'], 'x'.repeat(513)])
      assert.equal(bareToken(token), undefined);
  });
});

describe('an IDENTIFY', () => {
  const good = { shard: [1, 4], intents: INTENTS.GUILDS };

  it('that fits is admitted', () => {
    assert.deepEqual(admitIdentify(good, layout), { shard: 1, intents: 1, presence: undefined });
    const presence = { status: 'idle' };
    assert.deepEqual(admitIdentify({ ...good, presence }, layout), { shard: 1, intents: 1, presence });
  });

  it('without a shard means the only one', () => {
    const only = { shardCount: 1, intents: 1 };
    for (const shard of [undefined, null, [0, 1]])
      assert.deepEqual(admitIdentify({ shard, intents: 1 }, only), {
        shard: 0,
        intents: 1,
        presence: undefined,
      });
  });

  const bad: Array<[name: string, data: object, close: number, reason: RegExp]> = [
    [
      'without a shard, where there are more',
      { shard: undefined },
      4010,
      /runs 4 shards.*asked for 1.*count to 4/,
    ],
    ['with another shard count', { shard: [0, 8] }, 4010, /runs 4 shards.*asked for 8.*count to 4/],
    ['with a shard out of range', { shard: [4, 4] }, 4010, /id 4 is not in 0\.\.3/],
    ['with a negative shard', { shard: [-1, 4] }, 4010, /id -1 is not in 0\.\.3/],
    ['with a shard as text', { shard: '1/4' }, 4010, /expected \[id, count\]/],
    ['with half a shard', { shard: [1] }, 4010, /expected \[id, count\]/],
    ['with a shard of fractions', { shard: [0.5, 4] }, 4010, /expected \[id, count\]/],
    ['with a giant shard count', { shard: [0, 2 ** 53] }, 4010, /runs 4 shards/],
    ['without intents', { intents: undefined }, 4013, /documented bits/],
    ['with negative intents', { intents: -1 }, 4013, /documented bits/],
    ['with intents as text', { intents: '513' }, 4013, /documented bits/],
    ['with an unknown intent', { intents: 1 << 17 }, 4013, /documented bits/],
    ['with an intent beyond 32 bits', { intents: 2 ** 40 }, 4013, /documented bits/],
    [
      'with an intent that upstream lacks',
      { intents: INTENTS.GUILDS | INTENTS.GUILD_MEMBERS },
      4014,
      /"intents".*reidentify.*GUILD_MEMBERS/,
    ],
  ];
  for (const [name, change, close, reason] of bad) {
    it(`${name} is refused with ${close}`, () => {
      assert.match(refusal(admitIdentify({ ...good, ...change }, layout), close), reason);
    });
  }

  it('that lacks many intents names the setting all the same', () => {
    const reason = refusal(
      admitIdentify({ shard: [0, 4], intents: ALL_INTENTS }, { ...layout, intents: 0 }),
      4014,
    );
    assert.match(reason, /"intents".*holdfast reidentify --yes/);
  });

  it('has intents made of documented bits only', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 33 }), (intents) => {
        const bits = readIntents(intents);
        const isDocumented = intents <= ALL_INTENTS && (intents & ~ALL_INTENTS) === 0;
        assert.equal(typeof bits === 'number', isDocumented);
        if (typeof bits === 'number')
          assert.equal(
            intentNames(bits).reduce((sum, name) => sum + INTENTS[name], 0),
            intents,
          );
      }),
    );
  });

  it('takes a presence only if it is an object', () => {
    for (const presence of [null, 5, 'online', [], [{}]])
      assert.deepEqual(admitIdentify({ ...good, presence }, layout), {
        shard: 1,
        intents: 1,
        presence: undefined,
      });
  });
});

describe('a RESUME', () => {
  it('that is well-formed is admitted', () => {
    assert.deepEqual(admitResume({ session_id: 'a', seq: 7 }), { sessionId: 'a', seq: 7 });
    assert.deepEqual(admitResume({ session_id: 'a', seq: 0 }), { sessionId: 'a', seq: 0 });
  });

  const bad: Array<[name: string, data: Record<string, unknown>, close: number]> = [
    ['without a session', { seq: 1 }, 4002],
    ['with a session of another type', { session_id: 5, seq: 1 }, 4002],
    ['with a giant session', { session_id: 'a'.repeat(129), seq: 1 }, 4002],
    ['without a seq', { session_id: 'a' }, 4007],
    ['with null as seq', { session_id: 'a', seq: null }, 4007],
    ['with a negative seq', { session_id: 'a', seq: -1 }, 4007],
    ['with a broken seq', { session_id: 'a', seq: 1.5 }, 4007],
    ['with a seq beyond 32 bits', { session_id: 'a', seq: 2 ** 32 }, 4007],
  ];
  for (const [name, data, close] of bad) {
    it(`${name} is refused with ${close}`, () => {
      refusal(admitResume(data), close);
    });
  }
});
