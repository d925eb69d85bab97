// Where a link starts, by the table of ARCHITECTURE.md: a new name at the tail, a known name at its proven
// cursor, a RESUME at its own `s`; held while upstream has no READY; ended with its epoch; parked when a newer
// link of its name and shard takes over.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Journal } from '../journal/journal.ts';
import { comparePositions, type Position } from '../journal/position.ts';
import { CLOSE } from '../wire/close-code.ts';
import { EVENT_INTENTS } from '../wire/intents.ts';
import {
  admitIdentify,
  admitResume,
  bareToken,
  isRefusal,
  type Layout,
  type Refusal,
  readIntents,
} from './admission.ts';
import type { Cursors } from './cursors.ts';
import type { Delivery } from './delivery.ts';
import type { SnapshotRequest, SnapshotRun } from './downstream.ts';
import type { HandlerSession, HandlerSessions } from './handler-sessions.ts';
import { type Link, SLOW_BYTES } from './link.ts';
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
  tally: (link: Link) => Tally;
}

export interface Starting {
  identify(link: Link, data: Record<string, unknown>): Refusal | undefined;
  resume(link: Link, data: Record<string, unknown>): Refusal | undefined;
  /** Upstream's epoch that the link reads is over and written out. */
  epochEnded(link: Link): void;
  /** A link whose epoch is over has proven more of it. */
  proofCame(link: Link): void;
  /** Events that the link should get next are gone: everything up to `to`. */
  gapMet(link: Link, to: Position): void;
  caughtUp(link: Link): void;
  /** New records of a shard for which links wait. */
  shardMoved(shard: number): void;
  layoutChanged(): void;
  /** The connection is gone. */
  ended(link: Link): void;
}

const INVALID_SESSION = '{"t":null,"s":null,"op":9,"d":false}';
/** How long a RESUME above our tip waits for Discord's replay to pass it. */
const ABOVE_TIP_MS = 60_000;
/** How long the end of an epoch waits for the proof of its last events. */
const LAST_PROOF_MS = 3_000;
/** Snapshot bytes that may be on their way from the worker to one link. */
const SNAPSHOT_CREDIT_BYTES = 1024 * 1024;

/** Creates the part of downstream that starts and ends links. */
export function createStarting(options: StartingOptions): Starting {
  const { clock, log, cursors, delivery } = options;
  /** The link that has a name's shard, and the ones it superseded. */
  const owners = new Map<string, Link>();
  const parked = new Map<string, Link[]>();
  /** Links that wait for their shard (held or waiting), and identifies that wait for the layout. */
  const waiting = new Map<number, Set<Link>>();
  const undecided = new Map<Link, Record<string, unknown>>();

  const keyOf = (link: Link): string => `${link.shard}/${link.name}`;

  const wait = (link: Link, phase: 'held' | 'waiting'): void => {
    link.phase = phase;
    const links = waiting.get(link.shard) ?? new Set();
    links.add(link);
    waiting.set(link.shard, links);
    delivery.watched.add(link.shard);
  };

  const unwait = (link: Link): void => {
    const links = waiting.get(link.shard);
    if (!links?.delete(link) || links.size > 0) return;
    waiting.delete(link.shard);
    delivery.watched.delete(link.shard);
  };

  /** Gives the link its name and shard; an older link of the same is parked. */
  const own = (link: Link, name: string, shard: number, intents: number, layout: Layout): void => {
    link.name = name;
    link.shard = shard;
    link.intents = intents;
    link.filter = filterOf(intents, layout.intents);
    const older = owners.get(keyOf(link));
    owners.set(keyOf(link), link);
    if (!older || older === link) return;
    release(older);
    older.phase = 'parked';
    parked.set(keyOf(link), [...(parked.get(keyOf(link)) ?? []), older]);
    log.info(
      'handler.parked',
      { name, shard },
      'a newer link of this handler took over; the older one gets nothing more until that one ends',
    );
  };

  /** Stops whatever the link was doing, and writes down how far it got. */
  const release = (link: Link): void => {
    unwait(link);
    link.cancelSnapshot?.();
    link.cancelSnapshot = undefined;
    link.creditSnapshot = undefined;
    if (link.phase === 'live' || link.phase === 'reading' || link.phase === 'ending') {
      delivery.leave(link);
      link.reader = undefined;
      cursors.end(link.name, link.shard, { epoch: link.epoch, s: link.s }, clock.now());
    }
  };

  /** Tells a handler that its session is over. It may identify again on this socket or on a new one. */
  const invalidate = (link: Link): void => {
    release(link);
    if (owners.get(keyOf(link)) === link) owners.delete(keyOf(link));
    link.phase = 'hello';
    link.resuming = false;
    link.doubtUpTo = undefined;
    link.ping = undefined;
    link.send(INVALID_SESSION);
  };

  const start = (link: Link): void => {
    const journal = options.journal();
    const tip = journal.tip(link.shard);
    if (tip.epoch === 0) return wait(link, 'held');
    const known = cursors.get(link.name, link.shard);
    // Power was lost: the handler has what we lost. Discord sends it again; until then there is nothing to add.
    if (known && known.proven.epoch >= tip.epoch && comparePositions(known.proven, tip) > 0)
      return wait(link, 'held');
    const begun = cursors.start(link.name, link.shard);
    const from = begun ? intoNextEpoch(link, pastFloor(link, begun.from, journal.floor(link.shard))) : tip;
    link.doubtUpTo = begun && comparePositions(begun.doubtUpTo, from) > 0 ? begun.doubtUpTo : undefined;
    if (link.doubtUpTo) {
      log.info(
        'handler.redelivered',
        { name: link.name, shard: link.shard, epoch: from.epoch, after: from.s, upTo: link.doubtUpTo.s },
        'the last link ended before it proved these events; they are delivered once more',
      );
    }
    beginSnapshot(link, from);
  };

  /** Moves a cursor whose next events were trimmed away to the first that are left, as a counted gap. */
  const pastFloor = (link: Link, from: Position, floor: Position): Position => {
    if (comparePositions(from, floor) >= 0) return from;
    const missing = from.epoch === floor.epoch ? floor.s - from.s : floor.s;
    options.tally(link).lost += missing;
    cursors.jump(link.name, link.shard, floor);
    log.warn(
      'handler.gap',
      {
        name: link.name,
        shard: link.shard,
        from: `${from.epoch}:${from.s}`,
        to: `${floor.epoch}:${floor.s}`,
        missing,
      },
      'the handler was away for longer than the journal reaches back; it starts from the oldest state that is left. Raise journal.max_bytes or journal.max_age',
    );
    return floor;
  };

  /** A cursor at the very end of an epoch goes on at the READY of the next one. */
  const intoNextEpoch = (link: Link, from: Position): Position => {
    let next: Position | undefined;
    options
      .journal()
      .reader(link.shard, from)
      .read(1, (header) => {
        next = { epoch: header.epoch, s: header.s };
        return false;
      });
    if (!next || next.epoch === from.epoch) return from;
    cursors.jump(link.name, link.shard, next);
    return next;
  };

  const beginSnapshot = (link: Link, from: Position): void => {
    const layout = options.layout();
    if (!layout) return wait(link, 'held');
    unwait(link);
    link.phase = 'snapshot';
    link.epoch = from.epoch;
    link.s = from.s;
    link.sentCount = 0;
    link.provenCount = 0;
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
    let owed = 0; // credit that is given back as the socket drains
    const run = options.snapshot({
      shard: link.shard,
      shardCount: layout.shardCount,
      epoch: from.epoch,
      s: from.s,
      sessionId: link.sessionId,
      resumeUrl: link.url,
      onPayloads(payloads) {
        if (link.phase !== 'snapshot') return;
        const frames = payloads.map((payload) => link.frame(payload));
        for (const payload of payloads) owed += payload.length;
        link.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
        giveCredit();
      },
      onEnd({ stale }) {
        if (link.phase !== 'snapshot') return;
        link.cancelSnapshot = undefined;
        link.creditSnapshot = undefined;
        if (stale) options.tally(link).staleStarts++;
        cursors.begin(link.name, link.shard, from);
        link.phase = 'reading';
        link.ping = undefined;
        link.sendPing();
        delivery.pump(link);
      },
      onLost() {
        if (link.phase !== 'snapshot') return;
        link.cancelSnapshot = undefined;
        link.creditSnapshot = undefined;
        link.lostEpoch = options.journal().tip(link.shard).epoch;
        wait(link, 'held');
        options.onStateLost(link.shard);
      },
      onFailed() {
        // Part of it may be written: only a new start makes the handler whole.
        if (link.phase === 'snapshot') invalidate(link);
      },
    });
    const giveCredit = (): void => {
      if (owed === 0 || link.socket.writableLength > SLOW_BYTES) return;
      run.credit(owed);
      owed = 0;
    };
    link.cancelSnapshot = () => run.cancel();
    link.creditSnapshot = giveCredit;
    run.credit(SNAPSHOT_CREDIT_BYTES);
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
    if (!layout || !session || session.name !== name || session.shardCount !== layout.shardCount) {
      link.send(INVALID_SESSION);
      return undefined;
    }
    // Below P the snapshot was never finished: what came of it can't be told.
    if (request.seq < session.p) {
      link.send(INVALID_SESSION);
      return undefined;
    }
    link.sessionId = session.id;
    link.epoch = session.epoch;
    link.s = request.seq;
    link.resuming = true;
    own(link, name, session.shard, session.intents, layout);
    continueSession(link, session);
    return undefined;
  };

  const continueSession = (link: Link, session: HandlerSession): void => {
    const journal = options.journal();
    const tip = journal.tip(link.shard);
    const at = { epoch: link.epoch, s: link.s };
    if (session.epoch > tip.epoch) return invalidate(link);
    if (session.epoch === tip.epoch && link.s > tip.s) {
      wait(link, 'waiting');
      clock.after(ABOVE_TIP_MS, () => {
        if (link.phase === 'waiting' && link.s === at.s) invalidate(link);
      });
      return;
    }
    unwait(link);
    const floor = journal.floor(link.shard);
    if (comparePositions(at, floor) < 0) return gapMet(link, floor);
    cursors.begin(link.name, link.shard, at);
    // A RESUME's seq is a proof: the handler itself says what it has.
    cursors.prove(link.name, link.shard, at);
    link.phase = 'reading';
    delivery.pump(link);
  };

  const finishResume = (link: Link): void => {
    if (!link.resuming) return;
    link.resuming = false;
    // An object in `d` and a number in `s`: several libraries break on anything else (protocol reference 5.4).
    link.send(`{"t":"RESUMED","s":${link.s},"op":0,"d":{"_trace":["[\\"holdfast\\",{\\"micros\\":0.0}]"]}}`);
  };

  const epochEnded = (link: Link): void => {
    finishResume(link);
    link.reader = undefined;
    link.phase = 'ending';
    if (link.sentCount === link.provenCount) return finishEpoch(link);
    link.askForProof();
    clock.after(LAST_PROOF_MS, () => {
      if (link.phase === 'ending') finishEpoch(link);
    });
  };

  const finishEpoch = (link: Link): void => {
    log.info(
      'handler.epoch-ended',
      { name: link.name, shard: link.shard, epoch: link.epoch },
      'upstream had to identify afresh; the handler got everything before it and re-syncs now',
    );
    invalidate(link);
  };

  const gapMet = (link: Link, to: Position): void => {
    const missing = to.epoch === link.epoch ? to.s - link.s : to.s;
    options.tally(link).lost += missing;
    log.warn(
      'handler.gap',
      {
        name: link.name,
        shard: link.shard,
        from: `${link.epoch}:${link.s}`,
        to: `${to.epoch}:${to.s}`,
        missing,
      },
      `${missing} events are gone; the handler is made to re-sync`,
    );
    const { name, shard } = link;
    invalidate(link);
    cursors.jump(name, shard, to);
  };

  const shardMoved = (shard: number): void => {
    for (const link of [...(waiting.get(shard) ?? [])]) {
      if (link.phase === 'held') {
        if (link.lostEpoch === options.journal().tip(shard).epoch) continue;
        unwait(link);
        start(link);
      } else if (link.phase === 'waiting') {
        const session = options.sessions.find(link.sessionId);
        unwait(link);
        if (session) continueSession(link, session);
        else invalidate(link);
      }
    }
  };

  return {
    identify,
    resume,
    epochEnded,
    proofCame(link) {
      if (link.sentCount === link.provenCount) finishEpoch(link);
    },
    gapMet,
    caughtUp(link) {
      link.doubtUpTo = undefined;
      finishResume(link);
    },
    shardMoved,
    layoutChanged() {
      const layout = options.layout();
      if (!layout) return;
      for (const [link, data] of [...undecided]) {
        undecided.delete(link);
        const name = nameOf(data['token'], options.handlerOf);
        const refusal = name === undefined ? authenticationFailed : admit(link, name, data, layout);
        if (refusal) link.close(refusal.close, refusal.reason);
      }
    },
    ended(link) {
      undecided.delete(link);
      release(link);
      const others = parked.get(keyOf(link));
      if (link.phase === 'parked') {
        others?.splice(others.indexOf(link), 1);
        return;
      }
      if (owners.get(keyOf(link)) !== link) return;
      owners.delete(keyOf(link));
      // The newest of the parked ones may have it back; op 9 makes it start again from the cursor.
      const heir = others?.pop();
      if (others?.length === 0) parked.delete(keyOf(link));
      if (heir) invalidate(heir);
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

/** By event type id: 1 where a handler's intents leave an event out that upstream's let in. */
function filterOf(intents: number, upstream: number): Uint8Array | undefined {
  if ((intents & upstream) === upstream) return undefined;
  const filter = new Uint8Array(256);
  EVENT_INTENTS.forEach((bits, type) => {
    if (bits && (intents & (bits.guild | bits.direct)) === 0) filter[type] = 1;
  });
  return filter;
}
