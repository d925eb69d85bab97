// IDENTIFY and RESUME: who gets a session, and what it is told first (protocol reference 4, 5.4). The daily limit
// is here too: passing it ends every session and resets the token (4.5).

import { OP } from '../../src/wire/opcode.ts';
import type { Account } from './account.ts';
import { startBackfill } from './backfill.ts';
import { after, type Connection } from './connection.ts';
import type { Counters } from './counters.ts';
import type { FanOut } from './fan-out.ts';
import type { Faults } from './faults.ts';
import { identifyVerdict } from './identify.ts';
import type { IdentifyBuckets } from './identify-buckets.ts';
import type { RuleOptions } from './options.ts';
import { type Identify, isRefused, readIdentify, readResume } from './payload.ts';
import { readyBody, trace } from './ready.ts';
import type { Session, Sessions } from './session.ts';
import type { StartBudget } from './start-budget.ts';
import type { Timers } from './timers.ts';
import type { Truth } from './truth.ts';
import type { World } from './world/world.ts';

export interface SessionStart {
  identify(connection: Connection, d: unknown): void;
  resume(connection: Connection, d: unknown): void;
  /** Ends every session, closes every connection, and makes the token invalid. */
  resetToken(reason: 'start-limit' | 'person'): void;
}

export interface SessionStartContext {
  readonly options: RuleOptions;
  readonly timers: Timers;
  readonly truth: Truth;
  readonly faults: Faults;
  readonly counters: Counters;
  readonly account: Account;
  readonly budget: StartBudget;
  readonly buckets: IdentifyBuckets;
  readonly sessions: Sessions;
  readonly world: World;
  readonly fanOut: FanOut;
  /** `resume_gateway_url` (1.2: no query). */
  readonly resumeUrl: () => string;
  /** The connection that carries a session. */
  readonly carrier: (session: Session) => Connection | undefined;
}

export function createSessionStart(context: SessionStartContext): SessionStart {
  const { options, timers, truth, faults, counters, account, budget, buckets, sessions } = context;

  const resetToken = (reason: 'start-limit' | 'person'): void => {
    counters.tokenResets++;
    account.resetToken(reason, timers.now());
    if (reason === 'start-limit') budget.renew();
    truth.record(timers.now(), 'token.reset', { reason });
    for (const session of [...sessions.all()]) {
      const carrier = context.carrier(session);
      sessions.end(session, `token reset: ${reason}`);
      carrier?.shut(4004);
    }
  };

  const answered = (connection: Connection, identify: Identify, outcome: string | number): void => {
    const { shard, shardCount } = identify;
    truth.record(timers.now(), 'identify', { connection: connection.id, shard, shardCount, outcome });
  };

  const identify = (connection: Connection, d: unknown): void => {
    const asked = readIdentify(d);
    if (isRefused(asked)) return connection.shut(asked.refused);
    counters.identifies++;
    const guilds = context.world.guildsOfShard(asked.shard, asked.shardCount);
    const code = identifyVerdict(asked, {
      tokenValid: account.accepts(asked.token),
      guilds: guilds.length,
      options,
    });
    if (code !== 0) {
      counters.identifiesClosed++;
      answered(connection, asked, code);
      return connection.shut(code);
    }
    const now = timers.monotonic();
    const invalid = faults.strike('op9-on-identify', asked.shard) || !buckets.take(asked.shard, now);
    if ((!invalid || options.countRefusedIdentifies) && !budget.spend(now)) {
      counters.identifiesClosed++;
      answered(connection, asked, 'start limit passed');
      resetToken('start-limit');
      return connection.shut(4004);
    }
    if (invalid) {
      counters.identifiesInvalid++;
      answered(connection, asked, 'op 9');
      return connection.say(OP.INVALID_SESSION, false);
    }
    counters.identifiesAccepted++;
    answered(connection, asked, 'ready');
    const session = sessions.begin(asked, guilds.length, connection);
    connection.session = session;
    for (const place of guilds) session.awaited.add(place.index);
    after(timers, faults.takeDelay('ready'), () => {
      if (session.ended) return;
      const { version } = connection;
      const resumeUrl = context.resumeUrl();
      session.flowing = session.outlet !== null;
      const ready = readyBody(session, { version, account, guilds, resumeUrl });
      context.fanOut.reply(session, 'READY', ready, session.id);
      const buffered = () => context.carrier(session)?.buffered() ?? 0;
      after(timers, faults.takeDelay('backfill'), () =>
        startBackfill(session, guilds, { ...context, buffered }),
      );
    });
  };

  /** Why a session cannot be resumed from `seq`; empty when it can. */
  const refusal = (session: Session | undefined, seq: number): string => {
    if (faults.strike('op9-on-resume', session?.shard)) return 'fault';
    if (!session) return 'unknown session';
    if (session.doomed) return 'expired';
    if (seq < session.seq && seq + 1 < session.replay.oldest()) return 'replay buffer passed';
    return '';
  };

  const resume = (connection: Connection, d: unknown): void => {
    const asked = readResume(d);
    if (isRefused(asked)) return connection.shut(asked.refused);
    const session = sessions.find(asked.sessionId);
    const say = (outcome: string | number) =>
      truth.record(timers.now(), 'resume', {
        connection: connection.id,
        sessionId: asked.sessionId,
        ...(session ? { shard: session.shard, shardCount: session.shardCount, s: session.seq } : {}),
        seq: asked.seq,
        outcome,
      });
    if (!account.accepts(asked.token)) {
      counters.resumes.failed++;
      say(4004);
      return connection.shut(4004);
    }
    if (faults.strike('op9-true-on-resume', session?.shard)) {
      counters.resumes.failed++;
      say('op 9 true');
      return connection.say(OP.INVALID_SESSION, true);
    }
    const why = refusal(session, asked.seq);
    if (why !== '' || !session) {
      counters.resumes.failed++;
      say(why);
      if (session) endUnder(session, why);
      return connection.say(OP.INVALID_SESSION, false);
    }
    if (asked.seq > session.seq) {
      counters.resumes.failed++;
      say(4007);
      endUnder(session, 'resumed with an invalid seq');
      return connection.shut(4007);
    }
    counters.resumes.ok++;
    say('resumed');
    // A client may resume before we notice that its old connection is dead: the newer one wins.
    context.carrier(session)?.shut(4000, 'Session resumed on another connection.');
    sessions.attach(session, connection, asked.seq);
    connection.session = session;
    replay(connection, session);
  };

  const endUnder = (session: Session, reason: string): void => {
    const carrier = context.carrier(session);
    sessions.end(session, reason);
    carrier?.shut(4009);
  };

  const replay = (connection: Connection, session: Session): void => {
    const here = (): boolean => connection.open && connection.session === session;
    after(timers, faults.takeDelay('replay'), () => {
      if (!here()) return;
      sessions.flush(session);
      after(timers, faults.takeDelay('resumed'), () => {
        if (!here()) return;
        // What came meanwhile goes before RESUMED, which has an `s` of its own (5.4).
        sessions.flush(session);
        session.flowing = true;
        context.fanOut.reply(session, 'RESUMED', { _trace: trace(310) }, session.id);
      });
    });
  };

  return { identify, resume, resetToken };
}
