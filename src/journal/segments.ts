// The set of segment files of one journal: opening them, their heads and indexes (loaded when first needed),
// and dropping the oldest. Knows nothing of writing; journal.ts appends to the newest.

import * as path from 'node:path';
import type { Log } from '../base/log.ts';
import type { Disk, DiskFile } from '../store/disk.ts';
import { decodeHead, type SegmentHead } from './head.ts';
import { createSegmentIndex, type SegmentIndex } from './index.ts';
import { createRecordHeader, KIND, RECORD_HEADER_BYTES, readRecord, recordIsSound } from './record.ts';
import { scanSegment, segmentName, segmentNumber } from './segment.ts';

/** One segment file. */
export interface Segment {
  readonly number: number;
  /** Bytes of sound records; for the newest, bytes written. */
  bytes: number;
  /** Wall ms when its head was written; 0 while unknown. */
  beganAt: number;
  /** Bytes of GUILD_CREATE backfill, which do not count against the bound until every link has passed them. */
  backfillBytes: number;
  head: SegmentHead | undefined;
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
  /** Creates the next segment file, empty. */
  create(): Segment;
  /** Deletes a segment's file. */
  drop(segment: Segment): void;
  close(): void;
}

/** Lists the segments in `directory`, which is created if absent. Opens no file yet. */
export function openSegments(options: { disk: Disk; directory: string; log: Log }): Segments {
  const { disk, directory, log } = options;
  disk.mkdir(directory);
  const list: Segment[] = [];
  for (const name of disk.list(directory)) {
    const number = segmentNumber(name);
    if (number >= 0) list.push(blank(number));
  }
  const pathOf = (segment: Segment): string => path.join(directory, segmentName(segment.number));

  const segments: Segments = {
    list,
    newest: () => list.at(-1),
    file(segment) {
      segment.file ??= disk.open(pathOf(segment));
      if (segment.bytes === 0) segment.bytes = segment.file.size();
      return segment.file;
    },
    head(segment) {
      if (segment.head === undefined && segment.beganAt === 0) readHead(segments.file(segment), segment);
      return segment.head;
    },
    index(segment) {
      if (!segment.index) {
        const index = createSegmentIndex();
        scanSegment(segments.file(segment), { verify: false }, (header, _buffer, offset) => {
          if (header.kind === KIND.DISPATCH) index.push(header.shard, header.epoch, header.s, offset);
        });
        segment.index = index;
      }
      return segment.index;
    },
    create() {
      disk.mkdir(directory);
      const segment = blank((list.at(-1)?.number ?? 0) + 1);
      segment.file = disk.open(pathOf(segment), { create: true });
      segment.file.truncate(0);
      segment.index = createSegmentIndex();
      list.push(segment);
      return segment;
    },
    drop(segment) {
      segment.file?.close();
      segment.file = undefined;
      disk.remove(pathOf(segment));
      list.splice(list.indexOf(segment), 1);
      log.debug('journal.segment-dropped', { segment: segment.number });
    },
    close() {
      for (const segment of list) {
        segment.file?.close();
        segment.file = undefined;
      }
    },
  };
  return segments;
}

function blank(number: number): Segment {
  return {
    number,
    bytes: 0,
    beganAt: 0,
    backfillBytes: 0,
    head: undefined,
    index: undefined,
    file: undefined,
  };
}

function readHead(file: DiskFile, segment: Segment): void {
  const prefix = Buffer.alloc(RECORD_HEADER_BYTES);
  const header = createRecordHeader();
  if (file.read(prefix, 0, prefix.length, 0) < prefix.length) return;
  if (readRecord(prefix, 0, prefix.length, header) < 0 || header.kind !== KIND.HEAD) return;
  const whole = Buffer.alloc(header.payloadEnd);
  if (header.payloadEnd > file.size() || file.read(whole, 0, whole.length, 0) < whole.length) return;
  if (!recordIsSound(whole, 0, whole.length)) return;
  segment.head = decodeHead(whole.subarray(RECORD_HEADER_BYTES));
  segment.beganAt = header.receivedAt;
}
