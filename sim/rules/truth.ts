// What really happened, told by Discord itself: every dispatch with its session and `s`, and each session's whole
// life. A test compares it with what handlers saw. Bounded: the oldest rows go when there are too many.

/** One dispatch given to a session. `hash` is the CRC-32 of the UTF-8 bytes of `d`'s JSON text. */
export interface DispatchRow {
  readonly kind: 'dispatch';
  readonly cursor: number;
  /** Unix milliseconds. */
  readonly time: number;
  readonly shard: number;
  readonly shardCount: number;
  readonly sessionId: string;
  readonly s: number;
  readonly t: string;
  /** The event's own snowflake: a message, interaction or guild id, or `sim_event_id`. */
  readonly id: string;
  readonly hash: number;
}

/** Everything else; the fields of each kind are those that `record` is called with. */
export interface LifeRow {
  readonly kind:
    | 'connection.opened'
    | 'connection.closed'
    | 'identify'
    | 'resume'
    | 'session.began'
    | 'session.attached'
    | 'session.detached'
    | 'session.ended'
    | 'interaction.answered'
    | 'token.reset'
    | 'fault';
  readonly cursor: number;
  readonly time: number;
  readonly [field: string]: unknown;
}

export type TruthRow = DispatchRow | LifeRow;

export interface Truth {
  dispatched(
    time: number,
    session: { id: string; shard: number; shardCount: number },
    s: number,
    t: string,
    id: string,
    hash: number,
  ): void;
  record(time: number, kind: LifeRow['kind'], fields: Record<string, unknown>): void;
  /** Rows from `cursor` on, at most `limit`; `missed` counts rows that were asked for but are no longer held. */
  since(cursor: number, limit?: number): { rows: TruthRow[]; next: number; missed: number };
  /** The cursor that the next row will have. */
  end(): number;
}

/** `sink` gets each row as it is recorded, for a file. */
export function createTruth(options: { rowsMax: number; sink?: (row: TruthRow) => void }): Truth {
  const { rowsMax, sink } = options;
  let rows: TruthRow[] = [];
  let first = 0;
  const keep = (row: TruthRow): void => {
    rows.push(row);
    sink?.(row);
    // Cut seldom and much: shifting one at a time would copy the array for every row.
    if (rows.length >= rowsMax * 1.25 + 16) {
      const cut = rows.length - rowsMax;
      rows = rows.slice(cut);
      first += cut;
    }
  };
  return {
    dispatched(time, session, s, t, id, hash) {
      const cursor = first + rows.length;
      const { shard, shardCount } = session;
      keep({ kind: 'dispatch', cursor, time, shard, shardCount, sessionId: session.id, s, t, id, hash });
    },
    record: (time, kind, fields) => keep({ kind, cursor: first + rows.length, time, ...fields }),
    since(cursor, limit = Number.MAX_SAFE_INTEGER) {
      const from = Math.max(cursor, first);
      const taken = rows.slice(from - first, from - first + limit);
      return { rows: taken, next: from + taken.length, missed: from - cursor };
    },
    end: () => first + rows.length,
  };
}
