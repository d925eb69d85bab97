// RESUME downstream: "continue from your `s`", exactly, also after a restart, a crash or a power loss of ours.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { INTENTS, UNPRIVILEGED_INTENTS } from '../wire/intents.ts';
import { quiet, range, startWorld, until, type World, type WorldOptions } from './fixture.ts';
import type { Handler, Message } from './fixture-handler.ts';

let world: World;
afterEach(() => world?.close());

async function start(options?: WorldOptions): Promise<World> {
  world = await startWorld(options);
  for (const shard of [0, 1]) world.ready(shard);
  return world;
}

const resumed = (handler: Handler): Promise<Message> => handler.next('RESUMED', ({ t }) => t === 'RESUMED');

/** Connects and resumes. */
async function resume(session: { id: string; s: number }, name?: string): Promise<Handler> {
  const handler = await world.connect();
  handler.resume(session, name);
  return handler;
}

describe('RESUME', () => {
  it('continues from every s that a session may have', async () => {
    await start();
    const first = await world.live();
    const p = first.session.s;
    const last = world.events(12);
    await first.event(last);
    await world.gone(first);
    for (let s = p; s <= last; s++) {
      const handler = await resume({ id: first.session.id, s });
      const done = await resumed(handler);
      assert.deepEqual(handler.events(), range(s + 1, last));
      assert.equal(done.s, last);
      assert.equal(typeof done.d, 'object');
      assert.ok(Array.isArray(done.d._trace));
      await world.isLive();
      await world.gone(handler);
    }
    await world.proven();
    assert.deepEqual([world.tally().delivered, world.tally().inDoubt], [last - p, 0]);
  });

  it('goes on live after RESUMED', async () => {
    await start();
    const first = await world.live();
    await world.gone(first);
    world.events(5);
    const handler = await resume(first.session);
    await resumed(handler);
    await world.isLive();
    world.events(5);
    await handler.event(14);
    assert.deepEqual(handler.events(), range(5, 14));
    const order = handler.received.filter(({ op }) => op === 0).map(({ t }) => t);
    assert.equal(order.indexOf('RESUMED'), 5);
  });

  it('is a proof of what it names: that is counted, and not sent again', async () => {
    await start();
    const first = await world.live({}, { autoPong: false });
    const last = world.events(8);
    await first.event(last);
    await world.gone(first);
    assert.equal(world.tally().delivered, 0);
    const handler = await resume({ ...first.session, s: last - 2 });
    await resumed(handler);
    assert.equal(world.cursors.get('bot', 0)?.proven.s, last - 2);
    assert.equal(world.tally().delivered, 6);
    await world.proven();
    assert.equal(world.tally().delivered, 8);
    assert.deepEqual(handler.events(), [last - 1, last]);
  });

  it('that goes back gets all again, and counts nothing twice', async () => {
    await start();
    const first = await world.live();
    const last = world.events(8);
    await first.event(last);
    await world.proven();
    await world.gone(first);
    const handler = await resume({ ...first.session, s: 6 });
    await resumed(handler);
    world.events(1);
    await handler.event(last + 1);
    await world.proven();
    assert.deepEqual(handler.events(), range(7, last + 1));
    assert.deepEqual([world.tally().delivered, world.tally().inDoubt], [9, 0]);
  });

  it('of an epoch that the name has left gets its rest again, and counts nothing twice', async () => {
    await start();
    const first = await world.live();
    const last = world.events(5);
    await first.event(last);
    await world.proven();
    const { id } = first.session;
    world.ready();
    world.tick();
    await first.invalid();
    first.identify();
    await first.event(4);
    await world.proven();
    const before = { ...world.tally() };
    const handler = await resume({ id, s: 6 });
    await resumed(handler);
    assert.deepEqual(handler.events(), range(7, last));
    world.tick();
    await handler.invalid();
    assert.deepEqual(world.tally(), before);
    assert.deepEqual(world.cursors.get('bot', 0)?.proven, { epoch: 2, s: 4 });
  });

  it('of an ended epoch that names what was never in it proves nothing', async () => {
    await start();
    const first = await world.live();
    await world.gone(first);
    const last = world.events(5);
    world.ready();
    const handler = await resume({ ...first.session, s: last + 1 });
    await handler.invalid();
    assert.deepEqual(world.cursors.get('bot', 0)?.proven, { epoch: 1, s: 4 });
    handler.resume({ ...first.session, s: last });
    await resumed(handler);
    await handler.invalid();
    assert.deepEqual(world.cursors.get('bot', 0)?.proven, { epoch: 1, s: last });
    assert.equal(world.tally().delivered, 5);
  });

  it('leaves out what expired, and names the place after it', async () => {
    await start();
    const first = await world.live();
    await world.gone(first);
    const message = world.events(1);
    const last = world.events(3, { type: 'TYPING_START' });
    world.tick(5_000);
    const handler = await resume(first.session);
    assert.equal((await resumed(handler)).s, last);
    assert.deepEqual(handler.events(), [message]);
  });

  it('works on the socket on which a session has just ended', async () => {
    await start();
    const first = await world.live();
    const handler = await resume({ id: 'unknown', s: 5 });
    await handler.invalid();
    handler.resume(first.session);
    await resumed(handler);
  });

  for (const [name, session] of [
    ['an unknown session', () => ({ id: 'ffffffffffffffffffffffffffffffff', s: 9 })],
    ['a session whose snapshot was not finished', (s: { id: string; s: number }) => ({ ...s, s: s.s - 1 })],
    ['seq 0', (s: { id: string; s: number }) => ({ ...s, s: 0 })],
  ] as const) {
    it(`of ${name} gets op 9, and the same socket may identify`, async () => {
      await start();
      const first = await world.live();
      await world.gone(first);
      const handler = await resume(session(first.session));
      const invalid = await handler.invalid();
      assert.deepEqual([invalid.d, invalid.t, invalid.s], [false, null, null]);
      handler.identify();
      await handler.ready();
      assert.notEqual(handler.session.id, first.session.id);
    });
  }

  it('of the session of another name, or in another layout, gets op 9', async () => {
    await start();
    const first = await world.live();
    await (await resume(first.session, 'thief')).invalid();
    world.layout = { shardCount: 4, intents: UNPRIVILEGED_INTENTS };
    await (await resume(first.session)).invalid();
    assert.equal(world.downstream.links().filter(({ phase }) => phase === 'live').length, 1);
  });

  it('in mid-replay that is cut is resumed again without a hole', async () => {
    await start();
    const first = await world.live();
    await world.gone(first);
    const last = world.events(400, { bytes: 5_000 });
    const seen: number[] = [];
    let session = { ...first.session };
    for (let tries = 0; session.s < last && tries < 100; tries++) {
      const handler = await resume(session);
      await handler.next('something', ({ s }) => s !== null);
      await world.gone(handler);
      seen.push(...handler.events());
      session = { ...session, s: handler.session.s };
    }
    assert.deepEqual(seen, range(5, last));
  });
});

describe('RESUME after the daemon ended', () => {
  it('in order continues exactly', async () => {
    await start();
    const first = await world.live();
    const last = world.events(5);
    await first.event(last);
    world = await world.restart();
    world.events(3);
    const handler = await resume(first.session);
    await resumed(handler);
    assert.deepEqual(handler.events(), range(last + 1, last + 3));
  });

  it('by a kill continues exactly, even if no proof was ever written down', async () => {
    await start();
    const first = await world.live();
    const last = world.events(5);
    await first.event(last);
    world = await world.crash();
    world.events(3);
    const handler = await resume({ ...first.session, s: last - 1 });
    await resumed(handler);
    assert.deepEqual(handler.events(), range(last, last + 3));
    assert.equal(world.logged('handler.redelivered').length, 0);
  });

  it('and lost power waits until Discord has sent again what the handler has', async () => {
    await start();
    const first = await world.live();
    const tip = world.events(5);
    const handler = await resume({ ...first.session, s: tip + 3 });
    await until('it waits', () => world.downstream.links().some(({ phase }) => phase === 'waiting'));
    world.events(2);
    world.tick();
    await quiet();
    assert.deepEqual(handler.events(), []);
    world.events(4);
    world.tick();
    assert.equal((await resumed(handler)).s, tip + 6);
    assert.deepEqual(handler.events(), range(tip + 4, tip + 6));
  });

  it('and lost power waits for a minute, not for ever', async () => {
    await start();
    const first = await world.live();
    const tip = world.events(5);
    const handler = await resume({ ...first.session, s: tip + 3 });
    await until('it waits', () => world.downstream.links().some(({ phase }) => phase === 'waiting'));
    for (let i = 0; i < 58; i++) {
      world.events(i % 20 === 0 ? 1 : 0, { shard: 1 });
      world.tick(1_000);
    }
    await quiet();
    assert.deepEqual(
      handler.received.map(({ op }) => op),
      [10],
    );
    world.tick(2_100);
    await handler.invalid();
  });

  it('and lost the journal gets op 9', async () => {
    await start();
    const first = await world.live();
    world.disk.remove('/state/journal');
    world = await world.crash();
    const handler = await resume(first.session);
    await handler.invalid();
    handler.identify();
    await until('it is held', () => world.downstream.links()[0]?.phase === 'held');
  });
});

describe('RESUME beyond what the journal keeps', () => {
  const small = { journal: { segmentBytes: 64 * 1024, maxBytes: 200 * 1024 } };
  const trim = (): void => world.journal.trim(world.journal.end(), world.journal.end());

  it('gets op 9 and a counted gap; the next IDENTIFY starts after it', async () => {
    await start(small);
    const first = await world.live();
    await world.gone(first);
    for (let i = 0; i < 40; i++) world.events(10, { bytes: 1_000 });
    trim();
    const floor = world.journal.floor(0).s;
    const handler = await resume(first.session);
    await handler.invalid();
    assert.equal(world.tally().lost, floor - 4);
    handler.identify();
    await handler.ready();
    await handler.event(404);
    assert.deepEqual(handler.events(), range(floor + 1, 404));
    assert.equal(world.tally().lost, floor - 4, 'the gap is counted once');
  });

  it('counts as lost nothing that a newer session of the name has got, and sends the cursor back by nothing', async () => {
    await start(small);
    const first = await world.live();
    const second = await world.live();
    for (let i = 0; i < 40; i++) {
      const last = world.events(10, { bytes: 1_000 });
      await second.event(last);
    }
    await world.proven();
    trim();
    const handler = await resume(first.session);
    await handler.invalid();
    assert.equal(world.tally().lost, 0);
    assert.equal(world.cursors.get('bot', 0)?.proven.s, 404);
    handler.identify();
    assert.equal(await handler.ready(), 404);
  });

  it('goes on when all that is gone was nothing that its intents let in', async () => {
    await start(small);
    const first = await world.live({ intents: INTENTS.GUILDS });
    const told = world.events(1, { type: 'CHANNEL_CREATE' });
    await first.event(told);
    for (let i = 0; i < 40; i++) world.events(10, { bytes: 1_000 });
    await world.proven();
    await world.gone(first);
    trim();
    assert.ok(world.journal.floor(0).s > told);
    const handler = await resume(first.session);
    await resumed(handler);
    const next = world.events(1, { type: 'CHANNEL_CREATE' });
    await handler.event(next);
    assert.deepEqual(handler.events(), [next]);
    await world.proven();
    assert.deepEqual(world.tally(), { ...world.tally(), delivered: 2, filtered: 400, lost: 0 });
  });
});
