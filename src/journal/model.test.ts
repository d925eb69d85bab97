// The journal against a plain model of it, under random operations, faults, restarts and power failures. The model
// is one list of positions per shard; Discord sends again whatever the journal has not got after a restart.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Random, seededRandom } from '../base/random.ts';
import { EVENT } from '../wire/event-type.ts';
import { type Fixture, openFixture, type Seen } from './fixture.ts';
import { comparePositions, type LogPosition, type Position } from './position.ts';

const SHARDS = 3;

interface Model {
  /** Everything appended, per shard, in order. */
  readonly streams: Seen[][];
  /** What must survive lost power. */
  durable: Position[];
  synced: LogPosition;
  delivered: number;
  queued: Seen[];
}

const operations = {
  append(fixture: Fixture, model: Model, random: Random): void {
    const count = 1 + Math.floor(random.next() * 8);
    for (let i = 0; i < count; i++) {
      const shard = Math.floor(random.next() * SHARDS);
      const last = fixture.last(shard);
      const isReady = last.epoch === 0 || random.next() < 0.05;
      const at = isReady
        ? { shard, epoch: last.epoch + 1, s: 1 }
        : { shard, epoch: last.epoch, s: last.s + 1 };
      // The same position is always the same event, as from Discord.
      const size = 20 + ((at.s * 7919 + at.epoch * 104_729 + shard) % 9) ** 4;
      fixture.put(at, size, isReady ? EVENT.READY : size % 2 ? EVENT.GUILD_CREATE : EVENT.MESSAGE_CREATE);
      model.streams[shard]!.push(at);
      model.queued.push(at);
    }
  },
  flush(fixture: Fixture, model: Model): void {
    fixture.journal.flush();
    assert.deepEqual(fixture.delivered.slice(model.delivered), model.queued, 'delivered once, in order');
    model.delivered = fixture.delivered.length;
    model.queued = [];
  },
  cursors(fixture: Fixture): void {
    fixture.journal.appendCursors([fixture.clock.now()]);
  },
  async sync(fixture: Fixture, model: Model, random: Random): Promise<void> {
    const tips = tipsOf(fixture);
    const syncing = fixture.journal.sync();
    if (random.next() < 0.5) await Promise.resolve(); // it has begun
    if (random.next() < 0.5) {
      operations.append(fixture, model, random);
      operations.flush(fixture, model);
    }
    try {
      model.synced = await syncing;
      model.durable = tips;
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EIO');
    }
  },
  syncNow(fixture: Fixture, model: Model): void {
    operations.flush(fixture, model);
    const tips = tipsOf(fixture);
    try {
      fixture.journal.syncNow();
      model.durable = tips;
      model.synced = fixture.journal.end();
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EIO');
    }
  },
  fail(fixture: Fixture, _model: Model, random: Random): void {
    const calls = ['write', 'write', 'sync', 'truncate', 'syncFolder'] as const;
    const call = calls[Math.floor(random.next() * calls.length)]!;
    const bytes = Math.floor(random.next() * 3000);
    if (call === 'write' && random.next() < 0.4) fixture.disk.fail({ call, bytes: bytes + 1, times: 3 });
    else fixture.disk.fail({ call, bytes, code: 'EIO', times: 1 + Math.floor(random.next() * 4) });
  },
  fill(fixture: Fixture, _model: Model, random: Random): void {
    fixture.disk.capacity = fixture.journal.stats().bytes + Math.floor(random.next() * 5000);
  },
  heal(fixture: Fixture): void {
    fixture.disk.heal();
    fixture.disk.capacity = Number.POSITIVE_INFINITY;
    fixture.clock.advance(500);
  },
  wait(fixture: Fixture): void {
    fixture.clock.advance(500);
  },
  trim(fixture: Fixture, model: Model, random: Random): void {
    fixture.journal.trim(model.synced, random.next() < 0.5 ? model.synced : { segment: 0, offset: 0 });
  },
  reopen(fixture: Fixture, model: Model): void {
    fixture.disk.heal();
    operations.flush(fixture, model);
    fixture.reopen();
    restarted(fixture, model);
  },
  crash(fixture: Fixture, model: Model, random: Random): void {
    operations.flush(fixture, model);
    fixture.disk.heal();
    fixture.crash(random.next() < 0.8 ? random : undefined);
    restarted(fixture, model);
    for (const [shard, position] of model.durable.entries())
      assert.ok(
        comparePositions(fixture.journal.tip(shard), position) >= 0,
        `shard ${shard} lost what was synced`,
      );
  },
  read(fixture: Fixture, model: Model, random: Random): void {
    for (let shard = 0; shard < SHARDS; shard++) {
      const stream = model.streams[shard]!;
      const from = stream[Math.floor(random.next() * (stream.length + 1))] ?? { epoch: 0, s: 0 };
      const tip = fixture.journal.tip(shard);
      const floor = fixture.journal.floor(shard);
      const { seen, outcome } = fixture.readUntil(
        shard,
        { epoch: from.epoch, s: from.s },
        1 + random.next() * 9000,
      );
      if (comparePositions(from, floor) < 0) {
        assert.deepEqual([seen, outcome], [[], 'trimmed']);
        continue;
      }
      const expected = stream.filter(
        (at) => comparePositions(at, from) > 0 && comparePositions(at, tip) <= 0,
      );
      assert.deepEqual(seen, expected);
      assert.equal(outcome, 'end');
    }
  },
} as const satisfies Record<string, (fixture: Fixture, model: Model, random: Random) => void | Promise<void>>;

function tipsOf(fixture: Fixture): Position[] {
  return Array.from({ length: SHARDS }, (_, shard) => fixture.journal.tip(shard));
}

/** A new process: what the journal has not got is sent again, so the model forgets it. */
function restarted(fixture: Fixture, model: Model): void {
  assert.equal(fixture.journal.stats().damaged, 0);
  for (const [shard, stream] of model.streams.entries()) {
    const tip = fixture.journal.tip(shard);
    const last = stream.findLastIndex((at) => comparePositions(at, tip) <= 0);
    assert.deepEqual(
      { ...stream[last], shard },
      tip.epoch === 0 ? { shard } : { shard, ...tip },
      'a tip is a real event',
    );
    stream.splice(last + 1);
  }
  model.queued = [];
  model.delivered = fixture.delivered.length;
  if (fixture.journal.end().segment < model.synced.segment) model.synced = fixture.journal.end();
}

test('journal › whatever is done to it and to its disk, it says what a plain list would say', async () => {
  const weights: Record<keyof typeof operations, number> = {
    append: 16,
    flush: 14,
    cursors: 1,
    sync: 5,
    syncNow: 1,
    fail: 1,
    fill: 1,
    heal: 4,
    wait: 1,
    trim: 1,
    reopen: 1,
    crash: 3,
    read: 3,
  };
  const names = Object.entries(weights).flatMap(([name, weight]) => Array<string>(weight).fill(name));
  const operation = fc.constantFrom(...(names as Array<keyof typeof operations>));
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: 40, maxLength: 120 }),
      fc.nat(),
      async (steps, seed) => {
        const random = seededRandom(seed);
        const fixture = openFixture({
          segmentBytes: 16 * 1024,
          maxBytes: 64 * 1024,
          cursors: () => ['head'],
        });
        const model: Model = {
          streams: Array.from({ length: SHARDS }, () => []),
          durable: tipsOf(fixture),
          synced: { segment: 0, offset: 0 },
          delivered: 0,
          queued: [],
        };
        for (const step of steps) await operations[step](fixture, model, random);
        operations.heal(fixture);
        operations.flush(fixture, model);
        for (const [shard, stream] of model.streams.entries()) {
          const { epoch, s } = stream.at(-1) ?? { epoch: 0, s: 0 };
          assert.deepEqual(fixture.journal.tip(shard), { epoch, s });
        }
        operations.read(fixture, model, random);
        fixture.journal.close();
        assert.equal(fixture.disk.openFiles(), 0);
      },
    ),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 60) },
  );
});
