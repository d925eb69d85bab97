// Keeps state in step with the journal: reads it once, forward, folds what the limits allow, stores it in
// batches, and makes snapshots. Runs inside the worker thread, or in a test's own thread: it is synchronous
// and owns no timers. What events do is in fold.ts, what positions allow in shard-track.ts.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import {
  compareLogPositions,
  comparePositions,
  type LogPosition,
  type Position,
} from '../journal/position.ts';
import {
  createRecordHeader,
  KIND,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  readRecord,
  recordIsSound,
} from '../journal/record.ts';
import type { Disk } from '../store/disk.ts';
import { EVENT, eventTypeName } from '../wire/event-type.ts';
import { openDatabaseFile, setDatabaseAside } from './database-file.ts';
import { changesState } from './events.ts';
import { foldRecord } from './fold.ts';
import type { FoldOptions } from './fold-event.ts';
import { type Meter, Overlay } from './overlay.ts';
import type { AsideRow } from './port.ts';
import type { QueuedRecord } from './record-queue.ts';
import { openSegmentLog, type RecordBytes } from './segment-log.ts';
import { allowedCount, createShardTrack, judge, type ShardTrack, statusOf } from './shard-track.ts';
import { createSnapshot, packFrames, type SnapshotSession } from './snapshot.ts';
import { createSnapshotStreams, type SnapshotHandle, type SnapshotSink } from './snapshot-stream.ts';
import { isCorrupt } from './store.ts';

export interface KeeperOptions extends FoldOptions {
  /** Path of the database; its folder is created. */
  readonly databaseFile: string;
  readonly journalDirectory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** Fold at least this often. Longer batches coalesce more (default 10 s). */
  readonly foldIntervalMs?: number;
  /** Fold sooner when this much journal waits (default 32 MiB). */
  readonly foldBytes?: number;
  /** Store a batch when its changes take this much memory (default 16 MiB). */
  readonly batchBytes?: number;
  /** How often a commit is synced (default 10 s). Only then does the frontier move. */
  readonly syncIntervalMs?: number;
  /** A snapshot whose receiver gives no credit for this long is ended (default 60 s). */
  readonly snapshotIdleMs?: number;
}

export interface SnapshotRequest extends SnapshotSession {
  /** The position as of which: (`epoch`, `s`) of the shard. */
  readonly epoch: number;
  readonly s: number;
  /** Bytes that may be sent before more are granted. */
  readonly credit: number;
}

export interface ShardLimit {
  readonly shard: number;
  readonly epoch: number;
  readonly s: number;
}

/** Counters since the start, and what waits. */
export interface KeeperStats {
  folded: number;
  /** Records at or below a position already taken, and records of epochs without a READY. */
  duplicates: number;
  lost: number;
  /** Events that could not be applied; their bytes are in the table `aside`. */
  aside: number;
  /** Records that were gone or damaged when they were to be folded. */
  missing: number;
  skippedSegments: number;
  damaged: number;
  commits: number;
  commitFailures: number;
  staleStarts: number;
  /** Records that are known but may not be folded yet. */
  queued: number;
  snapshots: number;
}

export interface KeeperStatus {
  /** Everything before it is folded and synced. */
  readonly frontier: LogPosition;
  /** Everything before it has been read. */
  readonly scanned: LogPosition;
  readonly shards: readonly ShardLimit[];
  readonly stats: KeeperStats;
}

export interface Keeper {
  /** The journal is written up to here. */
  appended(to: LogPosition): void;
  /** Fold may go up to these positions; the journal is synced up to `synced`. */
  setLimits(limits: readonly ShardLimit[], synced: LogPosition): void;
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

const DRAIN_PER_SHARD = 2000;
const ZERO: LogPosition = { segment: 0, offset: 0 };

/** Opens the state in `databaseFile` and prepares to follow the journal; reads nothing of it yet. */
export function openKeeper(options: KeeperOptions): Keeper {
  const { clock, log, disk } = options;
  const foldIntervalMs = options.foldIntervalMs ?? 10_000;
  const foldBytes = options.foldBytes ?? 32 * 1024 * 1024;
  const batchBytes = options.batchBytes ?? 16 * 1024 * 1024;
  const syncIntervalMs = options.syncIntervalMs ?? 10_000;
  const now = (): number => clock.now();
  const database = { disk, file: options.databaseFile, now, log };
  let store = openDatabaseFile(database);
  const segments = openSegmentLog(disk, options.journalDirectory);
  const streams = createSnapshotStreams(clock);
  const meter: Meter = { bytes: 0 };
  const header = createRecordHeader();
  const counts = { folded: 0, duplicates: 0, lost: 0, aside: 0, missing: 0, damaged: 0, staleStarts: 0 };
  let commits = 0;
  let commitFailures = 0;
  let failing = false;

  // Indexed by shard; shards of other nodes leave holes.
  let tracks: Array<ShardTrack | undefined> = [];
  let asideRows: AsideRow[] = [];
  let started = false;
  let pointer = ZERO;
  let target = ZERO;
  let synced = ZERO;
  let storedScan = ZERO;
  let frontier = ZERO;
  let foldedAt = clock.monotonic();
  let durableAt = clock.monotonic();

  const load = (): void => {
    tracks = [];
    for (const row of store.reader.shards()) tracks[row.shard] = createShardTrack(row.shard, row);
  };
  load();

  const trackOf = (shard: number): ShardTrack => {
    let track = tracks[shard];
    if (!track) {
      track = createShardTrack(shard);
      tracks[shard] = track;
    }
    return track;
  };

  const eachTrack = (visit: (track: ShardTrack) => void): void => {
    for (const track of tracks) if (track) visit(track);
  };

  /** Finds where to read from, the first time it is known how far the journal goes. */
  const start = (): void => {
    if (started) return;
    started = true;
    const stored = store.scan();
    if (stored && target.segment < stored.segment) {
      // The journal is another one than the state was made from: its epochs mean nothing here.
      store.close();
      setDatabaseAside({ ...database, reason: 'the journal is older than the state made from it' });
      store = openDatabaseFile(database);
      load();
      pointer = segments.first() ?? target;
    } else if (stored && compareLogPositions(target, stored) < 0) {
      // Cut back, as after a power loss; positions keep what is read again from being folded again.
      pointer = { segment: stored.segment, offset: 0 };
    } else {
      pointer = stored ?? segments.first() ?? target;
    }
    storedScan = pointer;
    frontier = pointer;
  };

  const keepAside = (track: ShardTrack, bytes: RecordBytes, error: unknown): void => {
    counts.aside++;
    readRecord(bytes.buffer, bytes.at, bytes.end, header);
    const event = eventTypeName(header.type);
    if (counts.aside === 1)
      log.warn(
        'state.event-skipped',
        { shard: track.shard, event, error: (error as Error).message },
        'an event could not be applied to state; its bytes are in the table "aside" of the state database. Further ones are only counted',
      );
    asideRows.push({
      shard: track.shard,
      epoch: header.epoch,
      s: header.s,
      event,
      at: header.receivedAt,
      error: String((error as Error).message),
      bytes: Buffer.from(bytes.buffer.subarray(header.payloadStart, header.payloadEnd)),
    });
  };

  const apply = (track: ShardTrack, type: number, position: Position, bytes: RecordBytes): void => {
    if (type !== EVENT.READY && position.epoch !== track.folded.epoch) {
      counts.lost++;
      return;
    }
    track.overlay ??= new Overlay(store.reader, track.shard, meter);
    try {
      const payload = { type, bytes: bytes.buffer, start: bytes.at + RECORD_HEADER_BYTES, end: bytes.end };
      foldRecord(track.overlay, payload, options);
      counts.folded++;
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_SQLITE_ERROR') throw error;
      keepAside(track, bytes, error);
      if (type === EVENT.READY) {
        // Without its READY an epoch has no state, and the one before must not pass for it.
        track.known = 0;
        return;
      }
    }
    track.folded = position;
  };

  const isSound = (type: number, bytes: RecordBytes): boolean =>
    // The checksum costs as much as the rest of a message's way; a damaged one can spoil one message id.
    type === EVENT.MESSAGE_CREATE || recordIsSound(bytes.buffer, bytes.at, bytes.end);

  const wants = (record: RecordHeader): boolean => {
    if (record.kind !== KIND.DISPATCH) return false;
    const track = tracks[record.shard] ?? trackOf(record.shard);
    if (record.epoch > track.seen) track.seen = record.epoch;
    return changesState(record.type);
  };

  const take = (record: RecordHeader, bytes: RecordBytes): boolean => {
    const { type, epoch, s } = record;
    const track = trackOf(record.shard);
    if (!isSound(type, bytes)) {
      counts.damaged++;
      return true;
    }
    const verdict = judge(track, type, epoch, s);
    if (verdict === 'fold') apply(track, type, { epoch, s }, bytes);
    else if (verdict === 'queue') {
      const { segment, offset } = bytes;
      track.queue.push({ epoch, s, type, segment, offset, length: bytes.end - bytes.at });
    } else if (verdict === 'duplicate') counts.duplicates++;
    else counts.lost++;
    return meter.bytes <= batchBytes;
  };

  /** Reads on up to `to`, storing batches on the way. Returns false when the database refuses them. */
  const advance = (to: LogPosition): boolean => {
    start();
    while (compareLogPositions(pointer, to) < 0) {
      if (meter.bytes > batchBytes && !commit(false)) return false;
      const before = pointer;
      pointer = segments.scan(pointer, to, wants, take);
      if (compareLogPositions(before, pointer) === 0) break;
    }
    return true;
  };

  const loadQueued = (queued: QueuedRecord): RecordBytes | undefined => {
    const bytes = segments.load(queued, queued.length, target);
    if (!bytes) return undefined;
    const whole = readRecord(bytes.buffer, bytes.at, bytes.end, header) === bytes.end;
    return whole && header.s === queued.s && header.type === queued.type ? bytes : undefined;
  };

  /** Folds queued records that the limits let through by now, in the order of the log. */
  const drain = (): boolean => {
    for (;;) {
      const batch: Array<{ track: ShardTrack; queued: QueuedRecord }> = [];
      eachTrack((track) => {
        const count = allowedCount(track, DRAIN_PER_SHARD);
        for (let i = 0; i < count; i++) batch.push({ track, queued: track.queue.at(i) });
      });
      if (batch.length === 0) return true;
      batch.sort((a, b) => compareLogPositions(a.queued, b.queued));
      for (const { track, queued } of batch) {
        if (meter.bytes > batchBytes && !commit(false)) return false;
        const bytes = loadQueued(queued);
        if (bytes) apply(track, queued.type, { epoch: queued.epoch, s: queued.s }, bytes);
        else counts.missing++;
        track.queue.shift(1);
      }
    }
  };

  /** Where a start would have to read from, as far as the journal is sure to be there then. */
  const scanStart = (): LogPosition => {
    let place = compareLogPositions(synced, pointer) < 0 ? synced : pointer;
    eachTrack((track) => {
      if (track.queue.size === 0) return;
      const { segment, offset } = track.queue.at(0);
      if (compareLogPositions({ segment, offset }, place) < 0) place = { segment, offset };
    });
    return compareLogPositions(place, storedScan) < 0 ? storedScan : place;
  };

  const commit = (durable: boolean): boolean => {
    const changed: ShardTrack[] = [];
    eachTrack((track) => {
      if (track.overlay || track.folded !== track.stored) changed.push(track);
    });
    const scan = scanStart();
    const due = durable || clock.monotonic() - durableAt >= syncIntervalMs;
    const moved = compareLogPositions(scan, storedScan) !== 0;
    if (changed.length === 0 && asideRows.length === 0 && !moved) {
      if (!due || compareLogPositions(frontier, storedScan) === 0) return true;
    }
    try {
      store.commit({
        overlays: changed.flatMap(({ overlay }) => overlay ?? []),
        positions: changed.map(({ shard, folded }) => ({ shard, ...folded })),
        scan,
        aside: asideRows,
        durable: due,
      });
    } catch (error) {
      if (isCorrupt(error)) throw error;
      commitFailures++;
      if (!failing)
        log.error(
          'state.failing',
          { error: (error as Error).message },
          `the state database cannot be written (${(error as Error).message}); the journal keeps what it could not take. Free space or repair the disk`,
        );
      failing = true;
      return false;
    }
    if (failing) log.info('state.recovered', {}, 'the state database is written again; nothing was lost');
    failing = false;
    commits++;
    for (const track of changed) {
      track.overlay = undefined;
      track.stored = track.folded;
    }
    meter.bytes = 0;
    asideRows = [];
    storedScan = scan;
    if (due) {
      durableAt = clock.monotonic();
      frontier = scan;
      segments.closeBefore(scan.segment);
    }
    return true;
  };

  const fold = (durable: boolean): boolean => {
    foldedAt = clock.monotonic();
    start();
    const whole = drain() && advance(compareLogPositions(synced, target) < 0 ? synced : target);
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

  /** Folds the shard's queued records up to `position` onto `overlay`, leaving big values in the journal. */
  const replay = (
    track: ShardTrack,
    position: Position,
    overlay: Overlay,
    hold: (n: number) => void,
  ): void => {
    let from = 0;
    let end = 0;
    for (; end < track.queue.size; end++) {
      const queued = track.queue.at(end);
      if (comparePositions(queued, position) > 0) break;
      if (queued.type === EVENT.READY) from = end;
    }
    for (let i = from; i < end; i++) {
      const queued = track.queue.at(i);
      const bytes = loadQueued(queued);
      if (!bytes) continue;
      if (queued.type === EVENT.GUILD_CREATE) hold(queued.segment);
      const place = { segment: bytes.segment, offset: bytes.offset + RECORD_HEADER_BYTES };
      const payload = { type: queued.type, bytes: bytes.buffer, start: bytes.at + RECORD_HEADER_BYTES };
      try {
        foldRecord(overlay, { ...payload, end: bytes.end, place }, options);
      } catch (error) {
        // It is counted and kept aside when it is folded for good.
        if ((error as { code?: string }).code === 'ERR_SQLITE_ERROR') throw error;
      }
    }
  };

  const snapshot = (request: SnapshotRequest, sink: SnapshotSink): SnapshotHandle => {
    const ended = (outcome: 'lost' | 'failed'): SnapshotHandle => {
      sink.end(outcome);
      return { grant() {}, cancel() {} };
    };
    const wanted: Position = { epoch: request.epoch, s: request.s };
    const track = trackOf(request.shard);
    const { limit } = track;
    // Fold may be allowed beyond what this snapshot is to show; it must not get there first.
    if (comparePositions(wanted, limit) < 0) track.limit = wanted;
    const stored = drain() && advance(target) && commit(false);
    track.limit = limit;
    if (!stored) return ended('failed');

    const stale = comparePositions(wanted, track.stored) < 0;
    const pinned = store.pin();
    const overlay = new Overlay(pinned.reader, track.shard);
    const held: number[] = [];
    const release = (): void => {
      for (const segment of held) segments.letGo(segment);
      pinned.release();
    };
    const hold = (segment: number): void => {
      segments.hold(segment);
      held.push(segment);
    };
    if (!stale) replay(track, wanted, overlay, hold);
    const position = stale ? track.stored : wanted;
    const lastS = position.epoch === wanted.epoch ? wanted.s : position.s;
    const sameEpoch = overlay.readyRow !== undefined || track.stored.epoch === position.epoch;
    const made = sameEpoch
      ? createSnapshot(overlay, request, lastS, (place) => segments.read(place, place.length))
      : undefined;
    if (!made) {
      release();
      return ended('lost');
    }
    if (stale) counts.staleStarts++;
    sink.head({ position, stale, guilds: made.guilds, lastS });
    const chunks = packFrames(made.frames());
    return streams.add({ sink, chunks, credit: request.credit, release });
  };

  return {
    appended(to) {
      if (compareLogPositions(to, target) > 0 || !started) target = to;
    },
    setLimits(limits, syncedTo) {
      for (const { shard, epoch, s } of limits) trackOf(shard).limit = { epoch, s };
      synced = syncedTo;
      if (compareLogPositions(syncedTo, target) > 0) target = syncedTo;
    },
    tick() {
      streams.expire(options.snapshotIdleMs ?? 60_000);
      const waiting =
        synced.segment === pointer.segment ? synced.offset - pointer.offset : Number.POSITIVE_INFINITY;
      const due = clock.monotonic() - foldedAt >= foldIntervalMs || (started && waiting >= foldBytes);
      if (due && compareLogPositions(target, ZERO) > 0) guarded(() => fold(false));
    },
    fold: (how) => guarded(() => fold(how?.durable ?? false)),
    catchUp: () => void guarded(() => advance(target)),
    snapshot: (request, sink) => guarded(() => snapshot(request, sink)),
    pump: () => guarded(() => streams.pump()),
    status() {
      const shards: ShardLimit[] = [];
      let queued = 0;
      eachTrack((track) => {
        queued += track.queue.size;
        const position = statusOf(track);
        if (position) shards.push({ shard: track.shard, ...position });
      });
      const { skippedSegments, damaged } = segments.stats();
      const all = { ...counts, damaged: counts.damaged + damaged, skippedSegments, commits, commitFailures };
      const stats = { ...all, queued, snapshots: streams.active };
      return { frontier, scanned: pointer, shards, stats };
    },
    close() {
      streams.close();
      if (started) guarded(() => fold(true));
      segments.close();
      store.close();
    },
  };
}
