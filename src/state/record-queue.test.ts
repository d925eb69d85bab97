import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createRecordQueue, type QueuedRecord } from './record-queue.ts';

describe('record queue', () => {
  test('gives back what was pushed, in order, whatever is taken between', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -300, max: 300 })), (steps) => {
        const queue = createRecordQueue();
        const model: QueuedRecord[] = [];
        let s = 0;
        for (const step of steps) {
          for (let i = 0; i < step; i++) {
            s++;
            const record = {
              epoch: 4_000_000_000,
              s,
              type: 200,
              segment: 7,
              offset: s * 1_000_000,
              length: 40,
            };
            queue.push(record);
            model.push(record);
          }
          const count = Math.min(model.length, Math.max(0, -step));
          queue.shift(count);
          model.splice(0, count);
          assert.equal(queue.size, model.length);
        }
        for (let i = 0; i < model.length; i++) assert.deepEqual(queue.at(i), model[i]);
      }),
      { numRuns: 50 },
    );
  });
});
