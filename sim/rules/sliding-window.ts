// A limit of so many in any window of so long: 120 messages a minute, 5 presences in 20 s (6.1, 6.4). Whether
// Discord's own window slides is unknown (14); a sliding one is what clients must assume.

export interface SlidingWindow {
  /** Counts one; false, and not counted, when the window is full. */
  take(nowMs: number): boolean;
  /** Milliseconds until one more fits; 0 when it fits now. */
  waitMs(nowMs: number): number;
}

export function createSlidingWindow(options: { limit: number; windowMs: number }): SlidingWindow {
  const { limit, windowMs } = options;
  const taken: number[] = [];
  const forget = (nowMs: number): void => {
    while (taken.length > 0 && nowMs - taken[0]! >= windowMs) taken.shift();
  };
  return {
    take(nowMs) {
      forget(nowMs);
      if (taken.length >= limit) return false;
      taken.push(nowMs);
      return true;
    },
    waitMs(nowMs) {
      forget(nowMs);
      return taken.length < limit ? 0 : taken[0]! + windowMs - nowMs;
    },
  };
}
