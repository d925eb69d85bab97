// The ledger's memory: the rows of its file, and what they add up to. Rows are written here and nowhere else, in
// the order of events; an IDENTIFY is on stable storage when `writeIdentify` returns. Decides nothing.

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { IdentifyReason } from '../session/state.ts';
import type { RecordFile } from '../store/record-file.ts';
import { type Budget, firstBudget, left, type Reading, renewed, spend, withReading } from './budget.ts';
import type { Grant } from './decide.ts';
import type { BudgetRow, IdentifyRow, LedgerRow, Outcome } from './row.ts';

/** Rows older than this are of no use to anybody. */
const KEEP_MS = 48 * 60 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
const COMPACT_AFTER_APPENDS = 2_000;

export interface History {
  budget(): Budget | null;
  /** IDENTIFYs of the last 24 h, oldest first. */
  grants(): readonly Grant[];
  /** Renews the budget when its window has passed. */
  roll(nowMs: number): void;
  /** Writes and syncs; returns the entry's id. Throws the disk's error, and then nothing may be sent. */
  writeIdentify(shard: number, reason: IdentifyReason): number;
  /** Best effort: a missing outcome only makes the ledger more careful. */
  writeOutcome(id: number, outcome: Outcome, detail?: string): void;
  /** Returns how many IDENTIFYs this reading shows that are not ours, beyond those shown before. */
  writeReading(reading: Reading, unseenSinceMs: number, serverTimeMs: number | undefined): number;
  identifiesSince(sinceMs: number): number;
  /** Wall time of a monotonic time, by Discord's clock where it is known. */
  wallOf(monotonicMs: number): number;
  recreate(file: RecordFile<LedgerRow>): void;
}

/** One IDENTIFY of this run or of the file. */
interface Entry extends Grant {
  readonly id: number;
  readonly time: number;
  counted: boolean;
}

/** Reads the file. */
export function createHistory(opened: RecordFile<LedgerRow>, clock: Clock, log: Log): History {
  let file = opened;
  // Discord's clock: its `Date` at a monotonic moment. Until it is known, the machine's own.
  let anchor = { wall: clock.now(), monotonic: clock.monotonic() };
  let rows = opened.records.filter((row) => row.time > anchor.wall - KEEP_MS);
  let entries = entriesOf(rows, anchor);
  let budget = opened.setAside === undefined ? storedBudget(rows, anchor) : null;
  let nextId =
    rows.reduce((highest, row) => (row.type === 'budget' ? highest : Math.max(highest, row.id)), 0) + 1;
  let appends = 0;
  let syncOwed = false;

  if (rows.length < opened.records.length) compact();

  function sync(): void {
    syncOwed = true;
    file.syncNow();
    syncOwed = false;
  }

  function wallOf(monotonicMs: number): number {
    return Math.round(anchor.wall + monotonicMs - anchor.monotonic);
  }

  function append(row: LedgerRow): void {
    file.append(row);
    rows.push(row);
    if (++appends % COMPACT_AFTER_APPENDS === 0) compact();
  }

  function compact(): void {
    const now = wallOf(clock.monotonic());
    rows = rows.filter((row) => row.time > now - KEEP_MS);
    entries = entries.filter((entry) => entry.at > clock.monotonic() - KEEP_MS);
    try {
      file.rewrite(rows);
    } catch (error) {
      log.warn('ledger.compaction-failed', { message: (error as Error).message });
    }
  }

  function appendQuietly(row: LedgerRow): void {
    try {
      append(row);
    } catch (error) {
      log.warn('ledger.row-lost', { type: row.type, message: (error as Error).message });
    }
  }

  /** Takes an entry back: it was never sent. */
  function discount(id: number): void {
    const entry = entries.find((candidate) => candidate.id === id);
    if (!entry?.counted) return;
    entry.counted = false;
    if (budget) budget = spend(budget, -1);
  }

  return {
    budget: () => budget,
    grants() {
      const since = clock.monotonic() - DAY_MS;
      return entries.filter((entry) => entry.at > since);
    },
    roll(nowMs) {
      if (budget) budget = renewed(budget, nowMs);
    },
    writeIdentify(shard, reason) {
      assert(budget !== null, 'an IDENTIFY is written only when the budget is known');
      // A disk that failed must prove itself before it gets another row, or its file would grow with each try.
      if (syncOwed) sync();
      const at = clock.monotonic();
      const row: IdentifyRow = {
        type: 'identify',
        id: nextId++,
        time: wallOf(at),
        shard,
        reason,
        remainingBefore: left(budget),
      };
      append(row);
      try {
        sync();
      } catch (error) {
        // It may or may not be on the disk, and will not be sent: whoever reads it again may count it, we need not.
        appendQuietly({ type: 'outcome', id: row.id, time: row.time, outcome: 'unused' });
        throw error;
      }
      // The send follows now: a slow disk must not eat into the spacing.
      entries.push({ id: row.id, time: row.time, shard, at: clock.monotonic(), counted: true });
      budget = spend(budget, 1);
      return row.id;
    },
    writeOutcome(id, outcome, detail) {
      if (outcome === 'unused') discount(id);
      const time = wallOf(clock.monotonic());
      appendQuietly({ type: 'outcome', id, time, outcome, ...(detail ? { detail } : {}) });
    },
    writeReading(reading, unseenSinceMs, serverTimeMs) {
      const at = clock.monotonic();
      if (serverTimeMs !== undefined) anchor = { wall: serverTimeMs, monotonic: at };
      const unseen = entries.filter((entry) => entry.counted && entry.at >= unseenSinceMs).length;
      const before = budget?.foreign ?? 0;
      budget = budget
        ? withReading(budget, reading, at, unseen)
        : firstBudget(reading, at, { unseen, spent: 0 });
      appendQuietly({
        type: 'budget',
        time: wallOf(at),
        total: reading.total,
        remaining: reading.remaining,
        resetAt: wallOf(budget.resetAt),
        maxConcurrency: reading.maxConcurrency,
        unseen,
      });
      return Math.max(0, budget.foreign - before);
    },
    identifiesSince(sinceMs) {
      return entries.filter((entry) => entry.counted && entry.time >= sinceMs).length;
    },
    wallOf,
    recreate(next) {
      file = next;
      file.rewrite(rows);
    },
  };
}

type Anchor = { readonly wall: number; readonly monotonic: number };

function unusedIds(rows: readonly LedgerRow[]): Set<number> {
  const ids = new Set<number>();
  for (const row of rows) if (row.type === 'outcome' && row.outcome === 'unused') ids.add(row.id);
  return ids;
}

/** An entry from the future (a clock was wrong) counts as made just now: careful, never generous. */
function entriesOf(rows: readonly LedgerRow[], anchor: Anchor): Entry[] {
  const unused = unusedIds(rows);
  return rows
    .filter((row) => row.type === 'identify')
    .map((row) => ({
      id: row.id,
      time: row.time,
      shard: row.shard,
      at: anchor.monotonic - Math.max(0, anchor.wall - row.time),
      counted: !unused.has(row.id),
    }));
}

/** The last reading in the file, less what was sent after it; null when its window has passed, or there is none. */
function storedBudget(rows: readonly LedgerRow[], anchor: Anchor): Budget | null {
  const at = rows.findLastIndex((row) => row.type === 'budget');
  if (at === -1) return null;
  const row = rows[at] as BudgetRow;
  const resetAfterMs = row.resetAt - Math.max(anchor.wall, row.time);
  if (resetAfterMs <= 0) return null;
  const unused = unusedIds(rows);
  const spent = rows.slice(at).filter((later) => later.type === 'identify' && !unused.has(later.id)).length;
  const budget = firstBudget({ ...row, resetAfterMs }, anchor.monotonic, { unseen: row.unseen, spent });
  return { ...budget, readAt: anchor.monotonic - Math.max(0, anchor.wall - row.time) };
}
