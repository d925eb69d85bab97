// How far each handler has proven to have got in each shard, and what is in doubt: the pure bookkeeping of
// delivery. A cursor moves only on proof (a pong, or the `seq` of a RESUME), never on a write.

import { comparePositions, type Position } from '../journal/position.ts';

/** One handler's cursor in one shard. Always `proven` ≤ `suspect` ≤ `doubt`. */
export interface Cursor {
  readonly name: string;
  readonly shard: number;
  proven: Position;
  /** The furthest that was written to a link which has ended; equal to `proven` when nothing is in doubt. */
  doubt: Position;
  /** How many links died since the last proof, and how far all of them had been given. */
  deaths: number;
  suspect: Position;
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
  suspectS: number,
  deaths: number,
  connected: 0 | 1,
  awaySince: number,
];

/** What a new link of a known handler starts from. */
export interface CursorStart {
  readonly from: Position;
  /** Events up to here are delivered a second time and counted as in doubt. */
  readonly doubtUpTo: Position;
  /** Events after this and up to `from` are skipped now: two links died over them. Equal to `from` as a rule. */
  readonly skippedAfter: Position;
}

/** How a link ended. */
export interface LinkEnd {
  /** Everything up to here was written to it. */
  readonly sent: Position;
  /** Whether its handler ended it. When we did (a restart, a newer link, op 9), nothing is held against it. */
  readonly died: boolean;
  /** Wall ms. */
  readonly now: number;
}

export interface Cursors {
  get(name: string, shard: number): Cursor | undefined;
  /** A link of this handler begins; a new name's cursor is put at `from`, where nothing before is owed. */
  begin(name: string, shard: number, from: Position): void;
  /** Where a fresh IDENTIFY of a known handler starts; undefined for a new name. Skips what two links died over. */
  start(name: string, shard: number): CursorStart | undefined;
  /** The handler has everything up to `position`; a cursor that was lost is found again by this. */
  prove(name: string, shard: number, position: Position): void;
  end(name: string, shard: number, end: LinkEnd): void;
  /** Moves a cursor forward over events that are gone from the journal. */
  jump(name: string, shard: number, to: Position): void;
  /** Rows changed since the last call. */
  takeChanges(): CursorRow[];
  rows(): CursorRow[];
  all(): Iterable<Cursor>;
  /** How many positions were skipped because two links died over them. */
  readonly skipped: number;
}

const key = (name: string, shard: number): string => `${shard}/${name}`;

/** Links that may die over the same events before these are skipped. */
const DEATHS_MAX = 2;
/** Beyond every `s`: the end of an epoch. */
const EPOCH_END = 0xffff_ffff;

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

  const put = (name: string, shard: number, at: Position): Cursor => {
    const cursor = {
      name,
      shard,
      proven: at,
      doubt: at,
      deaths: 0,
      suspect: at,
      connected: false,
      awaySince: now,
    };
    table.set(key(name, shard), cursor);
    changed.add(cursor);
    return cursor;
  };

  return {
    get: (name, shard) => table.get(key(name, shard)),
    begin(name, shard, from) {
      const cursor = table.get(key(name, shard)) ?? put(name, shard, from);
      cursor.connected = true;
      cursor.awaySince = 0;
      changed.add(cursor);
    },
    start(name, shard) {
      const cursor = table.get(key(name, shard));
      if (!cursor) return undefined;
      const skippedAfter = cursor.proven;
      if (cursor.deaths >= DEATHS_MAX) {
        // Twice written, twice died: whatever it is, this handler can't live through it.
        skipped += cursor.suspect.s - cursor.proven.s;
        advance(cursor, cursor.suspect);
        changed.add(cursor);
      }
      return { from: cursor.proven, doubtUpTo: cursor.doubt, skippedAfter };
    },
    prove(name, shard, position) {
      const cursor = table.get(key(name, shard)) ?? put(name, shard, position);
      if (comparePositions(position, cursor.proven) <= 0) return;
      advance(cursor, position);
      changed.add(cursor);
    },
    end(name, shard, { sent, died, now }) {
      const cursor = table.get(key(name, shard));
      if (!cursor) return;
      cursor.connected = false;
      cursor.awaySince = now;
      changed.add(cursor);
      if (comparePositions(sent, cursor.proven) <= 0) return;
      cursor.doubt = later(cursor.doubt, sent);
      if (!died) return;
      const isFirst = cursor.deaths === 0 || comparePositions(sent, cursor.suspect) < 0;
      if (isFirst) cursor.suspect = sent;
      cursor.deaths++;
    },
    jump(name, shard, to) {
      const cursor = table.get(key(name, shard));
      if (!cursor || comparePositions(to, cursor.proven) <= 0) return;
      const { deaths, suspect } = cursor;
      advance(cursor, to);
      if (deaths > 0 && comparePositions(suspect, to) > 0) Object.assign(cursor, { deaths, suspect });
      changed.add(cursor);
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

/** Moves a cursor forward; what is in doubt beyond stays so, and what died there is forgotten: it got further. */
function advance(cursor: Cursor, to: Position): void {
  cursor.proven = to;
  cursor.doubt = later(cursor.doubt, to);
  cursor.deaths = 0;
  cursor.suspect = to;
}

function later(a: Position, b: Position): Position {
  return comparePositions(a, b) > 0 ? a : b;
}

function toRow(cursor: Cursor): CursorRow {
  return [
    cursor.name,
    cursor.shard,
    cursor.proven.epoch,
    cursor.proven.s,
    cursor.doubt.epoch,
    cursor.doubt.s,
    cursor.suspect.s,
    cursor.deaths,
    cursor.connected ? 1 : 0,
    cursor.awaySince,
  ];
}

/**
 * A cursor that was connected when the process died: what was written after the last proof is not known, so all
 * that there was of its epoch is in doubt, and none of it is held against the handler: it was us who died.
 */
function fromRow(row: CursorRow, now: number, tip: Position): Cursor {
  const [name, shard, epoch, s, doubtEpoch, doubtS, suspectS, deaths, connected, awaySince] = row;
  const proven = { epoch, s };
  const known = later(proven, { epoch: doubtEpoch, s: doubtS });
  const given = tip.epoch === epoch ? tip : tip.epoch > epoch ? { epoch, s: EPOCH_END } : proven;
  const wasConnected = connected === 1;
  return {
    name,
    shard,
    proven,
    doubt: wasConnected ? later(known, given) : known,
    deaths: wasConnected ? 0 : deaths,
    suspect: wasConnected ? proven : { epoch, s: Math.max(s, suspectS) },
    connected: false,
    awaySince: wasConnected ? now : awaySince,
  };
}
