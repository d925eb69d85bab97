// The judge: compares what Discord dispatched (the simulator's truth log) with what a handler wrote down, and
// says what was delivered, expired, in doubt, lost, doubled or out of order. Pure; knows nothing of Holdfast
// but its promise.

/** One dispatch of the truth log. */
export interface Dispatched {
  readonly shard: number;
  readonly s: number;
  readonly t: string;
  /** crc32 of the JSON of `d`. */
  readonly hash: number;
  readonly time: number;
}

/** One dispatch as a handler process wrote it down (witness.mjs). */
export interface Witnessed {
  /** Which handler process. */
  readonly run: number;
  readonly shard: number;
  readonly s: number;
  readonly t: string;
  readonly hash: number;
  readonly at: number;
  /** Of a READY: how many guilds it listed. */
  readonly guilds?: number | undefined;
}

/** A range that the daemon said it delivers once more: `after < s <= upTo`. */
export interface Redelivered {
  readonly shard: number;
  readonly after: number;
  readonly upTo: number;
}

export interface Verdict {
  dispatched: number;
  delivered: number;
  expired: number;
  in_doubt: number;
  lost: number;
  duplicated: number;
  reordered: number;
  /** The first few things that went wrong, in words. */
  findings: string[];
}

/** Events that a replay may leave out when they are older than this. */
const EXPIRES_AFTER_MS = 2_500;
const EXPIRING: ReadonlySet<string> = new Set(['INTERACTION_CREATE', 'TYPING_START', 'PRESENCE_UPDATE']);
/** Not owed to handlers: upstream's own positions. */
const POSITIONS: ReadonlySet<string> = new Set(['READY', 'RESUMED']);
const FINDINGS_MAX = 20;

/** Judges one handler. Events from before its first snapshot are not owed to it. */
export function judge(
  truth: readonly Dispatched[],
  witnessed: readonly Witnessed[],
  redelivered: readonly Redelivered[],
): Verdict {
  const verdict: Verdict = {
    dispatched: 0,
    delivered: 0,
    expired: 0,
    in_doubt: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    findings: [],
  };
  const find = (text: string): void => {
    if (verdict.findings.length < FINDINGS_MAX) verdict.findings.push(text);
  };
  for (const shard of new Set(truth.map((event) => event.shard))) {
    judgeShard(
      truth.filter((event) => event.shard === shard),
      witnessed.filter((event) => event.shard === shard),
      redelivered.filter((range) => range.shard === shard),
      verdict,
      find,
    );
  }
  return verdict;
}

function judgeShard(
  truth: readonly Dispatched[],
  witnessed: readonly Witnessed[],
  redelivered: readonly Redelivered[],
  verdict: Verdict,
  find: (text: string) => void,
): void {
  const bySeq = new Map(truth.map((event) => [event.s, event]));
  const received = new Map<number, number>();
  const order: Array<{ s: number; at: number }> = [];
  const start = firstPosition(witnessed);
  let run = 0;
  let last = 0;
  for (const [index, event] of witnessed.entries()) {
    if (event.t === 'READY') last = 0; // a fresh start may go back, over what is in doubt
    if (event.run !== run) last = 0;
    run = event.run;
    const dispatched = bySeq.get(event.s);
    const genuine = dispatched && dispatched.t === event.t && dispatched.hash === event.hash;
    if (!genuine || POSITIONS.has(event.t) || inSnapshot(witnessed, index)) continue;
    if (event.s <= last) {
      verdict.reordered++;
      find(`shard ${event.shard}: ${event.t} s=${event.s} came after s=${last}`);
    }
    last = Math.max(last, event.s);
    if (event.s <= start) continue;
    order.push({ s: event.s, at: event.at });
    const times = received.get(event.s) ?? 0;
    received.set(event.s, times + 1);
    if (times === 0) continue;
    if (redelivered.some((range) => event.s > range.after && event.s <= range.upTo)) verdict.in_doubt++;
    else {
      verdict.duplicated++;
      find(`shard ${event.shard}: ${event.t} s=${event.s} was received ${times + 1} times`);
    }
  }
  for (const event of truth) {
    if (event.s <= start || POSITIONS.has(event.t)) continue;
    verdict.dispatched++;
    if (received.has(event.s)) verdict.delivered++;
    else if (EXPIRING.has(event.t) && nextReceipt(order, event.s) - event.time >= EXPIRES_AFTER_MS)
      verdict.expired++;
    else {
      verdict.lost++;
      find(
        `shard ${event.shard}: ${event.t} s=${event.s} of ${new Date(event.time).toISOString()} was never received`,
      );
    }
  }
}

/** The position of the handler's first snapshot: what came before is not owed. */
function firstPosition(witnessed: readonly Witnessed[]): number {
  const ready = witnessed.findIndex((event) => event.t === 'READY');
  let position = witnessed[ready]?.s ?? 0;
  for (let index = ready + 1; index < witnessed.length && inSnapshot(witnessed, index); index++)
    position = witnessed[index]!.s;
  return position;
}

/** Whether an event is one of the guild frames that follow a READY as its snapshot. */
function inSnapshot(witnessed: readonly Witnessed[], index: number): boolean {
  const isGuild = (t: string): boolean => t === 'GUILD_CREATE' || t === 'GUILD_DELETE';
  let at = index;
  while (
    at > 0 &&
    isGuild(witnessed[at]!.t) &&
    witnessed[at]!.s === witnessed[at - 1]!.s + 1 &&
    witnessed[at - 1]!.run === witnessed[at]!.run
  )
    at--;
  const ready = witnessed[at];
  return ready?.t === 'READY' && at < index && index - at <= (ready.guilds ?? 0);
}

/** When the handler got the first event after `s`; never, if it got none. */
function nextReceipt(order: ReadonlyArray<{ s: number; at: number }>, s: number): number {
  return order.find((event) => event.s > s)?.at ?? Number.POSITIVE_INFINITY;
}
