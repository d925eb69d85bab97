// The door: runs one shard. It feeds inputs to step.ts and carries out what comes back, one effect after the
// other; it decides nothing. Its own concern is the hot path: a dispatch with the expected sequence number goes
// to the journal after a few integer compares, without a step and without an allocation.

import type { Timer } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import type { Transport } from '../wire/compression.ts';
import { EVENT } from '../wire/event-type.ts';
import { createHeader, type Header, parseHeader, scanHeader } from '../wire/header.ts';
import { type CommandKind, createCommandQueue } from './commands.ts';
import { DEADLINE_MS } from './deadlines.ts';
import { heartbeatText, identifyText, resumeText } from './payload.ts';
import type { IdentifyTicket, SessionOptions, SessionSocket } from './port.ts';
import { readMessage } from './reading.ts';
import {
  type Effect,
  type Facts,
  firstState,
  type IdentifyReason,
  type Input,
  type Message,
  type Phase,
  type State,
  type TimerName,
} from './state.ts';
import { step } from './step.ts';

export type { CommandKind } from './commands.ts';
export type { DialOptions, IdentifyTicket, SessionOptions, SessionSocket } from './port.ts';
export type { IdentifyReason, Phase, SessionRecord } from './state.ts';

/** One running shard. */
export interface Session {
  /** Dials; also after `stop`, and after a fatal end that a person has mended. */
  start(): void;
  /** Closes the socket so that the session lives on. Resolves when it is closed, at most a few seconds later. */
  stop(): Promise<void>;
  /** Sends a command when the shard is live and the send budget allows; false when it is refused (queue full, too large). */
  send(text: string, kind: CommandKind): boolean;
  /** Ends the session at Discord and asks for a new one: costs an IDENTIFY. */
  forget(reason: IdentifyReason): void;
  /** Drops the socket and resumes: costs nothing. Cuts a wait between two connections short. */
  redial(): void;
  status(): ShardStatus;
}

/** Counters count since the process started. Times without a unit in their name are wall milliseconds since 1970. */
export interface ShardStatus {
  readonly shard: number;
  readonly phase: Phase;
  /** When the phase began. */
  readonly since: number;
  readonly hasSession: boolean;
  /** When the session's READY came; for a stored session when the process started; null without a session. */
  readonly sessionSince: number | null;
  /** The last sequence number received. */
  readonly lastS: number;
  readonly resumes: number;
  /** IDENTIFYs sent. */
  readonly identifies: number;
  /** Ended connections, by close code or by our own reason (`reconnect`, `zombie`, `hello-timeout`, ...). */
  readonly ended: Readonly<Record<string, number>>;
  readonly lastEnd: { readonly label: string; readonly cause: string; readonly at: number } | null;
  readonly latencyMs: number | null;
  /** Sampled: exact to a heartbeat interval, or to the last call of `status`. */
  readonly lastDispatchAgeMs: number | null;
  readonly dispatches: number;
  readonly malformed: number;
  /** Replayed and already known, dropped. */
  readonly duplicates: number;
  /** Jumps of the sequence that stayed after a RESUME. */
  readonly gaps: number;
  readonly commandsWaiting: number;
  readonly commandsDropped: number;
}

interface Current {
  bytes: Buffer;
  start: number;
  end: number;
  header: Header;
}

/** Creates a shard at rest; `start` brings it to life. */
export function createSession(options: SessionOptions): Session {
  const { shard, clock, log } = options;
  let state: State = firstState(options.stored ?? null, options.reason ?? 'first-start');
  let socket: SessionSocket | null = null;
  let request: { cancel(): void } | null = null;
  let offered: IdentifyTicket | null = null;
  let ticket: IdentifyTicket | null = null;
  let current: Current | null = null;
  const timers = new Map<TimerName, Timer>();
  const inputs: Input[] = [];
  const stopWaiters: (() => void)[] = [];
  let stepping = false;

  // The hot path's own numbers.
  const header = createHeader();
  let flowing = false;
  let lastS = 0;
  let dispatches = 0;

  const counts = { malformed: 0, duplicates: 0, resumes: 0, identifies: 0, gaps: 0 };
  const ended: Record<string, number> = {};
  let lastEnd: ShardStatus['lastEnd'] = null;
  let since = clock.now();
  let sessionSince: number | null = options.stored ? since : null;
  let sampledDispatches = 0;
  let lastDispatchAt: number | null = null;

  const commands = createCommandQueue({ clock, write: (text) => socket?.send(text) ?? false });

  const facts = (): Facts => ({
    now: clock.monotonic(),
    random: options.random.next(),
    lastS,
    dispatches,
    bytes: socket?.bytesReceived ?? 0,
    storm: options.storm?.() ?? false,
    othersResumeWell: options.othersResumeWell?.() ?? false,
  });

  /** Takes inputs one after the other: what an effect causes waits until the effects before it are done. */
  function feed(input: Input): void {
    inputs.push(input);
    if (stepping) return;
    stepping = true;
    try {
      for (let next = inputs.shift(); next; next = inputs.shift()) turn(next);
    } finally {
      stepping = false;
    }
  }

  function turn(input: Input): void {
    sampleDispatches();
    const before = state.phase;
    const next = step(state, input, facts());
    state = next.state;
    flowing = state.phase === 'live' || state.phase === 'resuming';
    for (const effect of next.effects) perform(effect);
    if (state.phase !== before) announce();
  }

  function announce(): void {
    since = clock.now();
    if (state.phase === 'live') commands.open();
    else commands.close();
    log.debug('shard.phase', { phase: state.phase });
    options.onPhase?.(state.phase);
  }

  function sampleDispatches(): void {
    if (dispatches === sampledDispatches) return;
    sampledDispatches = dispatches;
    lastDispatchAt = clock.monotonic();
  }

  function perform(effect: Effect): void {
    switch (effect.type) {
      case 'dial':
        return dial(effect.url ?? options.gatewayUrl(), effect.transport ?? options.transport);
      case 'close':
        return socket?.close(effect.code);
      case 'destroy':
        return socket?.destroy();
      case 'timer':
        return setTimer(effect.name, effect.delayMs);
      case 'cancel':
        timers.get(effect.name)?.cancel();
        timers.delete(effect.name);
        return;
      case 'request-identify':
        return requestIdentify(effect.reason);
      case 'cancel-identify':
        request?.cancel();
        request = null;
        return;
      case 'refuse-grant':
        offered?.unused();
        offered = null;
        return;
      case 'identify':
        return identify();
      case 'identified':
        return settle(effect.outcome, effect.detail);
      case 'resume':
        lastS = options.tip();
        commands.countControl();
        socket?.send(resumeText(options.token(), effect.sessionId, lastS));
        return;
      case 'heartbeat':
        commands.countControl();
        socket?.send(heartbeatText(lastS));
        return;
      case 'flush':
        return options.flush();
      case 'begin':
        sessionSince = clock.now();
        return options.onReady(effect.session);
      case 'deliver':
        return deliver();
      default:
        return report(effect);
    }
  }

  /** Effects that only tell. */
  function report(
    effect: Extract<Effect, { type: 'gap' | 'count' | 'ended' | 'session-lost' | 'fatal' | 'stopped' }>,
  ): void {
    switch (effect.type) {
      case 'gap':
        counts.gaps++;
        log.warn(
          'shard.gap',
          { from: effect.from, to: effect.to },
          'Discord did not send these events again',
        );
        return options.onGap?.(effect.from, effect.to);
      case 'count':
        counts[effect.what]++;
        return;
      case 'ended':
        ended[effect.label] = (ended[effect.label] ?? 0) + 1;
        lastEnd = { label: effect.label, cause: effect.cause, at: clock.now() };
        log.debug('shard.ended', { label: effect.label, cause: effect.cause });
        return;
      case 'session-lost':
        lastS = 0;
        sessionSince = null;
        commands.drop();
        log.warn('shard.session-lost', { reason: effect.reason }, `${effect.cause}; an IDENTIFY is needed`);
        return options.onSessionLost(effect.reason, effect.cause);
      case 'fatal':
        log.error('shard.fatal', { code: effect.code }, effect.text);
        releaseStops();
        return options.onFatal(new OperatingError(effect.code, `shard ${shard}: ${effect.text}`));
      case 'stopped':
        return releaseStops();
    }
  }

  function dial(url: string, using: Transport): void {
    const { generation } = state.life;
    commands.renewBudget();
    socket = options.dial({
      url,
      transport: using,
      connectTimeoutMs: DEADLINE_MS.dial,
      events: {
        onOpen: () => feed({ type: 'opened', generation }),
        onMessage: (bytes, start, end) => {
          if (generation === state.life.generation) receive(generation, bytes, start, end);
        },
        onClosed(info) {
          if (generation === state.life.generation) socket = null;
          const cause = info.error ?? info.reason;
          feed({ type: 'closed', generation, code: info.code, byUs: info.byUs, cause });
        },
      },
    });
  }

  function receive(generation: number, bytes: Buffer, start: number, end: number): void {
    if (!scanHeader(bytes, start, end, header)) return receiveOddly(generation, bytes, start, end);
    if (
      flowing &&
      header.op === 0 &&
      header.s === lastS + 1 &&
      header.type !== EVENT.READY &&
      header.type !== EVENT.RESUMED
    ) {
      lastS = header.s;
      dispatches++;
      options.onDispatch(bytes, start, end, header);
      return;
    }
    consider(generation, { bytes, start, end, header });
  }

  /** A message whose envelope is not in the usual form. */
  function receiveOddly(generation: number, bytes: Buffer, start: number, end: number): void {
    const parsed = parseHeader(bytes, start, end);
    if (!parsed) return feed({ type: 'message', generation, message: { type: 'malformed' } });
    consider(generation, { bytes: parsed.bytes, start: 0, end: parsed.bytes.length, header: parsed.header });
  }

  function consider(generation: number, message: Current): void {
    const read: Message = readMessage(message.bytes, message.header, {
      transport: socket?.transport ?? options.transport,
      mainUrl: options.gatewayUrl(),
    });
    current = message;
    feed({ type: 'message', generation, message: read });
    current = null;
  }

  function deliver(): void {
    if (!current) return;
    lastS = current.header.s;
    dispatches++;
    options.onDispatch(current.bytes, current.start, current.end, current.header);
  }

  function setTimer(name: TimerName, delayMs: number): void {
    const { generation } = state.life;
    timers.get(name)?.cancel();
    const timer = clock.after(delayMs, () => {
      timers.delete(name);
      feed({ type: 'timer', generation, name });
    });
    timers.set(name, timer);
  }

  function requestIdentify(reason: IdentifyReason): void {
    const { generation } = state.life;
    request = options.requestIdentify(reason, (granted) => {
      request = null;
      offered = granted;
      feed({ type: 'granted', generation });
    });
  }

  function identify(): void {
    ticket = offered;
    offered = null;
    counts.identifies++;
    commands.countControl();
    const fields = { ...options, presence: options.presence?.() };
    const sent = socket?.send(identifyText(options.token(), fields)) ?? false;
    // A socket that is already going down took nothing: its report follows, the grant goes back.
    if (sent) return;
    ticket?.unused();
    ticket = null;
  }

  function settle(outcome: 'ready' | 'failed', detail: string): void {
    if (outcome === 'ready') ticket?.ready();
    else ticket?.failed(detail);
    ticket = null;
  }

  function releaseStops(): void {
    for (const resolve of stopWaiters.splice(0)) resolve();
  }

  return {
    start: () => feed({ type: 'start' }),
    stop: () =>
      new Promise((resolve) => {
        stopWaiters.push(resolve);
        feed({ type: 'stop' });
      }),
    send: (text, kind) => commands.push(text, kind),
    forget: (reason) => feed({ type: 'forget', reason }),
    redial: () => feed({ type: 'redial' }),
    status() {
      sampleDispatches();
      return {
        shard,
        phase: state.phase,
        since,
        hasSession: state.life.session !== null,
        sessionSince,
        lastS,
        ...counts,
        ended: { ...ended },
        lastEnd,
        latencyMs: 'beat' in state && state.beat.latencyMs >= 0 ? state.beat.latencyMs : null,
        lastDispatchAgeMs: lastDispatchAt === null ? null : clock.monotonic() - lastDispatchAt,
        dispatches,
        commandsWaiting: commands.waiting(),
        commandsDropped: commands.dropped(),
      };
    },
  };
}
