// The door: the only place that lets an IDENTIFY out. Each one is written down and synced before its shard may
// send it; if it cannot be written, it is not sent. Who and when is decided in decide.ts, what is left in
// budget.ts. Knows no sockets, and asks nobody: the daemon brings Discord's count (`updateBudget`).

import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { RecordFile } from '../store/record-file.ts';
import { left, type Reading } from './budget.ts';
import { decide, type Hold, type Rules, type Waiting } from './decide.ts';
import { createHistory, type History } from './history.ts';
import type { LedgerRow } from './row.ts';

export type { Reading } from './budget.ts';
export type { Hold } from './decide.ts';
export type { LedgerRow } from './row.ts';

/** Leave to send one IDENTIFY, in the same tick; otherwise `unused` gives it back. Only the first call counts. */
export interface Ticket {
  readonly id: number;
  ready(): void;
  failed(detail: string): void;
  unused(): void;
}

export interface LedgerOptions {
  recordFile: RecordFile<LedgerRow>;
  clock: Clock;
  log: Log;
  /** Between two sends of one bucket; 5250 unless set. */
  spacingMs?: number;
  /** IDENTIFYs that are never spent; 10 unless set. */
  floor?: number;
  /** IDENTIFYs that only the reason `operator` may spend; as `floor` unless set. */
  reserve?: number;
  /** 3 in 10 minutes and 10 a day unless set. */
  shardCaps?: Rules['shardCaps'];
  /** Called (at most once a minute) when a fresh reading would help: `updateBudget` should follow. */
  askBudget?: () => void;
}

export interface LedgerStatus {
  /** Null until Discord has told it. */
  readonly total: number | null;
  readonly remaining: number | null;
  /** Wall time, milliseconds since 1970. */
  readonly resetAt: number | null;
  readonly readAt: number | null;
  readonly maxConcurrency: number | null;
  readonly floor: number;
  readonly reserve: number;
  /** IDENTIFYs in the last 24 hours. */
  readonly spent: number;
  /** Shards that wait for their turn. */
  readonly waiting: number;
  /** Why the one that may go soonest waits; null when nobody does. */
  readonly hold: Hold | null;
  /** Session starts that Discord counted in this window and we did not send. */
  readonly foreign: number;
  readonly diskFailing: boolean;
}

export interface Ledger {
  /** Queues for an IDENTIFY. `granted` is called later, never from within, once the entry is on stable storage. */
  request(who: Waiting, granted: (ticket: Ticket) => void): { cancel(): void };
  /**
   * Takes what GET /gateway/bot said. `serverTimeMs` is the answer's `Date`, wall ms; `askedAtMs` (monotonic) is
   * when it was asked, 10 s ago unless told: what we sent since may not be in Discord's count.
   */
  updateBudget(reading: Reading & { serverTimeMs?: number | undefined }, askedAtMs?: number): void;
  status(): LedgerStatus;
  /** IDENTIFYs sent since `sinceMs` (wall ms, at most 48 h ago). */
  identifiesSince(sinceMs: number): number;
  /** Writes everything into a new file: the folder vanished. */
  recreate(file: RecordFile<LedgerRow>): void;
  close(): void;
}

const DISK_RETRY_MS = 5_000;
const IN_FLIGHT_MS = 10_000;
const ASK_PERIOD_MS = 60_000;
const NOTE_PERIOD_MS = 60 * 60_000;
const READING_STALE_MS = 10 * 60_000;
/** More waiting than this is a burst, before which the budget is read again. */
const BURST_SIZE = 5;

/** Opens the ledger on its file. Nothing is granted before one spacing has passed: what a crash hid is unknown. */
export function openLedger(options: LedgerOptions): Ledger {
  const { clock, log, spacingMs = 5_250, floor = 10 } = options;
  const rules: Rules = {
    spacingMs,
    floor,
    reserve: options.reserve ?? floor,
    shardCaps: options.shardCaps ?? [
      { limit: 3, windowMs: 10 * 60_000 },
      { limit: 10, windowMs: 24 * 60 * 60_000 },
    ],
  };
  const history: History = createHistory(options.recordFile, clock, log);
  const openedAt = clock.monotonic();
  const queue = new Set<Waiting & { granted: (ticket: Ticket) => void }>();
  let diskRetryAt = Number.NEGATIVE_INFINITY;
  let timer: Timer | null = null;
  let hold: Hold | null = null;
  const notedAt = new Map<Hold, number>();
  let askedBudgetAt = Number.NEGATIVE_INFINITY;
  let closed = false;

  function wake(delayMs: number): void {
    timer?.cancel();
    timer = closed ? null : clock.after(delayMs, pump);
  }

  /** Grants whatever may go now, then sleeps until the next may. */
  function pump(): void {
    timer = null;
    for (;;) {
      const now = clock.monotonic();
      history.roll(now);
      const situation = { budget: history.budget(), grants: history.grants(), openedAt, diskRetryAt };
      const decision = decide(situation, queue, rules, now);
      if (decision.type === 'grant') {
        grant(decision.request);
        continue;
      }
      noteHold(decision.type === 'wait' ? decision.hold : null);
      // A clock that ticks in fractions must not make us spin: never sleep for less than a millisecond.
      if (decision.type === 'wait' && decision.until !== Number.POSITIVE_INFINITY)
        wake(Math.max(1, Math.ceil(decision.until - now)));
      // Last, because the answer may be at hand and wake us again.
      askForBudget(now);
      return;
    }
  }

  function grant(request: Waiting & { granted: (ticket: Ticket) => void }): void {
    const budget = history.budget();
    assert(budget !== null && left(budget) > floor, 'an IDENTIFY is granted only above the floor');
    let id: number;
    try {
      id = history.writeIdentify(request.shard, request.reason);
    } catch (error) {
      if (diskRetryAt === Number.NEGATIVE_INFINITY) {
        log.error(
          'ledger.disk-failing',
          { message: (error as Error).message },
          'an IDENTIFY could not be written down, so none is sent; trying again every 5 s',
        );
      }
      diskRetryAt = clock.monotonic() + DISK_RETRY_MS;
      return;
    }
    diskRetryAt = Number.NEGATIVE_INFINITY;
    queue.delete(request);
    const remaining = left(history.budget() ?? budget);
    log.info('ledger.identify-granted', { shard: request.shard, reason: request.reason, remaining, id });
    request.granted(createTicket(id));
  }

  function createTicket(id: number): Ticket {
    let open = true;
    const once = (run: () => void) => () => {
      if (!open) return;
      open = false;
      run();
    };
    return {
      id,
      ready: once(() => history.writeOutcome(id, 'ready')),
      failed: (detail) => once(() => history.writeOutcome(id, 'failed', detail))(),
      unused: once(() => {
        history.writeOutcome(id, 'unused');
        wake(0);
      }),
    };
  }

  /** One line when somebody begins to be held back, and not again for a while. */
  function noteHold(next: Hold | null): void {
    hold = next;
    if (next !== 'floor' && next !== 'reserve' && next !== 'shard-cap') return;
    const now = clock.monotonic();
    if (now - (notedAt.get(next) ?? Number.NEGATIVE_INFINITY) < NOTE_PERIOD_MS) return;
    notedAt.set(next, now);
    const shards = Array.from(queue, (request) => request.shard).sort((a, b) => a - b);
    log.warn(
      'ledger.holding',
      { hold: next, shards: shards.slice(0, 50), waiting: shards.length },
      describeHold(next),
    );
  }

  function describeHold(what: 'floor' | 'reserve' | 'shard-cap'): string {
    const budget = history.budget();
    const numbers = budget
      ? `identify budget: ${left(budget)} of ${budget.total} left until ${new Date(history.wallOf(budget.resetAt)).toISOString()}`
      : 'identify budget: unknown';
    const who = `${queue.size} shard(s) wait and cannot start a new session; RESUME is not affected`;
    if (what === 'shard-cap')
      return `${numbers}. ${who}: they identified too often lately, and wait so that they do not empty the budget. Look for what ends their sessions`;
    const bound = what === 'floor' ? `floor is ${floor}` : `reserve is ${rules.reserve}`;
    return `${numbers}; ${bound}. ${who}. They go on by themselves at that time; look for another process that uses this token, or for what ends the sessions`;
  }

  function askForBudget(now: number): void {
    if (!options.askBudget || queue.size === 0 || now - askedBudgetAt < ASK_PERIOD_MS) return;
    const budget = history.budget();
    const age = budget ? now - budget.readAt : Number.POSITIVE_INFINITY;
    const burst = queue.size > BURST_SIZE && age > ASK_PERIOD_MS;
    if (budget?.confirmed && age < READING_STALE_MS && !burst) return;
    askedBudgetAt = now;
    options.askBudget();
  }

  return {
    request(who, granted) {
      const request = { ...who, granted };
      queue.add(request);
      wake(0);
      return {
        cancel() {
          if (queue.delete(request)) wake(0);
        },
      };
    },
    updateBudget(reading, askedAtMs = clock.monotonic() - IN_FLIGHT_MS) {
      const foreign = history.writeReading(reading, askedAtMs - IN_FLIGHT_MS, reading.serverTimeMs);
      if (foreign > 0) {
        log.error(
          'ledger.foreign-identifies',
          { foreign, remaining: reading.remaining, total: reading.total },
          `FOREIGN IDENTIFIES: Discord counts ${foreign} session start(s) that this Holdfast did not send. Another process uses this token, or the token leaked. Check other hosts, then rotate it`,
        );
      }
      wake(0);
    },
    status() {
      const budget = history.budget();
      const dayAgo = history.wallOf(clock.monotonic()) - 24 * 60 * 60_000;
      return {
        total: budget?.total ?? null,
        remaining: budget ? left(budget) : null,
        resetAt: budget ? history.wallOf(budget.resetAt) : null,
        readAt: budget ? history.wallOf(budget.readAt) : null,
        maxConcurrency: budget?.maxConcurrency ?? null,
        floor,
        reserve: rules.reserve,
        spent: history.identifiesSince(dayAgo),
        waiting: queue.size,
        hold,
        foreign: budget?.foreign ?? 0,
        diskFailing: diskRetryAt !== Number.NEGATIVE_INFINITY,
      };
    },
    identifiesSince: history.identifiesSince,
    recreate: history.recreate,
    close() {
      closed = true;
      timer?.cancel();
      queue.clear();
    },
  };
}
