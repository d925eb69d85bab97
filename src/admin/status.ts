// What a running Holdfast says about itself: the answer of GET /status, read by `holdfast status` and by
// whatever an operator points at the socket. Types only; the daemon fills it in. Fields are only ever added.

/** A shard's connection to Discord, in the words of session/step.ts. */
export interface ShardReport {
  readonly id: number;
  /** Where the shard is in its life; `live` is where it should be. */
  readonly phase: string;
  /** Since the session's READY; null without a session. */
  readonly sessionAgeMs: number | null;
  /** The last sequence number in the journal. */
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
  /** How long a handler could be away now and miss nothing; null while nothing was ever trimmed. */
  readonly windowMinutes: number | null;
  readonly ratePerSecond: number;
  readonly oldestAgeMs: number | null;
  /** Written and not yet synced. */
  readonly pendingBytes: number;
}

export interface StateReport {
  readonly folded: number;
  readonly skipped: number;
  /** Records set aside because they could not be understood. */
  readonly aside: number;
  /** Events in the journal that are not folded yet. */
  readonly backlog: number;
}

export interface HandlerReport {
  readonly name: string;
  readonly shard: number;
  readonly state: 'live' | 'behind' | 'starting' | 'parked' | 'away';
  /** Events between this handler and the end of the journal. */
  readonly lag: number;
  readonly delivered: number;
  readonly expired: number;
  readonly inDoubt: number;
  readonly lost: number;
  readonly intents: number;
}

export interface TotalsReport {
  readonly dispatched: number;
  readonly delivered: number;
  readonly expired: number;
  readonly inDoubt: number;
  readonly lost: number;
  /** Replayed by Discord and already known. */
  readonly duplicatesDropped: number;
  readonly malformed: number;
  readonly staleStarts: number;
}

export interface Status {
  readonly version: string;
  readonly pid: number;
  /** Wall time of the start, milliseconds since 1970. */
  readonly since: number;
  readonly bot?: { readonly id: string; readonly name?: string };
  readonly shards: readonly ShardReport[];
  readonly ledger: LedgerReport;
  readonly journal: JournalReport;
  readonly state: StateReport;
  readonly handlers: readonly HandlerReport[];
  readonly totals: TotalsReport;
  /** Sentences for the operator; empty when all is well. */
  readonly warnings: readonly string[];
}
