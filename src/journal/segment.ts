// One segment file: its name, and a verifying pass over its records that survives damage. Reading through is
// used at start (last segment), and to index an older segment when a link needs it.

import type { DiskFile } from '../store/disk.ts';
import { createRecordHeader, findMagic, type RecordHeader, readRecord, recordIsSound } from './record.ts';

const SUFFIX = '.seg';

/** File name of segment `number`: 8 hex digits, so that names sort like numbers. */
export function segmentName(number: number): string {
  return number.toString(16).padStart(8, '0') + SUFFIX;
}

/** The number in a segment's file name, or -1 for another file. */
export function segmentNumber(name: string): number {
  return /^[0-9a-f]{8}\.seg$/.test(name) ? Number.parseInt(name.slice(0, 8), 16) : -1;
}

/** What a pass over a segment found. */
export interface ScanResult {
  /** Offset after the last whole, sound record. */
  readonly soundEnd: number;
  /** Stretches that held no sound record although sound ones follow: damage in mid-log. */
  readonly damage: ReadonlyArray<{ readonly from: number; readonly to: number }>;
}

const SCAN_CHUNK_BYTES = 1024 * 1024;

/**
 * Reads every sound record of a file in order. `visit` gets the record's header, the buffer that holds it, and
 * its offset in the file; the buffer is valid during the call only. With `verify` false checksums are trusted.
 */
export function scanSegment(
  file: DiskFile,
  options: { from?: number; verify: boolean },
  visit: (header: RecordHeader, buffer: Buffer, offset: number) => void,
): ScanResult {
  const size = file.size();
  const header = createRecordHeader();
  let buffer = Buffer.allocUnsafe(SCAN_CHUNK_BYTES);
  let base = options.from ?? 0; // file offset of buffer[0]
  let filled = 0;
  let at = 0;
  let soundEnd = base;
  let lostFrom = -1;
  const damage: Array<{ from: number; to: number }> = [];

  const refill = (needed: number): boolean => {
    buffer.copyWithin(0, at, filled);
    base += at;
    filled -= at;
    at = 0;
    if (needed > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, buffer.length * 2));
      buffer.copy(larger, 0, 0, filled);
      buffer = larger;
    }
    const before = filled;
    while (filled < buffer.length) {
      const count = file.read(buffer, filled, buffer.length - filled, base + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled > before;
  };

  refill(0);
  for (;;) {
    const next = readRecord(buffer, at, filled, header);
    if (next === 0 && base + filled < size) {
      const needed = filled - at >= 40 ? header.payloadEnd - at : 40;
      if (base + at + needed <= size && refill(needed)) continue;
    }
    if (next > 0 && (!options.verify || recordIsSound(buffer, at, next))) {
      if (lostFrom >= 0) {
        damage.push({ from: lostFrom, to: base + at });
        lostFrom = -1;
      }
      visit(header, buffer, base + at);
      at = next;
      soundEnd = base + at;
      continue;
    }
    // No sound record here: go on at the next place that begins like one, or stop at the end.
    if (base + at >= size) break;
    if (lostFrom < 0) lostFrom = base + at;
    let found = findMagic(buffer, at + 1, filled);
    while (found < 0) {
      at = Math.max(at + 1, filled - 3);
      if (!refill(0)) break;
      found = findMagic(buffer, at, filled);
    }
    if (found < 0) break;
    at = found;
  }
  return { soundEnd, damage };
}
