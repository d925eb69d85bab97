// Sessions: what Discord keeps of a bot's shard between its connections (protocol reference 5). A session has its
// own `s`, its intents and the dispatches it can replay; it outlives its connection for a while. Several sessions of
// the same shard, or of different shard counts, may live at once, and each gets every event (7).

import type { Timer } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import type { Counters } from './counters.ts';
import type { Faults } from './faults.ts';
import type { Fields } from './json.ts';
import { type RuleOptions, replayLimit } from './options.ts';
import type { Identify } from './payload.ts';
import { createReplayBuffer, type ReplayBuffer } from './replay-buffer.ts';
import { createSlidingWindow, type SlidingWindow } from './sliding-window.ts';
import type { Timers } from './timers.ts';
import type { Truth } from './truth.ts';

/** A connection, as its session sees it. */
export interface Outlet {
  readonly id: number;
  /** Writes one gateway message; `large` ones are compressed when IDENTIFY asked for it. */
  push(text: string, large: boolean): void;
  /** The session has ended under this connection. */
  sessionEnded(): void;
}

export interface Session {
  readonly id: string;
  /** The session id in the bot's own voice states; it differs from `id`, so that rewriting one is noticed (13.3, 15). */
  readonly voiceId: string;
  readonly shard: number;
  readonly shardCount: number;
  readonly sharded: boolean;
  readonly intents: number;
  readonly largeThreshold: number;
  readonly compress: boolean;
  readonly presenceWindow: SlidingWindow;
  presence: Fields | null;
  /** The last dispatch's `s`. */
  seq: number;
  readonly replay: ReplayBuffer;
  outlet: Outlet | null;
  /** True when dispatches go out at once: after READY or RESUMED. */
  flowing: boolean;
  /** The last `s` given to a connection. */
  sentSeq: number;
  /** Guilds whose GUILD_CREATE is still to come: until then their events are not dispatched. */
  readonly awaited: Set<number>;
  /** It dies as soon as it loses its connection. */
  doomed: boolean;
  ended: boolean;
}

export interface Sessions {
  begin(identify: Identify, guilds: number, outlet: Outlet): Session;
  find(id: string): Session | undefined;
  all(): Iterable<Session>;
  /** Sessions that get a guild's events; `guildTimeMs` is `guild_id >> 22`. */
  ofGuild(guildTimeMs: number): readonly Session[];
  /** Sessions that get what belongs to no guild: those of shard 0 (7). */
  ofDirect(): readonly Session[];
  attach(session: Session, outlet: Outlet, seq: number): void;
  /** The connection is gone: the session waits for a RESUME. */
  detach(session: Session): void;
  end(session: Session, reason: string): void;
  /** Gives the session one dispatch: numbers it, keeps it, logs it and, while flowing, sends it. */
  dispatch(session: Session, t: string, d: string, id: string, hash: number): void;
  /** Sends what was kept but not sent. */
  flush(session: Session): void;
}

/** One dispatch on the wire, in Discord's key order (2.2). */
export function dispatchFrame(t: string, s: number, d: string): string {
  return `{"t":"${t}","s":${s},"op":0,"d":${d}}`;
}

export function createSessions(context: {
  options: RuleOptions;
  timers: Timers;
  random: Random;
  truth: Truth;
  faults: Faults;
  counters: Counters;
  onEnded: (session: Session) => void;
}): Sessions {
  const { options, timers, random, truth, faults, counters, onEnded } = context;
  const byId = new Map<string, Session>();
  const byLayout = new Map<number, Session[][]>();
  const expiries = new Map<Session, Timer>();
  const record = (kind: Parameters<Truth['record']>[1], session: Session, fields: Fields = {}): void => {
    const { id, shard, shardCount, seq } = session;
    truth.record(timers.now(), kind, { sessionId: id, shard, shardCount, s: seq, ...fields });
  };
  const ofShard = (shard: number, shardCount: number): Session[] => {
    let layout = byLayout.get(shardCount);
    if (!layout) {
      layout = Array.from({ length: shardCount }, () => []);
      byLayout.set(shardCount, layout);
    }
    return layout[shard]!;
  };
  const send = (session: Session, s: number, t: string, d: string): void => {
    session.outlet?.push(dispatchFrame(t, s, d), t === 'READY' || t === 'GUILD_CREATE');
  };
  const none: readonly Session[] = [];
  /** With one layout, which is the rule, the stored list itself; it must not be kept. */
  const across = (shardIn: (shardCount: number) => number): readonly Session[] => {
    let found = none;
    for (const [shardCount, layout] of byLayout) {
      const sessions = layout[shardIn(shardCount)]!;
      if (sessions.length > 0) found = found.length === 0 ? sessions : [...found, ...sessions];
    }
    return found;
  };

  const sessions: Sessions = {
    begin(identify, guilds, outlet) {
      const { shard, shardCount, sharded, intents, largeThreshold, compress, presence } = identify;
      const session: Session = {
        id: random.hex(16),
        voiceId: random.hex(16),
        ...{ shard, shardCount, sharded, intents, largeThreshold, compress, presence },
        presenceWindow: createSlidingWindow({
          limit: options.presenceLimit,
          windowMs: options.presenceWindowMs,
        }),
        seq: 0,
        replay: createReplayBuffer(replayLimit(options, guilds)),
        outlet,
        flowing: false,
        sentSeq: 0,
        awaited: new Set(),
        doomed: false,
        ended: false,
      };
      byId.set(session.id, session);
      ofShard(shard, shardCount).push(session);
      record('session.began', session, { intents, connection: outlet.id });
      return session;
    },
    find: (id) => byId.get(id),
    all: () => byId.values(),
    ofGuild: (guildTimeMs) => across((shardCount) => guildTimeMs % shardCount),
    ofDirect: () => across(() => 0),
    attach(session, outlet, seq) {
      expiries.get(session)?.cancel();
      expiries.delete(session);
      session.outlet = outlet;
      session.sentSeq = seq;
      session.flowing = false;
      record('session.attached', session, { connection: outlet.id, from: seq });
    },
    detach(session) {
      session.outlet = null;
      session.flowing = false;
      if (session.ended) return;
      record('session.detached', session);
      if (session.doomed) return sessions.end(session, 'expired');
      expiries.set(
        session,
        timers.after(options.sessionTtlMs, () => sessions.end(session, 'timed out')),
      );
    },
    end(session, reason) {
      if (session.ended) return;
      session.ended = true;
      session.flowing = false;
      expiries.get(session)?.cancel();
      expiries.delete(session);
      byId.delete(session.id);
      const layout = byLayout.get(session.shardCount)!;
      // A new list, because a fan-out may be walking over the old one.
      layout[session.shard] = layout[session.shard]!.filter((each) => each !== session);
      counters.sessionsEnded++;
      record('session.ended', session, { reason });
      session.outlet?.sessionEnded();
      session.outlet = null;
      onEnded(session);
    },
    dispatch(session, t, d, id, hash) {
      const s = ++session.seq;
      counters.dispatched++;
      const lost = faults.strike('lose-dispatch', session.shard);
      session.replay.append(s, t, lost ? '' : d);
      truth.dispatched(timers.now(), session, s, t, id, hash);
      if (session.flowing) {
        session.sentSeq = s;
        if (lost || faults.strike('drop-dispatch', session.shard)) return;
        send(session, s, t, d);
        if (faults.strike('duplicate-dispatch', session.shard)) send(session, s, t, d);
      } else if (!session.outlet && session.replay.oldest() > session.sentSeq + 1) {
        sessions.end(session, 'replay buffer full');
      }
    },
    flush(session) {
      session.replay.replay(session.sentSeq, (s, t, d) => {
        if (d !== '') send(session, s, t, d);
      });
      session.sentSeq = session.seq;
    },
  };
  return sessions;
}
