// The ledger over time: cases, and random lives with restarts, failing disks and a Discord that counts along.

import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createFakeClock } from '../base/fake-clock.ts';
import { createLog, silentLog } from '../base/log.ts';
import { systemDisk } from '../store/disk.ts';
import { openRecordFile } from '../store/record-file.ts';
import { createFakeRecordFile } from './fake-record-file.ts';
import { type LedgerOptions, type LedgerRow, openLedger, type Ticket } from './ledger.ts';

const HOUR = 60 * 60_000;

function createWorld(given: Partial<LedgerOptions> & { records?: LedgerRow[]; setAside?: string } = {}) {
  const clock = given.clock ? createFakeClock() : createFakeClock();
  const file = createFakeRecordFile<LedgerRow>(given.records, given.setAside);
  const lines: { level: string; event: string; text?: string }[] = [];
  const log = createLog({ level: 'debug', now: clock.now, write: (line) => lines.push(JSON.parse(line)) });
  const ledger = openLedger({ recordFile: file, clock, log, ...given });
  const granted: { shard: number; at: number; ticket: Ticket }[] = [];
  const ask = (shard: number, reason: 'first-start' | 'operator' = 'first-start') =>
    ledger.request({ shard, reason }, (ticket) => granted.push({ shard, at: clock.monotonic(), ticket }));
  const tell = (
    remaining: number,
    more: { resetAfterMs?: number; maxConcurrency?: number; serverTimeMs?: number } = {},
  ) =>
    ledger.updateBudget(
      { total: 1_000, remaining, resetAfterMs: 10 * HOUR, maxConcurrency: 1, ...more },
      clock.monotonic(),
    );
  const warnings = (event: string) => lines.filter((line) => line.event === event);
  return { clock, file, ledger, granted, ask, tell, warnings };
}

describe('ledger', () => {
  it('grants nothing before it knows the budget, and then after one spacing', () => {
    const { clock, granted, ask, tell, ledger } = createWorld();
    ask(0);
    clock.advance(60_000);
    assert.equal(granted.length, 0);
    assert.equal(ledger.status().hold, 'budget-unknown');
    tell(900);
    clock.advance(0);
    assert.equal(granted.length, 1);
  });

  it('takes every bucket for just used when it is opened', () => {
    const { clock, granted, ask, tell } = createWorld();
    tell(900, { maxConcurrency: 16 });
    ask(0);
    clock.advance(5_249);
    assert.equal(granted.length, 0);
    clock.advance(1);
    assert.equal(granted.length, 1);
  });

  it('starts a fleet in order, one bucket after the other', () => {
    const { clock, granted, ask, tell } = createWorld();
    tell(900, { maxConcurrency: 2 });
    for (const shard of [4, 3, 2, 1, 0]) ask(shard);
    clock.advance(30_000);
    assert.deepEqual(
      granted.map(({ shard, at }) => [shard, at]),
      [
        [0, 5_250],
        [1, 5_250],
        [2, 10_500],
        [3, 10_500],
        [4, 15_750],
      ],
    );
  });

  it('has the entry on stable storage before it grants', () => {
    const { clock, file, ledger, tell } = createWorld();
    tell(900);
    let seen: unknown;
    ledger.request({ shard: 7, reason: 'op9' }, () => {
      seen = file.rows.slice(0, file.synced).at(-1);
    });
    clock.advance(6_000);
    assert.deepEqual(seen, {
      type: 'identify',
      id: 1,
      time: clock.now() - 750,
      shard: 7,
      reason: 'op9',
      remainingBefore: 900,
    });
  });

  it('grants nothing when the disk fails, says so once, and goes on when it is back', () => {
    for (const failing of ['append', 'sync', 'all'] as const) {
      const { clock, file, granted, ask, tell, warnings, ledger } = createWorld();
      tell(900);
      ask(1);
      file.failing = failing;
      clock.advance(60_000);
      assert.equal(granted.length, 0);
      assert.equal(ledger.status().diskFailing, true);
      assert.equal(warnings('ledger.disk-failing').length, 1);
      assert.equal(ledger.status().remaining, 900, 'what was not sent is not spent');
      file.failing = 'nothing';
      clock.advance(5_250);
      assert.equal(granted.length, 1);
      assert.equal(ledger.status().diskFailing, false);
    }
  });

  it('counts the spacing from the send, not from when a slow disk was asked', () => {
    const clock = createFakeClock();
    const file = createFakeRecordFile<LedgerRow>();
    // The first sync takes three seconds, during which no timer runs.
    let late = 0;
    const slow = { ...clock, monotonic: () => clock.monotonic() + late };
    const ledger = openLedger({ recordFile: file, clock: slow, log: silentLog });
    ledger.updateBudget({ total: 1_000, remaining: 900, resetAfterMs: HOUR, maxConcurrency: 1 });
    const sends: number[] = [];
    for (const shard of [0, 1, 2])
      ledger.request({ shard, reason: 'op9' }, () => sends.push(slow.monotonic()));
    file.onSync = () => {
      late = 3_000;
    };
    clock.advance(60_000);
    assert.deepEqual(sends, [8_250, 13_500, 18_750]);
  });

  it('stops at the floor with one warning, and goes on by itself after the reset', () => {
    const { clock, granted, ask, tell, warnings, ledger } = createWorld();
    tell(13, { resetAfterMs: 2 * HOUR });
    for (let shard = 0; shard < 6; shard++) ask(shard);
    clock.advance(HOUR);
    assert.equal(granted.length, 3);
    assert.deepEqual(
      [ledger.status().remaining, ledger.status().hold, ledger.status().waiting],
      [10, 'floor', 3],
    );
    assert.equal(warnings('ledger.holding').length, 1);
    assert.match(
      warnings('ledger.holding')[0]?.text ?? '',
      /^identify budget: 10 of 1000 left until 20\d\d-.*; floor is 10\. 3 shard/,
    );
    clock.advance(HOUR + 60_000);
    assert.equal(granted.length, 6);
  });

  it('gives an unused grant back to the budget, but not its time', () => {
    const { clock, granted, ask, tell, ledger, file } = createWorld();
    tell(900);
    ask(0);
    clock.advance(5_250);
    granted[0]!.ticket.unused();
    granted[0]!.ticket.failed('too late');
    assert.equal(ledger.status().remaining, 900);
    assert.equal(ledger.identifiesSince(0), 0);
    ask(0);
    clock.advance(5_249);
    assert.equal(granted.length, 1);
    clock.advance(1);
    assert.equal(granted.length, 2);
    assert.deepEqual(
      file.rows.filter((row) => row.type === 'outcome').map((row) => row.outcome),
      ['unused'],
    );
  });

  it('writes down what became of each IDENTIFY', () => {
    const { clock, granted, ask, tell, file } = createWorld();
    tell(900);
    ask(0);
    ask(1);
    clock.advance(20_000);
    granted[0]!.ticket.ready();
    granted[1]!.ticket.failed('4009');
    assert.deepEqual(
      file.rows
        .filter((row) => row.type === 'outcome')
        .map(({ id, outcome, detail }) => [id, outcome, detail]),
      [
        [1, 'ready', undefined],
        [2, 'failed', '4009'],
      ],
    );
  });

  it('lets a request be taken back', () => {
    const { clock, granted, ask, tell } = createWorld();
    tell(900);
    ask(0).cancel();
    ask(1);
    clock.advance(60_000);
    assert.deepEqual(
      granted.map(({ shard }) => shard),
      [1],
    );
  });

  it('takes requests from within a grant', () => {
    const { clock, ledger, tell } = createWorld();
    tell(900);
    const order: number[] = [];
    ledger.request({ shard: 0, reason: 'op9' }, () => {
      order.push(0);
      ledger.request({ shard: 1, reason: 'op9' }, () => order.push(1));
    });
    clock.advance(5_250);
    assert.deepEqual(order, [0]);
    clock.advance(5_250);
    assert.deepEqual(order, [0, 1]);
  });

  it('knows after a crash what it had spent, without asking Discord', () => {
    const before = createWorld();
    before.tell(900);
    for (let shard = 0; shard < 5; shard++) before.ask(shard);
    before.clock.advance(60_000);
    before.granted[4]!.ticket.unused();
    const after = createWorld({ records: before.file.rows });
    assert.equal(after.ledger.status().remaining, 896);
    assert.equal(after.ledger.identifiesSince(0), 4);
    after.ask(9);
    after.clock.advance(5_250);
    assert.equal(after.granted[0]?.ticket.id, 6);
  });

  it('asks Discord again when what it knew has passed, or the file was damaged', () => {
    const before = createWorld();
    before.tell(900, { resetAfterMs: 1 });
    assert.equal(createWorld({ records: before.file.rows }).ledger.status().remaining, 900);
    const passed = before.file.rows.map((row) => ({ ...row, resetAt: 5 }) as LedgerRow);
    assert.equal(createWorld({ records: passed }).ledger.status().remaining, null);
    const damaged = createWorld({ records: before.file.rows, setAside: '/x.damaged' });
    assert.equal(damaged.ledger.status().remaining, null);
  });

  it('holds a shard whose sessions do not hold, over a restart too', () => {
    const before = createWorld();
    before.tell(900);
    for (let i = 0; i < 5; i++) before.ask(3);
    before.ask(4);
    before.clock.advance(60_000);
    assert.deepEqual(
      before.granted.map(({ shard }) => shard),
      [3, 4, 3, 3],
    );
    assert.equal(before.ledger.status().hold, 'shard-cap');
    assert.equal(before.warnings('ledger.holding').length, 1);
    const after = createWorld({ records: before.file.rows });
    after.ask(3);
    after.clock.advance(60_000);
    assert.equal(after.granted.length, 0);
    after.clock.advance(600_000);
    assert.equal(after.granted.length, 1);
  });

  it('raises an alarm over what Discord counted and it did not send', () => {
    const { clock, ask, tell, warnings, ledger } = createWorld();
    tell(900);
    ask(0);
    clock.advance(600_000);
    tell(858, { resetAfterMs: 10 * HOUR - 600_000 });
    assert.equal(warnings('ledger.foreign-identifies').length, 1);
    assert.match(warnings('ledger.foreign-identifies')[0]?.text ?? '', /Discord counts 41 session start/);
    assert.equal(ledger.status().foreign, 41);
    clock.advance(600_000);
    tell(858, { resetAfterMs: 10 * HOUR - 1_200_000 });
    assert.equal(warnings('ledger.foreign-identifies').length, 1);
  });

  it('keeps time by Discord’s clock once it has heard it', () => {
    const { clock, ask, tell, file, ledger } = createWorld();
    tell(900, { serverTimeMs: 2_000_000_000_000 });
    ask(0);
    clock.advance(5_250);
    const row = file.rows.find((candidate) => candidate.type === 'identify');
    assert.equal(row?.time, 2_000_000_005_250);
    assert.equal(ledger.status().resetAt, 2_000_000_000_000 + 10 * HOUR);
  });

  it('does not trust a file from the future, and does not forget it either', () => {
    const { clock } = createWorld();
    const row: LedgerRow = {
      type: 'identify',
      id: 4,
      time: clock.now() + 9e9,
      shard: 1,
      reason: 'op9',
      remainingBefore: 5,
    };
    const {
      ledger,
      tell,
      ask,
      granted,
      clock: later,
    } = createWorld({ records: [row, { ...row, id: 5 }, { ...row, id: 6 }] });
    tell(900);
    ask(1);
    later.advance(590_000);
    assert.equal(granted.length, 0, 'they count as just now');
    later.advance(20_000);
    assert.equal(granted[0]?.ticket.id, 7);
    assert.ok(ledger.status().spent >= 1);
  });

  it('throws away what is older than two days when it is opened', () => {
    const { clock } = createWorld();
    const row = (hoursAgo: number): LedgerRow => ({
      type: 'identify',
      id: hoursAgo,
      time: clock.now() - hoursAgo * HOUR,
      shard: 1,
      reason: 'op9',
      remainingBefore: 5,
    });
    const { file, ledger } = createWorld({ records: [row(50), row(49), row(47), row(1)] });
    assert.equal(file.rows.length, 2);
    assert.equal(ledger.identifiesSince(0), 2);
    assert.equal(ledger.status().spent, 1);
  });

  it('asks for a fresh count when it knows none, or before a burst, at most once a minute', () => {
    let asked = 0;
    const { clock, ask, tell } = createWorld({ askBudget: () => asked++ });
    ask(0);
    clock.advance(1_000);
    assert.equal(asked, 1);
    ask(1);
    clock.advance(1_000);
    assert.equal(asked, 1);
    tell(900);
    clock.advance(120_000);
    assert.equal(asked, 1);
    for (let shard = 2; shard < 9; shard++) ask(shard);
    clock.advance(1_000);
    assert.equal(asked, 2);
  });

  it('hears an answer that comes while it asks', () => {
    const world = createWorld({ askBudget: () => world.tell(900) });
    world.clock.advance(10_000);
    world.ask(0);
    world.clock.advance(1);
    assert.equal(world.granted.length, 1);
  });

  it('writes itself into a new file when the folder has vanished', () => {
    const { clock, ask, tell, ledger } = createWorld();
    tell(900);
    ask(0);
    clock.advance(6_000);
    const next = createFakeRecordFile<LedgerRow>();
    ledger.recreate(next);
    assert.deepEqual(
      next.rows.map((row) => row.type),
      ['budget', 'identify'],
    );
    ask(1);
    clock.advance(6_000);
    assert.equal(next.rows.length, 3);
  });

  it('leaves no timer when it is closed', () => {
    const { clock, ask, tell, ledger, granted } = createWorld();
    tell(900);
    ask(0);
    ledger.close();
    clock.advance(60_000);
    assert.equal(clock.pending(), 0);
    assert.equal(granted.length, 0);
  });

  it('works on a real file', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-ledger-'));
    try {
      const open = () =>
        openRecordFile<LedgerRow>({
          disk: systemDisk,
          path: path.join(folder, 'ledger.log'),
          log: silentLog,
        });
      const clock = createFakeClock();
      const first = openLedger({ recordFile: open(), clock, log: silentLog });
      first.updateBudget({ total: 1_000, remaining: 900, resetAfterMs: HOUR, maxConcurrency: 1 });
      first.request({ shard: 0, reason: 'first-start' }, (ticket) => ticket.ready());
      clock.advance(6_000);
      first.close();
      const second = openLedger({ recordFile: open(), clock, log: silentLog });
      assert.equal(second.status().remaining, 899);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('ledger › random lives', () => {
  type Action =
    | { type: 'request'; shard: number; operator: boolean; used: boolean }
    | { type: 'cancel' | 'settle' | 'read' }
    | { type: 'crash'; unsynced: number }
    | { type: 'pass'; ms: number }
    | { type: 'disk'; failing: 'nothing' | 'append' | 'sync' };
  const actions: fc.Arbitrary<Action> = fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        type: fc.constant('request' as const),
        shard: fc.nat(20),
        operator: fc.boolean(),
        used: fc.integer({ min: 0, max: 9 }).map((luck) => luck > 0),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('pass' as const),
        ms: fc.oneof(fc.nat(6_000), fc.nat(60_000), fc.nat(HOUR)),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.constantFrom<Action>({ type: 'cancel' }, { type: 'settle' }, { type: 'read' }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('crash' as const), unsynced: fc.nat(3) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('disk' as const),
        failing: fc.constantFrom('nothing', 'nothing', 'append', 'sync') as fc.Arbitrary<
          'nothing' | 'append' | 'sync'
        >,
      }),
    },
  );

  it('keeps the spacing, the floor and the order of durability, whatever happens', () => {
    const world = fc.record({
      maxConcurrency: fc.constantFrom(1, 2, 16),
      remaining: fc.integer({ min: 8, max: 40 }),
      resetAfterMs: fc.integer({ min: 60_000, max: 3 * HOUR }),
    });
    let grants = 0;
    const check = fc.property(
      world,
      fc.array(actions, { minLength: 30, maxLength: 150, size: 'max' }),
      fc.boolean(),
      (discord, script, readsCount) => {
        const clock = createFakeClock();
        // Discord's side: what it counts, and when it counts anew.
        let remaining = discord.remaining;
        let resetAt = discord.resetAfterMs;
        const sends = new Map<number, number>();
        let file = createFakeRecordFile<LedgerRow>();
        let tickets: Ticket[] = [];
        let requests: { cancel(): void }[] = [];
        const open = () =>
          openLedger({
            recordFile: file,
            clock,
            log: silentLog,
            shardCaps: [{ limit: 6, windowMs: 600_000 }],
          });
        let ledger = open();
        const roll = () => {
          if (clock.monotonic() < resetAt) return;
          remaining = 100;
          resetAt = clock.monotonic() + 24 * HOUR;
        };
        const read = () => {
          roll();
          ledger.updateBudget(
            {
              total: 100,
              remaining,
              resetAfterMs: resetAt - clock.monotonic(),
              maxConcurrency: discord.maxConcurrency,
            },
            clock.monotonic(),
          );
        };
        const onGranted = (shard: number, used: boolean) => (ticket: Ticket) => {
          roll();
          grants++;
          assert.equal(file.failing, 'nothing', 'nothing is granted by a disk that fails');
          const row = file.rows
            .slice(0, file.synced)
            .find((candidate) => candidate.type === 'identify' && candidate.id === ticket.id);
          assert.ok(row, 'the entry is on stable storage first');
          if (!used) return ticket.unused();
          const bucket = shard % discord.maxConcurrency;
          const now = clock.monotonic();
          assert.ok(now - (sends.get(bucket) ?? Number.NEGATIVE_INFINITY) >= 5_250, 'spacing');
          sends.set(bucket, now);
          remaining--;
          assert.ok(remaining >= 10, 'the floor holds');
          tickets.push(ticket);
        };
        if (readsCount) read();
        for (const action of script) {
          switch (action.type) {
            case 'request':
              requests.push(
                ledger.request(
                  { shard: action.shard, reason: action.operator ? 'operator' : 'op9' },
                  onGranted(action.shard, action.used),
                ),
              );
              break;
            case 'pass':
              clock.advance(action.ms);
              break;
            case 'cancel':
              requests.shift()?.cancel();
              break;
            case 'settle':
              tickets.shift()?.failed('test');
              break;
            case 'read':
              read();
              break;
            case 'disk':
              file.failing = action.failing;
              break;
            case 'crash':
              ledger.close();
              file = file.crash(action.unsynced);
              tickets = [];
              requests = [];
              ledger = open();
              break;
          }
        }
        ledger.close();
      },
    );
    fc.assert(check, { numRuns: 150 });
    assert.ok(grants > 1_000, `the test must grant (${grants})`);
  });
});
