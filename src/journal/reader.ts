// Reads one shard's stream from a position onward: how a link that is behind catches up. Finds its segment by
// the heads and its place by the index, and reads blocks that links which are behind together share.

import type { DiskFile } from '../store/disk.ts';
import { comparePositions, type LogPosition, type Position } from './position.ts';
import { createRecordHeader, RECORD_HEADER_BYTES, type RecordHeader, readRecord } from './record.ts';
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

const BLOCK_BYTES = 256 * 1024;
const BLOCKS_KEPT = 16;

interface Block {
  segment: Segment;
  number: number;
  bytes: Buffer;
  valid: number;
}

/** Blocks shared by all readers of a journal: links behind together walk the log side by side. */
const caches = new WeakMap<Segments, Block[]>();

/** Creates a reader of `shard` that starts after `from`. */
export function createJournalReader(segments: Segments, shard: number, from: Position): JournalReader {
  let position = from;
  let segment: Segment | undefined;
  let row = 0;
  const header = createRecordHeader();

  /** Finds the segment and row of the first record after `position`; false when that record was trimmed. */
  const seek = (): boolean => {
    for (let i = segments.list.length - 1; i >= 0; i--) {
      const candidate = segments.list[i]!;
      const head = segments.head(candidate);
      if (!head) continue;
      const tip = head.tips.find((entry) => entry[0] === shard);
      const before = tip ? { epoch: tip[1], s: tip[2] } : { epoch: 0, s: 0 };
      if (comparePositions(before, position) > 0) continue;
      segment = candidate;
      row = segments.index(candidate).shard(shard)?.after(position.epoch, position.s) ?? 0;
      return true;
    }
    // Segments without a readable head before them: start at the oldest, unless it is known to be too late.
    const oldest = segments.list[0];
    if (!oldest || segments.head(oldest)) return segments.list.length === 0;
    segment = oldest;
    row = segments.index(oldest).shard(shard)?.after(position.epoch, position.s) ?? 0;
    return true;
  };

  /** Moves to the next segment that exists; false at the newest. */
  const advance = (): boolean => {
    const at = segments.list.indexOf(segment!);
    const next = segments.list[at + 1];
    if (!next) return false;
    segment = next;
    row = segments.index(next).shard(shard)?.after(position.epoch, position.s) ?? 0;
    return true;
  };

  return {
    position: () => position,
    place() {
      if (!segment && !seek()) return { segment: segments.list[0]?.number ?? 0, offset: 0 };
      while (segment) {
        const index = segments.index(segment).shard(shard);
        if (index && row < index.count) return { segment: segment.number, offset: index.offsetAt(row) };
        if (!advance()) break;
      }
      const newest = segments.newest();
      return { segment: newest?.number ?? 0, offset: newest?.bytes ?? 0 };
    },
    read(maxBytes, visit) {
      if (!segment || !segments.list.includes(segment)) {
        if (!seek()) return 'trimmed';
        if (!segment) return 'end';
      }
      for (let taken = 0; taken < maxBytes; ) {
        const index = segments.index(segment!).shard(shard);
        if (!index || row >= index.count) {
          if (advance()) continue;
          return 'end';
        }
        const buffer = loadRecord(segments, segment!, index.offsetAt(row), header);
        if (!visit(header, buffer)) return 'stop';
        position = { epoch: header.epoch, s: header.s };
        row++;
        taken += header.payloadEnd - header.payloadStart;
      }
      return 'more';
    },
  };
}

/** Puts the record at `offset` into `header` and returns the buffer that holds it. */
function loadRecord(segments: Segments, segment: Segment, offset: number, header: RecordHeader): Buffer {
  const file = segments.file(segment);
  const block = loadBlock(segments, segment, file, Math.floor(offset / BLOCK_BYTES));
  const at = offset % BLOCK_BYTES;
  if (readRecord(block.bytes, at, block.valid, header) > 0) return block.bytes;
  // It reaches beyond its block (or the block's part that was valid): read it alone.
  const prefix = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  readFully(file, prefix, offset);
  readRecord(prefix, 0, prefix.length, header);
  const whole = Buffer.allocUnsafe(header.payloadEnd);
  readFully(file, whole, offset);
  readRecord(whole, 0, whole.length, header);
  return whole;
}

function loadBlock(segments: Segments, segment: Segment, file: DiskFile, number: number): Block {
  let cache = caches.get(segments);
  if (!cache) {
    cache = [];
    caches.set(segments, cache);
  }
  const at = cache.findIndex((block) => block.segment === segment && block.number === number);
  let block = cache[at];
  const wanted = Math.min(BLOCK_BYTES, segment.bytes - number * BLOCK_BYTES);
  if (block && block.valid >= wanted) {
    if (at > 0) {
      cache.splice(at, 1);
      cache.unshift(block);
    }
    return block;
  }
  if (at >= 0) cache.splice(at, 1);
  if (!block) {
    const recycled = cache.length >= BLOCKS_KEPT ? cache.pop() : undefined;
    block = { segment, number, bytes: recycled?.bytes ?? Buffer.allocUnsafe(BLOCK_BYTES), valid: 0 };
  }
  block.valid = file.read(block.bytes, 0, wanted, number * BLOCK_BYTES);
  cache.unshift(block);
  return block;
}

function readFully(file: DiskFile, into: Buffer, position: number): void {
  let done = 0;
  while (done < into.length) {
    const count = file.read(into, done, into.length - done, position + done);
    if (count === 0) throw new Error(`journal ends at ${position + done}, inside a record`);
    done += count;
  }
}
