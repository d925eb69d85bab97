// A journal, a keeper on it, and a plain-object model of what it should know: what the keeper's tests share.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { createFakeClock, type FakeClock } from '../base/fake-clock.ts';
import { createLog, type Log, silentLog } from '../base/log.ts';
import type { LogPosition, Position } from '../journal/position.ts';
import { systemDisk } from '../store/disk.ts';
import type { EventName } from '../wire/event-type.ts';
import { EVENT_MAKERS } from './event-fixture.ts';
import {
  createSegmentWriter,
  type Json,
  makeGuild,
  makeReady,
  type SegmentWriter,
  snowflake,
} from './fixture.ts';
import { type Keeper, type KeeperTuning, openKeeper, type SnapshotRequest } from './keeper.ts';
import { createReference, ordered, type Reference } from './reference.ts';
import { forEachFrame } from './snapshot.ts';
import type { SnapshotHead, SnapshotOutcome } from './snapshot-stream.ts';

export const root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-state-'));

/** Removes every folder that worlds were made in; for `after`. */
export const removeWorlds = (): void => fs.rmSync(root, { recursive: true, force: true });
let folders = 0;

export const OPTIONS = { keepMembers: false, keepPresences: false };

export interface Received {
  head?: SnapshotHead;
  outcome?: SnapshotOutcome;
  frames: Array<{ t: string; s: number; d: Json }>;
}

export interface World {
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
export function createWorld(tuning: KeeperTuning & { log?: Log } = {}): World {
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

export function receive(keeper: Keeper, shard: number, at: Position, credit: number) {
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

export function checkFrames(received: Received, reference: Reference, s: number): void {
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
export function populate(world: World, shard: number, guilds = 2): string[] {
  const ids = Array.from({ length: guilds }, () => snowflake());
  world.write(shard, 'READY', makeReady(ids));
  for (const id of ids) world.write(shard, 'GUILD_CREATE', makeGuild(id, { threads: 3 }));
  return ids;
}

/** Writes one event of every kind about a guild. */
export function happen(world: World, shard: number, guild: string): void {
  for (const maker of EVENT_MAKERS) {
    const d = maker.make(world.reference(shard).guild(guild)!, (below) => 1 % below);
    if (d) world.write(shard, maker.event, d);
  }
}

export function countOf(log: string[], event: string): number {
  return log.filter((line) => line.includes(event)).length;
}

export function createLines(): { lines: string[]; log: Log } {
  const lines: string[] = [];
  return { lines, log: createLog({ level: 'info', now: () => 0, write: (line) => void lines.push(line) }) };
}
