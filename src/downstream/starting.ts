// Where a link starts, by the table of ARCHITECTURE.md: a new name at the tail, a known name at its proven
// cursor, a RESUME at its own `s`; held while upstream has no READY. How it ends is in ending.ts.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Journal } from '../journal/journal.ts';
import { comparePositions, type Position } from '../journal/position.ts';
import { CLOSE } from '../wire/close-code.ts';
import { EVENT } from '../wire/event-type.ts';
import {
  admitIdentify,
  admitResume,
  bareToken,
  isRefusal,
  type Layout,
  type Refusal,
  readIntents,
} from './admission.ts';
import type { CursorStart, Cursors } from './cursors.ts';
import type { Delivery } from './delivery.ts';
import { type Ending, INVALID_SESSION } from './ending.ts';
import { filterOf } from './filter.ts';
import type { HandlerSession, HandlerSessions } from './handler-sessions.ts';
import type { Link } from './link.ts';
import type { Owners } from './owners.ts';
import { type SnapshotRequest, type SnapshotRun, streamSnapshot } from './snapshot.ts';
import type { Tally } from './tally.ts';

export interface StartingOptions {
  clock: Clock;
  log: Log;
  random: Random;
  journal: () => Journal;
  cursors: Cursors;
  sessions: HandlerSessions;
  handlerOf: (token: string) => string | undefined;
  layout: () => Layout | undefined;
  proposeIntents: (intents: number) => void;
  snapshot: (request: SnapshotRequest) => SnapshotRun;
  onStateLost: (shard: number) => void;
  onPresence: (shard: number, presence: Record<string, unknown>) => void;
  delivery: Delivery;
  ending: Ending;
  owners: Owners;
  tally: (name: string, shard: number) => Tally;
  /** Closes a link for a reason. */
  refuse: (link: Link, refusal: Refusal) => void;
  /** Writes cursors that changed to the journal. */
  saveCursors: () => void;
}

export interface Starting {
  identify(link: Link, data: Record<string, unknown>): Refusal | undefined;
  resume(link: Link, data: Record<string, unknown>): Refusal | undefined;
  /** Looks again at links that are held or wait, now that time has passed. */
  check(): void;
  layoutChanged(): void;
  /** The connection is gone. */
  ended(link: Link): void;
}

/** How long a RESUME above our tip waits for Discord's replay to pass it. */
const ABOVE_TIP_MS = 60_000;
/** Most positions that are looked up one by one to be counted. */
const LOOKED_UP_MAX = 20_000;

/** Creates the part of downstream that starts links. */
export function createStarting(options: StartingOptions): Starting {
  const { clock, log, cursors, delivery, ending } = options;
  /** Links that are held or wait, and identifies that wait for the layout. */
  const waiting = new Set<Link>();
  const undecided = new Map<Link, Record<string, unknown>>();
  /** By shard, the epoch whose state was reported lost. */
  const lostEpochs = new Map<number, number>();

  const wait = (link: Link, phase: 'held' | 'waiting'): void => {
    link.phase = phase;
    waiting.add(link);
  };

  /** Gives the link its name and shard; an older link of the same is parked. */
  const own = (link: Link, name: string, shard: number, intents: number, layout: Layout): void => {
    link.name = name;
    link.shard = shard;
    link.intents = intents;
    link.filter = filterOf(intents, layout.intents);
    link.tally = options.tally(name, shard);
    const older = options.owners.take(link);
    if (!older) return;
    waiting.delete(older);
    ending.release(older, { died: false });
    older.phase = 'parked';
    log.info(
      'handler.parked',
      { name, shard },
      'a newer link of this handler took over; the older one gets nothing more until that one ends',
    );
  };

  const start = (link: Link): void => {
    const journal = options.journal();
    const tip = journal.tip(link.shard);
    const layout = options.layout();
    if (tip.epoch === 0 || !layout) return wait(link, 'held');
    const known = cursors.get(link.name, link.shard);
    // Power was lost: the handler has what we lost. Discord sends it again; until then there is nothing to add.
    if (known && known.proven.epoch >= tip.epoch && comparePositions(known.proven, tip) > 0)
      return wait(link, 'held');
    waiting.delete(link);
    const begun = cursors.start(link.name, link.shard);
    if (begun) countSkipped(link, begun);
    const from = begun ? nextReadable(link, begun.from) : tip;
    link.begin(from);
    if (begun && comparePositions(begun.doubtUpTo, from) > 0) {
      link.doubtUpToS = begun.doubtUpTo.s;
      log.info(
        'handler.redelivered',
        { name: link.name, shard: link.shard, epoch: from.epoch, after: from.s, upTo: link.doubtUpToS },
        'the last link ended before it proved these events; they are delivered once more',
      );
    }
    beginSnapshot(link, layout);
  };

  const countSkipped = (link: Link, { from, skippedAfter }: CursorStart): void => {
    if (comparePositions(from, skippedAfter) === 0) return;
    const { kept, filtered } = lookUp(link, skippedAfter, from.s);
    link.tally.inDoubt += kept;
    link.tally.filtered += filtered;
    log.warn(
      'handler.skipped',
      { name: link.name, shard: link.shard, epoch: from.epoch, after: skippedAfter.s, upTo: from.s },
      'two links died over the same events before they proved them; these are skipped. What in them can the handler not live through?',
    );
  };

  /** How many events after `from` and up to `upTo`, of one epoch, the link's intents keep, and leave out. */
  const lookUp = (link: Link, from: Position, upTo: number): { kept: number; filtered: number } => {
    const found = { kept: 0, filtered: 0 };
    let last = from.s;
    options
      .journal()
      .reader(link.shard, from)
      .read(Number.POSITIVE_INFINITY, (header) => {
        const isOver = header.epoch !== from.epoch || header.s > upTo || header.s > from.s + LOOKED_UP_MAX;
        if (isOver) return false;
        last = header.s;
        if (header.type === EVENT.READY || header.type === EVENT.RESUMED) return true;
        if (link.filter?.[header.type]) found.filtered++;
        else found.kept++;
        return true;
      });
    if (last - from.s >= LOOKED_UP_MAX) found.kept += upTo - last;
    return found;
  };

  /** Moves a cursor over what can't be read: trimmed or damaged events (a counted gap), the end of an epoch. */
  const nextReadable = (link: Link, from: Position): Position => {
    const journal = options.journal();
    const floor = journal.floor(link.shard);
    if (comparePositions(from, floor) < 0) {
      ending.lose(
        link,
        floor,
        'the handler was away for longer than the journal reaches back; it starts from the oldest state that is left. Raise journal.max_bytes or journal.max_age',
      );
      return nextReadable(link, floor);
    }
    let to = from;
    let isLoss = false;
    journal.reader(link.shard, from).read(1, ({ epoch, s, type }) => {
      // A READY is where its epoch begins; what comes before another record was lost with it.
      to = { epoch, s: type === EVENT.READY ? s : s - 1 };
      isLoss = type !== EVENT.READY && (epoch === from.epoch || s > 2);
      return false;
    });
    if (comparePositions(to, from) <= 0) return from;
    if (isLoss) ending.lose(link, to, 'the handler starts after them');
    cursors.jump(link.name, link.shard, to);
    return to;
  };

  const beginSnapshot = (link: Link, layout: Layout): void => {
    const from = link.position;
    const { epoch } = options.journal().tip(link.shard);
    link.phase = 'snapshot';
    link.sessionId = options.random.hex(16);
    options.sessions.add({
      id: link.sessionId,
      name: link.name,
      shard: link.shard,
      shardCount: layout.shardCount,
      epoch: from.epoch,
      p: from.s,
      intents: link.intents,
    });
    streamSnapshot({
      link,
      shardCount: layout.shardCount,
      snapshot: options.snapshot,
      onEnd({ stale }) {
        if (stale) link.tally.staleStarts++;
        beginReading(link, from);
      },
      onLost() {
        link.lostEpoch = epoch;
        wait(link, 'held');
        if (lostEpochs.get(link.shard) === epoch) return;
        lostEpochs.set(link.shard, epoch);
        options.onStateLost(link.shard);
      },
      // Part of it may be written: only a new start makes the handler whole.
      onFailed: () => ending.invalidate(link),
    });
  };

  /** The link is given everything after its position from now on. */
  const beginReading = (link: Link, from: Position): void => {
    cursors.begin(link.name, link.shard, from);
    // Before the first event is written: after a crash of ours all that follows is in doubt.
    options.saveCursors();
    link.phase = 'reading';
    delivery.read(link);
  };

  const identify = (link: Link, data: Record<string, unknown>): Refusal | undefined => {
    const name = nameOf(data['token'], options.handlerOf);
    if (name === undefined) return authenticationFailed;
    let layout = options.layout();
    if (!layout) {
      const intents = readIntents(data['intents']);
      if (typeof intents !== 'number') return intents;
      undecided.set(link, data);
      link.phase = 'held';
      options.proposeIntents(intents);
      layout = options.layout();
      if (!layout || !undecided.delete(link)) return undefined;
    }
    return admit(link, name, data, layout);
  };

  const admit = (
    link: Link,
    name: string,
    data: Record<string, unknown>,
    layout: Layout,
  ): Refusal | undefined => {
    const admitted = admitIdentify(data, layout);
    if (isRefusal(admitted)) return admitted;
    own(link, name, admitted.shard, admitted.intents, layout);
    if (admitted.presence) options.onPresence(admitted.shard, admitted.presence);
    start(link);
    return undefined;
  };

  const resume = (link: Link, data: Record<string, unknown>): Refusal | undefined => {
    const name = nameOf(data['token'], options.handlerOf);
    if (name === undefined) return authenticationFailed;
    const request = admitResume(data);
    if (isRefusal(request)) return request;
    const layout = options.layout();
    const session = options.sessions.find(request.sessionId);
    const isOurs = layout && session?.name === name && session.shardCount === layout.shardCount;
    // Below P the snapshot was never finished: what came of it can't be told.
    if (!isOurs || request.seq < session.p) {
      link.send(INVALID_SESSION);
      return undefined;
    }
    own(link, name, session.shard, session.intents, layout);
    const told = ending.told(link);
    const isAllTold = told?.sessionId === session.id && request.seq >= told.s && request.seq < told.upTo;
    link.sessionId = session.id;
    link.begin({ epoch: session.epoch, s: isAllTold ? told.upTo : request.seq });
    link.resuming = true;
    link.until = clock.monotonic() + ABOVE_TIP_MS;
    continueSession(link, session);
    return undefined;
  };

  const continueSession = (link: Link, session: HandlerSession): void => {
    const journal = options.journal();
    const tip = journal.tip(link.shard);
    const at = link.position;
    waiting.delete(link);
    if (session.epoch > tip.epoch) return ending.invalidate(link);
    if (session.epoch === tip.epoch && link.s > tip.s) {
      if (clock.monotonic() >= link.until) return ending.invalidate(link);
      return wait(link, 'waiting');
    }
    if (session.epoch < tip.epoch && isBeyondEpoch(link)) return ending.invalidate(link);
    // A RESUME's seq is a proof: the handler itself says what it has. What lies before the proven was counted.
    const proven = cursors.get(link.name, link.shard)?.proven ?? at;
    if (proven.epoch > at.epoch) link.countedUpToS = Number.POSITIVE_INFINITY;
    else if (proven.epoch === at.epoch) {
      const { kept, filtered } = lookUp(link, proven, at.s);
      link.tally.delivered += kept;
      link.tally.filtered += filtered;
      link.countedUpToS = proven.s;
    }
    cursors.prove(link.name, link.shard, at);
    const floor = journal.floor(link.shard);
    if (comparePositions(at, floor) < 0) {
      ending.lose(link, floor, 'the handler is made to re-sync');
      return ending.invalidate(link);
    }
    beginReading(link, at);
  };

  /** Whether a link's position is none of its epoch, which has ended: such a `seq` proves nothing. */
  const isBeyondEpoch = (link: Link): boolean => {
    let isBeyond = false;
    const before = { epoch: link.epoch, s: link.s - 1 };
    options
      .journal()
      .reader(link.shard, before)
      .read(1, ({ epoch }) => {
        isBeyond = epoch > link.epoch;
        return false;
      });
    return isBeyond;
  };

  const check = (link: Link): void => {
    if (link.phase === 'held') {
      const isLost = link.lostEpoch === options.journal().tip(link.shard).epoch;
      return isLost ? undefined : start(link);
    }
    const session = options.sessions.find(link.sessionId);
    if (session) return continueSession(link, session);
    waiting.delete(link);
    ending.invalidate(link);
  };

  return {
    identify,
    resume,
    check() {
      for (const link of [...waiting]) check(link);
    },
    layoutChanged() {
      const layout = options.layout();
      if (!layout) return;
      for (const [link, data] of [...undecided]) {
        undecided.delete(link);
        const name = nameOf(data['token'], options.handlerOf);
        const refusal = name === undefined ? authenticationFailed : admit(link, name, data, layout);
        if (refusal) options.refuse(link, refusal);
      }
    },
    ended(link) {
      undecided.delete(link);
      waiting.delete(link);
    },
  };
}

const authenticationFailed: Refusal = {
  close: CLOSE.AUTHENTICATION_FAILED,
  reason: 'Authentication failed.',
};

function nameOf(token: unknown, handlerOf: (token: string) => string | undefined): string | undefined {
  const bare = bareToken(token);
  return bare === undefined ? undefined : handlerOf(bare);
}
