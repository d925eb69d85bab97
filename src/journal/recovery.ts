// What a start learns from the journal: the tips and cursors as of the last whole record. Reads the newest
// segment with a sound head (and any after it), cuts a torn tail, and names damage without stopping at it.

import type { Log } from '../base/log.ts';
import { createSegmentIndex } from './index.ts';
import type { Position } from './position.ts';
import { KIND } from './record.ts';
import { scanSegment } from './segment.ts';
import type { Segment, Segments } from './segments.ts';

export interface Recovered {
  /** Per shard, the last position in the journal. */
  readonly tips: Map<number, Position>;
  /** Cursor payloads, oldest first: a head's, then each later record's. */
  readonly cursors: unknown[];
  /** How many damaged stretches the pass met. */
  readonly damaged: number;
}

/** Reads what the newest segments say. A segment that holds nothing sound is dropped. */
export function recover(segments: Segments, log: Log): Recovered {
  const recovered = { tips: new Map<number, Position>(), cursors: [] as unknown[], damaged: 0 };
  let first = segments.list.length - 1;
  while (first > 0 && segments.head(segments.list[first]!) === undefined) first--;
  for (const segment of segments.list.slice(Math.max(first, 0)))
    recoverSegment(segments, segment, recovered, log);
  return recovered;
}

function recoverSegment(
  segments: Segments,
  segment: Segment,
  recovered: { tips: Map<number, Position>; cursors: unknown[]; damaged: number },
  log: Log,
): void {
  const file = segments.file(segment);
  const index = createSegmentIndex();
  const head = segments.head(segment);
  if (head) {
    for (const [shard, epoch, s] of head.tips) recovered.tips.set(shard, { epoch, s });
    recovered.cursors.push(head.cursors);
  }
  const scan = scanSegment(file, { verify: true }, (header, buffer, offset) => {
    if (header.kind === KIND.DISPATCH) {
      index.push(header.shard, header.epoch, header.s, offset);
      recovered.tips.set(header.shard, { epoch: header.epoch, s: header.s });
    } else if (header.kind === KIND.CURSORS) {
      recovered.cursors.push(JSON.parse(buffer.toString('utf8', header.payloadStart, header.payloadEnd)));
    }
  });
  segment.index = index;
  segment.bytes = scan.soundEnd;
  const torn = file.size() - scan.soundEnd;
  if (torn > 0) {
    log.warn(
      'journal.torn',
      { segment: segment.number, bytes: torn },
      `cut ${torn} bytes of an unfinished record off the journal; Discord sends what it held again`,
    );
    file.truncate(scan.soundEnd);
  }
  for (const { from, to } of scan.damage) {
    recovered.damaged++;
    log.error(
      'journal.damaged',
      { segment: segment.number, from, to },
      `${to - from} bytes of the journal are damaged; events in them are lost to handlers that had not read them, and those will re-sync`,
    );
  }
  if (scan.soundEnd === 0) segments.drop(segment);
}
