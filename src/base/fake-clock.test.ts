import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { sleep } from './clock.ts';
import { createFakeClock } from './fake-clock.ts';

describe('fake clock', () => {
  test('it stands still until it is advanced', () => {
    const clock = createFakeClock(1_000);
    assert.deepEqual([clock.now(), clock.monotonic()], [1_000, 0]);
    clock.advance(250);
    assert.deepEqual([clock.now(), clock.monotonic()], [1_250, 250]);
  });

  test('timers run in order of their due time, ties in order of creation, each at its own time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.array(fc.nat(15), { minLength: 1 }), (delays, steps) => {
        const clock = createFakeClock();
        const ran: Array<{ due: number; order: number; at: number }> = [];
        for (const [order, due] of delays.entries())
          clock.after(due, () => ran.push({ due, order, at: clock.monotonic() }));
        for (const step of steps) clock.advance(step);
        const elapsed = steps.reduce((sum, step) => sum + step, 0);
        const expected = delays
          .map((due, order) => ({ due, order, at: due }))
          .filter(({ due }) => due <= elapsed)
          .sort((a, b) => a.due - b.due || a.order - b.order);
        assert.deepEqual(ran, expected);
        assert.equal(clock.pending(), delays.length - expected.length);
        assert.equal(clock.monotonic(), elapsed);
      }),
    );
  });

  test('a timer that is set by a timer runs within the same advance when it falls due', () => {
    const clock = createFakeClock();
    const ran: number[] = [];
    const tick = (): void => {
      ran.push(clock.monotonic());
      clock.after(10, tick);
    };
    clock.after(10, tick);
    clock.advance(35);
    assert.deepEqual(ran, [10, 20, 30]);
    assert.equal(clock.pending(), 1);
  });

  test('a cancelled timer never runs, also when it is cancelled by another at the same time', () => {
    const clock = createFakeClock();
    const ran: string[] = [];
    const first = clock.after(5, () => ran.push('first'));
    clock.after(5, () => second.cancel());
    const second = clock.after(5, () => ran.push('second'));
    first.cancel();
    first.cancel();
    clock.advance(5);
    assert.deepEqual(ran, []);
    assert.equal(clock.pending(), 0);
  });

  test('a delay below zero is none', () => {
    const clock = createFakeClock();
    let ran = false;
    clock.after(-5, () => {
      ran = true;
    });
    clock.advance(0);
    assert.equal(ran, true);
    assert.equal(clock.monotonic(), 0);
  });

  test('time never goes back when a timer advances the clock itself', () => {
    const clock = createFakeClock();
    clock.after(1, () => clock.advance(100));
    clock.advance(10);
    assert.equal(clock.monotonic(), 101);
  });

  test('sleep resolves with the clock, and rejects at once when it is aborted', async () => {
    const clock = createFakeClock();
    const slept = sleep(clock, 10);
    clock.advance(10);
    await slept;
    const abort = new AbortController();
    const aborted = sleep(clock, 10, abort.signal);
    abort.abort(new Error('enough'));
    await assert.rejects(aborted, /enough/);
    await assert.rejects(sleep(clock, 10, abort.signal), /enough/);
    assert.equal(clock.pending(), 0);
  });
});
