// Take-overs: a newer link of a name's shard parks the older one. And the proofs by which each link moves its cursor.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { quiet, range, startWorld, until, type World } from './fixture.ts';

let world: World;
afterEach(() => world?.close());

async function start(): Promise<World> {
  world = await startWorld();
  world.ready();
  return world;
}

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

  it('gives the shard to the next of the parked when one that got it does not want it', async () => {
    await start();
    const [first, second, third] = [await world.live(), await world.live(), await world.live()];
    world.ready();
    world.tick();
    await third!.invalid(); // and says nothing any more
    world.tick(10_000);
    await second!.invalid();
    world.tick(10_000);
    await first!.invalid();
    first!.identify();
    await world.isLive();
    second!.identify();
    await until('it takes over', () => world.logged('handler.parked').length === 3);
    assert.ok(first!.received.filter(({ op }) => op === 9).length === 1);
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
