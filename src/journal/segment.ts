// One segment file: its name, and a verifying pass over its records that survives damage. Reading through is
// used at start (last segment), and to index an older segment when a link needs it.

import type { DiskFile } from '../store/disk.ts';
import {
  createRecordHeader,
  findMagic,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  readRecord,
  recordIsSound,
} from './record.ts';

const SUFFIX = '.seg';

/** File name of segment `number`: 8 hex digits, so that names sort like numbers. */
export function segmentName(number: number): string {
  return number.toString(16).padStart(8, '0') + SUFFIX;
}

/** The number in a segment's file name, or -1 for another file. */
export function segmentNumber(name: string): number {
  return /^[0-9a-f]{8}\.seg$/.test(name) ? Number.parseInt(name.slice(0, 8), 16) : -1;
}

/** A stretch of a file that holds no sound record although sound ones follow. */
export interface Damage {
  readonly from: number;
  readonly to: number;
}

/** What a pass over a segment found. */
export interface ScanResult {
  /** Offset after the last whole, sound record. */
  readonly soundEnd: number;
  /** Damage in mid-log, in order. */
  readonly damage: readonly Damage[];
}

const SCAN_CHUNK_BYTES = 1024 * 1024;

/**
 * Reads every sound record of a file in order. `visit` gets the record's header, the buffer that holds it, and
 * its offset in the file; the buffer is valid during the call only.
 */
export function scanSegment(
  file: DiskFile,
  visit: (header: RecordHeader, buffer: Buffer, offset: number) => void,
): ScanResult {
  const header = createRecordHeader();
  const window = createWindow(file);
  const damage: Damage[] = [];
  let soundEnd = 0;
  for (;;) {
    const next = nextSound(window, header);
    if (next < 0) return { soundEnd, damage };
    const offset = window.base + window.at;
    if (offset > soundEnd) damage.push({ from: soundEnd, to: offset });
    visit(header, window.buffer, offset);
    window.at = next;
    soundEnd = window.base + next;
  }
}

/** Moves the window to the next sound record and returns where in the window it ends; -1 at the end of the file. */
function nextSound(window: Window, header: RecordHeader): number {
  for (;;) {
    let next = readRecord(window.buffer, window.at, window.filled, header);
    if (next === 0) {
      const isKnown = window.filled - window.at >= RECORD_HEADER_BYTES;
      if (window.load(isKnown ? header.payloadEnd - window.at : RECORD_HEADER_BYTES)) continue;
      next = -1;
    }
    if (next > 0 && recordIsSound(window.buffer, window.at, next)) return next;
    // No sound record here: go on at the next place that begins like one.
    const found = findMagic(window.buffer, window.at + 1, window.filled);
    if (found >= 0) {
      window.at = found;
      continue;
    }
    // The last bytes may be the beginning of a magic.
    window.at = Math.min(window.filled, Math.max(window.at + 1, window.filled - 3));
    if (!window.load(window.filled - window.at + 1)) return -1;
  }
}

interface Window {
  buffer: Buffer;
  /** File offset of `buffer[0]`. */
  base: number;
  filled: number;
  /** Where the pass stands in the buffer. */
  at: number;
  /** Makes at least `bytes` bytes from `at` on present; false when the file ends before. */
  load(bytes: number): boolean;
}

function createWindow(file: DiskFile): Window {
  const size = file.size();
  const window: Window = {
    buffer: Buffer.allocUnsafe(Math.min(size, SCAN_CHUNK_BYTES)),
    base: 0,
    filled: 0,
    at: 0,
    load(bytes) {
      // A length in a damaged header must not make us ask for memory that the file can't fill.
      if (window.base + window.at + bytes > size) return false;
      window.buffer.copyWithin(0, window.at, window.filled);
      window.base += window.at;
      window.filled -= window.at;
      window.at = 0;
      if (bytes > window.buffer.length) {
        const larger = Buffer.allocUnsafe(bytes);
        window.buffer.copy(larger, 0, 0, window.filled);
        window.buffer = larger;
      }
      while (window.filled < window.buffer.length) {
        const room = window.buffer.length - window.filled;
        const count = file.read(window.buffer, window.filled, room, window.base + window.filled);
        if (count === 0) break;
        window.filled += count;
      }
      return window.filled >= bytes;
    },
  };
  return window;
}
