// Puts batches of records at the end of the log, and on stable storage. Begins segments, cuts back what a failed
// write left, and makes room on a full disk. It knows what is written; what waits is journal.ts's business.

import type { Log } from '../base/log.ts';
import { isDiskError, writeFully } from '../store/disk.ts';
import { compareLogPositions, type LogPosition } from './position.ts';
import { createRecordHeader, KIND, RECORD_HEADER_BYTES, readRecord, writeRecord } from './record.ts';
import { indexRecord, type Segment, type Segments } from './segments.ts';
import type { Tips } from './tips.ts';

export interface WriterOptions {
  segments: Segments;
  log: Log;
  segmentBytes: number;
  /** Told of every dispatch that is written; a new segment's head begins with it. */
  tips: Tips;
  cursors: () => unknown;
  now: () => number;
  /** Segments before this one may be dropped to make room. */
  frontier: () => LogPosition;
  /** What the last process knew to be on stable storage. */
  synced: LogPosition;
}

export interface Writer {
  /** Writes whole records, `buffer[0, end)`. Throws the disk's error, and then none of them is in the log. */
  write(buffer: Buffer, end: number): void;
  end(): LogPosition;
  sync(): Promise<LogPosition>;
  syncNow(): void;
  /** Drops everything and begins a new segment. */
  recreate(): void;
  writtenBytes(): number;
}

/** Segments that are never dropped for space: the newest and the one before. */
const SEGMENTS_MIN = 2;
const OUT_OF_SPACE = new Set(['ENOSPC', 'EDQUOT']);

/** Creates the writer of a journal that has been recovered. */
export function createWriter(options: WriterOptions): Writer {
  const { segments, log, tips } = options;
  const header = createRecordHeader();
  const note = Buffer.alloc(RECORD_HEADER_BYTES);
  let current = segments.newest();
  let headBytes = 0;
  let writtenBytes = 0;
  let synced = options.synced;
  let noteIsDue = false;
  let syncing: Promise<unknown> = Promise.resolve();

  const end = (): LogPosition => {
    const last = current ?? segments.newest();
    return { segment: last?.number ?? 0, offset: last?.bytes ?? 0 };
  };

  const begin = (): void => {
    current = segments.begin(
      { version: 1, tips: tips.rows(), cursors: options.cursors(), synced },
      options.now(),
    );
    headBytes = current.bytes;
  };

  const put = (segment: Segment, bytes: Buffer, end: number): void => {
    const file = segments.file(segment);
    try {
      writeFully(file, bytes, end, segment.bytes);
    } catch (error) {
      try {
        file.truncate(segment.bytes);
      } catch {
        // The next write goes over it; a start cuts it off.
      }
      throw error;
    }
    const index = segments.index(segment);
    for (let at = 0; at < end; ) {
      const next = readRecord(bytes, at, end, header);
      indexRecord(segment, index, header, segment.bytes + at);
      if (header.kind === KIND.DISPATCH) tips.set(header.shard, header.epoch, header.s);
      at = next;
    }
    segment.bytes += end;
    writtenBytes += end;
  };

  /** Tells a later start how far the log was safe: see recovery.ts. Written with the next batch, never alone. */
  const putNote = (segment: Segment): void => {
    const fields = { kind: KIND.SYNCED, type: 0, shard: 0, epoch: synced.segment, s: synced.offset };
    writeRecord(note, 0, { ...fields, receivedAt: options.now() }, note, 0, 0);
    put(segment, note, note.length);
    noteIsDue = false;
  };

  const isFull = (segment: Segment, bytes: number): boolean =>
    segment.bytes > headBytes && segment.bytes + bytes > options.segmentBytes;

  const write = (bytes: Buffer, end: number): void => {
    for (let isFresh = false; ; ) {
      try {
        // The newest is not ours when ours was lost.
        if (!current || current !== segments.newest() || isFull(current, end)) {
          isFresh = true;
          begin();
        }
        if (noteIsDue) putNote(current!);
        put(current!, bytes, end);
        return;
      } catch (error) {
        if (!isDiskError(error)) throw error;
        if (OUT_OF_SPACE.has(error.code)) {
          if (!makeRoom()) throw error;
        } else if (isFresh) throw error;
        else leaveFile();
      }
    }
  };

  /** The file is bad, another one may be good. */
  const leaveFile = (): void => {
    if (current && current.bytes === headBytes) segments.drop(current);
    current = undefined;
  };

  const makeRoom = (): boolean => {
    const oldest = segments.list[0];
    if (!oldest || segments.list.length <= SEGMENTS_MIN || oldest.number >= options.frontier().segment)
      return false;
    log.warn(
      'journal.room-made',
      { segment: oldest.number },
      'the disk is full: the oldest part of the journal was dropped to go on',
    );
    segments.drop(oldest);
    return true;
  };

  const unsynced = (): Segment[] => segments.list.filter((segment) => segment.synced < segment.bytes);

  const noteSynced = (segment: Segment, bytes: number): void => {
    segment.synced = Math.max(segment.synced, bytes);
    const place = { segment: segment.number, offset: bytes };
    if (compareLogPositions(place, synced) <= 0) return;
    synced = place;
    noteIsDue = true;
  };

  const syncAll = async (): Promise<LogPosition> => {
    const position = end();
    for (const segment of unsynced()) {
      const { bytes } = segment;
      try {
        await segments.file(segment).sync();
      } catch (error) {
        // Dropped meanwhile.
        if (!segments.list.includes(segment)) continue;
        throw error;
      }
      noteSynced(segment, bytes);
      if (segment !== current) segments.rest(segment);
    }
    return position;
  };

  return {
    write,
    end,
    sync() {
      // One after the other: the first may close a file that the second would still sync.
      const run = syncing.then(syncAll);
      syncing = run.catch(() => undefined);
      return run;
    },
    syncNow() {
      for (const segment of unsynced()) {
        segments.file(segment).syncNow();
        noteSynced(segment, segment.bytes);
      }
    },
    recreate() {
      for (const segment of segments.list.slice()) segments.drop(segment);
      begin();
    },
    writtenBytes: () => writtenBytes,
  };
}
