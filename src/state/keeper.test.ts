// The keeper over real segment files and a real database in a temporary folder, with a clock that stands still.
// What it says is compared with the plain-object reference at the same position.

import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { EVENT_MAKERS } from './event-fixture.ts';
import { type Json, makeGuild, makeReady, snowflake } from './fixture.ts';
import {
  checkFrames,
  countOf,
  createLines,
  createWorld,
  happen,
  populate,
  removeWorlds,
} from './keeper-fixture.ts';

after(removeWorlds);

describe('keeper', () => {
  test('shows a shard as of the tip, stored or not', () => {
    const world = createWorld();
    const [guild] = populate(world, 3);
    world.check(3);
    happen(world, 3, guild!);
    world.check(3);
    world.allow();
    assert.equal(world.keeper.fold(), true);
    world.check(3);
    assert.equal(world.keeper.status().stats.queued, 0);
    assert.deepEqual(world.keeper.status().shards, [{ shard: 3, ...world.position(3) }]);
    happen(world, 3, guild!);
    world.check(3);
  });

  test('folds no further than the limit, and shows what lies beyond it all the same', () => {
    const world = createWorld();
    const [guild] = populate(world, 0);
    const limit = world.position(0);
    happen(world, 0, guild!);
    world.allow({ 0: limit });
    world.keeper.fold();
    assert.deepEqual(world.keeper.status().shards, [{ shard: 0, ...limit }]);
    world.check(0);
    assert.deepEqual(world.keeper.status().shards, [{ shard: 0, ...limit }]);
    assert.ok(world.keeper.status().stats.queued > 0);
    world.allow();
    world.keeper.fold();
    world.check(0);
    assert.equal(world.keeper.status().stats.queued, 0);
  });

  test('shows a position in the past of the tip when fold is not beyond it', () => {
    const world = createWorld();
    const [guild] = populate(world, 0);
    const past = world.position(0);
    const before = world.snapshot(0);
    world.write(0, 'GUILD_UPDATE', { id: guild, name: 'later' });
    world.allow();
    const received = world.snapshot(0, past);
    assert.deepEqual(received, before);
    assert.equal(received.head!.stale, false);
  });

  test('shows the stored position, and says so, when fold is beyond the one asked for', () => {
    const world = createWorld();
    const [guild] = populate(world, 0);
    const past = world.position(0);
    world.write(0, 'GUILD_UPDATE', { id: guild, name: 'later' });
    world.allow();
    world.keeper.fold();
    const received = world.snapshot(0, past);
    assert.deepEqual(received.head, { position: world.position(0), stale: true, guilds: 2, lastS: past.s });
    checkFrames(received, world.reference(0), past.s);
    assert.equal(world.keeper.status().stats.staleStarts, 1);
  });

  test('begins every epoch anew, and drops the guilds that its READY does not list', () => {
    const world = createWorld();
    const [guild] = populate(world, 0);
    happen(world, 0, guild!);
    world.allow();
    world.keeper.fold();
    world.write(0, 'READY', makeReady([guild!, snowflake()]));
    world.check(0);
    world.write(0, 'GUILD_CREATE', makeGuild(guild!));
    world.check(0);
    world.allow();
    world.keeper.fold();
    world.check(0);
    assert.equal(world.reference(0).available().length, 1);
  });

  test('holds on to an epoch while the limit does, and shows the next one from the journal', () => {
    const world = createWorld();
    populate(world, 0);
    const limit = world.position(0);
    populate(world, 0);
    world.allow({ 0: limit });
    world.keeper.fold();
    assert.deepEqual(world.keeper.status().shards, [{ shard: 0, epoch: 2, s: 0 }]);
    world.check(0);
    world.allow();
    world.keeper.fold();
    world.check(0);
  });

  test('reports a shard lost when its READY is nowhere', () => {
    const world = createWorld();
    world.writer.append(5, 7, 40, 'GUILD_UPDATE', { id: '1', name: 'x' });
    world.writer.append(5, 7, 41, 'TYPING_START', {});
    populate(world, 0);
    world.allow();
    world.keeper.catchUp();
    assert.deepEqual(
      world.keeper.status().shards.map(({ shard }) => shard),
      [0],
    );
    assert.equal(world.snapshot(5, { epoch: 7, s: 41 }).outcome, 'lost');
    assert.equal(world.snapshot(6, { epoch: 1, s: 1 }).outcome, 'lost');
    assert.equal(world.keeper.status().stats.lost, 1);
    // A shard whose newest epoch has begun without its READY is lost too.
    world.writer.append(0, 2, 1, 'TYPING_START', {});
    world.allow();
    world.keeper.catchUp();
    assert.deepEqual(world.keeper.status().shards, []);
  });

  test('skips records at or below what it has taken', () => {
    const world = createWorld();
    const [guild] = populate(world, 0);
    const { epoch, s } = world.position(0);
    const again = { id: guild, name: 'sent twice' };
    world.writer.append(0, epoch, s, 'GUILD_UPDATE', again);
    world.writer.append(0, epoch, 1, 'READY', makeReady([]));
    world.allow();
    world.keeper.fold();
    world.writer.append(0, epoch, s - 1, 'GUILD_UPDATE', again);
    world.check(0);
    assert.equal(world.keeper.status().stats.duplicates, 3);
  });

  test('puts aside what it cannot apply, and goes on', () => {
    const { lines, log } = createLines();
    const world = createWorld({ log });
    const [guild] = populate(world, 0);
    for (let i = 0; i < 1005; i++) {
      const { epoch, s } = world.position(0);
      world.write(0, 'TYPING_START', {});
      world.writer.append(0, epoch, s + 1, 'GUILD_ROLE_CREATE', { guild_id: guild, role: i });
    }
    world.write(0, 'GUILD_UPDATE', { id: guild, name: 'after' });
    world.allow();
    world.keeper.fold();
    world.check(0);
    assert.equal(world.keeper.status().stats.aside, 1005);
    assert.equal(countOf(lines, 'state.event-skipped'), 1);
    world.keeper.close();
    const database = new DatabaseSync(world.databaseFile);
    const rows = database.prepare('SELECT * FROM aside ORDER BY id').all() as Json[];
    database.close();
    assert.equal(rows.length, 1000);
    assert.equal(rows[0]!['event'], 'GUILD_ROLE_CREATE');
    assert.match(
      Buffer.from(rows.at(-1)!['bytes'] as Uint8Array).toString(),
      /^\{"t":"GUILD_ROLE_CREATE".*1004\}\}$/,
    );
  });

  test('takes a READY that it cannot apply for a lost epoch', () => {
    const world = createWorld();
    populate(world, 0);
    world.allow();
    world.keeper.fold();
    world.writer.append(0, 2, 1, 'READY', { user: null });
    world.writer.append(0, 2, 2, 'GUILD_CREATE', makeGuild(snowflake()));
    world.keeper.setLimits([{ shard: 0, epoch: 2, s: 2 }], world.writer.end());
    world.keeper.fold();
    assert.deepEqual(world.keeper.status().shards, []);
    assert.equal(world.snapshot(0, { epoch: 2, s: 2 }).outcome, 'lost');
  });

  test('resumes exactly after a kill or a restart at any point', () => {
    const step = fc.tuple(fc.nat(999), fc.nat(999), fc.nat(11));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const world = createWorld({ batchBytes: 20_000 });
        const guilds = [populate(world, 0), populate(world, 1)];
        for (const [which, choice, act] of steps) {
          const shard = choice % 2;
          let asked = 0;
          const pick = (below: number): number => (choice + asked++ * 7) % below;
          const guild = world.reference(shard).guild(guilds[shard]![pick(2)]!);
          const maker = EVENT_MAKERS.filter(({ event }) => event !== 'THREAD_LIST_SYNC')[which % 46];
          const d = guild && maker?.make(guild, pick);
          if (d) world.write(shard, maker!.event, d);
          if (act === 0) world.writer.roll();
          if (act === 1) world.allow();
          if (act === 2) world.allow({ [shard]: { epoch: 1, s: Math.max(1, world.position(shard).s - 3) } });
          if (act <= 3) world.keeper.fold({ durable: which % 2 === 0 });
          if (act === 4) world.kill();
          if (act === 5) world.restart();
          if (act === 6) world.check(shard);
          if (act === 7 && which % 3 === 0) guilds[shard] = populate(world, shard);
        }
        world.check(0);
        world.check(1);
        world.allow();
        world.keeper.fold();
        world.kill();
        world.check(0);
        world.check(1);
      }),
      { numRuns: 40 },
    );
  });

  test('moves the frontier only to where everything is folded and synced', () => {
    const world = createWorld({ foldIntervalMs: 10_000, syncIntervalMs: 10_000 });
    const [guild] = populate(world, 0);
    populate(world, 1);
    const limit = world.position(1);
    const place = world.write(1, 'USER_UPDATE', { id: '1' });
    happen(world, 0, guild!);
    world.allow({ 0: world.position(0), 1: limit });
    world.keeper.fold();
    assert.deepEqual(world.keeper.status().frontier, { segment: 1, offset: 0 });
    world.clock.advance(10_000);
    world.keeper.tick();
    assert.deepEqual(world.keeper.status().frontier, place);
    // What is folded but not synced in the journal itself does not count.
    world.write(0, 'GUILD_UPDATE', { id: guild, name: 'x' });
    const synced = world.writer.end();
    world.write(0, 'GUILD_UPDATE', { id: guild, name: 'y' });
    world.keeper.appended(world.writer.end());
    world.keeper.setLimits(
      [0, 1].map((shard) => ({ shard, ...world.position(shard) })),
      synced,
    );
    world.keeper.fold({ durable: true });
    assert.deepEqual(world.keeper.status().frontier, synced);
  });
});
