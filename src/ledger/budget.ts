// What is left of Discord's daily allowance of IDENTIFYs, and whether somebody else spends it too. Discord's
// count is the truth, but it is read now and then; between two readings our own IDENTIFYs are taken off it.
// Pure; times are monotonic milliseconds.

/** `session_start_limit` of GET /gateway/bot. */
export interface Reading {
  readonly total: number;
  readonly remaining: number;
  readonly resetAfterMs: number;
  readonly maxConcurrency: number;
}

export interface Budget {
  readonly total: number;
  /** What Discord said was left, less what its count may not have held yet. */
  readonly remaining: number;
  /** IDENTIFYs since then. */
  readonly spent: number;
  readonly maxConcurrency: number;
  readonly readAt: number;
  readonly resetAt: number;
  /** False once the window has been renewed by the clock alone, without a reading. */
  readonly confirmed: boolean;
  /** The first count of this window, and ours since: what Discord counts beyond is foreign. */
  readonly base: { readonly remaining: number; readonly ours: number };
  readonly foreign: number;
}

/** The allowance is renewed every 24 h, counted from the first IDENTIFY after the last renewal (F17). */
export const WINDOW_MS = 24 * 60 * 60_000;

/** Two readings name the same reset when they differ by less. */
const RESET_TOLERANCE_MS = 60_000;

/** What is left, by the last reading and by our own count since. */
export function left(budget: Budget): number {
  return budget.remaining - budget.spent;
}

/** The first reading, or the one that a restart finds in the file with `spent` IDENTIFYs after it. */
export function firstBudget(reading: Reading, at: number, counts: { unseen: number; spent: number }): Budget {
  return {
    total: reading.total,
    remaining: reading.remaining - counts.unseen,
    spent: counts.spent,
    maxConcurrency: reading.maxConcurrency,
    readAt: at,
    resetAt: resetAt(reading, at),
    confirmed: true,
    base: { remaining: reading.remaining, ours: counts.unseen + counts.spent },
    foreign: 0,
  };
}

/** A new reading. `unseen`: IDENTIFYs of ours so fresh that Discord may not have counted them. */
export function withReading(budget: Budget, reading: Reading, at: number, unseen: number): Budget {
  const next = firstBudget(reading, at, { unseen, spent: 0 });
  const renewed = at >= budget.resetAt - RESET_TOLERANCE_MS || reading.remaining > budget.base.remaining;
  // In a window that began since the last reading Discord has counted from `total`, and so have we since then;
  // what lies between the renewal and our knowledge of it is allowed for by all that we spent since the reading.
  const base = renewed ? { remaining: reading.total, ours: budget.spent } : budget.base;
  const foreign = Math.max(0, base.remaining - reading.remaining - base.ours);
  return { ...next, base, foreign: renewed ? foreign : Math.max(foreign, budget.foreign) };
}

/** One IDENTIFY more, or (`by` -1) one that was not sent after all. */
export function spend(budget: Budget, by: 1 | -1): Budget {
  return {
    ...budget,
    spent: budget.spent + by,
    base: { ...budget.base, ours: budget.base.ours + by },
  };
}

/** The window has passed: Discord has renewed the allowance, whether or not it could be asked. */
export function renewed(budget: Budget, now: number): Budget {
  if (now < budget.resetAt) return budget;
  return {
    ...budget,
    remaining: budget.total,
    spent: 0,
    resetAt: now + WINDOW_MS,
    confirmed: false,
    base: { remaining: budget.total, ours: 0 },
    foreign: 0,
  };
}

/** `reset_after` is 0 while no window is open; one opens with the next IDENTIFY. */
function resetAt(reading: Reading, at: number): number {
  return at + (reading.resetAfterMs > 0 ? reading.resetAfterMs : WINDOW_MS);
}
