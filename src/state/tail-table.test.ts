import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { GuildOverlay } from './overlay.ts';
import { createSnowflake, parseSnowflake, readSnowflake, snowflakeText } from './snowflake.ts';
import { TailTable } from './tail-table.ts';

const guild = { dead: false } as GuildOverlay;
const id = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);

describe('snowflake', () => {
  test('gives back the text that was read', () => {
    fc.assert(
      fc.property(id, (text) => {
        const read = createSnowflake();
        const parsed = createSnowflake();
        assert.ok(readSnowflake(Buffer.from(`"${text}"`), 1, 1 + text.length, read));
        assert.ok(parseSnowflake(text, parsed));
        assert.deepEqual(read, parsed);
        assert.equal(snowflakeText(read.high, read.low), text);
      }),
    );
  });

  test('refuses what is not 1 to 20 digits', () => {
    for (const text of ['', '1a', 'a1', '-1', '123456789012345678901', '1234567890x']) {
      assert.equal(parseSnowflake(text, createSnowflake()), false, text);
      assert.equal(readSnowflake(Buffer.from(text), 0, text.length, createSnowflake()), false, text);
    }
  });
});

describe('tail table', () => {
  test('counts like a map would', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(150), id, fc.nat(9)), { maxLength: 600, size: 'max' }),
        (steps) => {
          const table = new TailTable();
          const model = new Map<string, { last: string; count: number; fresh: boolean }>();
          for (const [which, message, act] of steps) {
            const channel = String(1_000_000_000_000_000_000n + BigInt(which) * 4_000_000_000n);
            const bytes = Buffer.from(channel);
            let slot = table.find(bytes, 0, bytes.length);
            assert.equal(slot >= 0, model.has(channel));
            if (slot < 0 || act === 0) {
              slot = table.open(bytes, 0, bytes.length, guild, act === 0);
              model.set(channel, { last: '', count: 0, fresh: act === 0 });
            }
            if (act === 0) continue;
            table.count(slot, Buffer.from(message), 0, message.length);
            const entry = model.get(channel)!;
            model.set(channel, { ...entry, last: message, count: entry.count + 1 });
          }
          const changes = [...table.changes()].map(({ channel, last, count, fresh }) => [
            channel,
            { last, count, fresh },
          ]);
          assert.deepEqual(new Map(changes as Array<[string, never]>), model);
          table.clear();
          assert.deepEqual([...table.changes()], []);
          assert.equal(table.find(Buffer.from('1'), 0, 1), -1);
        },
      ),
      { numRuns: 50 },
    );
  });
});
