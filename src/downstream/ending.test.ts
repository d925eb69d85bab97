// How links end: with their epoch, and at a gap. In each case the handler has proven what it was given before it is
// told, or it is in doubt. Take-overs are in owners.test.ts.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { EVENT } from '../wire/event-type.ts';
import { INTENTS } from '../wire/intents.ts';
import { eventMessage, quiet, range, startWorld, until, type World } from './fixture.ts';

let world: World;
afterEach(() => world?.close());

async function start(): Promise<World> {
  world = await startWorld();
  world.ready();
  return world;
}

describe('the end of an epoch', () => {
  it('is told by op 9 when all before it is proven, and the next IDENTIFY begins at the next READY', async () => {
    await start();
    const handler = await world.live({}, { autoPong: false });
    const last = world.events(5);
    world.ready(0, 2);
    world.events(2);
    await handler.event(last);
    await until('the proof is asked for', () => handler.pings.length === 1);
    world.tick();
    await quiet();
    assert.equal(handler.received.at(-1)?.op, 0, 'no op 9 before the proof');
    assert.equal(world.downstream.links()[0]?.phase, 'ending');
    handler.pong();
    await handler.invalid();
    assert.deepEqual(handler.events(), range(5, last));
    assert.equal(world.cursors.get('bot', 0)?.proven.s, last);
    handler.identify();
    assert.equal((await handler.next('READY', ({ t }) => t === 'READY')).s, 1);
    await handler.event(5);
    assert.deepEqual(handler.events().slice(5), [2, 3, 4, 5], 'backfill and events of the next epoch');
    world.tick();
    await until('the next proof is asked for', () => handler.pings.length === 2);
    handler.pong();
    await world.proven();
    assert.deepEqual(world.tally(), { ...world.tally(), delivered: 9, inDoubt: 0, lost: 0 });
  });

  it('is told after three seconds to a handler that proves nothing, and what it was given is in doubt', async () => {
    await start();
    const handler = await world.live({}, { autoPong: false });
    const last = world.events(5);
    world.ready();
    await handler.event(last);
    await until('the epoch is over', () => world.downstream.links()[0]?.phase === 'ending');
    for (let i = 0; i < 2_950; i += 50) world.tick();
    await quiet();
    assert.equal(handler.received.at(-1)?.op, 0);
    world.tick(100);
    await handler.invalid();
    handler.identify();
    await handler.ready();
    await handler.event(last);
    assert.deepEqual(handler.events(), [...range(5, last), ...range(5, last)]);
    assert.equal(world.logged('handler.redelivered').length, 1);
  });

  it('comes after RESUMED to a handler that resumes the old epoch', async () => {
    await start();
    const first = await world.live();
    await world.gone(first);
    const last = world.events(3);
    world.ready();
    const handler = await world.connect();
    handler.resume(first.session);
    await handler.next('RESUMED', ({ t, s }) => t === 'RESUMED' && s === last);
    await until('proofs are asked for', () => handler.pings.length > 0);
    await handler.invalid();
    assert.deepEqual(handler.events(), range(5, last));
    assert.deepEqual(world.cursors.get('bot', 0)?.proven, { epoch: 1, s: last });
  });

  it('does not turn round in circles where its last records are no events', async () => {
    await start();
    const handler = await world.live({ intents: INTENTS.GUILDS });
    world.events(3);
    world.events(1, { type: 'RESUMED' });
    world.ready();
    await handler.invalid();
    handler.identify({ intents: INTENTS.GUILDS });
    await handler.next('the next READY', ({ t, s }) => t === 'READY' && s === 1);
    await world.isLive();
    assert.equal(world.logged('handler.redelivered').length, 0);
    await world.proven();
    assert.deepEqual([world.tally().filtered, world.tally().inDoubt], [3, 0]);
  });

  it('met by an away handler lets it have the whole old epoch first, then the whole new one', async () => {
    await start();
    const first = await world.live();
    await world.proven();
    await world.gone(first);
    const last = world.events(5);
    world.ready();
    world.events(5);
    const handler = await world.connect();
    handler.identify();
    await handler.event(last);
    world.tick();
    await handler.invalid();
    handler.identify();
    await handler.event(9);
    assert.deepEqual(handler.events(), [...range(5, last), ...range(2, 9)]);
    assert.equal(world.tally().lost, 0);
  });

  it('of several at once leaves no epoch out', async () => {
    await start();
    const first = await world.live();
    await world.proven();
    await world.gone(first);
    for (let i = 0; i < 3; i++) {
      world.events(2);
      world.ready(0, 1);
    }
    const handler = await world.connect();
    const seen: number[][] = [];
    for (let epoch = 1; epoch <= 3; epoch++) {
      handler.identify();
      await until(
        'the epoch is written',
        () => world.downstream.links()[0]?.phase === 'ending' || handler.received.at(-1)?.op === 9,
      );
      world.tick();
      await handler.invalid();
      seen.push(handler.events().slice(seen.flat().length));
    }
    assert.deepEqual(seen, [
      [5, 6],
      [2, 3, 4],
      [2, 3, 4],
    ]);
  });
});

describe('a gap in what Discord sent', () => {
  it('makes the handler re-sync, after it has proven the rest, and is counted once', async () => {
    await start();
    const handler = await world.live({}, { autoPong: false });
    const before = world.events(3);
    world.eventAt({ epoch: 1, s: before + 11 });
    await handler.event(before);
    await until('the proof is asked for', () => handler.pings.length === 1);
    await quiet();
    assert.equal(handler.received.at(-1)?.op, 0, 'no op 9 before the proof');
    handler.pong();
    await handler.invalid();
    assert.equal(world.tally().lost, 10);
    handler.identify();
    assert.equal(await handler.ready(), before + 10, 'the snapshot is as of the end of the gap');
    await handler.event(before + 11);
    world.tick();
    await until('the next proof is asked for', () => handler.pings.length === 2);
    handler.pong();
    await world.proven();
    assert.deepEqual(handler.events(), [...range(5, before), before + 11]);
    assert.deepEqual(world.tally(), { ...world.tally(), lost: 10, delivered: 4, inDoubt: 0 });
    const [line] = world.logged('handler.gap');
    assert.deepEqual(
      [line?.['from'], line?.['to'], line?.['missing']],
      [`1:${before}`, `1:${before + 10}`, 10],
    );
  });

  it('in the middle of a batch is met there', async () => {
    await start();
    const handler = await world.live();
    for (const s of [5, 6, 9, 10]) {
      const message = eventMessage('MESSAGE_CREATE', s);
      world.journal.append(0, 1, s, EVENT.MESSAGE_CREATE, world.clock.now(), message, 0, message.length);
    }
    world.journal.flush();
    await handler.event(6);
    world.tick();
    await handler.invalid();
    handler.identify();
    await handler.event(10);
    assert.deepEqual(handler.events(), [5, 6, 9, 10]);
    assert.equal(world.tally().lost, 2);
  });

  it('that a handler dies before has what it was given in doubt, and is met again by the next', async () => {
    await start();
    const handler = await world.live({}, { autoPong: false });
    const before = world.events(3);
    world.eventAt({ epoch: 1, s: before + 11 });
    await handler.event(before);
    await world.gone(handler);
    assert.equal(world.tally().lost, 0);
    const after = await world.connect();
    after.identify();
    await after.event(before);
    world.tick();
    await after.invalid();
    assert.deepEqual(after.events(), range(5, before));
    assert.deepEqual([world.tally().lost, world.tally().inDoubt], [10, 3]);
  });

  it('before which a handler proves nothing for three seconds is told, and counted when the next has proven it', async () => {
    await start();
    const handler = await world.live({}, { autoPong: false });
    const before = world.events(3);
    world.eventAt({ epoch: 1, s: before + 11 });
    await until('the gap is met', () => world.downstream.links()[0]?.phase === 'ending');
    world.tick(3_000);
    await handler.invalid();
    assert.equal(world.tally().lost, 0);
    const after = await world.connect();
    after.identify();
    await after.event(before);
    world.tick();
    await after.invalid();
    assert.deepEqual([world.tally().lost, world.tally().inDoubt], [10, 3]);
  });

  it('while a handler is away is met when it starts', async () => {
    await start();
    const first = await world.live();
    await world.proven();
    await world.gone(first);
    world.eventAt({ epoch: 1, s: 20 });
    const handler = await world.connect();
    handler.identify();
    assert.equal(await handler.ready(), 19);
    await handler.event(20);
    assert.equal(world.tally().lost, 15);
  });

  it('is none where a record is in the journal twice', async () => {
    await start();
    const first = await world.live();
    await world.proven();
    await world.gone(first);
    for (const s of [5, 6, 6, 6, 7]) world.eventAt({ epoch: 1, s: s });
    const handler = await world.live();
    await handler.event(7);
    assert.deepEqual(handler.events(), [5, 6, 7]);
    assert.equal(world.logged('handler.gap').length, 0);
  });
});
