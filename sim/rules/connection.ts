// One gateway connection's rules: HELLO, heartbeats, limits on what a client sends, and which op is allowed when
// (protocol reference 2, 3, 5, 6). What IDENTIFY and RESUME do is in session-start.ts, other requests in
// client-request.ts; bytes, compression and sockets are the adapter's.

import type { Random } from '../../src/base/random.ts';
import { OP } from '../../src/wire/opcode.ts';
import { CLOSE_REASONS, clientEndsSession, endsSession } from './close.ts';
import { type Counters, countBy } from './counters.ts';
import type { Faults } from './faults.ts';
import type { RuleOptions } from './options.ts';
import { isRefused, readMessage } from './payload.ts';
import { trace } from './ready.ts';
import type { Outlet, Session, Sessions } from './session.ts';
import { createSlidingWindow, type SlidingWindow } from './sliding-window.ts';
import type { Timers } from './timers.ts';
import type { Truth } from './truth.ts';

/** What a connection needs from whatever carries it. */
export interface Port {
  /** Writes one gateway message; `compress` asks for payload compression (1.6). */
  send(text: string, compress: boolean): void;
  /** Sends a close frame. */
  close(code: number, reason: string): void;
  /** Ends the TCP connection without a close frame. */
  drop(how: 'fin' | 'rst'): void;
  /** Bytes that wait in the socket. */
  buffered(): number;
}

/** What the client asked for in the URL (1.1). */
export interface GatewayQuery {
  readonly version: string | null;
  readonly encoding: string | null;
  readonly transport: 'none' | 'zlib-stream' | 'zstd-stream';
}

/** A connection, as its carrier sees it. */
export interface Carried {
  /** One whole message from the client; `bytes` is its size on the wire. */
  receive(text: string, bytes: number): void;
  /** The connection is gone, with the client's close code (1005 without a code, 1006 without a close frame). */
  ended(code: number): void;
}

/** A connection, as the rest of the rules see it. */
export interface Connection extends Outlet {
  readonly version: number;
  session: Session | null;
  open: boolean;
  buffered(): number;
  /** A message that is not a dispatch. */
  say(op: number, d: unknown): void;
  /** Closes by a code of 5.1; some codes end the session. */
  shut(code: number, reason?: string): void;
  drop(how: 'fin' | 'rst'): void;
}

export interface Connections {
  accept(port: Port, query: GatewayQuery): Carried;
  all(): ReadonlySet<Connection>;
}

const ACK = '{"t":null,"s":null,"op":11,"d":null}';

export function createConnections(context: {
  options: RuleOptions;
  timers: Timers;
  random: Random;
  truth: Truth;
  faults: Faults;
  counters: Counters;
  sessions: Sessions;
  identify: (connection: Connection, d: unknown) => void;
  resume: (connection: Connection, d: unknown) => void;
  request: (connection: Connection, session: Session, op: number, d: unknown) => void;
}): Connections {
  const { options, timers, random, truth, faults, counters, sessions } = context;
  const open = new Set<Connection>();
  let nextId = 1;

  const leave = (connection: Connection, code: number, by: 'client' | 'server', keep: boolean): void => {
    connection.open = false;
    open.delete(connection);
    truth.record(timers.now(), 'connection.closed', { connection: connection.id, code, by });
    const session = connection.session;
    connection.session = null;
    if (!session) return;
    if (keep) sessions.detach(session);
    else {
      session.outlet = null;
      sessions.end(session, `${by} closed with ${code}`);
    }
  };

  const create = (port: Port, query: GatewayQuery): Connection => {
    const connection: Connection = {
      id: nextId++,
      version: Number(query.version),
      session: null,
      open: true,
      buffered: () => port.buffered(),
      push(text, large) {
        if (!connection.open) return;
        counters.pushes++;
        const compress = large && query.transport === 'none' && connection.session?.compress === true;
        port.send(text, compress);
        if (port.buffered() > options.sendBufferMaxBytes) connection.drop('rst');
      },
      sessionEnded() {
        connection.session = null;
      },
      say(op, d) {
        connection.push(`{"t":null,"s":null,"op":${op},"d":${JSON.stringify(d)}}`, false);
      },
      shut(code, reason = CLOSE_REASONS[code] ?? '') {
        if (!connection.open) return;
        countBy(counters.closes, code);
        leave(connection, code, 'server', !endsSession(code));
        port.close(code, reason);
      },
      drop(how) {
        if (!connection.open) return;
        leave(connection, 1006, 'server', true);
        port.drop(how);
      },
    };
    return connection;
  };

  const greet = (connection: Connection): void => {
    if (!connection.open) return;
    if (faults.strike('op7-for-hello')) {
      connection.say(OP.RECONNECT, null);
      timers.after(options.reconnectGraceMs, () => connection.shut(1001));
      return;
    }
    const micros = Math.floor(random.next() * 900) / 10;
    connection.say(OP.HELLO, { heartbeat_interval: options.heartbeatIntervalMs, _trace: trace(micros) });
  };

  const receive = (connection: Connection, beat: () => void, op: number, d: unknown): void => {
    switch (op) {
      case OP.HEARTBEAT:
        if (d !== null && !Number.isInteger(d)) return connection.shut(4001);
        counters.heartbeats++;
        beat();
        if (!faults.noAcks()) after(timers, faults.takeDelay('ack'), () => connection.push(ACK, false));
        return;
      case OP.IDENTIFY:
      case OP.RESUME:
        if (connection.session) return connection.shut(4005);
        return op === OP.IDENTIFY ? context.identify(connection, d) : context.resume(connection, d);
      default:
        if (!connection.session) return connection.shut(4003);
        return context.request(connection, connection.session, op, d);
    }
  };

  return {
    all: () => open,
    accept(port, query) {
      const connection = create(port, query);
      const sends: SlidingWindow = createSlidingWindow({
        limit: options.sendLimit,
        windowMs: options.sendWindowMs,
      });
      open.add(connection);
      counters.connections++;
      truth.record(timers.now(), 'connection.opened', { connection: connection.id, ...query });
      if (query.version !== '9' && query.version !== '10') connection.shut(4012);
      else if (query.encoding !== null && query.encoding !== 'json')
        connection.shut(4012, 'This simulator speaks encoding=json only.');
      const beat = watchHeartbeat(connection, options, timers);
      after(timers, faults.takeDelay('hello'), () => greet(connection));
      return {
        receive(text, bytes) {
          if (!connection.open) return;
          if (bytes > options.sendBytesMax) return connection.shut(4002);
          if (!sends.take(timers.monotonic())) return connection.shut(4008);
          const message = readMessage(text);
          if (isRefused(message)) return connection.shut(message.refused);
          receive(connection, beat, message.op, message.d);
        },
        ended(code) {
          if (connection.open) leave(connection, code, 'client', !clientEndsSession(code));
        },
      };
    },
  };
}

/** Closes a connection that does not beat; the returned function notes a beat (3). */
function watchHeartbeat(connection: Connection, options: RuleOptions, timers: Timers): () => void {
  const patienceMs = options.heartbeatIntervalMs * options.heartbeatGrace;
  let lastBeat = timers.monotonic();
  const check = (): void => {
    if (!connection.open) return;
    const leftMs = lastBeat + patienceMs - timers.monotonic();
    if (leftMs > 0) timers.after(leftMs, check);
    else connection.shut(options.heartbeatCloseCode);
  };
  timers.after(patienceMs, check);
  return () => {
    lastBeat = timers.monotonic();
  };
}

/** Runs now, or after a delay if there is one. */
export function after(timers: Timers, delayMs: number, run: () => void): void {
  if (delayMs > 0) timers.after(delayMs, run);
  else run();
}
