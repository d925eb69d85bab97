import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createIdentifyBuckets } from './identify-buckets.ts';
import { createSlidingWindow } from './sliding-window.ts';
import { createStartBudget } from './start-budget.ts';

describe('identify buckets', () => {
  const make = (maxConcurrency: number) => createIdentifyBuckets({ maxConcurrency, intervalMs: 5000 });

  it('allow one IDENTIFY per bucket in five seconds', () => {
    const buckets = make(1);
    assert.equal(buckets.take(0, 0), true);
    assert.equal(buckets.take(1, 4999), false);
    assert.equal(buckets.take(1, 5000), true);
  });

  it('count shards with the same remainder together and others apart', () => {
    const buckets = make(16);
    for (let shard = 0; shard < 16; shard++) assert.equal(buckets.take(shard, 0), true);
    for (let shard = 16; shard < 32; shard++) assert.equal(buckets.take(shard, 100), false);
  });

  it('are not extended by a refused attempt', () => {
    const buckets = make(1);
    buckets.take(0, 0);
    buckets.take(0, 3000);
    assert.equal(buckets.take(0, 5000), true);
  });
});

describe('session start budget', () => {
  const make = (remaining = 3) =>
    createStartBudget({ total: 3, remaining, windowMs: 1000, maxConcurrency: 2 });

  it('shows no window until the first start, and then counts down to its end', () => {
    const budget = make();
    assert.deepEqual(budget.read(50), { total: 3, remaining: 3, reset_after: 0, max_concurrency: 2 });
    budget.spend(100);
    assert.deepEqual(budget.read(350), { total: 3, remaining: 2, reset_after: 750, max_concurrency: 2 });
  });

  it('refuses the start after the last one', () => {
    const budget = make(2);
    assert.deepEqual([budget.spend(0), budget.spend(1), budget.spend(2)], [true, true, false]);
  });

  it('is whole again when its window has passed', () => {
    const budget = make(1);
    budget.spend(0);
    assert.equal(budget.spend(999), false);
    assert.equal(budget.spend(1000), true);
    assert.equal(budget.read(1000).remaining, 2);
  });

  it('can be set by hand', () => {
    const budget = make();
    budget.setRemaining(0, 0);
    assert.equal(budget.spend(1), false);
    budget.renew();
    assert.equal(budget.spend(1), true);
  });
});

describe('sliding window', () => {
  it('never lets more than its limit into any window', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 200 }), (gaps) => {
        const window = createSlidingWindow({ limit: 5, windowMs: 100 });
        const taken: number[] = [];
        let now = 0;
        for (const gap of gaps) {
          now += gap;
          const free = window.waitMs(now) === 0;
          assert.equal(window.take(now), free);
          if (free) taken.push(now);
        }
        for (let i = 5; i < taken.length; i++) assert.ok(taken[i]! - taken[i - 5]! >= 100);
      }),
    );
  });
});
