import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { forEachFrame, packFrames } from './snapshot.ts';

describe('snapshot chunks', () => {
  test('carry every frame whole and in order, in memories of their own', () => {
    const frames = fc.array(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }));
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 2000 }), (made, chunkBytes) => {
        const received: Buffer[] = [];
        for (const chunk of packFrames(made, chunkBytes)) {
          assert.equal(chunk.byteLength, chunk.buffer.byteLength);
          let count = 0;
          forEachFrame(chunk, (start, end) => {
            count++;
            received.push(Buffer.from(chunk.slice(start, end)));
          });
          assert.ok(count === 1 || chunk.length <= chunkBytes);
        }
        assert.deepEqual(
          received,
          made.map((pieces) => Buffer.concat(pieces)),
        );
      }),
    );
  });

  test('are refused when they end inside a frame', () => {
    assert.throws(() => forEachFrame(Uint8Array.of(9, 0, 0, 0, 1), () => {}));
  });
});
