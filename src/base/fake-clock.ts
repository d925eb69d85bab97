// A clock that a test moves by hand. Timers run in order of their due time, ties in order of creation.

import type { Clock, Timer } from './clock.ts';

/** A `Clock` that stands still until `advance` is called. */
export interface FakeClock extends Clock {
  /** Moves time forward by `ms`, running every timer that falls due on the way, in order. */
  advance(ms: number): void;
  /** How many timers wait. */
  pending(): number;
}

/** Creates a fake clock whose wall time starts at `startMs`. */
export function createFakeClock(startMs = 1_700_000_000_000): FakeClock {
  let elapsed = 0;
  let created = 0;
  const waiting = new Set<{ due: number; order: number; run: () => void }>();
  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    after(delayMs, run): Timer {
      const entry = { due: elapsed + Math.max(0, delayMs), order: created++, run };
      waiting.add(entry);
      return { cancel: () => void waiting.delete(entry) };
    },
    advance(ms) {
      const end = elapsed + ms;
      for (;;) {
        let next: { due: number; order: number; run: () => void } | undefined;
        for (const entry of waiting) {
          if (entry.due > end) continue;
          if (!next || entry.due < next.due || (entry.due === next.due && entry.order < next.order))
            next = entry;
        }
        if (!next) break;
        waiting.delete(next);
        elapsed = Math.max(elapsed, next.due);
        next.run();
      }
      // A timer may itself have advanced the clock further; time never goes back.
      elapsed = Math.max(elapsed, end);
    },
    pending: () => waiting.size,
  };
}
