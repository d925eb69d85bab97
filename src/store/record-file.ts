// A small append-only file of JSON records, one per line, each with its checksum: `<crc32 hex> <json>\n`.
// For what is written rarely and must survive anything: the ledger and the sessions. A torn last line is cut;
// a damaged file is set aside whole, and what could be read of it is kept.

import * as path from 'node:path';
import { crc32 } from 'node:zlib';
import { OperatingError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Disk, type DiskFile, readFully, writeFully } from './disk.ts';

/** An open record file. `append` and `rewrite` throw the disk's error and then have changed nothing. */
export interface RecordFile<T> {
  /** What the file held when it was opened, oldest first. */
  readonly records: readonly T[];
  /** Where a damaged predecessor was put, if the file was damaged. */
  readonly setAside: string | undefined;
  append(record: T): void;
  /** Returns when everything appended is on stable storage. */
  syncNow(): void;
  /** Replaces the content atomically and durably. */
  rewrite(records: readonly T[]): void;
  close(): void;
}

/** The largest file that is read; far above what its users write between two compactions. */
const READ_BYTES_MAX = 256 * 1024 * 1024;

/** Opens (or creates) the record file at `path`. @throws STATE_UNUSABLE when it is larger than any we wrote */
export function openRecordFile<T>(options: { disk: Disk; path: string; log: Log }): RecordFile<T> {
  const { disk, log } = options;
  const folder = path.dirname(options.path);
  disk.mkdir(folder);
  // Whether the folder's entry for the file is on stable storage. Of a predecessor's we can't know.
  let entryIsSafe = false;
  const content = readRecords<T>(disk, options.path);
  let setAside: string | undefined;
  let file: DiskFile;
  let end = content.wholeBytes;
  // A failed append left bytes behind `end` that could not be cut off.
  let torn = false;

  const syncEntry = (): void => {
    if (entryIsSafe) return;
    disk.syncFolder(folder);
    entryIsSafe = true;
  };
  const replace = (records: readonly unknown[]): DiskFile => {
    const bytes = Buffer.concat(records.map(encode));
    const next = writeNew(disk, options.path, bytes);
    end = bytes.length;
    torn = false;
    entryIsSafe = false;
    try {
      syncEntry();
    } catch (error) {
      // The file is the new one all the same; nothing appended to it counts as safe before this has worked.
      log.warn('record-file.unsynced', { file: options.path, message: (error as Error).message });
    }
    return next;
  };

  if (content.damaged > 0) {
    setAside = `${options.path}.damaged-${content.bytes.length}`;
    // A copy, not a rename: whoever dies halfway finds the whole lines in their place again.
    writeNew(disk, setAside, content.bytes).close();
    file = replace(content.records);
    log.error(
      'record-file.damaged',
      { file: options.path, lines: content.damaged, kept: content.records.length, setAside },
      `${content.damaged} lines of ${path.basename(options.path)} were damaged; the ${content.records.length} whole ones were kept and the old file was set aside`,
    );
  } else {
    file = disk.open(options.path, { create: true });
    if (content.bytes.length > end) {
      log.warn('record-file.torn', { file: options.path, bytes: content.bytes.length - end });
      file.truncate(end);
    }
  }

  const cutTorn = (): void => {
    file.truncate(end);
    torn = false;
  };
  return {
    records: content.records,
    setAside,
    append(record) {
      const bytes = encode(record);
      if (torn) cutTorn();
      try {
        writeFully(file, bytes, bytes.length, end);
      } catch (error) {
        torn = true;
        try {
          cutTorn();
        } catch {
          // Cut before the next append, or at the next open.
        }
        throw error;
      }
      end += bytes.length;
    },
    syncNow() {
      file.syncNow();
      syncEntry();
    },
    rewrite(records) {
      const before = file;
      file = replace(records);
      before.close();
    },
    close: () => file.close(),
  };
}

function encode(record: unknown): Buffer {
  const json = JSON.stringify(record);
  return Buffer.from(`${checksum(json)} ${json}\n`);
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

/** Writes a file beside `target` and puts it in its place; throws, and then `target` is what it was. */
function writeNew(disk: Disk, target: string, bytes: Buffer): DiskFile {
  const temporary = `${target}.new`;
  disk.remove(temporary);
  const file = disk.open(temporary, { create: true });
  try {
    writeFully(file, bytes, bytes.length, 0);
    file.syncNow();
    disk.rename(temporary, target);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

interface Content<T> {
  records: T[];
  bytes: Buffer;
  /** Bytes up to the end of the last whole line. */
  wholeBytes: number;
  damaged: number;
}

function readRecords<T>(disk: Disk, file: string): Content<T> {
  const bytes = disk.exists(file) ? readWhole(disk, file) : Buffer.alloc(0);
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1;
  const records: T[] = [];
  let damaged = 0;
  for (const line of bytes.toString('utf8', 0, wholeBytes).split('\n')) {
    if (line === '') continue;
    const json = line.slice(9);
    if (line[8] === ' ' && checksum(json) === line.slice(0, 8)) records.push(JSON.parse(json) as T);
    else damaged++;
  }
  return { records, bytes, wholeBytes, damaged };
}

function readWhole(disk: Disk, file: string): Buffer {
  const handle = disk.open(file);
  try {
    const size = handle.size();
    if (size > READ_BYTES_MAX)
      throw new OperatingError(
        'STATE_UNUSABLE',
        `${file} has ${size} bytes, expected at most ${READ_BYTES_MAX}`,
      );
    const bytes = Buffer.alloc(size);
    return bytes.subarray(0, readFully(handle, bytes, 0));
  } finally {
    handle.close();
  }
}
