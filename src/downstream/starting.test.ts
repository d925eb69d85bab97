// Where a link starts: every row of the table in ARCHITECTURE.md, over real sockets.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { quiet, range, startWorld, until, type World, type WorldOptions } from './fixture.ts';
import type { Handler } from './fixture-handler.ts';

let world: World;
afterEach(() => world?.close());

async function start(options?: WorldOptions): Promise<World> {
  world = await startWorld(options);
  return world;
}

describe('a new name', () => {
  it('gets READY and guilds as of the tail, then live events, numbered without a jump', async () => {
    await start();
    world.ready();
    const tail = world.events(6);
    const handler = await world.live();
    world.events(3);
    await handler.event(tail + 3);
    const numbers = handler.received.filter(({ op }) => op === 0).map(({ s }) => s);
    assert.deepEqual(numbers, range(tail - 3, tail + 3));
    assert.equal(handler.received.find(({ t }) => t === 'READY')?.d.shard[0], 0);
    assert.equal(handler.received.find(({ t }) => t === 'READY')?.d.session_id.length, 32);
    await world.proven();
    assert.equal(world.tally().delivered, 3);
  });

  it('shares the live feed with other names, shards keep theirs apart', async () => {
    await start();
    world.ready(0);
    world.ready(1);
    const handlers = [
      await world.live(),
      await world.live({ name: 'logger' }),
      await world.live({ name: 'staging', shard: 1 }),
    ];
    const [last0, last1] = [world.events(10), world.events(4, { shard: 1 })];
    await Promise.all(handlers.map((handler, i) => handler.event(i === 2 ? last1 : last0)));
    await world.proven();
    assert.deepEqual(
      handlers.map((handler) => handler.events()),
      [range(5, 14), range(5, 14), range(5, 8)],
    );
    assert.deepEqual(
      [...world.downstream.tallies()].map(({ name, tally }) => [name, tally.delivered]),
      [
        ['bot', 10],
        ['logger', 10],
        ['staging', 4],
      ],
    );
  });

  it('is held until upstream has its first READY, and beats meanwhile', async () => {
    await start();
    const handler = await world.connect();
    handler.identify();
    handler.send({ op: 1, d: null });
    await handler.next('an ACK', ({ op }) => op === 11);
    world.tick();
    assert.equal(world.downstream.links()[0]?.phase, 'held');
    world.ready();
    world.tick();
    assert.equal(await handler.ready(), 4);
  });

  it('that leaves before its snapshot is whole is still new', async () => {
    await start();
    world.ready();
    world.state.answer = 'held';
    const handler = await world.connect();
    handler.identify();
    await until('the snapshot is asked for', () => world.state.requests.length === 1);
    await world.gone(handler);
    assert.equal(world.state.cancelled, 1);
    assert.equal(world.cursors.get('bot', 0), undefined);
  });

  it('whose snapshot breaks off gets op 9, and a whole one when it identifies again', async () => {
    await start();
    world.ready();
    world.state.answer = 'broken';
    const handler = await world.connect();
    handler.identify();
    await handler.next('READY', ({ t }) => t === 'READY');
    await handler.invalid();
    world.state.answer = 'whole';
    handler.identify();
    assert.equal(await handler.ready(), 4);
    world.events(1);
    await handler.event(5);
  });

  it('that gets a big snapshot gets it as fast as it reads, and no faster', async () => {
    await start();
    world.ready();
    world.events(60);
    Object.assign(world.state, { guilds: 60, guildBytes: 200_000 });
    const handler = await world.connect();
    handler.ws.pause();
    handler.identify();
    await quiet();
    const [link] = world.downstream.links();
    assert.equal(link?.phase, 'snapshot');
    assert.ok(link.bufferedBytes < 3 * 1024 * 1024, `${link.bufferedBytes} bytes are buffered`);
    handler.ws.resume();
    assert.equal(await handler.ready(), 64);
  });
});

describe('a handler, while the layout is undecided,', () => {
  it('proposes its intents and is held, until both are known', async () => {
    const proposed: number[] = [];
    await start({ layout: undefined, downstream: { proposeIntents: (intents) => proposed.push(intents) } });
    const handler = await world.connect();
    handler.identify({ intents: 513 });
    await until('intents are proposed', () => proposed.length > 0);
    world.tick();
    assert.deepEqual(proposed, [513]);
    assert.equal(world.downstream.links()[0]?.phase, 'held');
    world.layout = { shardCount: 2, intents: 513 };
    world.downstream.layoutChanged();
    world.ready();
    world.tick();
    await handler.ready();
  });

  it('may decide it by its proposal', async () => {
    await start({
      layout: undefined,
      downstream: {
        proposeIntents(intents) {
          world.layout = { shardCount: 2, intents };
          world.downstream.layoutChanged();
        },
      },
    });
    world.ready();
    const handler = await world.connect();
    handler.identify({ intents: 513 });
    await handler.ready();
  });

  it('is refused when what is decided does not fit it', async () => {
    await start({ layout: undefined });
    const handler = await world.connect();
    handler.identify({ intents: 513 });
    const bad = await world.connect();
    bad.send({ op: 2, d: { token: 'token-bot', intents: -5 } });
    assert.equal((await bad.closed()).code, 4013);
    world.layout = { shardCount: 4, intents: 513 };
    world.downstream.layoutChanged();
    assert.equal((await handler.closed()).code, 4010);
  });
});

describe('a shard without state', () => {
  it('holds its handlers, is told once for each epoch, and starts them after the next READY', async () => {
    const lost: number[] = [];
    await start({ downstream: { onStateLost: (shard) => lost.push(shard) } });
    world.ready();
    world.state.answer = 'lost';
    const handlers = [await world.connect(), await world.connect()];
    handlers[0]!.identify();
    handlers[1]!.identify({ name: 'logger' });
    await until('both are held', () => world.downstream.links().every(({ phase }) => phase === 'held'));
    for (let i = 0; i < 5; i++) {
      world.events(1);
      world.tick();
      await quiet();
    }
    assert.deepEqual(lost, [0]);
    world.ready();
    world.tick();
    await until('it is lost again', () => lost.length === 2);
    await quiet();
    world.state.answer = 'whole';
    world.ready();
    world.tick();
    for (const handler of handlers) await handler.ready();
    assert.deepEqual(lost, [0, 0]);
  });
});

describe('a known name', () => {
  it('starts at its proven cursor and gets all it missed', async () => {
    await start();
    world.ready();
    const before = await world.live();
    const last = world.events(5);
    await before.event(last);
    await world.proven();
    await world.gone(before);
    world.events(20);
    const after = await world.connect();
    after.identify();
    assert.equal(await after.ready(), last);
    await after.event(last + 20);
    assert.deepEqual(after.events(), range(last + 1, last + 20));
    await world.proven();
    assert.deepEqual(world.tally(), { ...world.tally(), delivered: 25, inDoubt: 0, lost: 0 });
    assert.equal(world.logged('handler.redelivered').length, 0);
  });

  it('is not given what is too old to matter, and that is counted', async () => {
    await start();
    world.ready();
    const before = await world.live();
    await world.proven();
    await world.gone(before);
    world.events(2, { type: 'INTERACTION_CREATE' });
    world.events(3, { type: 'TYPING_START' });
    world.events(4, { type: 'PRESENCE_UPDATE' });
    const message = world.events(1);
    world.tick(2_501);
    const fresh = world.events(1, { type: 'INTERACTION_CREATE' });
    const after = await world.live();
    await after.event(fresh);
    await world.proven();
    assert.deepEqual(after.events(), [message, fresh]);
    assert.deepEqual([world.tally().expired, world.tally().delivered], [9, 2]);
  });

  it('keeps its place when the snapshot was not finished', async () => {
    await start();
    world.ready();
    const before = await world.live();
    await world.proven();
    await world.gone(before);
    const last = world.events(5);
    world.state.answer = 'held';
    const unlucky = await world.connect();
    unlucky.identify();
    await until('the snapshot is asked for', () => world.state.requests.length === 2);
    await world.gone(unlucky);
    world.state.answer = 'whole';
    const after = await world.live();
    await after.event(last);
    assert.deepEqual(after.events(), range(5, last));
  });

  it('is told nothing of a snapshot that is newer than its cursor, but it is counted', async () => {
    await start();
    world.ready();
    const before = await world.live();
    await world.proven();
    await world.gone(before);
    world.events(5);
    world.state.answer = 'stale';
    await world.live();
    assert.equal(world.tally().staleStarts, 1);
  });

  it('whose events were trimmed away starts at the oldest that are left, after a counted gap', async () => {
    await start({ journal: { segmentBytes: 64 * 1024, maxBytes: 200 * 1024 } });
    world.ready();
    const before = await world.live();
    const proven = world.events(5);
    await before.event(proven);
    await world.proven();
    await world.gone(before);
    for (let i = 0; i < 40; i++) world.events(10, { bytes: 1_000 });
    world.journal.trim(world.journal.end(), world.journal.end());
    const floor = world.journal.floor(0).s;
    assert.ok(floor > proven + 100);
    const after = await world.live();
    const tip = world.journal.tip(0).s;
    await after.event(tip);
    assert.deepEqual(after.events(), range(floor + 1, tip));
    assert.equal(world.tally().lost, floor - proven);
    assert.equal(world.logged('handler.gap').length, 1);
    await world.proven();
    assert.equal(world.tally().delivered, 5 + tip - floor);
  });

  it('waits, after a power loss, until Discord has sent again what it has already', async () => {
    await start();
    world.ready();
    const before = await world.live();
    const last = world.events(5);
    await before.event(last);
    await world.proven();
    world = await world.restart();
    world.cursors.prove('bot', 0, { epoch: 1, s: last + 3 }); // proven, but the journal lost it
    const after = await world.connect();
    after.identify();
    await until('it is held', () => world.downstream.links()[0]?.phase === 'held');
    world.events(2);
    world.tick();
    assert.equal(world.downstream.links()[0]?.phase, 'held');
    world.events(3);
    world.tick();
    assert.equal(await after.ready(), last + 3);
    await after.event(last + 5);
    assert.deepEqual(after.events(), [last + 4, last + 5]);
  });
});

describe('what is in doubt', () => {
  /** A handler that reads everything, answers no ping, and dies. */
  async function dieOver(count: number): Promise<Handler> {
    const handler = await world.live({}, { autoPong: false });
    if (count > 0) world.events(count);
    await handler.event(world.journal.tip(0).s);
    world.tick();
    await world.gone(handler);
    return handler;
  }

  it('is delivered once more, announced and counted', async () => {
    await start();
    world.ready();
    await world.gone(await world.live());
    await dieOver(5);
    world.events(2);
    const after = await world.live();
    await after.event(11);
    await world.proven();
    assert.deepEqual(after.events(), range(5, 11));
    assert.deepEqual(world.tally(), { ...world.tally(), inDoubt: 5, delivered: 2 });
    const announced = world.logged('handler.redelivered').map(({ after, upTo }) => [after, upTo]);
    assert.deepEqual(announced, [[4, 9]]);
  });

  it('is skipped, announced and counted when two links died over it', async () => {
    await start();
    world.ready();
    await world.gone(await world.live());
    await dieOver(5);
    await dieOver(0);
    world.events(2);
    const after = await world.live();
    await after.event(11);
    await world.proven();
    assert.deepEqual(after.events(), [10, 11]);
    assert.deepEqual(world.tally(), { ...world.tally(), inDoubt: 5, delivered: 2 });
    assert.equal(world.logged('handler.skipped').length, 1);
    assert.equal(world.cursors.skipped, 5);
  });

  it('is not held against a handler that we closed', async () => {
    await start();
    world.ready();
    await world.live({}, { autoPong: false });
    world.events(5);
    world = await world.restart();
    const second = await world.live({}, { autoPong: false });
    await second.event(9);
    world = await world.restart();
    const third = await world.live();
    await third.event(9);
    assert.deepEqual(third.events(), range(5, 9));
  });

  it('is all that came after the last proof, when it is us who die', async () => {
    await start();
    world.ready();
    const handler = await world.live();
    const proven = world.events(5);
    await handler.event(proven);
    await world.proven();
    world.events(5);
    world = await world.crash();
    world.events(2);
    const after = await world.live();
    await after.event(proven + 7);
    await world.proven();
    assert.deepEqual(after.events(), range(proven + 1, proven + 7));
    assert.deepEqual([world.tally().inDoubt, world.tally().delivered], [5, 2]);
    const [line] = world.logged('handler.redelivered');
    assert.deepEqual([line?.['after'], line?.['upTo']], [proven, proven + 5]);
  });

  it('is all of it even when we die in the tick in which the link began', async () => {
    await start();
    world.ready();
    const first = await world.live();
    await world.proven();
    await world.gone(first);
    const last = world.events(5);
    const handler = await world.connect();
    handler.identify();
    await handler.event(last); // no tick has passed: no proof, no timer
    world = await world.crash();
    const after = await world.live();
    await after.event(last);
    await world.proven();
    assert.equal(world.tally().inDoubt, 5);
  });
});
