// The gateway as a handler meets it: real sockets, a real journal. Hello, heartbeats, refusals, commands,
// compression, silence, and the end of the daemon. Starting, ending and delivery have files of their own.

import assert from 'node:assert/strict';
import * as net from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { INTENTS, UNPRIVILEGED_INTENTS } from '../wire/intents.ts';
import { quiet, startWorld, until, type World, type WorldOptions } from './fixture.ts';

let world: World;
afterEach(() => world?.close());

async function start(options?: WorldOptions): Promise<World> {
  world = await startWorld(options);
  return world;
}

describe('a connection', () => {
  it('begins with HELLO, whatever its path', async () => {
    await start();
    for (const path of ['/?v=10&encoding=json', '/', '//', '//?v=10', '/gateway/?v=9', '/?']) {
      const ws = new WebSocket(`ws://127.0.0.1:${world.port}`, { perMessageDeflate: false, ...pathOf(path) });
      const hello = await new Promise<string>((resolve, reject) => {
        ws.on('message', (data) => resolve(data.toString()));
        ws.on('error', reject);
      });
      const { op, t, s, d } = JSON.parse(hello);
      assert.deepEqual([op, t, s, d.heartbeat_interval], [10, null, null, 41_250]);
      ws.terminate();
    }
  });

  it('gets its beats acknowledged at once, also before IDENTIFY', async () => {
    await start();
    const handler = await world.connect();
    handler.send({ op: 1, d: null });
    await handler.next('an ACK', ({ op }) => op === 11);
    handler.send({ op: 1, d: 251 });
    await handler.next('an ACK', ({ op }) => op === 11);
    assert.deepEqual(
      handler.received.map(({ op }) => op),
      [10, 11, 11],
    );
  });

  const refused: Array<[name: string, message: unknown, code: number, reason: RegExp]> = [
    ['no JSON', '{', 4002, /not valid JSON/],
    ['an unknown op', { op: 77, d: {} }, 4001, /77/],
    ['a command before IDENTIFY', { op: 31, d: { guild_ids: [] } }, 4003, /IDENTIFY or RESUME first/],
    ['a wrong token', { op: 2, d: { token: 'nonsense', intents: 1, shard: [0, 2] } }, 4004, /Authentication/],
    ['no token', { op: 2, d: { intents: 1, shard: [0, 2] } }, 4004, /Authentication/],
    [
      'a RESUME with a wrong token',
      { op: 6, d: { token: 'nonsense', session_id: 'a', seq: 1 } },
      4004,
      /Auth/,
    ],
    [
      'another shard count',
      { op: 2, d: { token: 'token-bot', intents: 1, shard: [0, 16] } },
      4010,
      /16.*to 2/,
    ],
    [
      'unknown intents',
      { op: 2, d: { token: 'token-bot', intents: 1 << 30, shard: [0, 2] } },
      4013,
      /intents/,
    ],
    [
      'intents that upstream lacks',
      { op: 2, d: { token: 'token-bot', intents: INTENTS.GUILD_PRESENCES, shard: [0, 2] } },
      4014,
      /"intents".*GUILD_PRESENCES/,
    ],
  ];
  for (const [name, message, code, reason] of refused) {
    it(`is closed with ${code} for ${name}`, async () => {
      await start();
      const handler = await world.connect();
      handler.send(message);
      const closed = await handler.closed();
      assert.equal(closed.code, code);
      assert.match(closed.reason, reason);
      assert.deepEqual(world.downstream.links(), []);
    });
  }

  it('is closed with 4002 for a binary frame, and with 1009 for a giant one', async () => {
    await start();
    const binary = await world.connect();
    binary.ws.send(Buffer.from('{"op":1}'));
    assert.equal((await binary.closed()).code, 4002);
    const giant = await world.connect();
    giant.ws.send('x'.repeat(1024 * 1024 + 1));
    assert.equal((await giant.closed()).code, 1009);
  });

  it('is closed for a version or encoding that we do not speak, after HELLO', async () => {
    await start();
    for (const [query, code] of [
      ['v=6', 4012],
      ['v=10&encoding=etf', 4002],
    ] as const) {
      const handler = await world.connect({ query });
      assert.equal((await handler.closed()).code, code);
      assert.equal(handler.received[0]?.op, 10);
    }
  });

  it('that identifies twice is closed with 4005, and nothing follows the close frame', async () => {
    await start();
    world.ready();
    const handler = await world.connect();
    handler.identify();
    await handler.ready();
    handler.identify();
    const { code } = await handler.closed();
    assert.equal(code, 4005);
    assert.deepEqual(world.downstream.links(), []);
  });

  it('that is no WebSocket gets what the rest of HTTP gets', async () => {
    await start();
    const answer = await fetch(`http://127.0.0.1:${world.port}/api/v10/users/@me`);
    assert.equal(answer.status, 200);
  });

  it('that ends in mid-handshake, or talks nonsense after it, harms nobody', async () => {
    await start();
    for (const bytes of ['GET / HTTP/1.1\r\nUpgrade: websocket\r\n', 'nonsense\r\n\r\n']) {
      const socket = net.connect(world.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(bytes);
      await new Promise((resolve) => setTimeout(resolve, 2));
      socket.destroy();
    }
    const rude = await world.connect();
    (rude.ws as unknown as { _socket: net.Socket })._socket.write(Buffer.alloc(64, 0xff));
    await rude.closed();
    const handler = await world.connect();
    await handler.next('HELLO', ({ op }) => op === 10);
  });

  it('is cut after two silent heartbeat intervals', async () => {
    await start();
    const silent = await world.connect();
    const beating = await world.connect();
    for (let i = 0; i < 3; i++) {
      world.tick(41_000);
      beating.send({ op: 1, d: null });
      await beating.next('an ACK', ({ op }) => op === 11);
    }
    await silent.closed();
    assert.equal(world.logged('link.silent').length, 1);
    assert.equal(beating.ended, undefined);
  });
});

describe('commands', () => {
  it('are handed to upstream as they came', async () => {
    await start();
    world.ready(1);
    const handler = await world.connect();
    handler.identify({ shard: 1 });
    await handler.ready();
    const text = '{"op":8,"d":{"guild_id":"175928847299117063","query":"","limit":0}}';
    handler.send(text);
    await until('the command arrives', () => world.commands.length > 0);
    assert.deepEqual(world.commands, [{ shard: 1, op: 8, text }]);
  });

  it('beyond what upstream can queue close the connection with 4008', async () => {
    await start({ downstream: { onCommand: () => false } });
    world.ready();
    const handler = await world.connect();
    handler.identify();
    await handler.ready();
    handler.send({ op: 4, d: { guild_id: '175928847299117063', channel_id: null } });
    const { code, reason } = await handler.closed();
    assert.equal(code, 4008);
    assert.match(reason, /120 per 60 s on shard 0/);
  });

  it('before the layout is known go nowhere, and harm nothing', async () => {
    await start({ layout: undefined });
    const handler = await world.connect();
    handler.identify();
    handler.send({ op: 8, d: { guild_id: '175928847299117063', query: '' } });
    handler.send({ op: 1, d: null });
    await handler.next('an ACK', ({ op }) => op === 11);
    assert.deepEqual(world.commands, []);
  });

  it('of presence come out of an IDENTIFY too', async () => {
    const presences: unknown[] = [];
    await start({ downstream: { onPresence: (shard, presence) => presences.push([shard, presence]) } });
    world.ready();
    const handler = await world.connect();
    handler.identify({ presence: { status: 'idle' } });
    await handler.ready();
    assert.deepEqual(presences, [[0, { status: 'idle' }]]);
  });
});

describe('a compressed connection', () => {
  for (const transport of ['zlib-stream', 'zstd-stream']) {
    it(`by ${transport} gets everything in one stream`, async () => {
      await start();
      world.ready();
      const handler = await world.connect({ query: `v=10&encoding=json&compress=${transport}` });
      handler.send({ op: 1, d: null });
      handler.identify();
      const p = await handler.ready();
      await world.isLive();
      const last = world.events(20, { bytes: 3_000 });
      await handler.event(last);
      handler.ws.close(4000);
      await handler.closed();
      world.events(5);
      const again = await world.connect({ query: `v=10&compress=${transport}` });
      again.resume(handler.session);
      await again.next('RESUMED', ({ t }) => t === 'RESUMED');
      assert.deepEqual(
        [...handler.events(), ...again.events()],
        Array.from({ length: 25 }, (_, i) => p + 1 + i),
      );
    });
  }

  it('by something that nobody knows is text', async () => {
    await start();
    const handler = await world.connect({ query: 'v=10&compress=gzip' });
    assert.equal((await handler.next('HELLO', ({ op }) => op === 10)).d.heartbeat_interval, 41_250);
  });
});

describe('the URL that READY tells', () => {
  it('is the one under which the handler reached us', async () => {
    await start();
    world.ready();
    const handler = await world.connect({ host: 'gateway.example:8443' });
    handler.identify();
    const ready = await handler.next('READY', ({ t }) => t === 'READY');
    assert.equal(ready.d.resume_gateway_url, 'ws://gateway.example:8443');
  });

  it('is the public one, where there is one', async () => {
    await start({ downstream: { publicUrl: 'wss://bot.example' } });
    world.ready();
    const handler = await world.connect();
    handler.identify();
    const ready = await handler.next('READY', ({ t }) => t === 'READY');
    assert.equal(ready.d.resume_gateway_url, 'wss://bot.example');
  });
});

describe('the end of the daemon', () => {
  it('waits for proofs, closes with 4000 and leaves every cursor in the journal', async () => {
    await start();
    world.ready();
    const handler = await world.connect();
    handler.identify();
    await handler.ready();
    await world.isLive();
    world.events(1);
    world.tick(); // a ping for the first event is on its way when the others come
    const last = world.events(9);
    world = await world.restart();
    assert.deepEqual(await handler.closed(), { code: 4000, reason: 'Holdfast restarts; resume' });
    const { proven, doubt, connected } = world.cursors.get('bot', 0)!;
    assert.deepEqual([proven.s, doubt.s, connected], [last, last, false]);
  });

  it('does not wait for ever for one that proves nothing', async () => {
    await start();
    world.ready();
    const handler = await world.connect({ autoPong: false });
    handler.identify();
    const p = await handler.ready();
    await world.isLive();
    const last = world.events(3);
    await handler.event(last);
    const before = world.clock.monotonic();
    world = await world.restart();
    assert.ok(world.clock.monotonic() - before <= 400);
    const { proven, doubt, deaths } = world.cursors.get('bot', 0)!;
    assert.deepEqual([proven.s, doubt.s, deaths], [p, last, 0], 'in doubt, and not held against it');
  });

  it('lets a handshake that comes too late through, to close it with 4000', async (t) => {
    await start();
    world.ready();
    const mute = await world.connect({ autoPong: false });
    mute.identify();
    await mute.ready();
    await world.isLive();
    world.events(1);
    const socket = net.connect(world.port, '127.0.0.1');
    t.after(() => socket.destroy());
    await new Promise((resolve) => socket.once('connect', resolve));
    await quiet();
    const closing = world.restart();
    const ws = new WebSocket('ws://holdfast/', { createConnection: () => socket });
    ws.on('error', () => {});
    const code = await new Promise((resolve) => ws.on('close', resolve));
    assert.equal(code, 4000);
    world = await closing;
  });
});

describe('status', () => {
  it('shows every link with its phase and lag', async () => {
    await start();
    world.ready();
    const handler = await world.connect();
    handler.identify({ intents: UNPRIVILEGED_INTENTS });
    await handler.ready();
    await world.isLive();
    world.events(4);
    assert.deepEqual(world.downstream.links(), [
      { name: 'bot', shard: 0, phase: 'live', lag: 0, bufferedBytes: 0, intents: UNPRIVILEGED_INTENTS },
    ]);
    assert.equal(world.downstream.dispatched(), 7, 'three guilds and four events, and no READY');
  });
});

/** A request target that a URL can't name. */
function pathOf(target: string): object {
  return {
    finishRequest(request: { path: string; end(): void }) {
      request.path = target;
      request.end();
    },
  };
}
