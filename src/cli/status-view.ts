// A daemon's status as text for a person: what is well in one line each, what is not in detail.

import type { HandlerReport, ShardReport, Status } from '../admin/status.ts';
import { formatAge, formatBytes, formatCount, formatTable } from './table.ts';
import type { Terminal } from './terminal.ts';

/** Up to this many shards each gets a line; of more, only those that are not well. */
const SHARDS_LISTED_MAX = 16;
/** A deploy takes minutes; the daemon warns of a window under this, and here it is shown in colour. */
const WINDOW_MINUTES_MIN = 10;
/** What a shard's phase is called when all is well. */
const LIVE = 'live';

interface View {
  /** Wall time, milliseconds. */
  readonly now: number;
  readonly paint: Terminal['paint'];
}

/** The whole text, without a final newline. */
export function formatStatus(status: Status, view: View): string {
  return [
    headline(status, view),
    ...shards(status.shards, view),
    ...ledger(status, view),
    ...journal(status, view),
    ...handlers(status.handlers, view),
    ...totals(status, view),
    ...status.warnings.map((warning) => view.paint('yellow', `! ${warning}`)),
  ].join('\n');
}

function headline({ version, bot, pid, since }: Status, { now, paint }: View): string {
  const whose =
    bot === undefined ? '' : `, bot ${bot.name === undefined ? bot.id : `${bot.name} (${bot.id})`}`;
  return paint('bold', `holdfast ${version}${whose}, pid ${pid}, up ${formatAge(now - since)}`);
}

function shards(reports: readonly ShardReport[], { paint }: View): string[] {
  if (reports.length === 0) return ['shards     none yet; they begin when shard count and intents are known'];
  const counts = new Map<string, number>();
  for (const { phase } of reports) counts.set(phase, (counts.get(phase) ?? 0) + 1);
  const byCount = [...counts].toSorted((left, right) => right[1] - left[1]);
  const summary = byCount.map(([phase, count]) => {
    const text = `${formatCount(count)} ${phase}`;
    return phase === LIVE ? paint('green', text) : paint('yellow', text);
  });
  const listed =
    reports.length <= SHARDS_LISTED_MAX ? reports : reports.filter(({ phase }) => phase !== LIVE);
  const shown = listed.slice(0, SHARDS_LISTED_MAX);
  const lines = [`shards     ${formatCount(reports.length)}: ${summary.join(', ')}`];
  if (shown.length > 0) lines.push(...indented(shardTable(shown)));
  if (listed.length > shown.length) lines.push(`  and ${listed.length - shown.length} more; see --json`);
  return lines;
}

function shardTable(reports: readonly ShardReport[]): string[] {
  return formatTable(
    ['shard', 'phase', 'session', 's', 'resumes', 'identifies', 'reconnects', 'latency', 'last event'],
    reports.map((shard) => [
      String(shard.id),
      shard.phase,
      shard.sessionAgeMs === null ? '-' : formatAge(shard.sessionAgeMs),
      formatCount(shard.s),
      formatCount(shard.resumes),
      formatCount(shard.identifies),
      formatCount(shard.reconnects),
      shard.latencyMs === null ? '-' : `${Math.round(shard.latencyMs)}ms`,
      shard.lastEventAgeMs === null ? '-' : formatAge(shard.lastEventAgeMs),
    ]),
  );
}

function ledger({ ledger }: Status, { now, paint }: View): string[] {
  const { total, remaining, resetAt, spent, floor, waiting } = ledger;
  if (total === null || remaining === null) {
    return [paint('yellow', 'identifies Discord has not told the budget yet, so none is sent')];
  }
  const reset = resetAt === null || resetAt <= now ? '' : `, reset in ${formatAge(resetAt - now)}`;
  const left = `${formatCount(remaining)} of ${formatCount(total)} left`;
  const lines = [
    `identifies ${remaining <= floor ? paint('red', left) : left}${reset}, ${formatCount(spent)} sent in 24 hours, ${formatCount(waiting)} waiting`,
  ];
  if (remaining <= floor) {
    lines.push(paint('red', `! the last ${floor} are kept: no IDENTIFY is sent before the reset`));
  }
  return lines;
}

function journal({ journal }: Status, { paint }: View): string[] {
  const { bytes, segments, windowMinutes, bytesPerSecond, condition } = journal;
  const parts = [
    `journal    ${formatBytes(bytes)} in ${formatCount(segments)} segment${segments === 1 ? '' : 's'}`,
    `${formatBytes(bytesPerSecond)}/s`,
  ];
  if (windowMinutes !== null) {
    const away = `a handler can be away for ${formatAge(windowMinutes * 60_000)}`;
    parts.push(windowMinutes < WINDOW_MINUTES_MIN ? paint('yellow', `${away} only`) : away);
  }
  if (condition !== 'sound') parts.push(paint('red', condition));
  return [parts.join(', ')];
}

function handlers(reports: readonly HandlerReport[], { paint }: View): string[] {
  if (reports.length === 0) return ['handlers   none has connected yet'];
  const names = [...new Set(reports.map(({ name }) => name))];
  const rows = names.map((name) => {
    const own = reports.filter((report) => report.name === name);
    const sum = (count: (report: HandlerReport) => number) =>
      own.reduce((total, report) => total + count(report), 0);
    const states = new Map<string, number>();
    for (const { state } of own) states.set(state, (states.get(state) ?? 0) + 1);
    return [
      name,
      [...states].map(([state, count]) => (own.length === 1 ? state : `${count} ${state}`)).join(', '),
      formatCount(Math.max(...own.map(({ lag }) => lag))),
      formatCount(sum(({ delivered }) => delivered)),
      formatCount(sum(({ expired }) => expired)),
      formatCount(sum(({ inDoubt }) => inDoubt)),
      formatCount(sum(({ lost }) => lost)),
    ];
  });
  const table = formatTable(
    ['handler', 'state', 'most lag', 'delivered', 'expired', 'in doubt', 'lost'],
    rows,
  );
  const lossy = new Set(
    names.filter((name) => reports.some((report) => report.name === name && report.lost > 0)),
  );
  return indented(
    table.map((line, index) => (index > 0 && lossy.has(names[index - 1]!) ? paint('red', line) : line)),
    'handlers',
  );
}

function totals({ totals, state }: Status, { paint }: View): string[] {
  const line = `events     ${formatCount(totals.dispatched)} dispatched, ${formatCount(totals.delivered)} delivered, ${formatCount(state.backlog)} not folded yet`;
  const odd = [
    ['expired', totals.expired],
    ['skipped', totals.skipped],
    ['in doubt', totals.inDoubt],
    ['lost', totals.lost],
    ['malformed', totals.malformed],
    ['stale starts', totals.staleStarts],
    ['set aside', state.aside],
  ] as const;
  const shown = odd.filter(([, count]) => count > 0).map(([name, count]) => `${formatCount(count)} ${name}`);
  return shown.length === 0
    ? [line]
    : [line, paint(totals.lost > 0 ? 'red' : 'yellow', `! ${shown.join(', ')}`)];
}

function indented(lines: readonly string[], title?: string): string[] {
  const body = lines.map((line) => `  ${line}`);
  return title === undefined ? body : [title, ...body];
}
