// All shards of the bot: each one's session, wired to the ledger that lets it identify and to the journal that
// takes what it receives. The only place where an epoch begins. Makes no protocol decision (session/step.ts does).

import type { Clock } from './base/clock.ts';
import type { OperatingError } from './base/errors.ts';
import type { Log } from './base/log.ts';
import type { Random } from './base/random.ts';
import type { Journal } from './journal/journal.ts';
import type { Ledger } from './ledger/ledger.ts';
import { createSession, type Session, type ShardStatus } from './session/session.ts';
import type { FixedLayout, SessionTable, StoredSession } from './session/session-table.ts';
import { dialUpstream } from './upstream/socket.ts';
import type { Transport } from './wire/compression.ts';
import { EVENT } from './wire/event-type.ts';
import { OP } from './wire/opcode.ts';

export interface FleetOptions {
  clock: Clock;
  random: Random;
  log: Log;
  layout: FixedLayout;
  table: SessionTable;
  journal: Journal;
  ledger: Ledger;
  token: () => string;
  /** Discord's main gateway URL. */
  gatewayUrl: () => string;
  /** The compression of new sessions; a session keeps the one it began with. */
  transport: Transport;
  /** Discord said that reconnecting can't help. */
  onFatal: (error: OperatingError) => void;
}

export interface Fleet {
  start(): void;
  /** Closes every socket so that its session lives on. */
  stop(): Promise<void>;
  /** Ends every session at Discord: the operator's word. */
  forget(): Promise<void>;
  /** Sends a handler's command; false when the shard's queue is full. */
  send(shard: number, op: number, text: string): boolean;
  /** Sets a shard's presence where it differs from what it is. */
  setPresence(shard: number, presence: Record<string, unknown>): void;
  /** There is no state of this shard: its next IDENTIFY is paid for. */
  stateLost(shard: number): void;
  statuses(): ShardStatus[];
  epoch(shard: number): number;
}

const STATUSES: ReadonlySet<unknown> = new Set(['online', 'dnd', 'idle', 'invisible', 'offline']);
const DEFAULT_PRESENCE = JSON.stringify(normalPresence({}));

/** Creates the fleet; sessions that were stored will be resumed when it starts. */
export function createFleet(options: FleetOptions): Fleet {
  const { layout, table, journal, log } = options;
  const epochs = new Uint32Array(layout.shardCount);
  const presences: string[] = new Array(layout.shardCount).fill(DEFAULT_PRESENCE);
  const lostAt = new Map<number, number>();
  const sessions: Session[] = [];

  const createShard = (shard: number): Session => {
    const stored = recoverSession(shard);
    epochs[shard] = Math.max(stored?.epoch ?? 0, table.session(shard)?.epoch ?? 0, journal.tip(shard).epoch);
    let beginning: StoredSession | undefined;
    return createSession({
      shard,
      shardCount: layout.shardCount,
      intents: layout.intents,
      largeThreshold: layout.largeThreshold,
      stored: stored && {
        sessionId: stored.sessionId,
        resumeUrl: stored.resumeUrl,
        transport: stored.transport,
      },
      transport: options.transport,
      token: options.token,
      gatewayUrl: options.gatewayUrl,
      presence: () => (presences[shard] === DEFAULT_PRESENCE ? undefined : JSON.parse(presences[shard]!)),
      clock: options.clock,
      random: options.random,
      log: log.child({ shard }),
      dial: (dialOptions) => dialUpstream({ ...dialOptions, clock: options.clock, random: options.random }),
      tip: () => (journal.tip(shard).epoch === epochs[shard] ? journal.tip(shard).s : 0),
      flush: () => journal.flush(),
      requestIdentify: (reason, granted) => options.ledger.request({ shard, reason }, granted),
      onReady(session) {
        epochs[shard] = Math.max(epochs[shard]!, journal.tip(shard).epoch) + 1;
        beginning = { shard, epoch: epochs[shard]!, ...session };
      },
      onDispatch(bytes, start, end, header) {
        journal.append(shard, epochs[shard]!, header.s, header.type, options.clock.now(), bytes, start, end);
        if (header.type === EVENT.READY && beginning) {
          keepSession(beginning);
          beginning = undefined;
        }
      },
      onSessionLost() {
        guard('session.lost', () => table.lose(shard));
      },
      onFatal: options.onFatal,
    });
  };

  /** READY is on stable storage before anything else happens to the session: an unsaved one costs an IDENTIFY. */
  const keepSession = (session: StoredSession): void => {
    guard('journal.sync', () => journal.syncNow());
    guard('session.begun', () => table.begin(session));
  };

  const guard = (what: string, write: () => void): void => {
    try {
      write();
    } catch (error) {
      log.error(
        'session-table.failing',
        { what, message: (error as Error).message },
        'the sessions file cannot be written; a crash now would cost IDENTIFYs',
      );
    }
  };

  /** The stored session of a shard, put in order with the journal. */
  const recoverSession = (shard: number): StoredSession | undefined => {
    const stored = table.session(shard);
    const tip = journal.tip(shard);
    if (tip.epoch > Math.max(stored?.epoch ?? 0, table.givenUp(shard)))
      return sessionInJournal(shard, tip.epoch) ?? undefined;
    if (stored && tip.epoch < stored.epoch) {
      // The journal is lost, the session is not: resume from the last position that was written elsewhere.
      const seed = table.tip(shard);
      const s = seed && seed[1] === stored.epoch ? seed[2] : 1;
      journal.seed(shard, { epoch: stored.epoch, s });
      log.warn(
        'session.seeded',
        { shard, s },
        'the journal does not know this session; it is resumed from the last checkpoint',
      );
    }
    return stored;
  };

  /** We died between writing READY to the journal and to the sessions file: the READY itself tells the session. */
  const sessionInJournal = (shard: number, epoch: number): StoredSession | undefined => {
    let found: StoredSession | undefined;
    journal.reader(shard, { epoch, s: 0 }).read(1, (header, buffer) => {
      if (header.epoch === epoch && header.type === EVENT.READY) {
        const ready = JSON.parse(buffer.toString('utf8', header.payloadStart, header.payloadEnd)) as {
          d: { session_id: string; resume_gateway_url: string };
        };
        found = {
          shard,
          epoch,
          sessionId: ready.d.session_id,
          resumeUrl: ready.d.resume_gateway_url,
          transport: options.transport,
        };
      }
      return false;
    });
    if (found) guard('session.found', () => table.begin(found!));
    return found;
  };

  for (let shard = 0; shard < layout.shardCount; shard++) sessions.push(createShard(shard));

  return {
    start() {
      for (const session of sessions) session.start();
    },
    async stop() {
      await Promise.all(sessions.map((session) => session.stop()));
    },
    async forget() {
      for (const session of sessions) session.forget('operator');
      await Promise.all(sessions.map((session) => session.stop()));
    },
    send(shard, op, text) {
      return sessions[shard]?.send(text, op === OP.PRESENCE_UPDATE ? 'presence' : 'command') ?? false;
    },
    setPresence(shard, presence) {
      const wanted = JSON.stringify(normalPresence(presence));
      if (presences[shard] === wanted) return;
      presences[shard] = wanted;
      sessions[shard]?.send(`{"op":${OP.PRESENCE_UPDATE},"d":${wanted}}`, 'presence');
    },
    stateLost(shard) {
      if (lostAt.get(shard) === epochs[shard]) return;
      lostAt.set(shard, epochs[shard]!);
      log.warn(
        'state.lost',
        { shard },
        'what a fresh IDENTIFY must be told is gone for this shard; one IDENTIFY is paid to get it again',
      );
      sessions[shard]?.forget('state-lost');
    },
    statuses: () => sessions.map((session) => session.status()),
    epoch: (shard) => epochs[shard] ?? 0,
  };
}

/** A presence with every field that Discord demands, and none of a wrong type: that would cost the connection (6.4). */
function normalPresence({
  since,
  activities,
  status,
  afk,
}: Record<string, unknown>): Record<string, unknown> {
  return {
    since: typeof since === 'number' ? since : null,
    activities: Array.isArray(activities) ? activities : [],
    status: STATUSES.has(status) ? status : 'online',
    afk: afk === true,
  };
}
