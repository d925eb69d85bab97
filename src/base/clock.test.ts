import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from './clock.ts';

describe('clock', () => {
  test('a wait longer than Node’s longest does not end at once, and can be cancelled on the way', (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const longest = 2 ** 31 - 1;
    const ran: string[] = [];
    systemClock.after(2 * longest + 5, () => ran.push('whole'));
    const cancelled = systemClock.after(2 * longest, () => ran.push('cancelled'));
    context.mock.timers.tick(longest);
    cancelled.cancel();
    context.mock.timers.tick(longest);
    context.mock.timers.tick(4);
    assert.deepEqual(ran, []);
    context.mock.timers.tick(1);
    assert.deepEqual(ran, ['whole']);
  });
});
