// A status for tests to show, as of `NOW`.

import type { ShardReport, Status } from '../admin/status.ts';

/** Wall time of the example, milliseconds. */
export const NOW = 1_700_000_000_000;

/** A status of three shards and one handler in which all is well. */
export function exampleStatus(): Status {
  return {
    version: '0.1.0',
    pid: 812,
    since: NOW - 93_784_000,
    bot: { id: '100000000000000001', name: 'Dicey' },
    layout: { shardCount: 3, intents: 513, largeThreshold: 50 },
    shards: [exampleShard(0), exampleShard(1), exampleShard(2)],
    ledger: { total: 1000, remaining: 812, resetAt: NOW + 18_180_000, spent: 4, floor: 10, waiting: 0 },
    journal: {
      bytes: 1_288_490_189,
      segments: 20,
      windowMinutes: 30,
      bytesPerSecond: 284_672,
      oldestAgeMs: 1_800_000,
      pendingBytes: 0,
      condition: 'sound',
    },
    state: { folded: 12, skipped: 0, aside: 0, backlog: 3, unreadBytes: 0 },
    handlers: [
      handler({ shard: 0 }),
      handler({ shard: 1 }),
      handler({ shard: 2, state: 'behind', lag: 1234 }),
      handler({ name: 'logger', shard: 0, state: 'away' }),
    ],
    totals: {
      dispatched: 123_456,
      delivered: 123_450,
      filtered: 6,
      skipped: 0,
      expired: 0,
      inDoubt: 0,
      lost: 0,
      duplicatesDropped: 0,
      malformed: 0,
      staleStarts: 0,
    },
    warnings: [],
  };
}

/** A shard on which all is well. */
export function exampleShard(id: number, given: Partial<ShardReport> = {}): ShardReport {
  return {
    id,
    phase: 'live',
    sessionAgeMs: 90_061_000,
    epoch: 1,
    s: 41_152,
    resumes: 2,
    identifies: 1,
    reconnects: 2,
    latencyMs: 41.6,
    lastEventAgeMs: 120,
    ...given,
  };
}

function handler(given: Partial<Status['handlers'][number]>): Status['handlers'][number] {
  return {
    name: 'default',
    shard: 0,
    state: 'live',
    lag: 0,
    delivered: 41_150,
    filtered: 2,
    expired: 0,
    inDoubt: 0,
    lost: 0,
    intents: 513,
    ...given,
  };
}
