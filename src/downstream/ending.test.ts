// How links end: with their epoch, at a gap, when a newer link takes over. In each case the handler has proven
// what it was given before it is told, or it is in doubt.

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

describe('a take-over', () => {
  it('parks the older link: it beats, and is told and heard nothing more', async () => {
    await start();
    const older = await world.live();
    const handed = world.events(3);
    await older.event(handed);
    await world.proven();
    const newer = await world.live();
    const last = world.events(4);
    await newer.event(last);
    assert.deepEqual(newer.events(), range(handed + 1, last));
    assert.deepEqual(older.events(), range(5, handed));
    older.send({ op: 8, d: { guild_id: '175928847299117063', query: '' } });
    older.send({ op: 1, d: null });
    await older.next('an ACK', ({ op }) => op === 11);
    assert.deepEqual(world.commands, []);
    assert.deepEqual(
      world.downstream.links().map(({ phase }) => phase),
      ['parked', 'live'],
    );
    newer.send({ op: 8, d: { guild_id: '175928847299117063', query: '' } });
    await until('the command arrives', () => world.commands.length === 1);
  });

  it('gives the shard back by op 9 when the newer link has been gone for long enough to return', async () => {
    await start();
    const older = await world.live();
    const newer = await world.live();
    await world.proven();
    await world.gone(newer);
    const last = world.events(3);
    world.tick(9_900);
    await quiet();
    assert.deepEqual(older.events(), []);
    world.tick(200);
    await older.invalid();
    older.identify();
    await older.event(last);
    assert.deepEqual(older.events(), range(5, last));
  });

  it('gives nothing back when the newer handler comes again in time', async () => {
    await start();
    const older = await world.live();
    const newer = await world.live();
    await world.gone(newer);
    world.tick(5_000);
    const again = await world.connect();
    again.resume(newer.session);
    await again.next('RESUMED', ({ t }) => t === 'RESUMED');
    older.send({ op: 1, d: null });
    for (let i = 0; i < 4; i++) {
      world.tick(5_000);
      older.send({ op: 1, d: null });
      again.send({ op: 1, d: null });
      await quiet();
    }
    assert.ok(older.received.every(({ op }) => op !== 9));
    assert.deepEqual(
      world.downstream.links().map(({ phase }) => phase),
      ['parked', 'live'],
    );
  });

  it('gives the shard back too when the newer session ended by op 9 and nobody came', async () => {
    await start();
    const older = await world.live();
    const newer = await world.live();
    world.ready();
    world.tick();
    await newer.invalid();
    await world.gone(newer);
    world.tick(10_000);
    await older.invalid();
    older.identify();
    await older.next('the next READY', ({ t, s }) => t === 'READY' && s === 1);
  });

  it('lets the parked go in peace, and the newest of them be the heir', async () => {
    await start();
    const [first, second, third] = [await world.live(), await world.live(), await world.live()];
    await world.gone(first!);
    assert.equal(world.downstream.links().length, 2);
    await world.gone(third!);
    world.tick(10_100);
    await second!.invalid();
  });

  it('is no death: what the older link has not proven is delivered once more however often', async () => {
    await start();
    let handler = await world.live({}, { autoPong: false });
    const last = world.events(3);
    for (let i = 0; i < 4; i++) {
      handler = await world.live({}, { autoPong: false });
      await handler.event(last);
      assert.deepEqual(handler.events(), range(5, last));
    }
    assert.equal(world.cursors.skipped, 0);
  });

  it('does not let a late pong of the parked link prove what the newer one is given again', async () => {
    await start();
    const older = await world.live({}, { autoPong: false });
    const last = world.events(3);
    world.tick();
    await until('a ping comes', () => older.pings.length === 1);
    world.state.answer = 'held';
    const newer = await world.connect();
    newer.identify();
    await until('it takes over', () => world.state.requests.length === 2);
    older.pong();
    older.send({ op: 1, d: null });
    await older.next('an ACK', ({ op }) => op === 11);
    assert.equal(world.cursors.get('bot', 0)?.proven.s, 4);
    assert.equal(world.tally().delivered, 0);
    assert.equal(last, 7);
  });
});

describe('a proof', () => {
  it('is one ping at a time, that names the position of what was sent', async () => {
    await start();
    const handler = await world.live({}, { autoPong: false });
    world.events(3);
    world.tick();
    world.events(3);
    world.tick();
    world.tick();
    await handler.event(10);
    await quiet();
    assert.deepEqual(handler.pings, [{ epoch: 1, s: 7 }]);
    const answer = (data: Buffer): void => handler.ws.pong(data);
    answer(Buffer.from('nonsense'));
    answer(Buffer.alloc(8));
    answer(Buffer.alloc(0));
    answer(Buffer.alloc(100));
    handler.send({ op: 1, d: null });
    await handler.next('an ACK', ({ op }) => op === 11);
    assert.equal(world.cursors.get('bot', 0)?.proven.s, 4, 'other pongs prove nothing');
    handler.pong();
    handler.pong();
    await until('it is proven', () => world.cursors.get('bot', 0)?.proven.s === 7);
    assert.equal(world.tally().delivered, 3);
    world.tick();
    await until('the next ping comes', () => handler.pings.length === 2);
    assert.deepEqual(handler.pings[1], { epoch: 1, s: 10 });
  });

  it('is not asked for where nothing was sent', async () => {
    await start();
    const handler = await world.live();
    for (let i = 0; i < 20; i++) world.tick();
    await quiet();
    assert.deepEqual(handler.pings, []);
  });
});
