import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPassage, createTally, settle } from './tally.ts';

describe('a tally', () => {
  it('counts what passed between two moments, each once', () => {
    const tally = createTally();
    const start = createPassage();
    const middle = { sent: 5, delivered: 4, filtered: 2, expired: 1, inDoubt: 1 };
    const end = { sent: 9, delivered: 8, filtered: 2, expired: 3, inDoubt: 1 };
    settle(tally, start, middle);
    settle(tally, middle, end);
    assert.deepEqual(tally, {
      delivered: 8,
      filtered: 2,
      expired: 3,
      inDoubt: 1,
      lost: 0,
      staleStarts: 0,
    });
  });
});
