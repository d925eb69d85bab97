// How far each handler has proven to have got in each shard, and what is in doubt: the pure bookkeeping of
// delivery. A cursor moves only on proof (a pong, or the `seq` of a RESUME), never on a write.

import { comparePositions, type Position } from '../journal/position.ts';

/** One handler's cursor in one shard. Positions are (epoch, s); `doubt` is the last position written to its link. */
export interface Cursor {
  readonly name: string;
  readonly shard: number;
  proven: Position;
  /** Written to a link that has ended and not proven; equal to `proven` when nothing is in doubt. */
  doubt: Position;
  /** How many links in a row ended after being given the events in doubt. */
  deaths: number;
  connected: boolean;
  /** Wall ms at which the last link ended; 0 while connected. */
  awaySince: number;
}

/** A cursor as it is written to the journal. */
export type CursorRow = readonly [
  name: string,
  shard: number,
  epoch: number,
  s: number,
  doubtEpoch: number,
  doubtS: number,
  deaths: number,
  connected: 0 | 1,
  awaySince: number,
];

/** What a new link of a known handler starts from. */
export interface CursorStart {
  readonly from: Position;
  /** Events up to here are delivered a second time and counted as in doubt. */
  readonly doubtUpTo: Position;
}

export interface Cursors {
  get(name: string, shard: number): Cursor | undefined;
  /** A link of this handler begins at `from`, everything before is proven or not owed. */
  begin(name: string, shard: number, from: Position): void;
  /** Where a fresh IDENTIFY of a known handler starts; undefined for a new name. Skips what was in doubt twice. */
  start(name: string, shard: number): CursorStart | undefined;
  /** The handler has everything up to `position`. */
  prove(name: string, shard: number, position: Position): void;
  /** The link ended after writing everything up to `sent`. */
  end(name: string, shard: number, sent: Position, now: number): void;
  /** Moves a cursor whose next events are gone from the journal. */
  jump(name: string, shard: number, to: Position): void;
  /** Rows changed since the last call. */
  takeChanges(): CursorRow[];
  rows(): CursorRow[];
  all(): Iterable<Cursor>;
  /** How many events were skipped because a handler died twice at the same place. */
  readonly skipped: number;
}

const key = (name: string, shard: number): string => `${shard}/${name}`;

/** Links that may die over the same events before these are skipped. */
const DEATHS_MAX = 2;

/**
 * Creates the table, from rows recovered from the journal (later rows win), at wall time `now`. `tip` tells how
 * far a shard's journal reached: up to there a link that was connected when the process died may have been given.
 */
export function createCursors(
  recovered: Iterable<CursorRow>,
  now: number,
  tip: (shard: number) => Position,
): Cursors {
  const table = new Map<string, Cursor>();
  const changed = new Set<Cursor>();
  let skipped = 0;
  for (const row of recovered) table.set(key(row[0], row[1]), fromRow(row, now, tip(row[1])));

  const change = (cursor: Cursor): void => void changed.add(cursor);
  const put = (name: string, shard: number, from: Position): Cursor => {
    const cursor = {
      name,
      shard,
      proven: from,
      doubt: from,
      deaths: 0,
      connected: true,
      awaySince: 0,
    };
    table.set(key(name, shard), cursor);
    change(cursor);
    return cursor;
  };

  return {
    get: (name, shard) => table.get(key(name, shard)),
    begin(name, shard, from) {
      const cursor = table.get(key(name, shard)) ?? put(name, shard, from);
      cursor.connected = true;
      cursor.awaySince = 0;
      change(cursor);
    },
    start(name, shard) {
      const cursor = table.get(key(name, shard));
      if (!cursor) return undefined;
      if (cursor.deaths >= DEATHS_MAX && comparePositions(cursor.doubt, cursor.proven) > 0) {
        // Twice written, twice died: whatever it is, this handler can't live through it.
        if (cursor.doubt.epoch === cursor.proven.epoch) skipped += cursor.doubt.s - cursor.proven.s;
        cursor.proven = cursor.doubt;
        cursor.deaths = 0;
        change(cursor);
      }
      return { from: cursor.proven, doubtUpTo: cursor.doubt };
    },
    prove(name, shard, position) {
      const cursor = table.get(key(name, shard));
      if (!cursor || comparePositions(position, cursor.proven) <= 0) return;
      cursor.proven = position;
      if (comparePositions(cursor.doubt, position) <= 0) cursor.doubt = position;
      cursor.deaths = 0;
      change(cursor);
    },
    end(name, shard, sent, now) {
      const cursor = table.get(key(name, shard));
      if (!cursor) return;
      cursor.connected = false;
      cursor.awaySince = now;
      if (comparePositions(sent, cursor.proven) > 0) {
        // A second death at the same place: only what both links were given is under suspicion.
        const both = cursor.deaths > 0 && comparePositions(cursor.doubt, sent) < 0;
        if (!both) cursor.doubt = sent;
        cursor.deaths++;
      }
      change(cursor);
    },
    jump(name, shard, to) {
      const cursor = table.get(key(name, shard));
      if (!cursor) return;
      cursor.proven = to;
      cursor.doubt = to;
      cursor.deaths = 0;
      change(cursor);
    },
    takeChanges() {
      const rows = Array.from(changed, toRow);
      changed.clear();
      return rows;
    },
    rows: () => Array.from(table.values(), toRow),
    all: () => table.values(),
    get skipped() {
      return skipped;
    },
  };
}

function toRow(cursor: Cursor): CursorRow {
  return [
    cursor.name,
    cursor.shard,
    cursor.proven.epoch,
    cursor.proven.s,
    cursor.doubt.epoch,
    cursor.doubt.s,
    cursor.deaths,
    cursor.connected ? 1 : 0,
    cursor.awaySince,
  ];
}

/** A cursor that was connected when the process died: what was written after the last proof is not known, so all
 * up to the tip is in doubt, and none of it is held against the handler: it was us who died. */
function fromRow(row: CursorRow, now: number, tip: Position): Cursor {
  const proven = { epoch: row[2], s: row[3] };
  const wasConnected = row[7] === 1;
  return {
    name: row[0],
    shard: row[1],
    proven,
    doubt: wasConnected ? tip : { epoch: row[4], s: row[5] },
    deaths: wasConnected ? 0 : row[6],
    connected: false,
    awaySince: wasConnected ? now : row[8],
  };
}
