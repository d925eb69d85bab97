// What is left, and who spent it.

import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import {
  type Budget,
  firstBudget,
  left,
  type Reading,
  renewed,
  spend,
  WINDOW_MS,
  withReading,
} from './budget.ts';

const HOUR = 60 * 60_000;
const reading = (remaining: number, resetAfterMs = 10 * HOUR, total = 1_000): Reading => ({
  total,
  remaining,
  resetAfterMs,
  maxConcurrency: 1,
});
const first = (remaining: number, resetAfterMs = 10 * HOUR): Budget =>
  firstBudget(reading(remaining, resetAfterMs), 0, { unseen: 0, spent: 0 });
const spendMany = (budget: Budget, count: number): Budget => {
  let next = budget;
  for (let i = 0; i < count; i++) next = spend(next, 1);
  return next;
};

describe('ledger › budget', () => {
  it('takes off what we spent since Discord was asked, and what it may not have seen', () => {
    assert.equal(left(spendMany(first(900), 7)), 893);
    assert.equal(left(spend(spendMany(first(900), 7), -1)), 894);
    assert.equal(left(withReading(spendMany(first(900), 7), reading(893, 9 * HOUR), HOUR, 2)), 891);
  });

  it('believes a new reading more than its own sum', () => {
    assert.equal(left(withReading(first(900), reading(500, 9 * HOUR), HOUR, 0)), 500);
    assert.equal(left(withReading(spendMany(first(900), 50), reading(890, 9 * HOUR), HOUR, 0)), 890);
  });

  it('sees what others spend', () => {
    const budget = withReading(spendMany(first(900), 3), reading(856, 9 * HOUR), HOUR, 0);
    assert.equal(budget.foreign, 41);
    const next = withReading(spendMany(budget, 2), reading(854, 8 * HOUR), 2 * HOUR, 0);
    assert.equal(next.foreign, 41, 'what is known is not told twice');
    assert.equal(withReading(next, reading(850, 7 * HOUR), 3 * HOUR, 0).foreign, 45);
  });

  it('accuses nobody of our own IDENTIFYs that were counted late, or not at all', () => {
    const late = withReading(spendMany(first(900), 3), reading(900, 9 * HOUR), HOUR, 3);
    assert.equal(late.foreign, 0);
    assert.equal(withReading(late, reading(897, 8 * HOUR), 2 * HOUR, 0).foreign, 0);
    const refused = withReading(spendMany(first(900), 3), reading(900, 9 * HOUR), HOUR, 0);
    assert.equal(withReading(spendMany(refused, 1), reading(899, 8 * HOUR), 2 * HOUR, 0).foreign, 0);
  });

  it('has the whole allowance again when the window has passed', () => {
    const spent = spendMany(first(12, HOUR), 2);
    assert.equal(renewed(spent, HOUR - 1), spent);
    const next = renewed(spent, HOUR);
    assert.equal(left(next), 1_000);
    assert.equal(next.confirmed, false);
    assert.equal(next.resetAt, HOUR + WINDOW_MS);
  });

  it('judges a new window by what was spent in it', () => {
    const renewedByClock = spendMany(renewed(first(500, HOUR), HOUR), 4);
    assert.equal(withReading(renewedByClock, reading(996, 23 * HOUR), 2 * HOUR, 0).foreign, 0);
    assert.equal(withReading(renewedByClock, reading(990, 23 * HOUR), 2 * HOUR, 0).foreign, 6);
    const renewedUnnoticed = spendMany(first(500, HOUR), 4);
    assert.equal(withReading(renewedUnnoticed, reading(996, 23 * HOUR), 2 * HOUR, 0).foreign, 0);
  });

  it('takes reset_after 0 for a window that has not begun', () => {
    const unopened = first(1_000, 0);
    assert.equal(unopened.resetAt, WINDOW_MS);
    const opened = withReading(spendMany(unopened, 3), reading(997, 23 * HOUR), 5 * HOUR, 0);
    assert.equal(opened.foreign, 0);
    assert.equal(opened.resetAt, 28 * HOUR);
  });

  it('does not believe a reset_after of 0 with a window half spent', () => {
    const budget = withReading(spendMany(first(900), 3), reading(897, 0), HOUR, 0);
    assert.equal(budget.resetAt, 10 * HOUR);
    assert.equal(budget.foreign, 0);
  });

  it('starts its accounts anew when Discord raises the total', () => {
    const raised = withReading(spendMany(first(900), 3), reading(1_897, 9 * HOUR, 2_000), HOUR, 0);
    assert.equal(raised.foreign, 0);
    assert.equal(left(raised), 1_897);
    assert.equal(withReading(raised, reading(1_890, 8 * HOUR, 2_000), 2 * HOUR, 0).foreign, 7);
  });
});
