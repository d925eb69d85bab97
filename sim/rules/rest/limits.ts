// REST rate limits: a bucket per route and top-level resource, and the global limit (protocol reference 9.2 to 9.5).
// Buckets are fixed windows that open with their first request, which is how the headers read.

import { crc32 } from 'node:zlib';

/** A route's own limit: so many requests in so long. Routes with the same `name` share a bucket. */
export interface RouteLimit {
  readonly name: string;
  readonly count: number;
  readonly windowMs: number;
}

/** What the limits say of one request: headers for the reply, and the 429 body when it is refused. */
export interface LimitVerdict {
  readonly headers: Record<string, string>;
  readonly refused?: { readonly message: string; readonly retry_after: number; readonly global: boolean };
}

export interface RestLimits {
  /** Counts one request. `major` is the top-level resource id; `nowMs` is wall time, because headers show it. */
  take(limit: RouteLimit, major: string, nowMs: number, countsGlobally: boolean): LimitVerdict;
}

interface Bucket {
  left: number;
  endsMs: number;
}

/** An empty bucket map entry is dropped when this many are kept. */
const BUCKETS_MAX = 10_000;

export function createRestLimits(options: { enforced: boolean; globalPerSecond: number }): RestLimits {
  const buckets = new Map<string, Bucket>();
  const global: Bucket = { left: options.globalPerSecond, endsMs: 0 };
  const open = (bucket: Bucket, count: number, windowMs: number, nowMs: number): void => {
    if (nowMs < bucket.endsMs) return;
    bucket.left = count;
    bucket.endsMs = nowMs + windowMs;
  };
  const forget = (nowMs: number): void => {
    if (buckets.size < BUCKETS_MAX) return;
    for (const [key, bucket] of buckets) if (bucket.endsMs <= nowMs) buckets.delete(key);
  };
  const refusal = (endsMs: number, nowMs: number, isGlobal: boolean, headers: Record<string, string>) => {
    const retryAfter = Math.max(1, endsMs - nowMs) / 1000;
    return {
      headers: {
        ...headers,
        // An integer: JDA reads it as one (9.2).
        'Retry-After': String(Math.ceil(retryAfter)),
        'X-RateLimit-Scope': isGlobal ? 'global' : 'user',
        ...(isGlobal ? { 'X-RateLimit-Global': 'true' } : {}),
      },
      refused: { message: 'You are being rate limited.', retry_after: retryAfter, global: isGlobal },
    };
  };
  return {
    take(limit, major, nowMs, countsGlobally) {
      if (countsGlobally) {
        open(global, options.globalPerSecond, 1000, nowMs);
        if (options.enforced && global.left <= 0) return refusal(global.endsMs, nowMs, true, {});
        global.left--;
      }
      forget(nowMs);
      const key = `${limit.name}:${major}`;
      const bucket = buckets.get(key) ?? { left: limit.count, endsMs: 0 };
      buckets.set(key, bucket);
      open(bucket, limit.count, limit.windowMs, nowMs);
      const full = bucket.left <= 0;
      if (!full) bucket.left--;
      const headers = {
        'X-RateLimit-Limit': String(limit.count),
        'X-RateLimit-Remaining': String(bucket.left),
        'X-RateLimit-Reset': (bucket.endsMs / 1000).toFixed(3),
        'X-RateLimit-Reset-After': ((bucket.endsMs - nowMs) / 1000).toFixed(3),
        'X-RateLimit-Bucket': bucketHash(limit.name),
      };
      return full && options.enforced ? refusal(bucket.endsMs, nowMs, false, headers) : { headers };
    },
  };
}

/** An opaque id of 32 hex characters. */
function bucketHash(name: string): string {
  return [0, 1, 2, 3].map((salt) => crc32(`${salt}${name}`).toString(16).padStart(8, '0')).join('');
}
