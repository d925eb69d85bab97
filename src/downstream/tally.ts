// Counts of what became of one handler's events on one shard: dispatched = delivered + filtered + expired +
// in doubt + lost (what is still on its way is the lag). Plain numbers, read by admin.

export interface Tally {
  /** Proven by a pong or a RESUME. */
  delivered: number;
  /** Left out because the handler's intents do not ask for them. */
  filtered: number;
  /** Left out of a replay because they were too old (expiry.ts). */
  expired: number;
  /** Delivered a second time because the first time was not proven. */
  inDoubt: number;
  /** Gone: a visible gap. */
  lost: number;
  /** Snapshots that were newer than the handler's cursor. */
  staleStarts: number;
}

/** A tally of nothing. */
export function createTally(): Tally {
  return { delivered: 0, filtered: 0, expired: 0, inDoubt: 0, lost: 0, staleStarts: 0 };
}
