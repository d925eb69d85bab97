import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createReplayBuffer } from './replay-buffer.ts';

describe('replay buffer', () => {
  it('replays exactly the newest dispatches above a sequence number, packed or not', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 60 }), { maxLength: 120 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat({ max: 130 }),
        (texts, limit, after) => {
          const buffer = createReplayBuffer(limit, 300);
          const kept = texts.map((text, i) => [i + 1, 'T', JSON.stringify(text)] as const);
          for (const [s, t, d] of kept) buffer.append(s, t, d);
          const seen: unknown[] = [];
          buffer.replay(after, (s, t, d) => seen.push([s, t, d]));
          const oldest = Math.max(1, texts.length - limit + 1);
          assert.equal(buffer.oldest(), oldest);
          assert.deepEqual(
            seen,
            kept.filter(([s]) => s > after && s >= oldest),
          );
        },
      ),
    );
  });

  it('packs what is old, so that memory stays below the size of its texts', () => {
    const buffer = createReplayBuffer(3500);
    const text = JSON.stringify({ name: 'a guild of thirty kilobytes', filler: 'abcdefgh'.repeat(3_700) });
    for (let s = 1; s <= 500; s++) buffer.append(s, 'GUILD_CREATE', text);
    assert.ok(buffer.sizeBytes() < 1_000_000, `${buffer.sizeBytes()}`);
  });
});
