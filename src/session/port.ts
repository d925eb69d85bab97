// What a session needs from outside and what it tells: the boundary between one shard's life and the daemon.
// Types only.

import type { Clock } from '../base/clock.ts';
import type { OperatingError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { UpstreamSocket, UpstreamSocketEvents } from '../upstream/socket.ts';
import type { Transport } from '../wire/compression.ts';
import type { Header } from '../wire/header.ts';
import type { IdentifyReason, Phase, SessionRecord } from './state.ts';

/** Leave to send one IDENTIFY, already written down. It must be sent, or given back, in the same tick. */
export interface IdentifyTicket {
  /** READY has come. */
  ready(): void;
  failed(detail: string): void;
  /** Nothing was sent. */
  unused(): void;
}

/** The socket, as far as a session uses it. */
export type SessionSocket = Pick<
  UpstreamSocket,
  'send' | 'close' | 'destroy' | 'bytesReceived' | 'transport'
>;

export interface DialOptions {
  /** `ws://` or `wss://` base; version, encoding and compression are added by the socket. */
  readonly url: string;
  readonly transport: Transport;
  readonly connectTimeoutMs: number;
  readonly events: UpstreamSocketEvents;
}

export interface SessionOptions {
  readonly shard: number;
  readonly shardCount: number;
  readonly intents: number;
  readonly largeThreshold: number;
  /** The session to resume; absent at a first start, or when none was stored. */
  readonly stored?: SessionRecord | undefined;
  /** Why an IDENTIFY is needed when there is no stored session; `first-start` unless said otherwise. */
  readonly reason?: IdentifyReason;
  /** The compression of new sessions. */
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Bound to the shard. */
  readonly log: Log;

  /** The bot token, without `Bot `. Asked each time it is sent. */
  token(): string;
  /** Discord's main gateway URL. */
  gatewayUrl(): string;
  /** The `d` of op 3 that a new session begins with; undefined for none. */
  presence?(): unknown;
  /** Opens a socket. It must report `onClosed` exactly once, and never from within this call. */
  dial(options: DialOptions): SessionSocket;

  /** The last sequence number of this session that the journal holds; 0 for none. Asked when RESUME is sent, after `flush`. */
  tip(): number;
  /** Everything handed to `onDispatch` so far must be in the journal when this returns. */
  flush(): void;
  /** Asks the ledger. `granted` is called, later, when the IDENTIFY is written down and may be sent at once. */
  requestIdentify(reason: IdentifyReason, granted: (ticket: IdentifyTicket) => void): { cancel(): void };
  /** Many shards dropped at once: spread reconnects by up to 1.5 s. */
  storm?(): boolean;
  /**
   * Other shards resume without trouble, so that RESUMEs of ours which nothing answers (six in a row) mean a
   * poisoned session. Without it such a session is resumed until Discord itself ends it.
   */
  othersResumeWell?(): boolean;

  /** A session begins. Its READY follows as the next `onDispatch`. Must not throw. */
  onReady(session: SessionRecord): void;
  /** The hot path: every dispatch exactly once and in order, READY and RESUMED too. Bytes are valid only during the call. */
  onDispatch(bytes: Buffer, start: number, end: number, header: Header): void;
  /** The session is gone; an IDENTIFY will be asked for. */
  onSessionLost(reason: IdentifyReason, cause: string): void;
  /** Events `from` to `to` did not come, not even after one RESUME. */
  onGap?(from: number, to: number): void;
  onPhase?(phase: Phase): void;
  /** Reconnecting cannot help; the session is kept, and `start` tries again. */
  onFatal(error: OperatingError): void;
}
