// The gateway's rules without sockets: what answers what, by protocol reference 2 to 6.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { INTENTS, UNPRIVILEGED_INTENTS } from '../../src/wire/intents.ts';
import { createMemoryDiscord } from './memory-client.ts';

const GUILD_INTENTS = { intents: INTENTS.GUILDS };

describe('a connection', () => {
  it('begins with HELLO in the key order of the wire', () => {
    const client = createMemoryDiscord().connect();
    assert.match(
      client.frames[0]!,
      /^\{"t":null,"s":null,"op":10,"d":\{"heartbeat_interval":41250,"_trace":\["/,
    );
  });

  it('acknowledges heartbeats, also before IDENTIFY', () => {
    const client = createMemoryDiscord().connect();
    client.say(1, null);
    assert.equal(client.frames.at(-1), '{"t":null,"s":null,"op":11,"d":null}');
  });

  it('is closed when it does not beat, and its session stays', () => {
    const { clock, ready, discord } = createMemoryDiscord({ guilds: 0 });
    const client = ready();
    clock.advance(41_250);
    client.say(1, 1);
    clock.advance(41_250 * 1.5 - 1);
    assert.equal(client.ended, null);
    clock.advance(2);
    assert.equal(client.ended, 4000);
    assert.equal(discord.control.state().sessions.length, 1);
  });

  it('accepts IDENTIFY before HELLO was sent', () => {
    const { discord, connect } = createMemoryDiscord();
    discord.control.delay({ what: 'hello', ms: 1000 });
    const client = connect();
    client.identify();
    assert.equal(client.received[0]?.t, 'READY');
  });

  it('accepts version 9 and a missing encoding, and closes other versions with 4012', () => {
    const { connect } = createMemoryDiscord();
    assert.equal(connect({ version: '9', encoding: null }).ended, null);
    assert.equal(connect({ version: '8' }).ended, 4012);
    assert.equal(connect({ version: null }).ended, 4012);
    assert.equal(connect({ encoding: 'etf' }).ended, 4012);
  });

  const identify = (fields: object) => ({ op: 2, d: { token: 'T', properties: {}, intents: 1, ...fields } });
  const table: Array<[code: number, what: string, text: string]> = [
    [4001, 'an unknown op', '{"op":99,"d":null}'],
    [4001, 'an op of user clients', '{"op":14,"d":{}}'],
    [4001, 'IDENTIFY of the wrong shape', '{"op":2,"d":{}}'],
    [4001, 'RESUME of the wrong shape', '{"op":6,"d":{"token":"T"}}'],
    [4001, 'a heartbeat that is no number', '{"op":1,"d":"x"}'],
    [4002, 'no JSON', 'hello'],
    [4002, 'no object', '[1]'],
    [4002, 'a message over 4096 bytes', `{"op":1,"d":null,"pad":"${'x'.repeat(4096)}"}`],
    [4003, 'a presence before IDENTIFY', '{"op":3,"d":{}}'],
    [4003, 'a member request before IDENTIFY', '{"op":8,"d":{}}'],
    [4004, 'a wrong token', JSON.stringify(identify({ token: 'wrong' }))],
    [4004, 'a RESUME with a wrong token', '{"op":6,"d":{"token":"wrong","session_id":"a","seq":1}}'],
    [4010, 'a shard beyond its count', JSON.stringify(identify({ shard: [4, 4] }))],
    [4010, 'a shard that is no pair', JSON.stringify(identify({ shard: [0] }))],
    [4010, 'a count that is no multiple of the assigned one', JSON.stringify(identify({ shard: [0, 3] }))],
    [4011, 'too many guilds for one shard', JSON.stringify(identify({ shard: [0, 2] }))],
    [4013, 'an intent that does not exist', JSON.stringify(identify({ intents: 1 << 22, shard: [0, 4] }))],
    [4013, 'missing intents', JSON.stringify(identify({ intents: undefined, shard: [0, 4] }))],
    [
      4014,
      'a privileged intent that is not enabled',
      JSON.stringify(identify({ intents: 2, shard: [0, 4] })),
    ],
  ];
  for (const [code, what, text] of table) {
    it(`is closed with ${code} on ${what}`, () => {
      const { connect } = createMemoryDiscord({
        token: 'T',
        shardMultiple: 2,
        guilds: 10,
        guildsPerShardMax: 3,
        allowedIntents: UNPRIVILEGED_INTENTS,
      });
      const client = connect();
      client.sayText(text);
      assert.equal(client.ended, code);
    });
  }

  it('is closed with 4005 on a second IDENTIFY or a RESUME of a live session', () => {
    for (const op of [2, 6]) {
      const client = createMemoryDiscord().ready();
      client.say(op, {});
      assert.equal(client.ended, 4005);
    }
  });

  it('is closed with 4008 on the 121st message in a minute, and its session stays', () => {
    const { ready, discord } = createMemoryDiscord();
    const client = ready();
    for (let i = 0; i < 119; i++) client.say(1, null);
    assert.equal(client.ended, null);
    client.say(1, null);
    assert.equal(client.ended, 4008);
    assert.equal(discord.control.state().sessions.length, 1);
  });
});

describe('IDENTIFY', () => {
  it('is answered by READY with all its fields, then a GUILD_CREATE for each guild', () => {
    const { connect, discord, clock } = createMemoryDiscord({ guilds: 60, shards: 2 });
    const client = connect();
    client.take();
    client.identify({ shard: [1, 2] });
    clock.advance(100);
    const [ready, ...guilds] = client.take();
    assert.equal(ready?.s, 1);
    assert.deepEqual(ready?.d.shard, [1, 2]);
    assert.deepEqual(ready?.d.private_channels, []);
    assert.match(ready?.d.session_id, /^[0-9a-f]{32}$/);
    assert.equal(ready?.d.resume_gateway_url, 'ws://gateway.invalid');
    assert.equal(ready?.d.application.id, discord.options.applicationId);
    assert.equal(ready?.d.user.bot, true);
    assert.equal(ready?.d.v, 10);
    assert.equal(ready?.d.guilds.length, 30);
    assert.ok(ready?.d.guilds.every((guild: { unavailable: boolean }) => guild.unavailable === true));
    assert.deepEqual(
      guilds.map(({ t, s, d }) => [t, s, d.id, d.unavailable]),
      ready?.d.guilds.map(({ id }: { id: string }, i: number) => ['GUILD_CREATE', i + 2, id, false]),
    );
  });

  it('echoes the shard only if it was sent, and takes a token with a prefix', () => {
    const { connect, discord } = createMemoryDiscord();
    const client = connect();
    client.identify({ token: `Bot ${discord.account.token()}` });
    const ready = client.received.find(({ t }) => t === 'READY');
    assert.ok(ready);
    assert.equal('shard' in ready.d, false);
  });

  it('is answered by op 9 when its bucket was used within five seconds; the socket stays', () => {
    const { ready, connect, clock } = createMemoryDiscord({ maxConcurrency: 2 });
    ready({ shard: [0, 4] });
    const client = connect();
    client.take();
    client.identify({ shard: [2, 4] });
    assert.deepEqual(client.take(), [{ t: null, s: null, op: 9, d: false }]);
    client.identify({ shard: [1, 4] });
    assert.equal(client.take()[0]?.t, 'READY');
    clock.advance(5000);
    const later = connect();
    later.identify({ shard: [2, 4] });
    assert.equal(later.take()[1]?.t, 'READY');
  });

  it('beyond the daily limit ends every session, resets the token and writes a mail', () => {
    const { ready, connect, rest, discord, clock } = createMemoryDiscord({
      sessionStartTotal: 2,
      sessionStartRemaining: 2,
    });
    const token = discord.account.token();
    const first = ready();
    clock.advance(5000);
    const second = ready();
    clock.advance(5000);
    const third = connect();
    third.identify();
    assert.deepEqual([first.ended, second.ended, third.ended], [4004, 4004, 4004]);
    assert.notEqual(discord.account.token(), token);
    assert.equal(discord.control.state().mails.length, 1);
    assert.match(discord.control.state().mails[0]!.subject, /more than 2 times/);
    assert.equal(rest('GET', '/users/@me', undefined, `Bot ${token}`).status, 401);
    assert.equal(rest('GET', '/users/@me').status, 200);
    const resumed = connect();
    resumed.resume(first.sessionId, 1, token);
    assert.equal(resumed.ended, 4004);
  });

  it('gives an outaged guild GUILD_DELETE instead, and GUILD_CREATE when it is back', () => {
    const { ready, connect, discord, clock } = createMemoryDiscord({ guilds: 1 });
    const guildId = discord.world.places[0]!.id;
    discord.control.guildOutage({ guildId });
    const client = connect();
    client.identify();
    clock.advance(10);
    assert.deepEqual(client.take().at(-1)?.d, { id: guildId, unavailable: true });
    discord.control.say({ content: 'unheard' });
    discord.control.guildReturn({ guildId });
    const [back] = client.take();
    assert.deepEqual([back?.t, back?.d.unavailable], ['GUILD_CREATE', false]);
    assert.ok(ready);
  });

  it('may start several sessions of one shard, and each gets every event', () => {
    const { ready, clock, discord } = createMemoryDiscord();
    const first = ready(GUILD_INTENTS);
    clock.advance(5000);
    const second = ready({ ...GUILD_INTENTS, shard: [0, 1] });
    clock.advance(5000);
    const third = ready({ ...GUILD_INTENTS, shard: [0, 2] });
    const place = discord.world.places.find(({ timeMs }) => timeMs % 2 === 0)!;
    discord.control.createChannel({ guildId: place.id });
    for (const client of [first, second, third]) assert.deepEqual(client.takeTypes(), ['CHANNEL_CREATE']);
  });
});

describe('RESUME', () => {
  const opened = (overrides: Parameters<typeof createMemoryDiscord>[0] = {}) => {
    const memory = createMemoryDiscord({ guilds: 1, ...overrides });
    const client = memory.ready(GUILD_INTENTS);
    const event = () => memory.discord.control.createChannel({ guildId: memory.discord.world.places[0]!.id });
    return { ...memory, client, event };
  };

  it('replays what was missed with its own s, then RESUMED with an object and a new s', () => {
    const { client, event, connect } = opened();
    client.close();
    for (let i = 0; i < 3; i++) event();
    const again = connect();
    again.take();
    again.resume(client.sessionId, 2);
    const frames = again.take();
    assert.deepEqual(
      frames.map(({ t, s }) => [t, s]),
      [
        ['CHANNEL_CREATE', 3],
        ['CHANNEL_CREATE', 4],
        ['CHANNEL_CREATE', 5],
        ['RESUMED', 6],
      ],
    );
    assert.ok(Array.isArray(frames[3]?.d._trace));
    event();
    assert.equal(again.take()[0]?.s, 7);
  });

  it('costs no session start', () => {
    const { client, connect, discord } = opened();
    const { remaining } = discord.control.state().budget;
    client.close(4000);
    connect().resume(client.sessionId, 2);
    assert.equal(discord.control.state().budget.remaining, remaining);
  });

  it('is answered by op 9 for an unknown session', () => {
    const { connect } = opened();
    const client = connect();
    client.resume('f'.repeat(32), 1);
    assert.deepEqual(client.take().at(-1), { t: null, s: null, op: 9, d: false });
  });

  it('is answered by op 9 once the session has timed out', () => {
    for (const [waitMs, types] of [
      [89_999, ['RESUMED']],
      [90_000, []],
    ] as const) {
      const { client, connect, clock } = opened();
      client.close();
      clock.advance(waitMs);
      const again = connect();
      again.resume(client.sessionId, 2);
      assert.deepEqual(again.takeTypes(), types);
    }
  });

  it('is closed with 4007 when it names an s that was never sent', () => {
    const { client, connect } = opened();
    client.close();
    const again = connect();
    again.resume(client.sessionId, 3);
    assert.equal(again.ended, 4007);
  });

  it('is refused when more was missed than the replay buffer holds', () => {
    for (const [missed, types] of [
      [
        5,
        ['CHANNEL_CREATE', 'CHANNEL_CREATE', 'CHANNEL_CREATE', 'CHANNEL_CREATE', 'CHANNEL_CREATE', 'RESUMED'],
      ],
      [6, []],
    ] as const) {
      const { client, connect, event } = opened({ replayLimit: 5 });
      client.close();
      for (let i = 0; i < missed; i++) event();
      const again = connect();
      again.resume(client.sessionId, 2);
      assert.deepEqual(again.takeTypes(), types);
    }
  });

  it('keeps max(100, min(3500, guilds × 75)) dispatches unless told otherwise', () => {
    const { ready, connect, discord } = createMemoryDiscord({ guilds: 2 });
    const client = ready(GUILD_INTENTS);
    client.close();
    for (let i = 0; i < 150; i++) discord.control.createChannel({ guildId: discord.world.places[0]!.id });
    const again = connect();
    again.resume(client.sessionId, 3);
    assert.equal(again.takeTypes().length, 151);
  });

  it('is refused after the client closed with 1000 or 1001, and only then', () => {
    for (const [code, types] of [
      [1000, []],
      [1001, []],
      [1005, ['RESUMED']],
      [1006, ['RESUMED']],
      [4000, ['RESUMED']],
      [4200, ['RESUMED']],
    ] as const) {
      const { client, connect } = opened();
      client.close(code);
      const again = connect();
      again.resume(client.sessionId, 2);
      assert.deepEqual(again.takeTypes(), types, String(code));
    }
  });

  it('takes the session from a connection that still seems alive', () => {
    const { client, connect, event } = opened();
    const again = connect();
    again.resume(client.sessionId, 2);
    assert.equal(client.ended, 4000);
    event();
    assert.deepEqual(again.takeTypes(), ['RESUMED', 'CHANNEL_CREATE']);
  });

  it('sends what happens while RESUMED is delayed before RESUMED', () => {
    const { client, connect, event, discord, clock } = opened();
    client.close();
    event();
    discord.control.delay({ what: 'resumed', ms: 500 });
    const again = connect();
    again.resume(client.sessionId, 2);
    event();
    assert.deepEqual(again.takeTypes(), ['CHANNEL_CREATE']);
    clock.advance(500);
    assert.deepEqual(again.takeTypes(), ['CHANNEL_CREATE', 'RESUMED']);
  });

  it('finds the guilds of a backfill that it missed', () => {
    const { connect, discord, clock } = createMemoryDiscord({ guilds: 3 });
    discord.control.delay({ what: 'backfill', ms: 50, times: 1 });
    const client = connect();
    client.identify(GUILD_INTENTS);
    const sessionId = client.received.find(({ t }) => t === 'READY')?.d.session_id;
    client.close();
    clock.advance(50);
    const again = connect();
    again.resume(sessionId, 1);
    assert.deepEqual(again.takeTypes(), ['GUILD_CREATE', 'GUILD_CREATE', 'GUILD_CREATE', 'RESUMED']);
  });
});

describe('levers', () => {
  it('op 7 asks to reconnect and closes by itself; the session can be resumed', () => {
    const { ready, connect, discord, clock } = createMemoryDiscord();
    const client = ready();
    discord.control.op7();
    assert.deepEqual(client.take(), [{ t: null, s: null, op: 7, d: null }]);
    clock.advance(3000);
    assert.equal(client.ended, 1001);
    const again = connect();
    again.resume(client.sessionId, 4);
    assert.deepEqual(again.takeTypes(), ['RESUMED']);
  });

  it('op 9 leaves the socket open, and the session resumable or not', () => {
    for (const resumable of [true, false]) {
      const { ready, discord } = createMemoryDiscord();
      const client = ready();
      discord.control.op9({ resumable });
      assert.deepEqual(client.take(), [{ t: null, s: null, op: 9, d: resumable }]);
      client.resume(client.sessionId, 4);
      assert.deepEqual(client.takeTypes(), resumable ? ['RESUMED'] : []);
      assert.equal(client.ended, null);
    }
  });

  it('cut only the shards they are told to, with their sessions if told so', () => {
    const { ready, connect, discord } = createMemoryDiscord({ shards: 2, maxConcurrency: 2, guilds: 2 });
    const zero = ready({ shard: [0, 2] });
    const one = ready({ shard: [1, 2] });
    discord.control.cut({ shards: [1], how: 'rst', expire: true });
    assert.deepEqual([zero.ended, one.ended], [null, 'rst']);
    const again = connect();
    again.resume(one.sessionId, 2);
    assert.deepEqual(again.take().at(-1)?.op, 9);
  });

  it('drop a dispatch so that only a RESUME brings it, lose one for ever, or send one twice', () => {
    const { ready, connect, discord } = createMemoryDiscord({ guilds: 1 });
    const client = ready(GUILD_INTENTS);
    const event = () => discord.control.createChannel({ guildId: discord.world.places[0]!.id });
    discord.control.arm({ what: 'drop-dispatch' });
    event(); // 3: dropped
    event(); // 4
    discord.control.arm({ what: 'lose-dispatch' });
    event(); // 5: lost
    discord.control.arm({ what: 'duplicate-dispatch' });
    event(); // 6: twice
    assert.deepEqual(
      client.take().map(({ s }) => s),
      [4, 6, 6],
    );
    client.close();
    const again = connect();
    again.take();
    again.resume(client.sessionId, 2);
    assert.deepEqual(
      again.take().map(({ s }) => s),
      [3, 4, 6, 7],
    );
  });

  it('answer no heartbeat, ask for one, and greet with op 7', () => {
    const { ready, connect, discord } = createMemoryDiscord();
    const client = ready();
    discord.control.noAcks();
    client.say(1, null);
    discord.control.noAcks({ on: false });
    discord.control.beat();
    assert.deepEqual(
      client.take().map(({ op }) => op),
      [1],
    );
    discord.control.arm({ what: 'op7-for-hello' });
    assert.equal(connect().take()[0]?.op, 7);
  });

  it('close with a code, after which some sessions are gone', () => {
    for (const [code, lives] of [
      [4000, true],
      [1001, true],
      [4008, true],
      [1000, false],
      [4007, false],
      [4009, false],
    ] as const) {
      const { ready, discord } = createMemoryDiscord();
      const client = ready();
      discord.control.close({ code });
      assert.equal(client.ended, code);
      assert.equal(discord.control.state().sessions.length, lives ? 1 : 0, String(code));
    }
  });
});

describe('the truth log', () => {
  it('has every dispatch and the whole life of a session', () => {
    const { ready, discord } = createMemoryDiscord({ guilds: 1 });
    const client = ready();
    const { id } = discord.control.say({ content: 'hi' });
    client.close(1000);
    const rows = discord.truth.since(0).rows;
    assert.deepEqual(
      rows.map((row) => (row.kind === 'dispatch' ? `${row.t} ${row.s}` : row.kind)),
      [
        'connection.opened',
        'identify',
        'session.began',
        'READY 1',
        'GUILD_CREATE 2',
        'MESSAGE_CREATE 3',
        'connection.closed',
        'session.ended',
      ],
    );
    assert.equal(rows.find((row) => row.kind === 'dispatch' && row.t === 'MESSAGE_CREATE')?.['id'], id);
    assert.deepEqual(discord.truth.since(6, 1).rows[0], rows[6]);
  });

  it('forgets the oldest rows beyond its bound and says how many', () => {
    const { discord } = createMemoryDiscord({ truthRows: 100 });
    for (let i = 0; i < 1000; i++) discord.control.beat();
    const { rows, missed, next } = discord.truth.since(0);
    assert.equal(next, 1000);
    assert.equal(rows.length + missed, 1000);
    assert.ok(rows.length >= 100 && rows.length <= 150);
  });
});
