// Whole lives of one shard through the runner: a fake clock, fake sockets, and messages as Discord writes them.

import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { createFakePort, type FakePort, type FakePortOptions } from './fake-port.ts';
import type { SessionRecord } from './session.ts';

const RESUME_URL = 'wss://gateway-us-east1-c.discord.gg';
const STORED: SessionRecord = { sessionId: 'stored', resumeUrl: RESUME_URL, transport: 'zlib-stream' };

function ready(id = 'first'): unknown {
  return {
    v: 10,
    user: { id: '1' },
    guilds: [],
    session_id: id,
    resume_gateway_url: RESUME_URL,
    shard: [3, 16],
  };
}

/** Up to READY, which has s 1. */
function startLive(options: FakePortOptions = {}): FakePort {
  const port = createFakePort(options);
  port.session.start();
  port.socket().open();
  port.socket().receive(10, { heartbeat_interval: 40_000 });
  port.requests.at(-1)!.grant();
  port.socket().dispatch('READY', 1, ready());
  return port;
}

function startResuming(tip = 100, options: FakePortOptions = {}): FakePort {
  const port = createFakePort({ ...options, stored: STORED });
  port.tip = tip;
  port.session.start();
  port.socket().open();
  port.socket().receive(10, { heartbeat_interval: 40_000 });
  return port;
}

/** Opens the newest socket up to RESUME. */
function hello(port: FakePort): void {
  port.socket().open();
  port.socket().receive(10, { heartbeat_interval: 40_000 });
}

describe('session', () => {
  it('starts for the first time: dials, waits for HELLO, asks the ledger, identifies, is live', () => {
    const port = createFakePort();
    port.presence = { since: null, activities: [], status: 'dnd', afk: false };
    port.session.start();
    assert.equal(port.socket().url, 'wss://gateway.discord.gg');
    assert.equal(port.socket().transport, 'zstd-stream');
    hello(port);
    assert.deepEqual(
      port.requests.map((request) => request.reason),
      ['first-start'],
    );
    assert.deepEqual(port.socket().sentOps(), []);
    port.requests[0]!.grant();
    assert.deepEqual(port.socket().sent, [
      {
        op: 2,
        d: {
          token: 'the-token',
          properties: { os: process.platform, browser: 'holdfast', device: 'holdfast' },
          compress: false,
          large_threshold: 50,
          shard: [3, 16],
          intents: 513,
          presence: { since: null, activities: [], status: 'dnd', afk: false },
        },
        at: 0,
      },
    ]);
    port.socket().dispatch('READY', 1, ready());
    port.socket().dispatch('GUILD_CREATE', 2);
    assert.deepEqual(port.journal, [
      ['READY', 1],
      ['GUILD_CREATE', 2],
    ]);
    assert.equal(port.requests[0]!.outcome, 'ready');
    assert.deepEqual(port.calls, [
      'phase:dialing',
      'phase:hello',
      'phase:queued',
      'phase:identifying',
      'ready:first:zstd-stream',
      'phase:live',
    ]);
    const status = port.session.status();
    assert.equal(status.phase, 'live');
    assert.equal(status.hasSession, true);
    assert.equal(status.identifies, 1);
    assert.equal(status.lastS, 2);
  });

  it('tells of a session before it hands its READY on', () => {
    const order: string[] = [];
    const port = startLive({
      onDispatch: (world) => order.push(...world.calls.filter((call) => call.startsWith('ready'))),
    });
    assert.deepEqual(order, ['ready:first:zstd-stream']);
    assert.equal(port.journal.length, 1);
  });

  it('resumes a stored session from the journal’s tip, after a flush, and drops what it knows', () => {
    const port = startResuming(100);
    assert.equal(port.socket().url, RESUME_URL);
    assert.equal(port.socket().transport, 'zlib-stream');
    assert.deepEqual(port.socket().sent[0], {
      op: 6,
      d: { token: 'the-token', session_id: 'stored', seq: 100 },
      at: 0,
    });
    assert.ok(port.calls.includes('flush'));
    for (const s of [99, 100, 101, 102]) port.socket().dispatch('MESSAGE_CREATE', s);
    port.socket().dispatch('RESUMED', 103, { _trace: [] });
    assert.deepEqual(
      port.journal.map(([, s]) => s),
      [101, 102, 103],
    );
    const status = port.session.status();
    assert.deepEqual([status.phase, status.duplicates, status.resumes, status.identifies], ['live', 2, 1, 0]);
    assert.equal(port.requests.length, 0);
  });

  it('hands on the very bytes of a dispatch', () => {
    const port = startLive();
    port.socket().receiveText('{"t":"MESSAGE_CREATE","s":2,"op":0,"d":{"b":1.50,"a":"ä"}}');
    assert.equal(port.lastText(), '{"t":"MESSAGE_CREATE","s":2,"op":0,"d":{"b":1.50,"a":"ä"}}');
  });

  it('rewrites a dispatch whose envelope is in another order', () => {
    const port = startLive();
    port.socket().receiveText('{"op":0,"d":{"t":"READY"},"s":2,"t":"MESSAGE_CREATE"}');
    assert.equal(port.lastText(), '{"t":"MESSAGE_CREATE","s":2,"op":0,"d":{"t":"READY"}}');
    port.socket().receiveText('{"op": 11, "d": null}');
    assert.equal(port.session.status().malformed, 0);
  });

  it('beats after a random part of the interval, then every interval, with the last s received', () => {
    const port = startLive();
    port.socket().dispatch('MESSAGE_CREATE', 2);
    port.clock.advance(20_000);
    assert.deepEqual(port.socket().sent.at(-1), { op: 1, d: 2, at: 20_000 });
    port.clock.advance(7);
    port.socket().receive(11, null);
    assert.equal(port.session.status().latencyMs, 7);
    port.socket().dispatch('MESSAGE_CREATE', 3);
    port.clock.advance(39_993);
    assert.deepEqual(port.socket().sent.at(-1), { op: 1, d: 3, at: 60_000 });
  });

  it('beats with null before it has received anything, and at once when asked', () => {
    const port = createFakePort();
    port.session.start();
    hello(port);
    port.socket().receive(1, null);
    assert.deepEqual(port.socket().sent, [{ op: 1, d: null, at: 0 }]);
  });

  it('finds a zombie, closes it with 4000, waits for its end and resumes', () => {
    const port = startLive();
    port.clock.advance(20_000);
    port.clock.advance(40_000);
    assert.equal(port.socket().closedWith, 4000);
    assert.equal(port.sockets.length, 1);
    port.clock.advance(1_000);
    assert.equal(port.sockets.length, 2);
    assert.equal(port.socket().url, RESUME_URL);
    hello(port);
    assert.deepEqual(port.socket().sent[0]?.d, { token: 'the-token', session_id: 'first', seq: 1 });
    assert.deepEqual(port.session.status().ended, { zombie: 1 });
    const beats = port.sockets[0]!.sentOps().filter((op) => op === 1);
    port.clock.advance(1);
    assert.equal(beats.length, 1);
  });

  it('comes back from op 7 in the moment the old socket has ended, without an IDENTIFY', () => {
    const port = startLive();
    port.socket().dispatch('MESSAGE_CREATE', 2);
    port.socket().receive(7, null);
    assert.equal(port.socket().closedWith, 4000);
    port.sockets[0]!.closed(4000, true);
    assert.equal(port.sockets.length, 2);
    hello(port);
    assert.deepEqual(port.socket().sent[0]?.d, { token: 'the-token', session_id: 'first', seq: 2 });
    port.socket().dispatch('MESSAGE_CREATE', 3);
    port.socket().dispatch('RESUMED', 4);
    assert.deepEqual(
      port.journal.map(([, s]) => s),
      [1, 2, 3, 4],
    );
    assert.equal(port.requests.length, 1);
  });

  it('does not listen to a socket that has ended', () => {
    const port = startLive();
    const old = port.socket();
    old.closed(1006);
    hello(port);
    for (const speak of [
      () => old.dispatch('MESSAGE_CREATE', 2),
      () => old.receive(9, false),
      () => old.open(),
    ])
      speak();
    assert.equal(port.journal.length, 1);
    assert.equal(port.session.status().phase, 'resuming');
    assert.equal(port.session.status().hasSession, true);
  });

  it('comes back from op 7 in place of HELLO', () => {
    const port = createFakePort({ stored: STORED });
    port.session.start();
    port.socket().open();
    port.socket().receive(7, null);
    port.clock.advance(1_500);
    assert.equal(port.sockets.length, 2);
    assert.equal(port.session.status().hasSession, true);
  });

  it('resumes after op 9 d:true, one to five seconds later', () => {
    const port = startLive();
    port.socket().receive(9, true);
    port.socket().closed(4000, true);
    port.clock.advance(2_999);
    assert.equal(port.sockets.length, 1);
    port.clock.advance(1);
    hello(port);
    assert.deepEqual(port.socket().sentOps(), [6]);
  });

  it('loses the session by op 9 d:false, and gets another through the ledger', () => {
    const port = startResuming(100);
    port.socket().receive(9, false);
    assert.ok(port.calls.includes('lost:op9'));
    assert.deepEqual(
      [port.session.status().hasSession, port.session.status().sessionSince, port.session.status().lastS],
      [false, null, 0],
    );
    port.socket().closed(4000, true);
    port.clock.advance(3_000);
    assert.equal(port.socket().url, 'wss://gateway.discord.gg');
    assert.equal(port.socket().transport, 'zstd-stream');
    hello(port);
    assert.deepEqual(
      port.requests.map((request) => request.reason),
      ['op9'],
    );
    port.requests[0]!.grant();
    port.socket().dispatch('READY', 1, ready('second'));
    assert.deepEqual(port.journal, [['READY', 1]]);
    assert.equal(port.session.status().hasSession, true);
  });

  it('takes an op 9 that is no plain false for resumable', () => {
    for (const d of [null, 'false', 0, {}]) {
      const port = startResuming();
      port.socket().receive(9, d);
      assert.equal(port.session.status().hasSession, true);
    }
  });

  it('pays for another IDENTIFY when op 9 answers one, and says so to the ledger', () => {
    const port = createFakePort();
    port.session.start();
    hello(port);
    port.requests[0]!.grant();
    port.socket().receive(9, false);
    assert.equal(port.requests[0]!.outcome, 'failed: invalid-session');
    port.socket().closed(4000, true);
    port.clock.advance(5_000);
    hello(port);
    assert.equal(port.requests.length, 2);
  });

  it('does not wait for ever for HELLO, READY or RESUMED', () => {
    const silent = createFakePort();
    silent.session.start();
    silent.socket().open();
    silent.clock.advance(20_000);
    assert.equal(silent.socket().closedWith, 4000);

    const unanswered = createFakePort();
    unanswered.session.start();
    hello(unanswered);
    unanswered.requests[0]!.grant();
    unanswered.clock.advance(30_000);
    unanswered.socket().receive(11, null);
    unanswered.clock.advance(30_000);
    assert.equal(unanswered.requests[0]!.outcome, 'failed: identifying-timeout');

    const stuck = startResuming();
    stuck.clock.advance(30_000);
    stuck.socket().receive(11, null);
    stuck.socket().dispatch('MESSAGE_CREATE', 101);
    stuck.clock.advance(30_000);
    assert.equal(stuck.session.status().phase, 'resuming');
    stuck.socket().receive(11, null);
    stuck.clock.advance(60_000);
    stuck.clock.advance(1_000);
    assert.deepEqual(Object.keys(stuck.session.status().ended), ['resuming-timeout']);
    assert.equal(stuck.session.status().hasSession, true);
  });

  it('tries the main URL with the same session when the resume host refuses three times', () => {
    const port = createFakePort({ stored: STORED });
    port.session.start();
    for (let i = 0; i < 3; i++) {
      port.socket().closed(1006);
      port.clock.advance(5_000);
    }
    assert.deepEqual(
      port.sockets.map((socket) => socket.url),
      [RESUME_URL, RESUME_URL, RESUME_URL, 'wss://gateway.discord.gg'],
    );
    port.tip = 7;
    hello(port);
    assert.deepEqual(port.socket().sent[0]?.d, { token: 'the-token', session_id: 'stored', seq: 7 });
  });

  it('resumes once when the sequence jumps, and shows the gap when it stays', () => {
    const port = startLive();
    port.socket().dispatch('MESSAGE_CREATE', 5);
    port.socket().closed(4000, true);
    hello(port);
    assert.deepEqual(port.socket().sent[0]?.d, { token: 'the-token', session_id: 'first', seq: 1 });
    port.socket().dispatch('MESSAGE_CREATE', 5);
    port.socket().dispatch('RESUMED', 6);
    assert.deepEqual(
      port.journal.map(([, s]) => s),
      [1, 5, 6],
    );
    assert.ok(port.calls.includes('gap:2-4'));
    assert.equal(port.session.status().gaps, 1);
    assert.equal(port.session.status().phase, 'live');
  });

  it('has no gap when the RESUME brings what was missing', () => {
    const port = startLive();
    port.socket().dispatch('MESSAGE_CREATE', 3);
    port.socket().closed(4000, true);
    hello(port);
    for (const s of [2, 3]) port.socket().dispatch('MESSAGE_CREATE', s);
    port.socket().dispatch('RESUMED', 4);
    assert.deepEqual(
      port.journal.map(([, s]) => s),
      [1, 2, 3, 4],
    );
    assert.equal(port.session.status().gaps, 0);
  });

  it('drops and counts an s it has seen', () => {
    const port = startLive();
    port.socket().dispatch('MESSAGE_CREATE', 2);
    port.socket().dispatch('MESSAGE_CREATE', 2);
    port.socket().dispatch('MESSAGE_CREATE', 1);
    assert.equal(port.journal.length, 2);
    assert.equal(port.session.status().duplicates, 2);
  });

  it('survives anything that is no gateway message, and counts it', () => {
    const port = startLive();
    const odd = [
      '',
      '{',
      'null',
      '[]',
      '"x"',
      '{"op":"0"}',
      '{"t":"X","s":2,"op":0',
      '{"t":null,"s":null,"op":77,"d":null}',
      '{"t":null,"s":null,"op":10,"d":"x"}',
      '{"t":"READY","s":null,"op":0,"d":null}',
      '{"t":"A","s":null,"op":0,"d":{}}',
      '\u0000',
    ];
    for (const text of odd) port.socket().receiveText(text);
    assert.equal(port.session.status().malformed, odd.length);
    assert.equal(port.session.status().phase, 'live');
    port.socket().dispatch('MESSAGE_CREATE', 2);
    assert.equal(port.journal.length, 2);
  });

  it('does not trust a HELLO without a sane interval', () => {
    for (const d of [
      null,
      {},
      { heartbeat_interval: 0 },
      { heartbeat_interval: -5 },
      { heartbeat_interval: '1' },
      { heartbeat_interval: 1e12 },
    ]) {
      const port = createFakePort();
      port.session.start();
      port.socket().open();
      port.socket().receive(10, d);
      assert.equal(port.session.status().phase, 'hello');
      assert.equal(port.session.status().malformed, 1);
    }
  });

  it('falls back to the main URL when READY names no resume host', () => {
    const port = createFakePort();
    port.session.start();
    hello(port);
    port.requests[0]!.grant();
    port.socket().dispatch('READY', 1, { session_id: 'x' });
    port.socket().closed(1006);
    assert.equal(port.socket().url, 'wss://gateway.discord.gg');
  });

  it('stops by 4000, says so when the socket has ended, and resumes when started again', async () => {
    const port = startLive();
    const stopped = port.session.stop();
    assert.equal(port.socket().closedWith, 4000);
    port.clock.advance(1_000);
    await stopped;
    assert.equal(port.session.status().phase, 'stopped');
    assert.equal(port.clock.pending(), 0);
    port.session.start();
    hello(port);
    assert.deepEqual(port.socket().sentOps(), [6]);
  });

  it('stops at once when there is nothing to stop', async () => {
    const port = createFakePort();
    await port.session.stop();
    assert.equal(port.sockets.length, 0);
  });

  it('ends on a fatal code, says which error it is, and lets go of whoever waits for a stop', async () => {
    const port = startLive();
    const stopped = port.session.stop();
    port.socket().closed(4004);
    await stopped;
    assert.ok(port.calls.includes('fatal:TOKEN_REJECTED'));
    assert.equal(port.clock.pending(), 0);
    const line = port.lines.find((candidate) => candidate.event === 'shard.fatal');
    assert.equal(line?.level, 'error');
  });

  it('forgets and stops: the session ends at Discord and none is asked for', async () => {
    const port = startLive();
    port.session.forget('operator');
    const stopped = port.session.stop();
    assert.equal(port.socket().closedWith, 1000);
    port.clock.advance(1_000);
    await stopped;
    assert.equal(port.requests.length, 1);
    assert.ok(port.calls.includes('lost:operator'));
  });

  it('gives a grant back when the socket takes nothing any more', () => {
    const port = createFakePort();
    port.session.start();
    hello(port);
    port.socket().writable = false;
    port.requests[0]!.grant();
    assert.equal(port.requests[0]!.outcome, 'unused');
    port.socket().closed(1006);
    assert.equal(port.requests[0]!.outcome, 'unused');
  });

  it('gives a grant back that comes after its connection', () => {
    const port = createFakePort();
    port.session.start();
    hello(port);
    port.socket().closed(1006);
    assert.equal(port.requests[0]!.cancelled, true);
    port.requests[0]!.grant();
    assert.equal(port.requests[0]!.outcome, 'unused');
  });

  it('takes orders from within a delivery, after the delivery', async () => {
    const port = startLive({
      onDispatch(world, s) {
        if (s === 2) void world.session.stop();
      },
    });
    port.socket().dispatch('MESSAGE_CREATE', 2);
    assert.equal(port.socket().closedWith, 4000);
    assert.deepEqual(
      port.journal.map(([, s]) => s),
      [1, 2],
    );
  });

  it('holds commands back until the shard is live, and keeps them over a RESUME', () => {
    const port = createFakePort();
    assert.equal(port.session.send('{"op":4,"d":{"n":1}}', 'command'), true);
    port.session.start();
    hello(port);
    port.requests[0]!.grant();
    assert.deepEqual(port.socket().sentOps(), [2]);
    port.socket().dispatch('READY', 1, ready());
    assert.deepEqual(port.socket().sentOps(), [2, 4]);
    port.socket().closed(1006);
    port.session.send('{"op":8,"d":{}}', 'command');
    hello(port);
    assert.deepEqual(port.socket().sentOps(), [6]);
    port.socket().dispatch('RESUMED', 2);
    assert.deepEqual(port.socket().sentOps(), [6, 8]);
  });

  it('drops what waits with a session that is lost, and counts it', () => {
    const port = startResuming();
    port.session.send('{"op":8,"d":{}}', 'command');
    port.socket().receive(9, false);
    assert.equal(port.session.status().commandsDropped, 1);
    assert.equal(port.session.status().commandsWaiting, 0);
  });

  it('tells how old the last dispatch is', () => {
    const port = startLive();
    assert.equal(port.session.status().lastDispatchAgeMs, 0);
    port.clock.advance(1_234);
    assert.equal(port.session.status().lastDispatchAgeMs, 1_234);
    assert.equal(createFakePort().session.status().lastDispatchAgeMs, null);
  });

  it('never writes the token into its log', () => {
    const port = startLive();
    port.socket().receive(9, false);
    assert.ok(port.lines.length > 0);
    assert.ok(!JSON.stringify(port.lines).includes('the-token'));
  });
});
