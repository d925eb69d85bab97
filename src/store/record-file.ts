// A small append-only file of JSON records, one per line, each with its checksum: `<crc32 hex> <json>\n`.
// For what is written rarely and must survive anything: the ledger and the sessions. A torn last line is cut;
// a damaged file is set aside whole, and what could be read of it is kept.

import * as path from 'node:path';
import { crc32 } from 'node:zlib';
import type { Log } from '../base/log.ts';
import type { Disk, DiskFile } from './disk.ts';

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

/** Opens (or creates) the record file at `path`. */
export function openRecordFile<T>(options: { disk: Disk; path: string; log: Log }): RecordFile<T> {
  const { disk, log } = options;
  const folder = path.dirname(options.path);
  disk.mkdir(folder);
  const content = readRecords<T>(disk, options.path);
  let setAside: string | undefined;
  let file: DiskFile;
  let end: number;
  if (content.damaged > 0) {
    setAside = `${options.path}.damaged-${content.size}`;
    disk.rename(options.path, setAside);
    log.error(
      'record-file.damaged',
      { file: options.path, lines: content.damaged, kept: content.records.length, setAside },
      `${content.damaged} lines of ${path.basename(options.path)} were damaged; the ${content.records.length} whole ones were kept and the old file was set aside`,
    );
    file = writeWhole(disk, options.path, content.records);
    end = file.size();
  } else {
    file = disk.open(options.path, { create: true });
    end = content.wholeBytes;
    if (content.size > content.wholeBytes) {
      log.warn('record-file.torn', { file: options.path, bytes: content.size - content.wholeBytes });
      file.truncate(end);
    }
  }
  return {
    records: content.records,
    setAside,
    append(record) {
      const bytes = encode(record);
      let written = 0;
      try {
        while (written < bytes.length) {
          const count = file.write(bytes, written, bytes.length - written, end + written);
          if (count === 0) throw Object.assign(new Error('short write'), { code: 'EIO' });
          written += count;
        }
      } catch (error) {
        try {
          file.truncate(end);
        } catch {
          // The torn line is cut at the next open.
        }
        throw error;
      }
      end += bytes.length;
    },
    syncNow: () => file.syncNow(),
    rewrite(records) {
      const next = writeWhole(disk, options.path, records);
      file.close();
      file = next;
      end = next.size();
    },
    close: () => file.close(),
  };
}

function encode(record: unknown): Buffer {
  const json = JSON.stringify(record);
  return Buffer.from(`${crc32(json).toString(16).padStart(8, '0')} ${json}\n`);
}

function writeWhole(disk: Disk, target: string, records: readonly unknown[]): DiskFile {
  const temporary = `${target}.new`;
  disk.remove(temporary);
  const file = disk.open(temporary, { create: true });
  const bytes = Buffer.concat(records.map(encode));
  let written = 0;
  while (written < bytes.length) written += file.write(bytes, written, bytes.length - written, written);
  file.syncNow();
  disk.rename(temporary, target);
  disk.syncFolder(path.dirname(target));
  return file;
}

interface Content<T> {
  records: T[];
  size: number;
  /** Bytes up to the end of the last whole line. */
  wholeBytes: number;
  damaged: number;
}

function readRecords<T>(disk: Disk, file: string): Content<T> {
  if (!disk.exists(file)) return { records: [], size: 0, wholeBytes: 0, damaged: 0 };
  const handle = disk.open(file);
  try {
    const size = Math.min(handle.size(), READ_BYTES_MAX);
    const bytes = Buffer.alloc(size);
    let read = 0;
    while (read < size) {
      const count = handle.read(bytes, read, size - read, read);
      if (count === 0) break;
      read += count;
    }
    const wholeBytes = bytes.subarray(0, read).lastIndexOf(0x0a) + 1;
    const records: T[] = [];
    let damaged = 0;
    for (const line of bytes.toString('utf8', 0, wholeBytes).split('\n')) {
      if (line === '') continue;
      const json = line.slice(9);
      if (line[8] === ' ' && crc32(json).toString(16).padStart(8, '0') === line.slice(0, 8))
        records.push(JSON.parse(json) as T);
      else damaged++;
    }
    return { records, size: handle.size(), wholeBytes, damaged };
  } finally {
    handle.close();
  }
}
