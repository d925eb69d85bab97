// Reads single records of segments through blocks that all readers of a journal share: links that are behind
// together walk the log side by side.

import { readFully } from '../store/disk.ts';
import { RECORD_HEADER_BYTES, type RecordHeader, readRecord, recordIsSound } from './record.ts';
import type { Segment, Segments } from './segments.ts';

const BLOCK_BYTES = 256 * 1024;
const BLOCKS_KEPT = 16;

interface Block {
  segment: Segment;
  number: number;
  bytes: Buffer;
  valid: number;
}

/** Per journal, the most recently used first. */
const caches = new WeakMap<Segments, Block[]>();

/**
 * Puts the record at `offset` into `header` and returns the buffer that holds it, valid until the next call;
 * undefined when the record is damaged. Throws the disk's error.
 */
export function loadRecord(
  segments: Segments,
  segment: Segment,
  offset: number,
  header: RecordHeader,
): Buffer | undefined {
  const block = loadBlock(segments, segment, Math.floor(offset / BLOCK_BYTES));
  const at = offset % BLOCK_BYTES;
  const next = readRecord(block.bytes, at, block.valid, header);
  if (next > 0) return recordIsSound(block.bytes, at, next) ? block.bytes : undefined;
  // It reaches beyond its block (or the block's part that was valid): read it alone.
  const file = segments.file(segment);
  const prefix = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  if (readFully(file, prefix, offset) < prefix.length) return undefined;
  if (readRecord(prefix, 0, prefix.length, header) < 0) return undefined;
  if (offset + header.payloadEnd > segment.bytes) return undefined;
  const whole = Buffer.allocUnsafe(header.payloadEnd);
  if (readFully(file, whole, offset) < whole.length) return undefined;
  return recordIsSound(whole, 0, whole.length) ? whole : undefined;
}

function loadBlock(segments: Segments, segment: Segment, number: number): Block {
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
  block.valid = readFully(segments.file(segment), block.bytes.subarray(0, wanted), number * BLOCK_BYTES);
  cache.unshift(block);
  return block;
}
