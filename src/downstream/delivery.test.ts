// From the journal to the links: the tail shared by many, slow ones read from disk, filters, a disk that fails.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { EVENT, type EventName } from '../wire/event-type.ts';
import { INTENTS, UNPRIVILEGED_INTENTS } from '../wire/intents.ts';
import { eventMessage, quiet, range, startWorld, until, type World, type WorldOptions } from './fixture.ts';
import type { Handler } from './fixture-handler.ts';

const MIB = 1024 * 1024;
let world: World;
afterEach(() => world?.close());

async function start(options?: WorldOptions): Promise<World> {
  world = await startWorld(options);
  world.ready(0);
  world.ready(1);
  return world;
}

/** Queues one event; the next flush writes it with the others. */
function queue(shard: number, s: number, type: EventName = 'MESSAGE_CREATE', epoch = 1): void {
  const message = eventMessage(type, s);
  world.journal.append(shard, epoch, s, EVENT[type], world.clock.now(), message, 0, message.length);
}

const linkOf = (name: string) => world.downstream.links().find((link) => link.name === name)!;

describe('a tick', () => {
  it('of two shards is sorted to the links of each, and a jump in one is none in the other', async () => {
    await start();
    const [first, other, logger] = [
      await world.live(),
      await world.live({ shard: 1 }),
      await world.live({ name: 'logger' }),
    ];
    for (let s = 5; s <= 20; s++) {
      queue(0, s);
      if (s !== 15) queue(1, s);
    }
    queue(0, 21);
    world.journal.flush();
    await Promise.all([first!.event(21), other!.event(14), logger!.event(21)]);
    assert.deepEqual([first!.events(), logger!.events()], [range(5, 21), range(5, 21)]);
    await other!.invalid();
    assert.deepEqual(other!.events(), range(5, 14));
    assert.deepEqual([linkOf('bot').phase, linkOf('logger').phase], ['live', 'live']);
  });

  it("leaves out upstream's RESUMED, which is a position", async () => {
    await start();
    const handler = await world.live();
    for (const [s, type] of [
      [5, 'MESSAGE_CREATE'],
      [6, 'RESUMED'],
      [7, 'MESSAGE_CREATE'],
    ] as const)
      queue(0, s, type);
    world.journal.flush();
    queue(0, 8, 'RESUMED');
    world.journal.flush();
    queue(0, 9);
    world.journal.flush();
    await handler.event(9);
    assert.deepEqual(handler.events(), [5, 7, 9]);
    assert.equal(linkOf('bot').phase, 'live', 'it never had to read');
    await world.proven();
    assert.equal(world.tally().delivered, 3);
  });

  it('carries events that nobody has a name for, and giant ones', async () => {
    await start();
    const handler = await world.live();
    const message = Buffer.from(`{"t":"SOMETHING_NEW","s":5,"op":0,"d":{"x":1}}`);
    world.journal.append(0, 1, 5, 0, world.clock.now(), message, 0, message.length);
    const giant = eventMessage('MESSAGE_CREATE', 6, 3 * MIB);
    world.journal.append(0, 1, 6, EVENT.MESSAGE_CREATE, world.clock.now(), giant, 0, giant.length);
    world.journal.flush();
    assert.equal((await handler.event(5)).t, 'SOMETHING_NEW');
    assert.equal((await handler.event(6)).d.pad.length, 3 * MIB);
    queue(0, 7);
    world.journal.flush();
    await handler.event(7);
  });
});

describe('a slow reader', () => {
  it('reads from the journal, holds a bounded part in memory, and gets everything in order', async () => {
    await start();
    const slow = await world.live();
    const fast = await world.live({ name: 'logger' });
    slow.ws.pause();
    let last = 0;
    let most = 0;
    for (let i = 0; i < 80; i++) {
      last = world.events(4, { bytes: 100_000 });
      await fast.event(last);
      most = Math.max(most, linkOf('bot').bufferedBytes);
    }
    assert.equal(linkOf('bot').phase, 'reading');
    assert.ok(linkOf('bot').lag > 0);
    assert.ok(most > MIB / 2 && most < 2.5 * MIB, `at most ${most} bytes were buffered`);
    assert.equal(linkOf('logger').phase, 'live');
    slow.ws.resume();
    await slow.event(last);
    await world.isLive();
    last = world.events(1);
    await slow.event(last);
    await fast.event(last);
    assert.deepEqual(slow.events(), range(5, last));
    assert.deepEqual(fast.events(), range(5, last));
    await world.proven();
    assert.deepEqual([world.tally('bot').delivered, world.tally('logger').delivered], [last - 4, last - 4]);
  });

  it('that compresses and filters gets what is its own, in order', async () => {
    await start();
    const slow = await world.live(
      { intents: INTENTS.GUILD_MESSAGES },
      { query: 'v=10&compress=zlib-stream' },
    );
    slow.ws.pause();
    const noise = (await import('node:crypto')).randomBytes(60_000).toString('base64');
    const wanted: number[] = [];
    for (let s = 5; s < 305; s++) {
      const type = s % 4 === 0 ? 'CHANNEL_UPDATE' : 'MESSAGE_CREATE';
      if (type === 'MESSAGE_CREATE') wanted.push(s);
      const text = `{"t":"${type}","s":${s},"op":0,"d":{"n":${s},"pad":"${s}${noise}"}}`;
      const bytes = Buffer.from(text);
      world.journal.append(0, 1, s, EVENT[type], world.clock.now(), bytes, 0, bytes.length);
      if (s % 10 === 0) {
        world.journal.flush();
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    assert.equal(linkOf('bot').phase, 'reading');
    slow.ws.resume();
    await slow.event(wanted.at(-1)!);
    assert.deepEqual(slow.events(), wanted);
    await world.proven();
    assert.deepEqual([world.tally().delivered, world.tally().filtered], [225, 75]);
  });

  it('is one of many that catch up side by side, while others are fed', async () => {
    await start();
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    for (const name of names) await world.gone(await world.live({ name }));
    const live = await world.live();
    const last = world.events(300, { bytes: 10_000 });
    const handlers: Handler[] = [];
    for (const name of names) {
      const handler = await world.connect();
      handler.identify({ name });
      handlers.push(handler);
    }
    const later = world.events(5);
    await live.event(later);
    for (const handler of handlers) {
      await handler.event(later);
      assert.deepEqual(handler.events(), range(5, later));
    }
    assert.equal(later, last + 5);
  });
});

describe('a handler with fewer intents', () => {
  it('is not sent the rest, which is counted and needs no proof', async () => {
    await start();
    const handler = await world.live({ intents: INTENTS.GUILDS });
    const all = await world.live({ name: 'logger', intents: UNPRIVILEGED_INTENTS });
    world.events(5);
    world.events(1, { type: 'CHANNEL_CREATE' });
    world.events(1, { type: 'INTERACTION_CREATE' });
    const last = world.events(5);
    await all.event(last);
    await world.proven();
    assert.deepEqual(handler.events(), [10, 11]);
    assert.deepEqual(all.events(), range(5, last));
    assert.deepEqual([world.tally().delivered, world.tally().filtered], [2, 10]);
    assert.equal(world.cursors.get('bot', 0)?.proven.s, last);
    const pings = handler.pings.length;
    world.events(500);
    await world.proven();
    assert.equal(handler.pings.length, pings);
    assert.equal(world.cursors.get('bot', 0)?.proven.s, last + 500);
  });

  it('is counted once for what is left out, however often it is read again', async () => {
    await start();
    const first = await world.live({ intents: INTENTS.GUILDS }, { autoPong: false });
    world.events(1, { type: 'CHANNEL_CREATE' });
    const last = world.events(5);
    await first.event(5);
    world.tick();
    await world.gone(first);
    const second = await world.live({ intents: INTENTS.GUILDS });
    await second.event(5);
    await world.proven();
    await world.gone(second);
    const third = await world.connect();
    third.resume({ id: second.session.id, s: 5 });
    await third.next('RESUMED', ({ t, s }) => t === 'RESUMED' && s === last);
    await world.proven();
    assert.deepEqual(world.tally(), { ...world.tally(), inDoubt: 1, filtered: 5, delivered: 0 });
  });
});

describe('while the disk fails', () => {
  const full = (): (() => void) =>
    world.disk.fail({ call: 'write', path: '.seg', code: 'ENOSPC', times: Number.POSITIVE_INFINITY });

  it('links at the tail are fed from memory, and are proven', async () => {
    await start();
    const handler = await world.live();
    const heal = full();
    const last = world.events(5);
    await handler.event(last);
    for (let i = 0; i < 5; i++) {
      world.tick();
      await quiet();
    }
    assert.equal(world.cursors.get('bot', 0)?.proven.s, last);
    heal();
    world.tick(1_000);
    const later = world.events(5);
    await handler.event(later);
    assert.deepEqual(handler.events(), range(5, later));
  });

  it('a link that starts, or has fallen behind, waits for what is not written and then gets it', async () => {
    await start();
    const first = await world.live();
    await world.proven();
    await world.gone(first);
    const heal = full();
    const unwritten = world.events(5);
    const handler = await world.connect();
    handler.identify();
    await handler.ready();
    for (let i = 0; i < 5; i++) {
      world.tick();
      await quiet();
    }
    assert.deepEqual(handler.events(), []);
    assert.equal(linkOf('bot').phase, 'reading');
    heal();
    world.tick(1_000); // no further event comes
    world.tick();
    await handler.event(unwritten);
    assert.deepEqual(handler.events(), range(5, unwritten));
  });

  it('a RESUME above what is written waits, and goes on when the disk is back though no event comes', async () => {
    await start();
    const first = await world.live();
    const heal = full();
    const last = world.events(5);
    await first.event(last);
    await world.gone(first);
    const handler = await world.connect();
    handler.resume(first.session);
    await until('it waits', () => linkOf('bot')?.phase === 'waiting');
    heal();
    world.tick(1_000);
    world.tick();
    const done = await handler.next('RESUMED', ({ t }) => t === 'RESUMED');
    assert.equal(done.s, last);
  });
});
