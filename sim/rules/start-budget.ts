// The session start limit: how many IDENTIFYs a bot may send in a day, for all its shards together (4.4, 4.5).
// What happens when it is passed is not decided here.

/** `session_start_limit` of `GET /gateway/bot`. */
export interface StartLimit {
  readonly total: number;
  readonly remaining: number;
  readonly reset_after: number;
  readonly max_concurrency: number;
}

export interface StartBudget {
  /** Spends one start. False when none is left: Discord then ends every session and resets the token. */
  spend(nowMs: number): boolean;
  read(nowMs: number): StartLimit;
  /** Sets what is left; opens a window when none is open. */
  setRemaining(remaining: number, nowMs: number): void;
  /** Everything back, as after a token reset. */
  renew(): void;
}

export function createStartBudget(options: {
  total: number;
  remaining: number;
  windowMs: number;
  maxConcurrency: number;
}): StartBudget {
  const { total, windowMs, maxConcurrency } = options;
  let remaining = options.remaining;
  /** -1: no window is open, which Discord shows as `reset_after: 0`. */
  let windowEndsMs = -1;

  const roll = (nowMs: number): void => {
    if (windowEndsMs < 0 || nowMs < windowEndsMs) return;
    windowEndsMs = -1;
    remaining = total;
  };
  return {
    spend(nowMs) {
      roll(nowMs);
      if (remaining <= 0) return false;
      if (windowEndsMs < 0) windowEndsMs = nowMs + windowMs;
      remaining--;
      return true;
    },
    read(nowMs) {
      roll(nowMs);
      const reset = windowEndsMs < 0 ? 0 : Math.ceil(windowEndsMs - nowMs);
      return { total, remaining, reset_after: reset, max_concurrency: maxConcurrency };
    },
    setRemaining(value, nowMs) {
      remaining = Math.max(0, Math.min(total, value));
      if (windowEndsMs < 0) windowEndsMs = nowMs + windowMs;
    },
    renew() {
      remaining = total;
      windowEndsMs = -1;
    },
  };
}
