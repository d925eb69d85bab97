// Where one shard stands between journal and state: what has been seen, what is folded, what is stored, and how
// far fold may go. Only positions and decisions about them; no bytes, no storage.

import { comparePositions, type Position } from '../journal/position.ts';
import { EVENT } from '../wire/event-type.ts';
import type { Overlay } from './overlay.ts';
import { createRecordQueue, type RecordQueue } from './record-queue.ts';

/** What to do with a record of a shard. */
export type Verdict =
  /** Fold it now. */
  | 'fold'
  /** It is beyond the limit, or behind records that are: keep its place. */
  | 'queue'
  /** At or below what is folded or queued already. */
  | 'duplicate'
  /** Of an epoch whose READY is nowhere: there is no state to apply it to. */
  | 'lost';

export interface ShardTrack {
  readonly shard: number;
  /** The newest epoch of which any record was seen. */
  seen: number;
  /** The newest epoch whose READY is folded or queued; 0 for none. */
  known: number;
  /** Folded up to here, though perhaps only in memory. */
  folded: Position;
  /** Stored up to here. */
  stored: Position;
  /** Fold may go up to here. */
  limit: Position;
  readonly queue: RecordQueue;
  /** Folded but not stored. */
  overlay: Overlay | undefined;
  /** The position of the newest record taken. */
  last: Position;
}

const NOWHERE: Position = { epoch: 0, s: 0 };

export function createShardTrack(shard: number, stored: Position = NOWHERE): ShardTrack {
  return {
    shard,
    seen: stored.epoch,
    known: stored.epoch,
    folded: stored,
    stored,
    limit: NOWHERE,
    queue: createRecordQueue(),
    overlay: undefined,
    last: stored,
  };
}

/** Takes notice of a state-relevant record and says what to do with it. */
export function judge(track: ShardTrack, type: number, epoch: number, s: number): Verdict {
  const { last, limit } = track;
  if (epoch < last.epoch || (epoch === last.epoch && s <= last.s)) return 'duplicate';
  if (epoch !== track.known) {
    if (type !== EVENT.READY) return 'lost';
    track.known = epoch;
  }
  track.last = { epoch, s };
  const allowed = epoch < limit.epoch || (epoch === limit.epoch && s <= limit.s);
  return allowed && track.queue.size === 0 ? 'fold' : 'queue';
}

/** How many queued records, from the oldest, the limit lets through; at most `most`. */
export function allowedCount(track: ShardTrack, most: number): number {
  let count = 0;
  while (count < track.queue.size && count < most) {
    if (comparePositions(track.queue.at(count), track.limit) > 0) break;
    count++;
  }
  return count;
}

/**
 * The shard's state as others see it: its newest epoch, and the `s` up to which it is folded (0 when only its
 * READY is known so far). Undefined when the newest epoch's READY is nowhere: the state of that epoch is lost.
 */
export function statusOf(track: ShardTrack): Position | undefined {
  if (track.known === 0 || track.known !== track.seen) return undefined;
  return { epoch: track.known, s: track.folded.epoch === track.known ? track.folded.s : 0 };
}
