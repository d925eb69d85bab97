// Keeps state in step with the journal: when to read on, when to store, what may be trimmed, and snapshots as of
// any position. Runs inside the worker thread, or in a test's own thread: it is synchronous and owns no timers.

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import {
  compareLogPositions,
  comparePositions,
  type LogPosition,
  type Position,
} from '../journal/position.ts';
import type { Disk } from '../store/disk.ts';
import { openDatabaseFile, setDatabaseAside } from './database-file.ts';
import type { FoldOptions } from './fold-event.ts';
import { createFolding } from './folding.ts';
import { createFollower, type Follower } from './follower.ts';
import { openSegmentLog } from './segment-log.ts';
import { statusOf } from './shard-track.ts';
import { openShardView } from './shard-view.ts';
import { createSnapshot, packFrames, type SnapshotSession } from './snapshot.ts';
import { createSnapshotStreams, type SnapshotHandle, type SnapshotSink } from './snapshot-stream.ts';
import { isCorrupt } from './store.ts';

export interface KeeperTuning {
  /** Fold at least this often. Longer batches coalesce more (default 30 s). */
  readonly foldIntervalMs?: number;
  /** Fold sooner when this much journal waits (default 256 MiB). */
  readonly foldBytes?: number;
  /** Store a batch when its changes take about this much memory (default 8 MiB). */
  readonly batchBytes?: number;
  /** How often a commit is synced (default 10 s). Only then does the frontier move. */
  readonly syncIntervalMs?: number;
  /** A snapshot whose receiver gives no credit for this long is ended (default 60 s). */
  readonly snapshotIdleMs?: number;
}

export interface KeeperOptions extends FoldOptions, KeeperTuning {
  /** Path of the database; its folder is created. */
  readonly databaseFile: string;
  readonly journalDirectory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SnapshotRequest extends SnapshotSession {
  /** The position as of which: (`epoch`, `s`) of the shard. */
  readonly epoch: number;
  readonly s: number;
  /** Bytes that may be sent before more are granted. */
  readonly credit: number;
}

/** A shard and a position in it. */
export interface ShardPosition extends Position {
  readonly shard: number;
}

/** Counters since the start, and what waits. */
export interface KeeperStats {
  readonly folded: number;
  /** Records at or below a position that was taken already. */
  readonly duplicates: number;
  /** Records of epochs without a READY. */
  readonly lost: number;
  /** Events that could not be applied; their bytes are in the table `aside`. */
  readonly aside: number;
  /** Records that were gone when they were to be folded. */
  readonly missing: number;
  /** Damaged stretches and records of the journal. */
  readonly damaged: number;
  /** Segments that were trimmed before they were read. */
  readonly skippedSegments: number;
  readonly commits: number;
  readonly commitFailures: number;
  readonly staleStarts: number;
  /** Records that are known but may not be folded yet. */
  readonly queued: number;
  readonly snapshots: number;
}

export interface KeeperStatus {
  /** Everything before it is folded and synced. */
  readonly frontier: LogPosition;
  /** Everything before it has been read. */
  readonly scanned: LogPosition;
  /** Per shard its newest epoch and how far that is folded; a shard whose state is lost is missing. */
  readonly shards: readonly ShardPosition[];
  readonly stats: KeeperStats;
}

export interface Keeper {
  /** The journal is written up to here. */
  appended(to: LogPosition): void;
  /** Fold may go up to these positions; the journal is synced up to `synced`. */
  setLimits(limits: readonly ShardPosition[], synced: LogPosition): void;
  /** Folds if it is due. Call about once a second. */
  tick(): void;
  /** Folds and stores what the limits allow now. Returns false when the database could not be written. */
  fold(options?: { durable?: boolean }): boolean;
  /** Reads everything written, so that `status` tells of every shard's newest epoch. */
  catchUp(): void;
  snapshot(request: SnapshotRequest, sink: SnapshotSink): SnapshotHandle;
  /** Sends a chunk of each snapshot that may; returns whether to call again at once. */
  pump(): boolean;
  status(): KeeperStatus;
  close(): void;
}

const ZERO: LogPosition = { segment: 0, offset: 0 };

const earlier = (a: LogPosition, b: LogPosition): LogPosition => (compareLogPositions(a, b) <= 0 ? a : b);
const later = (a: LogPosition, b: LogPosition): LogPosition => (compareLogPositions(a, b) >= 0 ? a : b);

/** Opens the state in `databaseFile` and prepares to follow the journal; reads nothing of it yet. */
export function openKeeper(options: KeeperOptions): Keeper {
  const { clock, log, disk } = options;
  const syncIntervalMs = options.syncIntervalMs ?? 10_000;
  const database = { disk, file: options.databaseFile, now: () => clock.now(), log };
  const segments = openSegmentLog(disk, options.journalDirectory);
  const streams = createSnapshotStreams(clock);
  let store = openDatabaseFile(database);
  let folding = createFolding({ store, fold: options, clock, log });
  let target = ZERO;
  let synced = ZERO;
  let storedScan = ZERO;
  let frontier = ZERO;
  let foldedAt = clock.monotonic();
  let durableAt = clock.monotonic();
  let staleStarts = 0;
  let follower: Follower | undefined;

  /** Begins to follow the journal, which must not happen before it is known how far it goes. */
  const follow = (): Follower => {
    if (follower) return follower;
    assert(isKnown(), 'the journal is followed before its end is known');
    const from = startingPlace();
    storedScan = from;
    frontier = from;
    follower = createFollower({
      segments,
      folding,
      from,
      end: () => target,
      batchBytes: options.batchBytes ?? 8 * 1024 * 1024,
      store: () => commit(false),
    });
    return follower;
  };

  const isKnown = (): boolean => compareLogPositions(target, ZERO) > 0;

  const startingPlace = (): LogPosition => {
    const stored = store.scan();
    if (stored && segments.newest() >= stored.segment) {
      // Cut back within its segment, as after a power loss: read that again, positions tell what is folded.
      return segments.isBoundary(stored) ? stored : { segment: stored.segment, offset: 0 };
    }
    // The journal is another one than the state was made from: its epochs mean nothing here.
    if (stored) startEmpty('it was made from another journal than the one that is there');
    return segments.first() ?? target;
  };

  const startEmpty = (reason: string): void => {
    store.close();
    setDatabaseAside({ ...database, reason });
    store = openDatabaseFile(database);
    const limits: ShardPosition[] = [];
    folding.eachTrack(({ shard, limit }) => limits.push({ shard, ...limit }));
    folding = createFolding({ store, fold: options, clock, log });
    for (const { shard, epoch, s } of limits) folding.track(shard).limit = { epoch, s };
  };

  const commit = (durable: boolean): boolean => {
    const due = durable || clock.monotonic() - durableAt >= syncIntervalMs;
    // Only where the journal is sure to be after a power loss, and never back.
    const scan = later(storedScan, earlier(synced, follow().oldestUnfolded()));
    const moved = compareLogPositions(scan, storedScan) > 0;
    const unsynced = compareLogPositions(storedScan, frontier) > 0;
    if (!folding.changed && !moved && !(due && unsynced)) return true;
    if (!folding.commit(scan, due)) return false;
    storedScan = scan;
    if (!due) return true;
    durableAt = clock.monotonic();
    frontier = scan;
    segments.closeBefore(scan.segment);
    return true;
  };

  const fold = (durable: boolean): boolean => {
    foldedAt = clock.monotonic();
    const journal = follow();
    const whole = journal.drain() && journal.advance(earlier(synced, target));
    return commit(durable) && whole;
  };

  /** A damaged database is set aside before the error ends the thread: the next start begins empty. */
  const guarded = <Result>(run: () => Result): Result => {
    try {
      return run();
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      streams.close();
      store.close();
      setDatabaseAside({ ...database, reason: (error as Error).message });
      throw error;
    }
  };

  const snapshot = (request: SnapshotRequest, sink: SnapshotSink): SnapshotHandle => {
    const ended = (outcome: 'lost' | 'failed'): SnapshotHandle => {
      sink.end(outcome);
      return { grant() {}, cancel() {} };
    };
    if (!isKnown()) return ended('failed');
    const wanted: Position = { epoch: request.epoch, s: request.s };
    const journal = follow();
    const track = folding.track(request.shard);
    // Fold may be allowed beyond what this snapshot is to show; it must not get there first.
    const { limit } = track;
    if (comparePositions(wanted, limit) < 0) track.limit = wanted;
    const whole = journal.drain() && journal.advance(target) && commit(false);
    track.limit = limit;
    if (!whole) return ended('failed');

    const view = openShardView({ store, segments, follower: journal, fold: options, track, wanted });
    if (!view) return ended('lost');
    const { overlay, position, stale, release } = view;
    // Always the number that was asked for: what the handler missed follows with Discord's own `s` from there on.
    const lastS = wanted.s;
    const made = createSnapshot(overlay, request, lastS, (place) => segments.read(place, place.length));
    if (!made) {
      release();
      return ended('lost');
    }
    if (stale) staleStarts++;
    sink.head({ position, stale, guilds: made.guilds, lastS });
    return streams.add({ sink, chunks: packFrames(made.frames()), credit: request.credit, release });
  };

  const isDue = (): boolean => {
    if (clock.monotonic() - foldedAt >= (options.foldIntervalMs ?? 30_000)) return true;
    if (!follower) return false;
    const { segment, offset } = follower.pointer;
    return synced.segment > segment || synced.offset - offset >= (options.foldBytes ?? 256 * 1024 * 1024);
  };

  return {
    appended(to) {
      // Before the first read a lower place is news: the journal may have been cut back.
      target = follower ? later(to, target) : to;
    },
    setLimits(limits, syncedTo) {
      for (const { shard, epoch, s } of limits) folding.track(shard).limit = { epoch, s };
      synced = syncedTo;
      target = later(target, syncedTo);
    },
    tick() {
      streams.expire(options.snapshotIdleMs ?? 60_000);
      if (isKnown() && isDue()) guarded(() => fold(false));
    },
    fold: (how) => !isKnown() || guarded(() => fold(how?.durable ?? false)),
    catchUp: () => void (isKnown() && guarded(() => follow().advance(target))),
    snapshot: (request, sink) => guarded(() => snapshot(request, sink)),
    pump: () => guarded(() => streams.pump()),
    status() {
      const shards: ShardPosition[] = [];
      let queued = 0;
      folding.eachTrack((track) => {
        queued += track.queue.size;
        const position = statusOf(track);
        if (position) shards.push({ shard: track.shard, ...position });
      });
      const read = follower?.counts ?? { duplicates: 0, lost: 0, missing: 0, damaged: 0 };
      const { skippedSegments, damaged } = segments.stats();
      const stats: KeeperStats = {
        ...folding.counts,
        ...read,
        lost: folding.counts.lost + read.lost,
        damaged: read.damaged + damaged,
        skippedSegments,
        staleStarts,
        queued,
        snapshots: streams.active,
      };
      return { frontier, scanned: follower?.pointer ?? ZERO, shards, stats };
    },
    close() {
      streams.close();
      if (isKnown()) guarded(() => fold(true));
      segments.close();
      store.close();
    },
  };
}
