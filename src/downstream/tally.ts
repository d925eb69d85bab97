// Counts of what became of one handler's events on one shard: dispatched = delivered + filtered + expired +
// in doubt + lost (what is still on its way is the lag). Every event is counted once, and not before its fate is
// sealed: what passed a link that ends before the proof is counted by the link that gets it next.

/** Plain numbers, read by admin. READY and RESUMED are upstream's positions, not events, and are not counted. */
export interface Tally {
  /** Proven by a pong or a RESUME. */
  delivered: number;
  /** Left out because the handler's intents do not ask for them. */
  filtered: number;
  /** Left out of a replay because they were too old (expiry.ts). */
  expired: number;
  /** Delivered a second time because the first time was not proven, or skipped because two links died over it. */
  inDoubt: number;
  /** Gone: a visible gap. */
  lost: number;
  /** Snapshots that were newer than the handler's cursor. */
  staleStarts: number;
}

/** What has passed a link since it began: `sent` are all event frames, the rest is what they count as. */
export interface Passage {
  sent: number;
  delivered: number;
  filtered: number;
  expired: number;
  inDoubt: number;
}

/** A tally of nothing. */
export function createTally(): Tally {
  return { delivered: 0, filtered: 0, expired: 0, inDoubt: 0, lost: 0, staleStarts: 0 };
}

/** Nothing has passed. */
export function createPassage(): Passage {
  return { sent: 0, delivered: 0, filtered: 0, expired: 0, inDoubt: 0 };
}

/** Counts what passed between two moments of a link. */
export function settle(tally: Tally, before: Passage, after: Passage): void {
  tally.delivered += after.delivered - before.delivered;
  tally.filtered += after.filtered - before.filtered;
  tally.expired += after.expired - before.expired;
  tally.inDoubt += after.inDoubt - before.inDoubt;
}
