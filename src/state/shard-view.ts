// A shard as of a position: the latest commit, pinned, with the shard's records after it folded on top and not
// stored. Guilds on top stay in the journal, held there, so that memory does not grow with them.

import { comparePositions, type Position } from '../journal/position.ts';
import { RECORD_HEADER_BYTES } from '../journal/record.ts';
import { EVENT } from '../wire/event-type.ts';
import { foldRecord } from './fold.ts';
import type { FoldOptions } from './fold-event.ts';
import { isDatabaseError } from './folding.ts';
import type { Follower } from './follower.ts';
import { Overlay } from './overlay.ts';
import type { SegmentLog } from './segment-log.ts';
import type { ShardTrack } from './shard-track.ts';
import type { StateStore } from './store.ts';

export interface ShardView {
  readonly overlay: Overlay;
  /** What the view shows: the position asked for, or the stored one when that is later (`stale`). */
  readonly position: Position;
  readonly stale: boolean;
  release(): void;
}

/** Opens a view of the shard as of `wanted`; undefined when there is no state of that epoch. */
export function openShardView(options: {
  store: StateStore;
  segments: SegmentLog;
  follower: Follower;
  fold: FoldOptions;
  track: ShardTrack;
  wanted: Position;
}): ShardView | undefined {
  const { store, segments, track, wanted } = options;
  const stale = comparePositions(wanted, track.stored) < 0;
  const pinned = store.pin();
  const held: number[] = [];
  const release = (): void => {
    for (const segment of held.splice(0)) segments.letGo(segment);
    pinned.release();
  };
  const overlay = new Overlay(pinned.reader, track.shard);
  let epoch = track.stored.epoch;
  try {
    if (!stale) epoch = replay(options, overlay, held) ?? epoch;
  } catch (error) {
    release();
    throw error;
  }
  const position = stale ? track.stored : wanted;
  if (epoch === position.epoch && epoch > 0) return { overlay, position, stale, release };
  release();
  return undefined;
}

/**
 * Folds the shard's queued records up to the position, beginning with the last READY among them. Returns the
 * epoch that a READY among them began.
 */
function replay(
  options: Parameters<typeof openShardView>[0],
  overlay: Overlay,
  held: number[],
): number | undefined {
  const { track, wanted, segments, follower } = options;
  let from = 0;
  let end = 0;
  for (; end < track.queue.size; end++) {
    const queued = track.queue.at(end);
    if (comparePositions(queued, wanted) > 0) break;
    if (queued.type === EVENT.READY) from = end;
  }
  let begun: number | undefined;
  for (let i = from; i < end; i++) {
    const queued = track.queue.at(i);
    const bytes = follower.load(queued);
    if (!bytes) continue;
    if (queued.type === EVENT.GUILD_CREATE) {
      segments.hold(queued.segment);
      held.push(queued.segment);
    }
    const start = bytes.at + RECORD_HEADER_BYTES;
    const place = { segment: bytes.segment, offset: bytes.offset + RECORD_HEADER_BYTES };
    try {
      foldRecord(
        overlay,
        { type: queued.type, bytes: bytes.buffer, start, end: bytes.end, place },
        options.fold,
      );
      if (queued.type === EVENT.READY) begun = queued.epoch;
    } catch (error) {
      // An event that does not fit is counted and kept aside when it is folded for good.
      if (isDatabaseError(error)) throw error;
    }
  }
  return begun;
}
