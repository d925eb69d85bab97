// Puts together what `holdfast status` shows, from every room's own numbers. Asked for now and then; costs the
// event path nothing.

import type { HandlerReport, JournalReport, ShardReport, StateReport, Status } from './admin/status.ts';
import type { Clock } from './base/clock.ts';
import type { Config } from './config/config.ts';
import type { Cursors } from './downstream/cursors.ts';
import type { Downstream, LinkStatus } from './downstream/downstream.ts';
import { createTally, type Tally } from './downstream/tally.ts';
import type { Fleet } from './fleet.ts';
import type { Journal } from './journal/journal.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { FixedLayout } from './session/session-table.ts';
import type { State } from './state/state.ts';
import { VERSION } from './version.ts';

export interface StatusOptions {
  config: Config;
  clock: Clock;
  startedAt: number;
  journal: Journal;
  state: () => State;
  ledger: Ledger;
  downstream: Downstream;
  cursors: Cursors;
  fleet: () => Fleet | undefined;
  layout: () => FixedLayout | undefined;
}

/** A window shorter than this is worth a warning: a deploy that goes wrong takes longer. */
const WINDOW_MINUTES_MIN = 10;
const MINUTE_MS = 60_000;

/** Creates the function that answers a status request. */
export function createStatus(options: StatusOptions): () => Status {
  const rate = createRate(options.clock, options.journal);
  return () => {
    const { config, clock, downstream, journal, ledger } = options;
    const shards = options.fleet()?.statuses() ?? [];
    const tallies = [...downstream.tallies()];
    const sum = (read: (tally: Tally) => number): number =>
      tallies.reduce((total, entry) => total + read(entry.tally), 0);
    const journalReport = reportJournal(options, rate());
    const ledgerStatus = ledger.status();
    const warnings = warningsOf(options, journalReport);
    return {
      version: VERSION,
      pid: process.pid,
      since: options.startedAt,
      bot: { id: config.botId },
      layout: options.layout() ?? null,
      shards: shards.map(
        (shard): ShardReport => ({
          id: shard.shard,
          phase: shard.phase,
          sessionAgeMs:
            shard.sessionSince === null ? null : Math.max(0, Math.round(clock.now() - shard.sessionSince)),
          s: journal.tip(shard.shard).s,
          epoch: options.fleet()?.epoch(shard.shard) ?? 0,
          resumes: shard.resumes,
          identifies: shard.identifies,
          reconnects: Object.values(shard.ended).reduce((total, count) => total + count, 0),
          latencyMs: shard.latencyMs,
          lastEventAgeMs: shard.lastDispatchAgeMs === null ? null : Math.round(shard.lastDispatchAgeMs),
        }),
      ),
      ledger: {
        total: ledgerStatus.total,
        remaining: ledgerStatus.remaining,
        resetAt: ledgerStatus.resetAt,
        spent: ledger.identifiesSince(clock.now() - 24 * 60 * MINUTE_MS),
        floor: config.identifyFloor,
        waiting: ledgerStatus.waiting,
      },
      journal: journalReport,
      state: reportState(options),
      handlers: reportHandlers(downstream.links(), tallies, options.cursors, journal),
      totals: {
        dispatched: downstream.dispatched(),
        delivered: sum((tally) => tally.delivered),
        filtered: sum((tally) => tally.filtered),
        expired: sum((tally) => tally.expired),
        inDoubt: sum((tally) => tally.inDoubt),
        lost: sum((tally) => tally.lost),
        skipped: options.cursors.skipped,
        duplicatesDropped: shards.reduce((total, shard) => total + shard.duplicates, 0),
        malformed: shards.reduce((total, shard) => total + shard.malformed, 0),
        staleStarts: sum((tally) => tally.staleStarts),
      },
      warnings,
    };
  };
}

function reportState({ state, journal, config }: StatusOptions): StateReport {
  const { folded, duplicates, lost, aside, queued } = state().stats();
  const end = journal.end();
  const scanned = state().scanned();
  const unreadBytes =
    (end.segment - scanned.segment) * config.journalSegmentBytes + end.offset - scanned.offset;
  return {
    folded,
    skipped: duplicates + lost,
    aside,
    backlog: queued,
    unreadBytes: Math.max(0, unreadBytes),
  };
}

/** Bytes a second that the journal took since the last call (at least a second ago). */
function createRate(clock: Clock, journal: Journal): () => number {
  let before = { at: clock.monotonic(), bytes: journal.stats().appendedBytes };
  let rate = 0;
  return () => {
    const now = { at: clock.monotonic(), bytes: journal.stats().appendedBytes };
    if (now.at - before.at >= 1_000) {
      rate = ((now.bytes - before.bytes) * 1_000) / (now.at - before.at);
      before = now;
    }
    return rate;
  };
}

function reportJournal(options: StatusOptions, bytesPerSecond: number): JournalReport {
  const { config, clock, journal } = options;
  const stats = journal.stats();
  const byBytes =
    bytesPerSecond > 0 ? config.journalMaxBytes / bytesPerSecond / 60 : Number.POSITIVE_INFINITY;
  return {
    bytes: stats.bytes,
    segments: stats.segments,
    windowMinutes: Math.round(Math.min(byBytes, config.journalMaxAgeMs / MINUTE_MS) * 10) / 10,
    bytesPerSecond: Math.round(bytesPerSecond),
    oldestAgeMs: stats.oldestAt > 0 ? Math.max(0, Math.round(clock.now() - stats.oldestAt)) : null,
    pendingBytes: stats.pendingBytes,
    condition: stats.condition,
  };
}

const LINK_STATES: Readonly<Record<LinkStatus['phase'], HandlerReport['state']>> = {
  hello: 'starting',
  held: 'starting',
  waiting: 'starting',
  snapshot: 'starting',
  reading: 'behind',
  ending: 'behind',
  live: 'live',
  parked: 'parked',
  closed: 'away',
};

/** One row for each handler and shard: its link, or its cursor where it has none. */
function reportHandlers(
  links: LinkStatus[],
  tallies: Array<{ name: string; shard: number; tally: Tally }>,
  cursors: Cursors,
  journal: Journal,
): HandlerReport[] {
  const rows = new Map<string, HandlerReport>();
  const row = (
    name: string,
    shard: number,
    state: HandlerReport['state'],
    lag: number,
    intents: number,
  ): void => {
    const tally =
      tallies.find((entry) => entry.name === name && entry.shard === shard)?.tally ?? createTally();
    const { delivered, filtered, expired, inDoubt, lost } = tally;
    rows.set(`${shard}/${name}/${state === 'parked'}`, {
      name,
      shard,
      state,
      lag,
      delivered,
      filtered,
      expired,
      inDoubt,
      lost,
      intents,
    });
  };
  for (const cursor of cursors.all()) {
    const tip = journal.tip(cursor.shard);
    const lag = tip.epoch === cursor.proven.epoch ? Math.max(0, tip.s - cursor.proven.s) : tip.s;
    row(cursor.name, cursor.shard, 'away', lag, 0);
  }
  for (const link of links)
    if (link.shard >= 0) row(link.name, link.shard, LINK_STATES[link.phase], link.lag, link.intents);
  return [...rows.values()].sort((a, b) => a.name.localeCompare(b.name) || a.shard - b.shard);
}

function warningsOf(options: StatusOptions, journal: JournalReport): string[] {
  const warnings: string[] = [];
  const layout = options.layout();
  if (!layout) {
    warnings.push(
      'shard count and intents are not decided yet: no handler has identified, or Discord has not answered /gateway/bot',
    );
  }
  if (journal.windowMinutes !== null && journal.windowMinutes < WINDOW_MINUTES_MIN) {
    warnings.push(
      `a handler may be away for only ${journal.windowMinutes} minutes at the current rate; raise journal.max_bytes`,
    );
  }
  if (journal.condition !== 'sound') {
    warnings.push(
      `the journal cannot be written (${journal.pendingBytes} bytes wait in memory): free space on the disk of ${options.config.stateDir}`,
    );
  }
  return warnings;
}
