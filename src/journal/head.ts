// The first record of every segment: where every shard and every handler stood when the segment began. So a
// start reads one segment, whatever lies before it, and a trimmed position is known to be trimmed.

import type { LogPosition } from './position.ts';

/** One shard's tip: the last position before this segment. */
export type HeadTip = readonly [shard: number, epoch: number, s: number];

export interface SegmentHead {
  readonly version: 1;
  readonly tips: readonly HeadTip[];
  /** Handlers' cursors, in the form that their owner (downstream) gave; opaque here. */
  readonly cursors: unknown;
  /** Everything before this place was on stable storage. */
  readonly synced: LogPosition;
}

/** Encodes a head as a record payload. */
export function encodeHead(head: SegmentHead): Buffer {
  return Buffer.from(JSON.stringify(head));
}

/** Decodes a head; undefined when it is not one. */
export function decodeHead(payload: Buffer): SegmentHead | undefined {
  try {
    const head = JSON.parse(payload.toString('utf8')) as SegmentHead;
    return head.version === 1 && Array.isArray(head.tips) ? head : undefined;
  } catch {
    return undefined;
  }
}
