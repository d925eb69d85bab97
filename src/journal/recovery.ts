// What a start learns from the journal: the tips and cursors as of the last whole record. A process that died
// leaves at most a torn tail, which is cut. Lost power may leave holes in all that was not synced: the log is cut
// at the first of them, and Discord sends the rest again. A hole in what was synced is damage: it is counted, and
// what lies behind it stays.

import type { Log } from '../base/log.ts';
import type { HeadTip } from './head.ts';
import { createSegmentIndex } from './index.ts';
import { compareLogPositions, comparePositions, type LogPosition, type Position } from './position.ts';
import { KIND } from './record.ts';
import { type Damage, scanSegment } from './segment.ts';
import { indexRecord, type Segment, type Segments } from './segments.ts';

export interface Recovered {
  /** Per shard, the last position in the journal. */
  readonly tips: Map<number, Position>;
  /** Cursor payloads, oldest first: a head's, then each later record's. */
  readonly cursors: unknown[];
  /** Everything before this place was on stable storage. */
  readonly synced: LogPosition;
}

/** Reads the newest segment, and those before it that were not synced as a whole; cuts what is not whole. */
export function recover(segments: Segments, log: Log): Recovered {
  for (;;) {
    let first = newestWithHead(segments);
    let pass = readFrom(segments, first);
    if (pass.synced.segment < (segments.list[first]?.number ?? 0)) {
      first = segments.list.findIndex((segment) => segment.number >= pass.synced.segment);
      pass = readFrom(segments, first);
    }
    const hole = pass.holes.find((place) => compareLogPositions(place, pass.synced) >= 0);
    if (hole) {
      cutLog(segments, hole, log);
      continue;
    }
    for (const { segment, damage } of pass.damage) segments.noteDamage(segment, damage);
    for (const segment of pass.read) {
      cutTail(segments, segment, log);
      // What an earlier process had written may still be only in the page cache.
      if (segment.number >= pass.synced.segment) segment.synced = 0;
    }
    return pass;
  }
}

interface Pass extends Recovered {
  synced: LogPosition;
  /** Whether the tips are complete: a head has been read. */
  isRooted: boolean;
  readonly read: Segment[];
  readonly damage: Array<{ segment: Segment; damage: Damage }>;
  /** Where something that was written is missing, in order. */
  readonly holes: LogPosition[];
}

function readFrom(segments: Segments, first: number): Pass {
  const pass: Pass = {
    tips: new Map(),
    cursors: [],
    synced: { segment: 0, offset: 0 },
    isRooted: false,
    read: [],
    damage: [],
    holes: [],
  };
  for (const segment of segments.list.slice(Math.max(0, first))) readSegment(segments, segment, pass);
  return pass;
}

function readSegment(segments: Segments, segment: Segment, pass: Pass): void {
  const before = pass.read.at(-1);
  const head = segments.head(segment);
  if (head) {
    // The head knows how far the segments before it went; so do we, if an earlier head said where they began.
    if (before && pass.isRooted && head.tips.some((tip) => isAhead(tip, pass.tips)))
      pass.holes.push({ segment: before.number, offset: before.bytes });
    pass.isRooted = true;
    for (const [shard, epoch, s] of head.tips) pass.tips.set(shard, { epoch, s });
    pass.cursors.push(head.cursors);
    noteSynced(pass, head.synced);
  }
  const index = createSegmentIndex();
  segment.backfillBytes = 0;
  const scan = segments.reading(segment, () =>
    scanSegment(segments.file(segment), (header, buffer, offset) => {
      indexRecord(segment, index, header, offset);
      if (header.kind === KIND.DISPATCH) pass.tips.set(header.shard, { epoch: header.epoch, s: header.s });
      else if (header.kind === KIND.SYNCED) noteSynced(pass, { segment: header.epoch, offset: header.s });
      else if (header.kind === KIND.CURSORS)
        pass.cursors.push(JSON.parse(buffer.toString('utf8', header.payloadStart, header.payloadEnd)));
    }),
  );
  if (!scan) return;
  segment.index = index;
  segment.bytes = scan.soundEnd;
  pass.read.push(segment);
  for (const damage of scan.damage) {
    pass.damage.push({ segment, damage });
    pass.holes.push({ segment: segment.number, offset: damage.from });
  }
}

function isAhead([shard, epoch, s]: HeadTip, tips: Map<number, Position>): boolean {
  return comparePositions({ epoch, s }, tips.get(shard) ?? { epoch: 0, s: 0 }) > 0;
}

function noteSynced(pass: Pass, place: LogPosition): void {
  if (compareLogPositions(place, pass.synced) > 0) pass.synced = place;
}

function newestWithHead(segments: Segments): number {
  let first = segments.list.length - 1;
  while (first > 0 && segments.head(segments.list[first]!) === undefined) first--;
  return first;
}

/** Takes everything from `hole` on out of the log. */
function cutLog(segments: Segments, hole: LogPosition, log: Log): void {
  const later = segments.list.filter((segment) => segment.number > hole.segment);
  for (const segment of later) segments.drop(segment);
  const last = segments.newest();
  if (last?.number === hole.segment) cutFile(segments, last, hole.offset);
  segments.syncFolder();
  log.warn(
    'journal.cut',
    { ...hole, segments: later.length },
    'the journal was cut where something not yet synced was lost (a power failure?); Discord sends what followed again',
  );
}

function cutTail(segments: Segments, segment: Segment, log: Log): void {
  const torn = segments.file(segment).size() - segment.bytes;
  if (torn > 0) {
    log.warn(
      'journal.torn',
      { segment: segment.number, bytes: torn },
      `cut ${torn} bytes of an unfinished record off the journal; Discord sends what it held again`,
    );
  }
  if (torn > 0 || segment.bytes === 0) cutFile(segments, segment, segment.bytes);
}

function cutFile(segments: Segments, segment: Segment, bytes: number): void {
  if (bytes === 0) return segments.drop(segment);
  segments.file(segment).truncate(bytes);
  segment.bytes = bytes;
}
