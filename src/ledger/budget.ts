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
  /** What Discord said was left. */
  readonly remaining: number;
  /** IDENTIFYs that its count may not have held yet. */
  readonly unseen: number;
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
  return budget.remaining - budget.unseen - budget.spent;
}

/** The first reading, or the one that a restart finds in the file with `spent` IDENTIFYs after it. */
export function firstBudget(reading: Reading, at: number, counts: { unseen: number; spent: number }): Budget {
  return {
    total: reading.total,
    remaining: reading.remaining,
    unseen: counts.unseen,
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
  const next = { ...firstBudget(reading, at, { unseen, spent: 0 }), resetAt: resetAt(reading, at, budget) };
  const later = next.resetAt > budget.resetAt + RESET_TOLERANCE_MS;
  const base = later ? renewedBase(budget, reading.total) : budget.base;
  // Another total, or a count that went up: Discord counts anew, and only what follows can be judged.
  if (reading.total !== budget.total || reading.remaining > base.remaining)
    return { ...next, foreign: later ? 0 : budget.foreign };
  const foreign = Math.max(0, base.remaining - reading.remaining - base.ours);
  return { ...next, base, foreign: later ? foreign : Math.max(foreign, budget.foreign) };
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
    unseen: 0,
    spent: 0,
    resetAt: now + WINDOW_MS,
    confirmed: false,
    base: renewedBase(budget, budget.total),
    foreign: 0,
  };
}

/** The exact moment of a renewal is not known: all we spent since the last reading may belong to the new window. */
function renewedBase(budget: Budget, total: number): Budget['base'] {
  return { remaining: total, ours: budget.spent + budget.unseen };
}

/** `reset_after` is 0 while no window is open (4.4); one opens with the next IDENTIFY. */
function resetAt(reading: Reading, at: number, known?: Budget): number {
  if (reading.resetAfterMs > 0) return at + reading.resetAfterMs;
  const contradicts = reading.remaining < reading.total;
  return contradicts && known && known.resetAt > at ? known.resetAt : at + WINDOW_MS;
}
