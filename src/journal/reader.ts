// Reads one shard's stream from a position onward: how a link that is behind catches up. Finds its segment by
// the heads and its place by the index. What is damaged is left out, and whoever reads sees the jump.

import { CLOSE_BYTES, loadRecord } from './blocks.ts';
import { comparePositions, type LogPosition, type Position } from './position.ts';
import { createRecordHeader, type RecordHeader } from './record.ts';
import type { Segment, Segments } from './segments.ts';

/** Why a read stopped: there may be `more`, the `end` of what is written was reached, the visitor said `stop`,
 * or what comes next was `trimmed` away. */
export type ReadOutcome = 'more' | 'end' | 'stop' | 'trimmed';

export interface JournalReader {
  /** Everything up to here has been read. */
  position(): Position;
  /** Where in the log the next record of the shard is or, where there is none yet, where the log ends. */
  place(): LogPosition;
  /**
   * Visits the records after the position, in order, for about `maxBytes` of them. The payload is
   * `buffer[header.payloadStart, header.payloadEnd)`, valid during the call. A visitor that returns false
   * stops the read before that record is counted as read.
   */
  read(maxBytes: number, visit: (header: RecordHeader, buffer: Buffer) => boolean): ReadOutcome;
}

/** Where a shard's stream begins: what a reader from there on, or from later, can still read. */
export function findFloor(segments: Segments, shard: number): Position {
  let oldest: Segment | undefined;
  let floor: Position = { epoch: 0, s: 0 };
  // Once more where looking at the oldest showed that it is lost.
  while (oldest !== segments.list[0]) {
    oldest = segments.list[0];
    if (oldest) floor = positionBefore(segments, oldest, shard) ?? floor;
  }
  return floor;
}

/** The last position of a shard before a segment; undefined when the segment's head is damaged. */
function positionBefore(segments: Segments, segment: Segment, shard: number): Position | undefined {
  const head = segments.head(segment);
  if (!head) return undefined;
  const tip = head.tips.find((row) => row[0] === shard);
  return tip ? { epoch: tip[1], s: tip[2] } : { epoch: 0, s: 0 };
}

/** Creates a reader of `shard` that starts after `from`. */
export function createJournalReader(segments: Segments, shard: number, from: Position): JournalReader {
  let position = from;
  let segment: Segment | undefined;
  let row = 0;
  const header = createRecordHeader();

  const enter = (next: Segment): void => {
    segment = next;
    row = segments.index(next).shard(shard)?.after(position.epoch, position.s) ?? 0;
  };

  /** Finds the segment and row of the first record after `position`; false when that record was trimmed. */
  const seek = (): boolean => {
    for (let i = segments.list.length - 1; i >= 0; i--) {
      const candidate = segments.list[i]!;
      const before = positionBefore(segments, candidate, shard);
      if (!before || comparePositions(before, position) > 0) continue;
      enter(candidate);
      return true;
    }
    // Segments without a readable head before them: start at the oldest, unless it is known to be too late.
    const oldest = segments.list[0];
    if (!oldest) return true;
    if (segments.head(oldest)) return false;
    enter(oldest);
    return true;
  };

  /** Moves to the next segment that exists; false at the newest. */
  const advance = (): boolean => {
    const next = segments.list.find((candidate) => candidate.number > segment!.number);
    if (next) enter(next);
    return next !== undefined;
  };

  /** Goes to where the position is, unless it is there; false when what comes next was trimmed. */
  const settle = (): boolean => {
    if (segment && segments.list.includes(segment)) return true;
    segment = undefined;
    return seek();
  };

  return {
    position: () => position,
    place() {
      if (!settle()) return { segment: segments.list[0]?.number ?? 0, offset: 0 };
      while (segment) {
        const index = segments.index(segment).shard(shard);
        if (index && row < index.count) return { segment: segment.number, offset: index.offsetAt(row) };
        if (!advance()) break;
      }
      const newest = segments.newest();
      return { segment: newest?.number ?? 0, offset: newest?.bytes ?? 0 };
    },
    read(maxBytes, visit) {
      if (!settle()) return 'trimmed';
      for (let taken = 0; taken < maxBytes; ) {
        if (!segment) return 'end';
        const here = segment;
        const index = segments.index(here).shard(shard);
        if (!index || row >= index.count) {
          if (advance()) continue;
          return 'end';
        }
        const offset = index.offsetAt(row);
        const isClose = row + 1 < index.count && index.offsetAt(row + 1) - offset < CLOSE_BYTES;
        const buffer = segments.reading(here, () => loadRecord(segments, here, offset, isClose, header));
        if (!buffer) {
          // One record is damaged, or the whole segment is lost.
          if (segments.list.includes(here)) row++;
          else if (!advance()) return 'end';
          continue;
        }
        if (!visit(header, buffer)) return 'stop';
        position = { epoch: header.epoch, s: header.s };
        row++;
        taken += header.payloadEnd - header.payloadStart;
      }
      return 'more';
    },
  };
}
