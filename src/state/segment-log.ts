// Reads the journal's segment files for state: once forward, record by record, and single records again later.
// It opens files by name and takes nothing else from the journal's own process, so that it can run in a thread
// of its own. Files that have been trimmed away are skipped and counted, and so is damage.

import * as path from 'node:path';
import { compareLogPositions, type LogPosition } from '../journal/position.ts';
import {
  createRecordHeader,
  findMagic,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  type RecordHeader,
  readRecord,
} from '../journal/record.ts';
import { segmentName, segmentNumber } from '../journal/segment.ts';
import type { Disk, DiskFile } from '../store/disk.ts';

const WINDOW_BYTES = 512 * 1024;
const OPEN_FILES_MAX = 8;

/** A place to read at, and what the caller found there. */
export interface SegmentLog {
  /** The oldest place there is, or undefined when there are no segments. */
  first(): LogPosition | undefined;
  /** The newest segment's number, or -1. */
  newest(): number;
  /** Whether a record begins at this place, or its segment ends there. */
  isBoundary(place: LogPosition): boolean;
  /**
   * Visits the records in `[from, to)` that `wants` wants, in order. The record is `buffer[at, end)`, valid
   * during the call. A visitor that returns false ends the walk behind its record. Returns the place reached.
   */
  scan(
    from: LogPosition,
    to: LogPosition,
    wants: (header: RecordHeader) => boolean,
    visit: (header: RecordHeader, record: RecordBytes) => boolean,
  ): LogPosition;
  /**
   * Reads one whole record again, `length` bytes at `place`; undefined when it is gone. Valid until the next.
   * Nothing is read beyond `to`, the end of the log as far as it is known to be final.
   */
  load(place: LogPosition, length: number, to: LogPosition): RecordBytes | undefined;
  /** An own copy of some bytes. Throws BytesGoneError when they are not there any more. */
  read(place: LogPosition, length: number): Buffer;
  /** Keeps a segment readable, even if it is trimmed, until it is let go as often as it was held. */
  hold(segment: number): void;
  letGo(segment: number): void;
  /** Closes the files of older segments that nobody holds, so that what is trimmed frees its disk space. */
  closeBefore(segment: number): void;
  stats(): { skippedSegments: number; damaged: number };
  close(): void;
}

export interface RecordBytes {
  readonly segment: number;
  /** Offset of the record in its segment. */
  readonly offset: number;
  readonly buffer: Buffer;
  readonly at: number;
  readonly end: number;
}

/** Bytes of the journal that were known are gone: somebody removed them against the frontier. */
export class BytesGoneError extends Error {
  override name = 'BytesGoneError';
}

/** Opens the journal in `directory` for reading; it need not exist yet. */
export function openSegmentLog(disk: Disk, directory: string): SegmentLog {
  const files = createFiles(disk, directory);
  const forward = createWindow(files);
  const again = createWindow(files);
  const header = createRecordHeader();
  let skippedSegments = 0;
  let damaged = 0;

  /** Walks one segment up to `end`; returns the offset reached, and whether the visitor wants no more. */
  const walk = (
    segment: number,
    from: number,
    end: number,
    wants: (header: RecordHeader) => boolean,
    visit: (header: RecordHeader, record: RecordBytes) => boolean,
  ): { offset: number; ended: boolean } => {
    let offset = from;
    let lost = false;
    while (offset < end) {
      let at = forward.seek(segment, offset, Math.min(RECORD_HEADER_BYTES, end - offset), end);
      if (at < 0) break;
      let next = readRecord(forward.buffer, at, forward.filled, header);
      if (next === 0 && forward.filled - at >= RECORD_HEADER_BYTES) {
        const length = header.payloadEnd - at;
        if (offset + length <= end) {
          if (!wants(header)) {
            offset += length;
            lost = false;
            continue;
          }
          at = forward.seek(segment, offset, length, end);
          if (at < 0) break;
          next = readRecord(forward.buffer, at, forward.filled, header);
        }
      }
      if (next > 0) {
        const length = next - at;
        lost = false;
        if (wants(header)) {
          const more = visit(header, { segment, offset, buffer: forward.buffer, at, end: next });
          if (!more) return { offset: offset + length, ended: true };
        }
        offset += length;
        continue;
      }
      // Damage: go on at the next place that begins like a record.
      if (!lost) damaged++;
      lost = true;
      const found = findMagic(forward.buffer, at + 1, forward.filled);
      offset += found < 0 ? Math.max(1, forward.filled - at - 3) : found - at;
    }
    return { offset: Math.min(offset, end), ended: false };
  };

  return {
    first() {
      const number = files.next(0);
      return number === undefined ? undefined : { segment: number, offset: 0 };
    },
    newest: () => files.newest(),
    isBoundary(place) {
      const file = files.open(place.segment);
      if (!file || place.offset === file.size()) return true;
      const magic = Buffer.alloc(4);
      return readFully(file, magic, 0, 4, place.offset) === 4 && magic.readUInt32LE() === RECORD_MAGIC;
    },
    scan(from, to, wants, visit) {
      let { segment, offset } = from;
      while (compareLogPositions({ segment, offset }, to) < 0) {
        const file = files.open(segment);
        if (file) {
          const end = segment < to.segment ? file.size() : to.offset;
          const reached = walk(segment, offset, end, wants, visit);
          offset = reached.offset;
          if (reached.ended || segment === to.segment) break;
        } else {
          skippedSegments++;
        }
        if (segment === to.segment) return to;
        const next = files.next(segment + 1);
        if (next === undefined || next > to.segment) return to;
        segment = next;
        offset = 0;
      }
      return { segment, offset };
    },
    load(place, length, to) {
      const end = place.segment === to.segment ? to.offset : Number.POSITIVE_INFINITY;
      const at = again.seek(place.segment, place.offset, length, end);
      if (at < 0) return undefined;
      return { ...place, buffer: again.buffer, at, end: at + length };
    },
    read(place, length) {
      const file = files.open(place.segment);
      const bytes = Buffer.allocUnsafe(length);
      if (!file || readFully(file, bytes, 0, length, place.offset) < length)
        throw new BytesGoneError(`journal bytes at ${segmentName(place.segment)}:${place.offset} are gone`);
      return bytes;
    },
    hold: (segment) => files.hold(segment),
    letGo: (segment) => files.letGo(segment),
    closeBefore: (segment) => files.closeBefore(segment),
    stats: () => ({ skippedSegments, damaged }),
    close: () => files.close(),
  };
}

interface Window {
  buffer: Buffer;
  /** Bytes of the buffer that hold something. */
  filled: number;
  /**
   * Makes `length` bytes at `offset` present, reading ahead up to `end`; returns where in the buffer they
   * begin, or -1 when the file does not hold them.
   */
  seek(segment: number, offset: number, length: number, end: number): number;
}

function createWindow(files: SegmentFiles): Window {
  let segment = -1;
  let base = 0;
  const usual = Buffer.allocUnsafe(WINDOW_BYTES);
  const window: Window = {
    buffer: usual,
    filled: 0,
    seek(wanted, offset, length, end) {
      if (wanted === segment && offset >= base && offset + length <= base + window.filled)
        return offset - base;
      const file = files.open(wanted);
      if (!file) return -1;
      // A giant record gets memory of its own, which the next read lets go.
      window.buffer = length <= WINDOW_BYTES ? usual : Buffer.allocUnsafe(length);
      segment = wanted;
      base = offset;
      const most = Math.min(window.buffer.length, end - offset);
      window.filled = readFully(file, window.buffer, 0, most, offset);
      return window.filled >= length ? 0 : -1;
    },
  };
  return window;
}

type SegmentFiles = ReturnType<typeof createFiles>;

function createFiles(disk: Disk, directory: string) {
  const open = new Map<number, DiskFile>();
  const held = new Map<number, number>();
  const numbers = (): number[] =>
    disk
      .list(directory)
      .map(segmentNumber)
      .filter((number) => number >= 0);

  const openFile = (segment: number): DiskFile | undefined => {
    const known = open.get(segment);
    if (known) return known;
    let file: DiskFile;
    try {
      file = disk.open(path.join(directory, segmentName(segment)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    for (const [number, other] of open) {
      if (open.size < OPEN_FILES_MAX) break;
      if (held.has(number)) continue;
      other.close();
      open.delete(number);
    }
    open.set(segment, file);
    return file;
  };

  return {
    open: openFile,
    next: (from: number): number | undefined => numbers().find((number) => number >= from),
    newest: (): number => numbers().at(-1) ?? -1,
    hold(segment: number): void {
      openFile(segment);
      held.set(segment, (held.get(segment) ?? 0) + 1);
    },
    letGo(segment: number): void {
      const count = (held.get(segment) ?? 0) - 1;
      if (count > 0) held.set(segment, count);
      else held.delete(segment);
    },
    closeBefore(segment: number): void {
      for (const [number, file] of open) {
        if (number >= segment || held.has(number)) continue;
        file.close();
        open.delete(number);
      }
    },
    close(): void {
      for (const file of open.values()) file.close();
      open.clear();
    },
  };
}

function readFully(file: DiskFile, into: Buffer, at: number, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const count = file.read(into, at + done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
