// The ledger's file: one row per IDENTIFY, written and synced before it is sent, one for what became of it, one
// for each time Discord told its own count. The order of rows is the order of events; times are for people, for
// the caps per shard, and for throwing old rows away. Types only.

import type { IdentifyReason } from '../session/state.ts';

/** What became of an IDENTIFY. `unused`: it was never sent, and does not count. */
export type Outcome = 'ready' | 'failed' | 'unused';

/** Times are wall milliseconds since 1970, by Discord's clock where it is known. */
export type LedgerRow =
  | {
      readonly type: 'identify';
      readonly id: number;
      readonly time: number;
      readonly shard: number;
      readonly reason: IdentifyReason;
      /** What was left of the budget before this one. */
      readonly remainingBefore: number;
    }
  | {
      readonly type: 'outcome';
      readonly id: number;
      readonly time: number;
      readonly outcome: Outcome;
      readonly detail?: string;
    }
  | {
      readonly type: 'budget';
      readonly time: number;
      readonly total: number;
      readonly remaining: number;
      readonly resetAt: number;
      readonly maxConcurrency: number;
      /** IDENTIFYs so fresh that Discord's count may not hold them yet. */
      readonly unseen: number;
    };

export type IdentifyRow = LedgerRow & { type: 'identify' };
export type BudgetRow = LedgerRow & { type: 'budget' };
