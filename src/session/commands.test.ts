// The queue of a shard's commands: bounded, patient, and never faster than Discord allows.

import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { createFakeClock } from '../base/fake-clock.ts';
import { createCommandQueue } from './commands.ts';

function createWorld(lengthMax?: number) {
  const clock = createFakeClock();
  const sent: { text: string; at: number }[] = [];
  const world = { clock, sent, writable: true };
  const queue = createCommandQueue({
    clock,
    write(text) {
      if (world.writable) sent.push({ text, at: clock.monotonic() });
      return world.writable;
    },
    ...(lengthMax === undefined ? {} : { lengthMax }),
  });
  return { ...world, queue, world };
}

describe('session › commands', () => {
  it('sends in order once it is open', () => {
    const { queue, sent } = createWorld();
    queue.push('a', 'command');
    queue.push('b', 'command');
    assert.deepEqual(sent, []);
    queue.open();
    queue.push('c', 'command');
    assert.deepEqual(
      sent.map(({ text }) => text),
      ['a', 'b', 'c'],
    );
  });

  it('refuses when it is full, and when a command is larger than Discord takes', () => {
    const { queue } = createWorld(2);
    assert.equal(queue.push('x'.repeat(4_097), 'command'), false);
    assert.equal(queue.push('ä'.repeat(2_049), 'command'), false);
    assert.deepEqual(
      [queue.push('a', 'command'), queue.push('b', 'command'), queue.push('c', 'command')],
      [true, true, false],
    );
  });

  it('never sends more than 113 in any minute, and sends everything in the end', () => {
    const { queue, sent, clock } = createWorld();
    queue.open();
    for (let i = 0; i < 240; i++) queue.push(`${i}`, 'command');
    assert.equal(sent.length, 113);
    clock.advance(180_000);
    assert.equal(sent.length, 240);
    for (const { at } of sent) {
      const inWindow = sent.filter((other) => other.at >= at && other.at < at + 60_000);
      assert.ok(inWindow.length <= 113);
    }
  });

  it('lets a newer presence take the place of one that waits', () => {
    const { queue, sent } = createWorld();
    queue.push('one', 'presence');
    queue.push('two', 'presence');
    assert.equal(queue.waiting(), 1);
    queue.open();
    assert.deepEqual(
      sent.map(({ text }) => text),
      ['two'],
    );
  });

  it('holds presences to five in 20 seconds without holding commands up', () => {
    const { queue, sent, clock } = createWorld();
    queue.open();
    for (let i = 0; i < 9; i++) queue.push(`p${i}`, 'presence');
    queue.push('command', 'command');
    assert.deepEqual(
      sent.map(({ text }) => text),
      ['p0', 'p1', 'p2', 'p3', 'p4', 'command'],
    );
    clock.advance(20_000);
    assert.equal(sent.at(-1)?.text, 'p8');
  });

  it('keeps what the socket did not take', () => {
    const { queue, sent, world } = createWorld();
    world.writable = false;
    queue.open();
    queue.push('a', 'command');
    queue.push('p', 'presence');
    queue.close();
    assert.equal(queue.waiting(), 2);
    world.writable = true;
    queue.open();
    assert.deepEqual(
      sent.map(({ text }) => text),
      ['a', 'p'],
    );
  });

  it('starts a new connection with a new budget', () => {
    const { queue, sent } = createWorld();
    queue.open();
    for (let i = 0; i < 120; i++) queue.push(`${i}`, 'command');
    queue.close();
    queue.renewBudget();
    queue.open();
    assert.equal(sent.length, 120);
  });

  it('leaves no timer behind when it is closed or emptied', () => {
    for (const end of ['close', 'drop'] as const) {
      const { queue, clock } = createWorld();
      queue.open();
      for (let i = 0; i < 120; i++) queue.push(`${i}`, 'command');
      assert.equal(clock.pending(), 1);
      queue[end]();
      assert.equal(clock.pending(), 0);
      assert.equal(queue.dropped(), end === 'drop' ? 7 : 0);
    }
  });
});
