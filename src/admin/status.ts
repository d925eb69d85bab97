// What a running Holdfast says about itself: the answer of GET /status, read by `holdfast status` and by
// whatever an operator points at the socket. Types only; the daemon fills it in. Fields are only ever added.

/** A shard's connection to Discord, in the words of session/step.ts. */
export interface ShardReport {
  readonly id: number;
  /** Where the shard is in its life; `live` is where it should be. */
  readonly phase: string;
  /** Since the session's READY; null without a session. */
  readonly sessionAgeMs: number | null;
  /** The last position in the journal: which of the shard's sessions, and its sequence number. */
  readonly epoch: number;
  readonly s: number;
  readonly resumes: number;
  readonly identifies: number;
  readonly reconnects: number;
  /** Between the last heartbeat and its ACK. */
  readonly latencyMs: number | null;
  readonly lastEventAgeMs: number | null;
  readonly guilds?: number;
}

/** The identify budget; null where Discord has not told it yet. */
export interface LedgerReport {
  readonly total: number | null;
  readonly remaining: number | null;
  /** Wall time, milliseconds since 1970. */
  readonly resetAt: number | null;
  /** IDENTIFYs sent in the last 24 hours. */
  readonly spent: number;
  readonly floor: number;
  /** Shards that wait for their turn. */
  readonly waiting: number;
}

export interface JournalReport {
  readonly bytes: number;
  readonly segments: number;
  /** How long a handler could be away at the current rate and miss nothing; null when that is not known. */
  readonly windowMinutes: number | null;
  readonly bytesPerSecond: number;
  readonly oldestAgeMs: number | null;
  /** Waiting in memory for a disk that refuses. */
  readonly pendingBytes: number;
  /** `sound`, or what is wrong: `failing` while the disk refuses, `full` when memory has run out too. */
  readonly condition: 'sound' | 'failing' | 'full';
}

export interface StateReport {
  readonly folded: number;
  readonly skipped: number;
  /** Records set aside because they could not be understood. */
  readonly aside: number;
  /** Events that were read from the journal and are not folded yet. */
  readonly backlog: number;
  /** About how much of the journal was not read yet. */
  readonly unreadBytes: number;
}

export interface HandlerReport {
  readonly name: string;
  readonly shard: number;
  readonly state: 'live' | 'behind' | 'starting' | 'parked' | 'away';
  /** Events between this handler and the end of the journal. */
  readonly lag: number;
  readonly delivered: number;
  /** Not asked for by the handler's intents. */
  readonly filtered: number;
  readonly expired: number;
  readonly inDoubt: number;
  readonly lost: number;
  readonly intents: number;
}

export interface TotalsReport {
  readonly dispatched: number;
  readonly delivered: number;
  /** Not asked for by the handler's intents. */
  readonly filtered: number;
  readonly expired: number;
  readonly inDoubt: number;
  readonly lost: number;
  /** Not delivered any more, because a handler died twice at the same place. */
  readonly skipped: number;
  /** Replayed by Discord and already known. */
  readonly duplicatesDropped: number;
  readonly malformed: number;
  readonly staleStarts: number;
}

/** What is fixed at the first start and kept with the sessions. */
export interface LayoutReport {
  readonly shardCount: number;
  readonly intents: number;
  readonly largeThreshold: number;
}

export interface Status {
  readonly version: string;
  readonly pid: number;
  /** Wall time of the start, milliseconds since 1970. */
  readonly since: number;
  readonly bot?: { readonly id: string; readonly name?: string };
  /** Null until a handler has identified and Discord has named a shard count. */
  readonly layout: LayoutReport | null;
  readonly shards: readonly ShardReport[];
  readonly ledger: LedgerReport;
  readonly journal: JournalReport;
  readonly state: StateReport;
  readonly handlers: readonly HandlerReport[];
  readonly totals: TotalsReport;
  /** Sentences for the operator; empty when all is well. */
  readonly warnings: readonly string[];
}
