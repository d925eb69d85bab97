// The keeper when files are trimmed, damaged, lost or full, and when receivers are slow. Shared parts: keeper-fixture.ts.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { segmentName } from '../journal/segment.ts';
import { createSegmentWriter, type Json, makeGuild, makeMessage, makeReady } from './fixture.ts';
import {
  checkFrames,
  countOf,
  createLines,
  createWorld,
  happen,
  populate,
  receive,
  removeWorlds,
  root,
} from './keeper-fixture.ts';

after(removeWorlds);

describe('keeper in trouble', () => {
  test('advances the frontier over traffic that changes nothing', () => {
    const world = createWorld();
    populate(world, 0);
    for (let i = 0; i < 10; i++) {
      world.write(0, 'TYPING_START', { i });
      world.writer.roll();
    }
    world.allow();
    world.keeper.fold({ durable: true });
    assert.deepEqual(world.keeper.status().frontier, world.writer.end());
    world.restart();
    world.check(0);
  });

  test('skips segments that were trimmed before they were read, and counts them', () => {
    const world = createWorld();
    const [guild] = populate(world, 0);
    world.allow();
    world.keeper.fold();
    world.writer.roll();
    world.writer.append(0, 1, world.position(0).s + 1, 'GUILD_UPDATE', { id: guild, name: 'trimmed' });
    world.writer.roll();
    world.writer.append(0, 1, world.position(0).s + 2, 'USER_UPDATE', { id: '1', username: 'read' });
    fs.rmSync(path.join(world.journalDirectory, segmentName(1)));
    fs.rmSync(path.join(world.journalDirectory, segmentName(2)));
    world.kill();
    const received = world.snapshot(0, { epoch: 1, s: world.position(0).s + 2 });
    assert.equal(received.outcome, 'done');
    assert.equal((received.frames[0]!.d['user'] as Json)['username'], 'read');
    assert.equal(world.keeper.status().stats.skippedSegments, 1);
  });

  test('goes on behind damage in the journal, and counts it', () => {
    const world = createWorld();
    const [guild] = populate(world, 0);
    const first = world.writer.append(0, 1, world.position(0).s + 1, 'GUILD_UPDATE', {
      id: guild,
      name: 'bad sum',
    });
    const second = world.writer.append(0, 1, world.position(0).s + 2, 'GUILD_UPDATE', {
      id: guild,
      name: 'no head',
    });
    world.writer.append(0, 1, world.position(0).s + 3, 'USER_UPDATE', { id: '1', username: 'sound' });
    const file = path.join(world.journalDirectory, segmentName(1));
    const handle = fs.openSync(file, 'r+');
    fs.writeSync(handle, Buffer.from('X'), 0, 1, first.offset + 60);
    fs.writeSync(handle, Buffer.from('XXXX'), 0, 4, second.offset);
    fs.closeSync(handle);
    const received = world.snapshot(0, { epoch: 1, s: world.position(0).s + 3 });
    assert.equal((received.frames[0]!.d['user'] as Json)['username'], 'sound');
    assert.ok(!received.frames.some(({ d }) => d['name'] === 'bad sum' || d['name'] === 'no head'));
    assert.equal(world.keeper.status().stats.damaged, 2);
  });

  test('reads a segment again that was cut back below where it had read', () => {
    const world = createWorld();
    const [guild] = populate(world, 0);
    const end = world.writer.end();
    world.write(0, 'TYPING_START', {});
    world.allow();
    world.keeper.fold({ durable: true });
    world.keeper.close();
    fs.truncateSync(path.join(world.journalDirectory, segmentName(1)), end.offset);
    world.writer.close();
    const writer = createSegmentWriter(path.join(root, 'unused'));
    writer.close();
    world.kill();
    const text = { id: guild, name: 'n' };
    const other = createSegmentWriter(path.join(world.journalDirectory, '..', 'tail'));
    other.append(0, 1, world.position(0).s + 1, 'GUILD_UPDATE', text);
    const record = fs.readFileSync(path.join(world.journalDirectory, '..', 'tail', segmentName(1)));
    const head = fs.readFileSync(path.join(root, 'unused', segmentName(1))).length;
    fs.appendFileSync(path.join(world.journalDirectory, segmentName(1)), record.subarray(head));
    world.keeper.appended({ segment: 1, offset: end.offset + record.length - head });
    const { received } = receive(world.keeper, 0, { epoch: 1, s: world.position(0).s + 1 }, 1e9);
    assert.ok(received.frames.some(({ d }) => d['name'] === 'n'));
  });

  test('sets a damaged database aside and rebuilds it from the journal', () => {
    const { lines, log } = createLines();
    const world = createWorld({ log });
    const [guild] = populate(world, 0);
    happen(world, 0, guild!);
    world.allow();
    world.keeper.fold();
    world.keeper.close();
    fs.writeFileSync(
      world.databaseFile,
      'this is no database, and long enough not to be taken for an empty one',
    );
    world.kill();
    assert.equal(countOf(lines, 'state.set-aside'), 1);
    assert.equal(
      fs.readdirSync(path.dirname(world.databaseFile)).filter((name) => name.includes('.corrupt-')).length,
      1,
    );
    world.check(0);
  });

  test('sets a database aside whose pages turn out to be damaged while it folds', () => {
    const { lines, log } = createLines();
    const world = createWorld({ log });
    const [guild] = populate(world, 0, 40);
    world.allow();
    world.keeper.fold();
    world.keeper.close();
    const size = fs.statSync(world.databaseFile).size;
    const handle = fs.openSync(world.databaseFile, 'r+');
    // The tables' roots come first; what is damaged are guilds.
    for (let page = 20; page * 4096 < size; page++)
      fs.writeSync(handle, Buffer.alloc(100, 0xff), 0, 100, page * 4096);
    fs.closeSync(handle);
    assert.throws(() => {
      world.kill();
      world.write(0, 'GUILD_UPDATE', { id: guild, name: 'x' });
      world.allow();
      world.keeper.fold();
      world.snapshot(0);
    });
    assert.equal(countOf(lines, 'state.set-aside'), 1);
    world.kill();
    world.check(0);
  });

  test('starts empty when the journal is not the one that state was made from', () => {
    const { lines, log } = createLines();
    const world = createWorld({ log });
    world.writer.roll();
    populate(world, 0);
    world.allow();
    world.keeper.fold();
    world.keeper.close();
    fs.rmSync(world.journalDirectory, { recursive: true });
    const writer = createSegmentWriter(world.journalDirectory, 1);
    writer.append(0, 1, 1, 'READY', makeReady([]));
    world.kill();
    world.keeper.appended(writer.end());
    const { received } = receive(world.keeper, 0, { epoch: 1, s: 1 }, 1e9);
    assert.deepEqual(received.frames[0]!.d['guilds'], []);
    assert.equal(countOf(lines, 'state.set-aside'), 1);
    writer.close();
  });

  test('sends no more than the credit, and shows one moment whatever happens meanwhile', () => {
    const world = createWorld();
    const ids = populate(world, 0, 6);
    for (const id of ids) world.write(0, 'GUILD_CREATE', makeGuild(id, { members: 300 }));
    world.allow();
    world.keeper.fold();
    const expected = world.snapshot(0);
    const { received, handle } = receive(world.keeper, 0, world.position(0), 1);
    assert.ok(received.frames.length > 0 && received.frames.length < 7);
    for (const id of ids) world.write(0, 'GUILD_CREATE', makeGuild(id));
    world.write(0, 'READY', makeReady([]));
    world.allow();
    world.keeper.fold({ durable: true });
    for (let i = 0; i < 20; i++) {
      handle.grant(300_000);
      while (world.keeper.pump());
    }
    assert.deepEqual(received, expected);
    assert.equal(world.keeper.status().stats.snapshots, 0);
    world.check(0);
  });

  test('leaves big guilds in the journal and still sends them when it is trimmed meanwhile', () => {
    const world = createWorld();
    const ids = populate(world, 0, 3);
    for (const id of ids) {
      const { unavailable, ...joined } = makeGuild(id, { members: 400 });
      void unavailable;
      world.write(0, 'GUILD_CREATE', joined);
    }
    happen(world, 0, ids[1]!);
    const expected = world.snapshot(0);
    checkFrames(expected, world.reference(0), world.position(0).s);
    world.keeper.appended(world.writer.end());
    const { received, handle } = receive(world.keeper, 0, world.position(0), 1);
    world.allow();
    world.writer.roll();
    world.allow();
    world.keeper.fold({ durable: true });
    fs.rmSync(path.join(world.journalDirectory, segmentName(1)));
    handle.grant(1e9);
    while (world.keeper.pump());
    assert.deepEqual(received, expected);
  });

  test('ends a snapshot whose receiver is gone or gives no credit', () => {
    const world = createWorld({ snapshotIdleMs: 60_000 });
    populate(world, 0);
    world.keeper.appended(world.writer.end());
    const first = receive(world.keeper, 0, world.position(0), 0);
    const second = receive(world.keeper, 0, world.position(0), 0);
    assert.equal(first.received.head!.guilds, 2);
    first.handle.cancel();
    assert.equal(first.received.outcome, 'cancelled');
    world.clock.advance(60_000);
    world.keeper.tick();
    assert.equal(second.received.outcome, 'failed');
    assert.equal(world.keeper.status().stats.snapshots, 0);
  });

  test('keeps what a locked or full database could not take, and stores it later', () => {
    const { lines, log } = createLines();
    const world = createWorld({ log });
    const [guild] = populate(world, 0);
    const blocker = new DatabaseSync(world.databaseFile);
    blocker.exec('BEGIN IMMEDIATE');
    world.allow();
    assert.equal(world.keeper.fold(), false);
    assert.equal(world.keeper.fold(), false);
    assert.equal(world.snapshot(0).outcome, 'failed');
    assert.equal(countOf(lines, 'state.failing'), 1);
    blocker.exec('ROLLBACK');
    blocker.close();
    happen(world, 0, guild!);
    world.allow();
    assert.equal(world.keeper.fold(), true);
    assert.equal(countOf(lines, 'state.recovered'), 1);
    world.check(0);
    world.kill();
    world.check(0);
  });

  test('does nothing before it is told how far the journal goes', () => {
    const { lines, log } = createLines();
    const world = createWorld({ log });
    populate(world, 0);
    world.allow();
    world.keeper.fold({ durable: true });
    world.restart();
    world.clock.advance(100_000);
    world.keeper.tick();
    world.keeper.catchUp();
    assert.equal(world.keeper.fold(), true);
    assert.equal(receive(world.keeper, 0, world.position(0), 1).received.outcome, 'failed');
    world.restart();
    world.check(0);
    assert.deepEqual(lines, []);
  });

  test('folds when it is due, and sooner when much waits', () => {
    const world = createWorld({ foldIntervalMs: 10_000, foldBytes: 100_000 });
    const [guild] = populate(world, 0);
    world.allow();
    world.keeper.tick();
    assert.equal(world.keeper.status().stats.folded, 0);
    world.clock.advance(10_000);
    world.keeper.tick();
    assert.equal(world.keeper.status().stats.folded, 3);
    const channel = (world.reference(0).guild(guild!)!['channels'] as Json[])[0]!['id'] as string;
    world.write(0, 'MESSAGE_CREATE', makeMessage(guild, channel));
    world.allow();
    world.keeper.tick();
    assert.equal(world.keeper.status().stats.folded, 3);
    world.write(0, 'MESSAGE_CREATE', makeMessage(guild, channel, 'x'.repeat(100_000)));
    world.allow();
    world.keeper.tick();
    assert.equal(world.keeper.status().stats.folded, 5);
    world.check(0);
  });
});
