// The reading side of state: follows the journal once, forward, hands what the limits allow to fold and keeps the
// places of the rest. It knows positions and batches, not what events do.

import { compareLogPositions, type LogPosition } from '../journal/position.ts';
import { createRecordHeader, KIND, type RecordHeader, readRecord, recordIsSound } from '../journal/record.ts';
import { changesState } from './events.ts';
import type { Folding } from './folding.ts';
import type { QueuedRecord } from './record-queue.ts';
import type { RecordBytes, SegmentLog } from './segment-log.ts';
import { allowedCount, judge, type ShardTrack } from './shard-track.ts';

export interface Follower {
  /** Everything before it has been read. */
  readonly pointer: LogPosition;
  /** Reads on up to `to`. Returns false when a batch could not be stored on the way. */
  advance(to: LogPosition): boolean;
  /** Folds queued records that the limits let through by now. Returns false like `advance`. */
  drain(): boolean;
  /** The queued record's bytes, valid until the next; undefined when they are gone or something else. */
  load(queued: QueuedRecord): RecordBytes | undefined;
  /** The first place that a start would have to read from: the oldest queued record, or the pointer. */
  oldestUnfolded(): LogPosition;
  readonly counts: { duplicates: number; lost: number; missing: number; damaged: number };
}

/** So many records of each shard are put in the order of the log at a time. */
const DRAIN_PER_SHARD = 2000;

export function createFollower(options: {
  segments: SegmentLog;
  folding: Folding;
  from: LogPosition;
  /** How far the journal is known to be written. */
  end: () => LogPosition;
  batchBytes: number;
  /** Stores the batch so far; false when it could not be. */
  store: () => boolean;
}): Follower {
  const { segments, folding, batchBytes } = options;
  const counts = { duplicates: 0, lost: 0, missing: 0, damaged: 0 };
  const header = createRecordHeader();
  let pointer = options.from;

  // What was written before the start may have been through a crash; what comes since has not, and its checksum
  // would cost a fifth of its whole way.
  const suspect = options.end();
  const isSound = (bytes: RecordBytes): boolean =>
    compareLogPositions(bytes, suspect) >= 0 || recordIsSound(bytes.buffer, bytes.at, bytes.end);

  const wants = (record: RecordHeader): boolean => {
    if (record.kind !== KIND.DISPATCH) return false;
    const track = folding.track(record.shard);
    if (record.epoch > track.seen) track.seen = record.epoch;
    return changesState(record.type);
  };

  const take = (record: RecordHeader, bytes: RecordBytes): boolean => {
    const { type, epoch, s } = record;
    if (!isSound(bytes)) {
      counts.damaged++;
      return true;
    }
    const track = folding.track(record.shard);
    const verdict = judge(track, type, epoch, s);
    if (verdict === 'fold') folding.apply(track, type, track.last, bytes);
    else if (verdict === 'queue') {
      const { segment, offset } = bytes;
      track.queue.push({ epoch, s, type, segment, offset, length: bytes.end - bytes.at });
    } else if (verdict === 'duplicate') counts.duplicates++;
    else counts.lost++;
    return folding.meter.bytes <= batchBytes;
  };

  const load = (queued: QueuedRecord): RecordBytes | undefined => {
    const bytes = segments.load(queued, queued.length, options.end());
    if (!bytes) return undefined;
    const whole = readRecord(bytes.buffer, bytes.at, bytes.end, header) === bytes.end;
    return whole && header.s === queued.s && header.type === queued.type ? bytes : undefined;
  };

  const makeRoom = (): boolean => folding.meter.bytes <= batchBytes || options.store();

  return {
    counts,
    load,
    get pointer() {
      return pointer;
    },
    advance(to) {
      while (compareLogPositions(pointer, to) < 0) {
        if (!makeRoom()) return false;
        const before = pointer;
        pointer = segments.scan(pointer, to, wants, take);
        if (compareLogPositions(before, pointer) === 0) break;
      }
      return true;
    },
    drain() {
      for (;;) {
        const batch: Array<{ track: ShardTrack; queued: QueuedRecord }> = [];
        folding.eachTrack((track) => {
          const count = allowedCount(track, DRAIN_PER_SHARD);
          for (let i = 0; i < count; i++) batch.push({ track, queued: track.queue.at(i) });
        });
        if (batch.length === 0) return true;
        // In the order of the log the reads are sequential; a shard's own order is the same.
        batch.sort((a, b) => compareLogPositions(a.queued, b.queued));
        for (const { track, queued } of batch) {
          if (!makeRoom()) return false;
          const bytes = load(queued);
          const position = { epoch: queued.epoch, s: queued.s };
          if (bytes) folding.apply(track, queued.type, position, bytes);
          else counts.missing++;
          track.queue.shift(1);
        }
      }
    },
    oldestUnfolded() {
      let place = pointer;
      folding.eachTrack((track) => {
        if (track.queue.size === 0) return;
        const { segment, offset } = track.queue.at(0);
        if (compareLogPositions({ segment, offset }, place) < 0) place = { segment, offset };
      });
      return place;
    },
  };
}
