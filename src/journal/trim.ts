// What the journal lets go, and when: beyond its bounds of bytes and age, oldest first, never what fold still needs.

import type { LogPosition } from './position.ts';
import type { Segments } from './segments.ts';

export interface TrimBounds {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/**
 * Drops segments beyond the bounds that end before `frontier`. GUILD_CREATEs count only where every link has
 * passed them, which is before `slowest`. The newest segment always stays.
 */
export function trimSegments(
  segments: Segments,
  options: { bounds: TrimBounds; frontier: LogPosition; slowest: LogPosition; now: number },
): void {
  const { bounds, frontier, slowest, now } = options;
  for (;;) {
    const oldest = segments.list[0];
    if (!oldest || segments.list.length === 1 || oldest.number >= frontier.segment) return;
    let counted = 0;
    for (const segment of segments.list)
      counted += segment.bytes - (segment.number >= slowest.segment ? segment.backfillBytes : 0);
    if (counted <= bounds.maxBytes && now - newestReceipt(segments) <= bounds.maxAgeMs) return;
    segments.drop(oldest);
  }
}

/** When the last record of the oldest segment came in, at the latest: a segment ends where a later one begins. */
function newestReceipt(segments: Segments): number {
  for (const segment of segments.list.slice(1)) {
    segments.head(segment);
    if (segment.beganAt > 0) return segment.beganAt;
  }
  return Number.POSITIVE_INFINITY;
}
