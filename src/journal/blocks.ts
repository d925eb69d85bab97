// Reads single records of segments. Where a reader's records lie close together, through blocks that all readers
// of a journal share: links that are behind together walk the log side by side. Where they lie far apart (one
// shard of many, far behind), one by one: reading whole blocks for a record each would cost ten times as much.

import { type DiskFile, readFully } from '../store/disk.ts';
import { RECORD_HEADER_BYTES, type RecordHeader, readRecord, recordIsSound } from './record.ts';
import type { Segment, Segments } from './segments.ts';

/** How far apart records may lie to be read through a block. */
export const CLOSE_BYTES = 16 * 1024;

const BLOCK_BYTES = 256 * 1024;
const BLOCKS_KEPT = 16;
/** Most events fit; what does not is read in a second step. */
const SINGLE_BYTES = 4096;

interface Block {
  segment: Segment;
  number: number;
  bytes: Buffer;
  valid: number;
}

/** Per journal, the one that was read first first. */
const caches = new WeakMap<Segments, Block[]>();
const single = Buffer.allocUnsafeSlow(SINGLE_BYTES);

/**
 * Puts the record at `offset` into `header` and returns the buffer that holds it, valid until the next call;
 * undefined when the record is damaged. `isClose` says that the next one will be wanted soon and lies near.
 * Throws the disk's error.
 */
export function loadRecord(
  segments: Segments,
  segment: Segment,
  offset: number,
  isClose: boolean,
  header: RecordHeader,
): Buffer | undefined {
  let cache = caches.get(segments);
  if (!cache) {
    cache = [];
    caches.set(segments, cache);
  }
  const number = Math.floor(offset / BLOCK_BYTES);
  const at = offset % BLOCK_BYTES;
  const file = segments.file(segment);
  let block = cache.find((candidate) => candidate.number === number && candidate.segment === segment);
  let next = block ? readRecord(block.bytes, at, block.valid, header) : 0;
  if (next === 0 && isClose && block?.valid !== BLOCK_BYTES) {
    block = readBlock(cache, file, segment, number);
    next = readRecord(block.bytes, at, block.valid, header);
  }
  if (next < 0) return undefined;
  if (block && next > 0) return recordIsSound(block.bytes, at, next) ? block.bytes : undefined;
  // It lies alone, or reaches beyond its block.
  return loadSingle(file, offset, segment.bytes, header);
}

function loadSingle(file: DiskFile, offset: number, end: number, header: RecordHeader): Buffer | undefined {
  const filled = readFully(file, single.subarray(0, Math.min(SINGLE_BYTES, end - offset)), offset);
  const next = readRecord(single, 0, filled, header);
  if (next > 0) return recordIsSound(single, 0, next) ? single : undefined;
  if (next < 0 || filled < RECORD_HEADER_BYTES || offset + header.payloadEnd > end) return undefined;
  const whole = Buffer.allocUnsafe(header.payloadEnd);
  if (readFully(file, whole, offset) < whole.length) return undefined;
  return recordIsSound(whole, 0, whole.length) ? whole : undefined;
}

/** Reads a block, again where the file has grown since. */
function readBlock(cache: Block[], file: DiskFile, segment: Segment, number: number): Block {
  const known = cache.findIndex((block) => block.number === number && block.segment === segment);
  const [recycled] =
    known >= 0 ? cache.splice(known, 1) : cache.splice(0, cache.length < BLOCKS_KEPT ? 0 : 1);
  const bytes = recycled?.bytes ?? Buffer.allocUnsafe(BLOCK_BYTES);
  const wanted = Math.min(BLOCK_BYTES, segment.bytes - number * BLOCK_BYTES);
  const valid = readFully(file, bytes.subarray(0, wanted), number * BLOCK_BYTES);
  const block = { segment, number, bytes, valid };
  cache.push(block);
  return block;
}
