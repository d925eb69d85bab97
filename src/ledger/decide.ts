// Who may IDENTIFY now, and until when everybody else waits. One function for the whole fleet, because backoff
// per shard protects no token: 164 shards with full jitter up to ten minutes may still send 47,232 IDENTIFYs a
// day. Pure; times are monotonic milliseconds.

import type { IdentifyReason } from '../session/state.ts';
import { type Budget, left } from './budget.ts';

export interface Rules {
  /** Between two sends of one bucket (`shard % maxConcurrency`), from send to send. Discord says 5 s. */
  readonly spacingMs: number;
  /** Nobody may go below: reaching 0 resets the token (protocol reference 4.5). */
  readonly floor: number;
  /** Only an operator may go below. */
  readonly reserve: number;
  /** A shard that identified so often in so long waits: its sessions don't hold, and it would empty the budget. */
  readonly shardCaps: readonly { readonly limit: number; readonly windowMs: number }[];
}

export interface Waiting {
  readonly shard: number;
  readonly reason: IdentifyReason;
}

/** One IDENTIFY of the past, as far as rules look back. */
export interface Grant {
  readonly shard: number;
  readonly at: number;
  /** Counted against its shard; false when it was never sent. It still spaces its bucket. */
  readonly counted: boolean;
}

export interface Situation {
  /** Null until Discord has told its count. */
  readonly budget: Budget | null;
  /** Oldest first. */
  readonly grants: readonly Grant[];
  /** Where a grant before our start would have been at the latest: we don't know what was sent then. */
  readonly openedAt: number;
  /** The disk has failed; it is tried again then. */
  readonly diskRetryAt: number;
}

/** Why somebody waits. */
export type Hold = 'budget-unknown' | 'disk' | 'floor' | 'reserve' | 'shard-cap' | 'spacing';

export type Decision<W extends Waiting = Waiting> =
  | { readonly type: 'idle' }
  | { readonly type: 'grant'; readonly request: W }
  /** `until` is Infinity when only a new reading of the budget can help. */
  | { readonly type: 'wait'; readonly until: number; readonly hold: Hold };

/** Decides the next grant, or how long nobody gets one; `hold` is what the one who may go soonest waits for. */
export function decide<W extends Waiting>(
  situation: Situation,
  waiting: Iterable<W>,
  rules: Rules,
  now: number,
): Decision<W> {
  const line = inOrder(waiting, situation.grants, now);
  let soonest: { until: number; hold: Hold } | undefined;
  for (const request of line) {
    const hold = holdOf(situation, request, rules, now);
    if (hold === null) return { type: 'grant', request };
    if (!soonest || hold.until < soonest.until) soonest = hold;
  }
  return soonest ? { type: 'wait', ...soonest } : { type: 'idle' };
}

/** What `request` waits for, and until when; null when it may go now. */
export function holdOf(
  situation: Situation,
  request: Waiting,
  rules: Rules,
  now: number,
): { until: number; hold: Hold } | null {
  const { budget } = situation;
  if (budget === null) return { until: Number.POSITIVE_INFINITY, hold: 'budget-unknown' };
  if (now < situation.diskRetryAt) return { until: situation.diskRetryAt, hold: 'disk' };
  if (left(budget) <= rules.floor) return { until: budget.resetAt, hold: 'floor' };
  const asked = request.reason === 'operator';
  if (!asked && left(budget) <= rules.reserve) return { until: budget.resetAt, hold: 'reserve' };
  const capped = asked ? now : capFreeAt(situation.grants, request.shard, rules, now);
  if (capped > now) return { until: capped, hold: 'shard-cap' };
  const free = bucketFreeAt(situation, request.shard, budget.maxConcurrency, rules.spacingMs);
  return free > now ? { until: free, hold: 'spacing' } : null;
}

/** When the bucket of `shard` may be used again. */
export function bucketFreeAt(
  situation: Situation,
  shard: number,
  maxConcurrency: number,
  spacingMs: number,
): number {
  let last = situation.openedAt;
  for (const grant of situation.grants) {
    if (grant.shard % maxConcurrency === shard % maxConcurrency && grant.at > last) last = grant.at;
  }
  return last + spacingMs;
}

/** When the caps let `shard` go again; `now` or less when they do. */
function capFreeAt(grants: readonly Grant[], shard: number, rules: Rules, now: number): number {
  const own = grants.filter((grant) => grant.counted && grant.shard === shard);
  let freeAt = now;
  for (const { limit, windowMs } of rules.shardCaps) {
    const blocking = own[own.length - limit];
    if (blocking) freeAt = Math.max(freeAt, blocking.at + windowMs);
  }
  return freeAt;
}

/** A shard that identified lately goes behind those that did not, so that one that fails blocks nobody. */
const LATELY_MS = 10 * 60_000;

/** Shard 0 first (direct messages are there), then ascending. */
function inOrder<W extends Waiting>(waiting: Iterable<W>, grants: readonly Grant[], now: number): W[] {
  const lately = new Map<number, number>();
  for (const grant of grants) {
    if (grant.counted && grant.at > now - LATELY_MS)
      lately.set(grant.shard, (lately.get(grant.shard) ?? 0) + 1);
  }
  const tries = (request: W): number => lately.get(request.shard) ?? 0;
  return [...waiting].sort((a, b) => tries(a) - tries(b) || a.shard - b.shard);
}
