// Who may go, who waits, and for what.

import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import type { IdentifyReason } from '../session/state.ts';
import { firstBudget } from './budget.ts';
import { decide, type Grant, type Rules, type Situation } from './decide.ts';

const RULES: Rules = {
  spacingMs: 5_250,
  floor: 10,
  reserve: 10,
  shardCaps: [
    { limit: 3, windowMs: 600_000 },
    { limit: 10, windowMs: 86_400_000 },
  ],
};
const NOW = 100_000_000;

function situation(
  given: { remaining?: number; maxConcurrency?: number; grants?: Grant[]; openedAt?: number } = {},
): Situation {
  const { remaining = 500, maxConcurrency = 1, grants = [], openedAt = 0 } = given;
  const reading = { total: 1_000, remaining, resetAfterMs: 3_600_000, maxConcurrency };
  return {
    budget: firstBudget(reading, NOW, { unseen: 0, spent: 0 }),
    grants,
    openedAt,
    diskRetryAt: Number.NEGATIVE_INFINITY,
  };
}

const grant = (shard: number, agoMs: number, counted = true): Grant => ({ shard, at: NOW - agoMs, counted });
const wait = (shard: number, reason: IdentifyReason = 'first-start') => ({ shard, reason });
const goes = (now: Situation, ...shards: number[]): number | string => {
  const decision = decide(
    now,
    shards.map((shard) => wait(shard)),
    RULES,
    NOW,
  );
  return decision.type === 'grant'
    ? decision.request.shard
    : decision.type === 'wait'
      ? `${decision.hold} ${decision.until - NOW}`
      : 'idle';
};

describe('ledger › decide', () => {
  it('has nothing to do when nobody waits', () => {
    assert.equal(goes(situation()), 'idle');
  });

  it('lets shard 0 go first, then the others in order', () => {
    assert.equal(goes(situation(), 7, 0, 3), 0);
    assert.equal(goes(situation(), 7, 3, 5), 3);
  });

  it('sends a shard that identified lately to the end of the line', () => {
    assert.equal(goes(situation({ grants: [grant(0, 60_000)] }), 0, 3), 3);
    assert.equal(goes(situation({ grants: [grant(0, 700_000)] }), 0, 3), 0);
    assert.equal(goes(situation({ grants: [grant(0, 60_000, false)] }), 0, 3), 0);
  });

  it('keeps the sends of a bucket apart, and lets other buckets go', () => {
    const grants = [grant(1, 1_000)];
    assert.equal(goes(situation({ grants }), 2), 'spacing 4250');
    assert.equal(goes(situation({ grants, maxConcurrency: 16 }), 17), 'spacing 4250');
    assert.equal(goes(situation({ grants, maxConcurrency: 16 }), 17, 2), 2);
    assert.equal(goes(situation({ grants: [grant(1, 5_250)] }), 2), 2);
  });

  it('spaces a bucket after a grant that was not used as well', () => {
    assert.equal(goes(situation({ grants: [grant(1, 1_000, false)] }), 2), 'spacing 4250');
  });

  it('takes every bucket for just used after a start', () => {
    assert.equal(goes(situation({ openedAt: NOW - 1_000, maxConcurrency: 16 }), 5), 'spacing 4250');
  });

  it('lets nobody go before Discord has told its count', () => {
    assert.equal(goes({ ...situation(), budget: null }, 0), 'budget-unknown Infinity');
  });

  it('lets nobody go at the floor, until the reset', () => {
    assert.equal(goes(situation({ remaining: 11 }), 4), 4);
    assert.equal(goes(situation({ remaining: 10 }), 4), 'floor 3600000');
    assert.equal(decide(situation({ remaining: 10 }), [wait(4, 'operator')], RULES, NOW).type, 'wait');
  });

  it('lets only the operator into the reserve', () => {
    const rules = { ...RULES, reserve: 100 };
    const line = [wait(1), wait(2, 'operator')];
    const decision = decide(situation({ remaining: 100 }), line, rules, NOW);
    assert.deepEqual(decision, { type: 'grant', request: line[1] });
    assert.deepEqual(decide(situation({ remaining: 100 }), [wait(1)], rules, NOW), {
      type: 'wait',
      until: NOW + 3_600_000,
      hold: 'reserve',
    });
  });

  it('holds a shard back that identifies again and again, not the others', () => {
    const grants = [500_000, 300_000, 100_000].map((ago) => grant(3, ago));
    assert.equal(goes(situation({ grants }), 3), 'shard-cap 100000');
    assert.equal(goes(situation({ grants }), 3, 4), 4);
    assert.deepEqual(decide(situation({ grants }), [wait(3, 'operator')], RULES, NOW).type, 'grant');
    const daily = Array.from({ length: 10 }, (_, i) => grant(3, 80_000_000 - i * 7_000_000));
    assert.equal(goes(situation({ grants: daily }), 3), 'shard-cap 6400000');
  });

  it('waits for the disk', () => {
    assert.equal(goes({ ...situation(), diskRetryAt: NOW + 5_000 }, 3), 'disk 5000');
  });
});
