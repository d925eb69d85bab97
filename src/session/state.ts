// The vocabulary of one shard's life: what it can be (`State`), what can happen to it (`Input`, `Facts`) and what
// it can ask for (`Effect`). Types only; the decisions are in step.ts and the files that it reads.

import type { ErrorCode } from '../base/errors.ts';
import type { Transport } from '../wire/compression.ts';

/** What must survive anything: with it, and a sequence number, a session is resumed. */
export interface SessionRecord {
  readonly sessionId: string;
  /** Base URL without query (protocol reference 1.1). */
  readonly resumeUrl: string;
  /** A session is resumed with the compression it began with. */
  readonly transport: Transport;
}

/** Why an IDENTIFY is needed; written into the ledger. */
export type IdentifyReason = 'first-start' | 'op9' | 'session-lost' | 'state-lost' | 'operator';

/** What outlives a single connection. */
export interface Life {
  /** Counts connections. Whatever comes from an older one, socket or timer, is ignored. */
  readonly generation: number;
  readonly session: SessionRecord | null;
  /** Why the next IDENTIFY will be needed. */
  readonly reason: IdentifyReason;
  /** Connections since the last steady one; sets the backoff. */
  readonly failures: number;
  /** Connections for this session in a row that brought no event: after some, the other URL is tried. */
  readonly fruitless: number;
  /** RESUMEs in a row that were answered by nothing at all. */
  readonly barren: number;
  /** The session was closed with a code that usually means its end: one RESUME is still free. */
  readonly lastChance: boolean;
  /** The `s` after which a jump has already made us RESUME once; -1 for none. */
  readonly gapAt: number;
}

/** The heartbeat of one connection. Times are monotonic milliseconds. */
export interface Beat {
  readonly intervalMs: number;
  /** When the last heartbeat left; 0 before the first. */
  readonly sentAt: number;
  readonly acknowledged: boolean;
  /** What had been received from the socket when the last heartbeat left. */
  readonly bytesAtBeat: number;
  /** Between the last acknowledged heartbeat and its ACK; -1 before the first. */
  readonly latencyMs: number;
}

/** What follows once the socket has reported that it is closed. */
export type AfterClose = { readonly type: 'dial'; readonly delayMs: number } | { readonly type: 'stop' };

export type State =
  /** Not started, or stopped: no socket, no timer. */
  | { readonly phase: 'stopped'; readonly life: Life }
  /** Between two connections. */
  | { readonly phase: 'waiting'; readonly life: Life }
  /** DNS, TCP, TLS and the upgrade. */
  | { readonly phase: 'dialing'; readonly life: Life }
  /** Connected, before HELLO. */
  | { readonly phase: 'hello'; readonly life: Life }
  /** After HELLO without a session: heartbeats go out, the ledger has been asked. */
  | { readonly phase: 'queued'; readonly life: Life; readonly beat: Beat }
  /** IDENTIFY is sent. `leaving`: READY is still awaited for a moment, because it is paid for. */
  | {
      readonly phase: 'identifying';
      readonly life: Life;
      readonly beat: Beat;
      readonly leaving: 'no' | 'reconnect' | 'stop';
    }
  /** RESUME is sent. Replay flows while `Facts.dispatches` grows past `dispatchesAtDeadline`. */
  | {
      readonly phase: 'resuming';
      readonly life: Life;
      readonly beat: Beat;
      readonly dispatchesAtResume: number;
      readonly dispatchesAtDeadline: number;
    }
  | { readonly phase: 'live'; readonly life: Life; readonly beat: Beat; readonly liveSince: number }
  /** We have closed the socket, it has not reported so yet. */
  | { readonly phase: 'closing'; readonly life: Life; readonly next: AfterClose }
  /** Discord said that reconnecting cannot help; a person must act, then `start` again. */
  | { readonly phase: 'fatal'; readonly life: Life };

export type Phase = State['phase'];

/** The phases in which a socket exists that has not reported its close. */
export type Connected = Exclude<State, { phase: 'stopped' | 'waiting' | 'fatal' }>;

export type TimerName = 'wait' | 'deadline' | 'heartbeat';

/** What the step may know beside its state. Read by the runner at the moment of the input. */
export interface Facts {
  /** Monotonic milliseconds. */
  readonly now: number;
  /** In [0, 1). */
  readonly random: number;
  /** The last sequence number received in this session; 0 for none. */
  readonly lastS: number;
  /** Dispatches received since the shard was created. */
  readonly dispatches: number;
  /** Bytes received from the current socket. */
  readonly bytes: number;
  /** Many shards dropped at once: spread the reconnects. */
  readonly storm: boolean;
  /** Other shards resume without trouble: what fails here is this session, not Discord. */
  readonly othersResumeWell: boolean;
}

/** A message from Discord, as far as a decision needs it. */
export type Message =
  | {
      readonly type: 'dispatch';
      /** -1 where the message has no sequence number. */
      readonly s: number;
      readonly event: 'other' | 'resumed';
    }
  | {
      readonly type: 'ready';
      readonly s: number;
      /** Absent when READY does not say what a session needs. */
      readonly session: SessionRecord | null;
    }
  | { readonly type: 'hello'; readonly heartbeatIntervalMs: number }
  | { readonly type: 'heartbeat-requested' }
  | { readonly type: 'acknowledged' }
  | { readonly type: 'reconnect' }
  | { readonly type: 'invalid-session'; readonly resumable: boolean }
  | { readonly type: 'malformed' };

export type Input =
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  /** Drop the session and get another one; costs an IDENTIFY. */
  | { readonly type: 'forget'; readonly reason: IdentifyReason }
  /** Drop the socket and RESUME; costs nothing. */
  | { readonly type: 'redial' }
  | { readonly type: 'opened'; readonly generation: number }
  | { readonly type: 'message'; readonly generation: number; readonly message: Message }
  | {
      readonly type: 'closed';
      readonly generation: number;
      readonly code: number;
      readonly byUs: boolean;
      /** A readable cause where there was no close frame. */
      readonly cause: string;
    }
  | { readonly type: 'timer'; readonly generation: number; readonly name: TimerName }
  /** The ledger has written our IDENTIFY down: it may be sent now. */
  | { readonly type: 'granted'; readonly generation: number };

export type Effect =
  /** Opens a socket under the new `life.generation`. `url: null` is the main gateway URL. */
  | { readonly type: 'dial'; readonly url: string | null; readonly transport: Transport | null }
  | { readonly type: 'close'; readonly code: number }
  | { readonly type: 'destroy' }
  | { readonly type: 'timer'; readonly name: TimerName; readonly delayMs: number }
  | { readonly type: 'cancel'; readonly name: TimerName }
  | { readonly type: 'request-identify'; readonly reason: IdentifyReason }
  | { readonly type: 'cancel-identify' }
  /** A grant that comes when it is no longer wanted. */
  | { readonly type: 'refuse-grant' }
  | { readonly type: 'identify' }
  /** What became of the IDENTIFY that was sent. */
  | { readonly type: 'identified'; readonly outcome: 'ready' | 'failed'; readonly detail: string }
  | { readonly type: 'resume'; readonly sessionId: string }
  | { readonly type: 'heartbeat' }
  /** Everything read so far must be in the journal. */
  | { readonly type: 'flush' }
  /** A session begins: the READY in hand belongs to it. */
  | { readonly type: 'begin'; readonly session: SessionRecord }
  /** Hands the dispatch in hand on. */
  | { readonly type: 'deliver' }
  | { readonly type: 'gap'; readonly from: number; readonly to: number }
  | { readonly type: 'count'; readonly what: Counted }
  /** A connection ended; `label` is its close code, or our own reason. */
  | { readonly type: 'ended'; readonly label: string; readonly cause: string }
  | { readonly type: 'session-lost'; readonly reason: IdentifyReason; readonly cause: string }
  /** A person must act. Whoever waits for a stop has it. */
  | { readonly type: 'fatal'; readonly code: ErrorCode; readonly text: string }
  /** Whoever waits for a stop has it. */
  | { readonly type: 'stopped' };

export type Counted = 'malformed' | 'duplicates' | 'resumes';

/** What a step returns. */
export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** A shard before its first start, with the session that was stored, if any. */
export function firstState(session: SessionRecord | null, reason: IdentifyReason): State {
  return {
    phase: 'stopped',
    life: {
      generation: 0,
      session,
      reason,
      failures: 0,
      fruitless: 0,
      barren: 0,
      lastChance: false,
      gapAt: -1,
    },
  };
}

/** Life after its session is gone. */
export function withoutSession(life: Life, reason: IdentifyReason): Life {
  return { ...life, session: null, reason, fruitless: 0, barren: 0, lastChance: false, gapAt: -1 };
}
