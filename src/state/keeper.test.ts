// The keeper over real segment files and a real database in a temporary folder, with a clock that stands still.
// What it says is compared with the plain-object reference at the same position.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { createFakeClock, type FakeClock } from '../base/fake-clock.ts';
import { createLog, type Log, silentLog } from '../base/log.ts';
import type { LogPosition, Position } from '../journal/position.ts';
import { segmentName } from '../journal/segment.ts';
import { systemDisk } from '../store/disk.ts';
import type { EventName } from '../wire/event-type.ts';
import { EVENT_MAKERS } from './event-fixture.ts';
import {
  createSegmentWriter,
  type Json,
  makeGuild,
  makeMessage,
  makeReady,
  type SegmentWriter,
  snowflake,
} from './fixture.ts';
import { type Keeper, type KeeperTuning, openKeeper, type SnapshotRequest } from './keeper.ts';
import { createReference, ordered, type Reference } from './reference.ts';
import { forEachFrame } from './snapshot.ts';
import type { SnapshotHead, SnapshotOutcome } from './snapshot-stream.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-state-'));
after(() => fs.rmSync(root, { recursive: true, force: true }));
let folders = 0;

const OPTIONS = { keepMembers: false, keepPresences: false };

interface Received {
  head?: SnapshotHead;
  outcome?: SnapshotOutcome;
  frames: Array<{ t: string; s: number; d: Json }>;
}

interface World {
  readonly clock: FakeClock;
  readonly writer: SegmentWriter;
  readonly journalDirectory: string;
  readonly databaseFile: string;
  keeper: Keeper;
  reference(shard: number): Reference;
  position(shard: number): Position;
  /** Writes an event behind the shard's others; READY begins the next epoch. */
  write(shard: number, event: EventName, d: Json): LogPosition;
  /** Lets fold go as far as each shard is written, or as `limits` says. */
  allow(limits?: Record<number, Position>): void;
  /** Everything the keeper would say to a fresh IDENTIFY as of a position. */
  snapshot(shard: number, at?: Position, credit?: number): Received;
  check(shard: number): void;
  /** Ends as a killed process does: nothing is said to it. */
  kill(): void;
  restart(): void;
}

/** A journal, its keeper, and the reference as of every position of each shard. */
function createWorld(tuning: KeeperTuning & { log?: Log } = {}): World {
  folders++;
  const directory = path.join(root, String(folders));
  const journalDirectory = path.join(directory, 'journal');
  const databaseFile = path.join(directory, 'state.db');
  const clock = createFakeClock();
  const writer: SegmentWriter = createSegmentWriter(journalDirectory);
  const references = new Map<number, Reference>();
  const positions = new Map<number, Position>();
  const open = (): Keeper =>
    openKeeper({
      ...OPTIONS,
      databaseFile,
      journalDirectory,
      disk: systemDisk,
      clock,
      log: tuning.log ?? silentLog,
      ...tuning,
    });
  const world: World = {
    clock,
    writer,
    journalDirectory,
    databaseFile,
    keeper: open(),
    reference(shard) {
      let reference = references.get(shard);
      if (!reference) {
        reference = createReference(OPTIONS);
        references.set(shard, reference);
      }
      return reference;
    },
    position: (shard) => positions.get(shard) ?? { epoch: 0, s: 0 },
    write(shard, event, d) {
      const before = world.position(shard);
      const next = event === 'READY' ? { epoch: before.epoch + 1, s: 1 } : { ...before, s: before.s + 1 };
      positions.set(shard, next);
      world.reference(shard).apply(event, d);
      return writer.append(shard, next.epoch, next.s, event, d);
    },
    allow(limits = Object.fromEntries(positions)) {
      const list = Object.entries(limits).map(([shard, position]) => ({ shard: Number(shard), ...position }));
      world.keeper.appended(writer.end());
      world.keeper.setLimits(list, writer.end());
    },
    snapshot(shard, at = world.position(shard), credit = 1e9) {
      world.keeper.appended(writer.end());
      return receive(world.keeper, shard, at, credit).received;
    },
    check(shard) {
      const received = world.snapshot(shard);
      checkFrames(received, world.reference(shard), world.position(shard).s);
    },
    kill() {
      world.keeper = open();
    },
    restart() {
      world.keeper.close();
      world.keeper = open();
    },
  };
  return world;
}

function receive(keeper: Keeper, shard: number, at: Position, credit: number) {
  const received: Received = { frames: [] };
  const request: SnapshotRequest = {
    shard,
    shardCount: 8,
    sessionId: 'ours',
    resumeUrl: 'ws://localhost:1',
    ...at,
    credit,
  };
  const handle = keeper.snapshot(request, {
    head: (head) => {
      received.head = head;
    },
    chunk: (bytes) => {
      forEachFrame(bytes, (start, end) => {
        received.frames.push(JSON.parse(Buffer.from(bytes.subarray(start, end)).toString()));
      });
    },
    end: (outcome) => {
      received.outcome = outcome;
    },
  });
  while (keeper.pump());
  return { received, handle };
}

function checkFrames(received: Received, reference: Reference, s: number): void {
  assert.equal(received.outcome, 'done');
  const [ready, ...guilds] = received.frames;
  const expected = reference.expected();
  assert.equal(received.head?.guilds, guilds.length);
  assert.equal(ready!.s, s - guilds.length);
  assert.equal(guilds.at(-1)?.s ?? s, s);
  assert.deepEqual((ready!.d['guilds'] as Json[]).map(({ id }) => id).toSorted(), expected.listed.toSorted());
  assert.deepEqual(guilds.map(({ d }) => d['id']).toSorted(), [...expected.frames.keys()].toSorted());
  for (const { t, d } of guilds) {
    const wanted = expected.frames.get(d['id'] as string)!;
    assert.equal(t, wanted.t);
    if (t === 'GUILD_CREATE') assert.deepEqual(ordered(d), ordered(wanted.d));
  }
}

/** A shard with two guilds, ready to have things happen. */
function populate(world: World, shard: number, guilds = 2): string[] {
  const ids = Array.from({ length: guilds }, () => snowflake());
  world.write(shard, 'READY', makeReady(ids));
  for (const id of ids) world.write(shard, 'GUILD_CREATE', makeGuild(id, { threads: 3 }));
  return ids;
}

/** Writes one event of every kind about a guild. */
function happen(world: World, shard: number, guild: string): void {
  for (const maker of EVENT_MAKERS) {
    const d = maker.make(world.reference(shard).guild(guild)!, (below) => 1 % below);
    if (d) world.write(shard, maker.event, d);
  }
}

function countOf(log: string[], event: string): number {
  return log.filter((line) => line.includes(event)).length;
}

function createLines(): { lines: string[]; log: Log } {
  const lines: string[] = [];
  return { lines, log: createLog({ level: 'info', now: () => 0, write: (line) => void lines.push(line) }) };
}

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
