// The set of segment files of one journal: beginning and dropping them, their heads and indexes (loaded when first
// needed). A file that can't be read any more is left out of the set. writer.ts appends to the newest.

import * as path from 'node:path';
import type { Log } from '../base/log.ts';
import { type Disk, type DiskFile, readFully, writeFully } from '../store/disk.ts';
import { EVENT } from '../wire/event-type.ts';
import { decodeHead, encodeHead, type SegmentHead } from './head.ts';
import { createSegmentIndex, type SegmentIndex } from './index.ts';
import {
  createRecordHeader,
  KIND,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  readRecord,
  recordBytes,
  recordIsSound,
  writeRecord,
} from './record.ts';
import { type Damage, scanSegment, segmentName, segmentNumber } from './segment.ts';

/** One segment file. */
export interface Segment {
  readonly number: number;
  /** Bytes of the file; for the newest, bytes written. */
  bytes: number;
  /** How many of them are known to be on stable storage. */
  synced: number;
  /** Wall ms when its head was written; 0 while unknown. */
  beganAt: number;
  /** Bytes of GUILD_CREATE backfill, which do not count against the bound until every link has passed them. */
  backfillBytes: number;
  /** Undefined before it was looked for, null when it is damaged. */
  head: SegmentHead | null | undefined;
  index: SegmentIndex | undefined;
  file: DiskFile | undefined;
}

/** Access to all segments, oldest first. */
export interface Segments {
  readonly list: Segment[];
  newest(): Segment | undefined;
  file(segment: Segment): DiskFile;
  /** The segment's head; undefined when it is damaged. */
  head(segment: Segment): SegmentHead | undefined;
  /** The segment's index, built by a pass over the file when it is not there yet. */
  index(segment: Segment): SegmentIndex;
  /** Begins the next segment with this head; throws the disk's error, and then there is no such segment. */
  begin(head: SegmentHead, at: number): Segment;
  /** Closes a segment's file; it is opened again when it is read. */
  rest(segment: Segment): void;
  /** Deletes a segment's file. */
  drop(segment: Segment): void;
  /**
   * Runs something that reads a segment. Returns undefined when its file is gone or its disk refuses: then the
   * segment is lost, and the set goes on without it.
   */
  reading<T>(segment: Segment, read: () => T): T | undefined;
  /** Counts and logs damage that was met. */
  noteDamage(segment: Segment, damage: Damage): void;
  /** How many damaged stretches and lost segments were met. */
  damaged(): number;
  /** Makes what was begun and dropped durable. */
  syncFolder(): void;
  close(): void;
}

/** Lists the segments in `directory`, which is created if absent. */
export function openSegments(options: { disk: Disk; directory: string; log: Log }): Segments {
  const { disk, directory, log } = options;
  const list: Segment[] = [];
  const pathOf = (segment: { number: number }): string => path.join(directory, segmentName(segment.number));
  let newestNumber = 0;
  let damaged = 0;

  const file = (segment: Segment): DiskFile => {
    segment.file ??= disk.open(pathOf(segment));
    return segment.file;
  };

  const rest = (segment: Segment): void => {
    segment.file?.close();
    segment.file = undefined;
  };

  const leaveOut = (segment: Segment): void => {
    const at = list.indexOf(segment);
    if (at >= 0) list.splice(at, 1);
  };

  const reading = <T>(segment: Segment, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (!LOST_CODES.has(code ?? '')) throw error;
      damaged++;
      rest(segment);
      leaveOut(segment);
      log.error(
        'journal.segment-lost',
        { segment: segment.number, code, message },
        'a part of the journal cannot be read; events in it are lost to handlers that had not read them, and those will re-sync',
      );
      return undefined;
    }
  };

  const noteDamage = (segment: Segment, damage: Damage): void => {
    damaged++;
    log.error(
      'journal.damaged',
      { segment: segment.number, ...damage },
      `${damage.to - damage.from} bytes of the journal are damaged; events in them are lost to handlers that had not read them, and those will re-sync`,
    );
  };

  /** Takes back a segment that could not be begun. */
  const discard = (segment: Segment): void => {
    segment.file?.close();
    try {
      disk.remove(pathOf(segment));
    } catch {
      // The next attempt has the same number and begins by emptying the file.
    }
  };

  disk.mkdir(directory);
  for (const name of disk.list(directory)) {
    const number = segmentNumber(name);
    if (number < 0) continue;
    newestNumber = number;
    const segment = blank(number);
    list.push(segment);
    reading(segment, () => {
      segment.bytes = file(segment).size();
      segment.synced = segment.bytes;
      // Most are never read: no descriptor is kept for them.
      rest(segment);
    });
  }

  return {
    list,
    newest: () => list.at(-1),
    file,
    head(segment) {
      if (segment.head === undefined) {
        segment.head = null;
        reading(segment, () => readHead(file(segment), segment));
      }
      return segment.head ?? undefined;
    },
    index(segment) {
      if (!segment.index) {
        const index = createSegmentIndex();
        const scan = reading(segment, () =>
          scanSegment(file(segment), (header, _buffer, offset) =>
            indexRecord(segment, index, header, offset),
          ),
        );
        for (const damage of scan?.damage ?? []) noteDamage(segment, damage);
        segment.index = index;
      }
      return segment.index;
    },
    begin(head, at) {
      disk.mkdir(directory);
      const segment = blank(newestNumber + 1);
      const record = headRecord(head, at);
      try {
        const fresh = disk.open(pathOf(segment), { create: true });
        segment.file = fresh;
        fresh.truncate(0);
        writeFully(fresh, record, record.length, 0);
        disk.syncFolder(directory);
      } catch (error) {
        discard(segment);
        throw error;
      }
      segment.bytes = record.length;
      segment.beganAt = at;
      segment.head = head;
      segment.index = createSegmentIndex();
      newestNumber = segment.number;
      list.push(segment);
      return segment;
    },
    rest,
    drop(segment) {
      rest(segment);
      leaveOut(segment);
      disk.remove(pathOf(segment));
      log.debug('journal.segment-dropped', { segment: segment.number });
    },
    reading,
    noteDamage,
    damaged: () => damaged,
    syncFolder: () => disk.syncFolder(directory),
    close() {
      for (const segment of list) rest(segment);
    },
  };
}

/** What the operating system says of a file that is gone or can't be read; other errors are not the file's. */
const LOST_CODES = new Set(['ENOENT', 'EIO', 'ENXIO', 'ESTALE', 'EUCLEAN', 'EISDIR']);

/** Puts a record that was written or read into its segment's index. */
export function indexRecord(
  segment: Segment,
  index: SegmentIndex,
  header: RecordHeader,
  offset: number,
): void {
  if (header.kind !== KIND.DISPATCH) return;
  index.push(header.shard, header.epoch, header.s, offset);
  if (header.type === EVENT.GUILD_CREATE)
    segment.backfillBytes += recordBytes(header.payloadEnd - header.payloadStart);
}

function blank(number: number): Segment {
  return {
    number,
    bytes: 0,
    synced: 0,
    beganAt: 0,
    backfillBytes: 0,
    head: undefined,
    index: undefined,
    file: undefined,
  };
}

function headRecord(head: SegmentHead, at: number): Buffer {
  const payload = encodeHead(head);
  const record = Buffer.allocUnsafe(recordBytes(payload.length));
  const header = { kind: KIND.HEAD, type: 0, shard: 0, epoch: 0, s: 0, receivedAt: at };
  writeRecord(record, 0, header, payload, 0, payload.length);
  return record;
}

function readHead(file: DiskFile, segment: Segment): void {
  const prefix = Buffer.alloc(RECORD_HEADER_BYTES);
  const header = createRecordHeader();
  if (readFully(file, prefix, 0) < prefix.length) return;
  if (readRecord(prefix, 0, prefix.length, header) < 0 || header.kind !== KIND.HEAD) return;
  if (header.payloadEnd > file.size()) return;
  const whole = Buffer.alloc(header.payloadEnd);
  if (readFully(file, whole, 0) < whole.length || !recordIsSound(whole, 0, whole.length)) return;
  segment.head = decodeHead(whole.subarray(RECORD_HEADER_BYTES)) ?? null;
  segment.beganAt = header.receivedAt;
}
