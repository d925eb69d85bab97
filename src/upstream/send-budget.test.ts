// The send budget: never over Discord's limit in any window, and never a heartbeat that waits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSendBudget, type SendKind } from './send-budget.ts';

test('commands take 113 of 120, and the seven left are for control messages', () => {
  const budget = createSendBudget();
  for (let i = 0; i < 113; i++) assert.equal(budget.tryTake(0, 'command'), 0);
  assert.equal(budget.tryTake(0, 'command'), 60_000);
  for (let i = 0; i < 7; i++) assert.equal(budget.tryTake(10, 'control'), 0);
  assert.equal(budget.tryTake(10, 'control'), 59_990);
  assert.equal(budget.used(10), 120);
});

test('control messages do not eat into what commands may take until the whole is full', () => {
  const budget = createSendBudget();
  for (let i = 0; i < 7; i++) assert.equal(budget.tryTake(0, 'control'), 0);
  for (let i = 0; i < 113; i++) assert.equal(budget.tryTake(0, 'command'), 0);
  assert.equal(budget.used(0), 120);
});

test('a slot comes back exactly one window after it was taken, and a refusal takes nothing', () => {
  const budget = createSendBudget({ limit: 2, reserved: 0, windowMs: 100 });
  assert.equal(budget.tryTake(0, 'command'), 0);
  assert.equal(budget.tryTake(40.5, 'command'), 0);
  assert.equal(budget.tryTake(50, 'command'), 50);
  assert.equal(budget.tryTake(99.5, 'command'), 1);
  assert.equal(budget.tryTake(100, 'command'), 0);
  assert.equal(budget.tryTake(100, 'command'), 41);
  assert.equal(budget.used(140.5), 1);
  assert.equal(budget.used(1000), 0);
});

test('presences are five in 20 s and count as commands too', () => {
  const budget = createSendBudget();
  for (let i = 0; i < 5; i++) assert.equal(budget.tryTake(i, 'presence'), 0);
  assert.equal(budget.tryTake(5, 'presence'), 19_995);
  assert.equal(budget.tryTake(5, 'command'), 0);
  assert.equal(budget.tryTake(20_000, 'presence'), 0);
  assert.equal(budget.used(20_000), 7);
});

test('whatever is asked and when, no window holds too much, and the wait told is enough and not too long', () => {
  const step = fc.record({
    gapMs: fc.double({ min: 0, max: 30, noNaN: true }),
    kind: fc.constantFrom<SendKind>('control', 'command', 'presence'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const budget = createSendBudget({ limit: 10, reserved: 3, windowMs: 200 });
      const sent: { at: number; kind: SendKind }[] = [];
      let now = 0;
      const recent = (windowMs: number, of: (kind: SendKind) => boolean): number =>
        sent.filter(({ at, kind }) => at + windowMs > now && of(kind)).length;
      for (const { gapMs, kind } of steps) {
        now += gapMs;
        const waitMs = budget.tryTake(now, kind);
        const full =
          recent(200, () => true) >= 10 ||
          (kind !== 'control' && recent(200, (other) => other !== 'control') >= 7) ||
          (kind === 'presence' && recent(20_000, (other) => other === 'presence') >= 5);
        assert.equal(waitMs > 0, full);
        assert.ok(Number.isInteger(waitMs));
        if (waitMs === 0) sent.push({ at: now, kind });
        assert.equal(
          budget.used(now),
          recent(200, () => true),
        );
      }
    }),
    { numRuns: 50 },
  );
});
