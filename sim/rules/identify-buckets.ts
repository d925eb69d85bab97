// `max_concurrency`: one IDENTIFY per bucket (`shard % max_concurrency`) in five seconds, over all processes of a bot (4.3).

export interface IdentifyBuckets {
  /** Takes the shard's slot. False when its bucket was used within the interval; that attempt does not extend it. */
  take(shard: number, nowMs: number): boolean;
}

export function createIdentifyBuckets(options: {
  maxConcurrency: number;
  intervalMs: number;
}): IdentifyBuckets {
  const usedAt = new Map<number, number>();
  return {
    take(shard, nowMs) {
      const bucket = shard % options.maxConcurrency;
      const last = usedAt.get(bucket);
      if (last !== undefined && nowMs - last < options.intervalMs) return false;
      usedAt.set(bucket, nowMs);
      return true;
    },
  };
}
