// State on disk: one SQLite database. A commit stores changed rows, every shard's frontier and the place to
// read on from in one transaction, so that a crash at any moment leaves state and position in agreement.
// Commits are not synced one by one; a `durable` one syncs itself and all before it, and only what it covers
// may be trimmed from the journal. It knows nothing of events.

import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { LogPosition } from '../journal/position.ts';
import { type Contents, decodeContents } from './contents.ts';
import { changedParts, type GuildOverlay, type Overlay } from './overlay.ts';
import type { PartKind } from './part.ts';
import {
  type AsideRow,
  GUILD_STATUS,
  type GuildHead,
  type GuildStatus,
  type PartRow,
  type ShardRow,
  type StateReader,
} from './port.ts';

const SCHEMA_VERSION = 1;
const WRITER_CACHE_KIB = 8 * 1024;
const PINNED_CACHE_KIB = 512;
const HEAD_CACHE_BYTES = 8 * 1024 * 1024;
/** About what a cached head takes beside its index. */
const CACHED_HEAD_BYTES = 600;
/** Rows of one kind in one guild whose ids are listed at a time. */
const LISTED_MAX = 64;
const ASIDE_ROWS_MAX = 1000;
const ASIDE_BYTES_MAX = 64 * 1024;

const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
  CREATE TABLE shard (shard INTEGER PRIMARY KEY, epoch INTEGER, s INTEGER);
  CREATE TABLE ready (shard INTEGER PRIMARY KEY, self TEXT, ready BLOB, user BLOB);
  CREATE TABLE guild (shard INTEGER, id TEXT, status INTEGER, kinds INTEGER, contents BLOB, PRIMARY KEY (shard, id));
  CREATE TABLE blob (shard INTEGER, id TEXT, bytes BLOB, PRIMARY KEY (shard, id));
  CREATE TABLE part (shard INTEGER, guild TEXT, kind INTEGER, id TEXT, value BLOB,
    PRIMARY KEY (shard, guild, kind, id)) WITHOUT ROWID;
  CREATE TABLE tail (shard INTEGER, guild TEXT, channel TEXT, last TEXT, count INTEGER,
    PRIMARY KEY (shard, guild, channel)) WITHOUT ROWID;
  CREATE TABLE aside (id INTEGER PRIMARY KEY AUTOINCREMENT, shard INTEGER, epoch INTEGER, s INTEGER, event TEXT,
    at REAL, error TEXT, bytes BLOB);
`;

/** One transaction. */
export interface StateBatch {
  readonly overlays: Iterable<Overlay>;
  readonly positions: Iterable<ShardRow>;
  /** Where a start reads the journal from: nothing before it is still to be folded. */
  readonly scan: LogPosition;
  readonly aside: readonly AsideRow[];
  /** Whether it must be on stable storage when the commit returns, with all commits before it. */
  readonly durable: boolean;
}

/** A view that does not change while it is held. */
export interface PinnedState {
  readonly reader: StateReader;
  release(): void;
}

export interface StateStore {
  /** A view of the latest commit. */
  readonly reader: StateReader;
  /** Where to read the journal from; undefined for a new database. */
  scan(): LogPosition | undefined;
  commit(batch: StateBatch): void;
  /** A view of the latest commit that later commits do not change. */
  pin(): PinnedState;
  asideCount(): number;
  close(): void;
}

/** Whether an error says that the database is damaged, or is none. */
export function isCorrupt(error: unknown): boolean {
  const code = (error as { errcode?: number } | undefined)?.errcode;
  // SQLITE_CORRUPT and SQLITE_NOTADB; extended codes have the primary one in their low byte.
  return code !== undefined && ((code & 0xff) === 11 || (code & 0xff) === 26);
}

/** The database was written by another version of Holdfast, whose tables this one does not read. */
export class SchemaError extends Error {
  override name = 'SchemaError';
}

/** Opens or creates the database at `path`. Throws SQLite's error, or SchemaError. */
export function openStateStore(path: string): StateStore {
  const database = new DatabaseSync(path);
  try {
    prepareDatabase(database);
    return createStore(path, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepareDatabase(database: DatabaseSync): void {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -${WRITER_CACHE_KIB};
    PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY;
  `);
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version === SCHEMA_VERSION) return;
  if (version !== 0) throw new SchemaError(`schema ${version}, expected ${SCHEMA_VERSION}`);
  database.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
}

function createStore(path: string, database: DatabaseSync): StateStore {
  const cache = createHeadCache();
  const reader = createReader(database, cache);
  const writer = createWriter(database);
  const meta = database.prepare('SELECT value FROM meta WHERE key = ?');
  const number = (key: string): number | undefined => (meta.get(key) as { value: number } | undefined)?.value;
  // Readers that are idle, and the one that still sees the latest commit, shared by all who ask before the next.
  const idle: DatabaseSync[] = [];
  let latest: { state: StateReader; database: DatabaseSync; holders: number } | undefined;
  let durable = false;

  const unpin = (pinned: { database: DatabaseSync; holders: number }): void => {
    if (--pinned.holders > 0) return;
    if (latest === pinned) latest = undefined;
    pinned.database.exec('COMMIT');
    if (idle.length < 4) idle.push(pinned.database);
    else pinned.database.close();
  };

  return {
    reader,
    scan() {
      const segment = number('segment');
      const offset = number('offset');
      return segment === undefined || offset === undefined ? undefined : { segment, offset };
    },
    commit(batch) {
      if (batch.durable !== durable) {
        database.exec(`PRAGMA synchronous = ${batch.durable ? 'FULL' : 'NORMAL'}`);
        durable = batch.durable;
      }
      database.exec('BEGIN IMMEDIATE');
      try {
        writer.write(batch);
        database.exec('COMMIT');
      } catch (error) {
        // Some errors (a full disk) have rolled it back already.
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
      latest = undefined;
      for (const overlay of batch.overlays) cache.forget(overlay);
    },
    pin() {
      if (!latest) {
        const own = idle.pop() ?? openPinned(path);
        own.exec('BEGIN; SELECT count(*) FROM meta');
        latest = { state: createReader(own, undefined), database: own, holders: 0 };
      }
      const pinned = latest;
      pinned.holders++;
      let held = true;
      return {
        reader: pinned.state,
        release() {
          if (held) unpin(pinned);
          held = false;
        },
      };
    },
    asideCount: () => (database.prepare('SELECT count(*) AS n FROM aside').get() as { n: number }).n,
    close() {
      for (const own of idle) own.close();
      database.close();
    },
  };
}

function openPinned(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true });
  database.exec(`PRAGMA cache_size = -${PINNED_CACHE_KIB}`);
  return database;
}

type HeadCache = ReturnType<typeof createHeadCache>;

interface CachedHead {
  readonly head: GuildHead;
  /** Ids of the guild's rows by kind, as far as they were asked for. */
  readonly lists: Map<PartKind, ReadonlySet<string>>;
}

/** Heads are read for every event that is about a guild; this bounds how often that asks the database. */
function createHeadCache() {
  const shards = new Map<number, Map<string, CachedHead>>();
  let bytes = 0;
  return {
    get: (shard: number, id: string): GuildHead | undefined => shards.get(shard)?.get(id)?.head,
    lists: (shard: number, id: string) => shards.get(shard)?.get(id)?.lists,
    set(shard: number, id: string, head: GuildHead): void {
      bytes += CACHED_HEAD_BYTES + (head.contents?.bytes.length ?? 0);
      if (bytes > HEAD_CACHE_BYTES) {
        shards.clear();
        bytes = 0;
      }
      let heads = shards.get(shard);
      if (!heads) {
        heads = new Map();
        shards.set(shard, heads);
      }
      heads.set(id, { head, lists: new Map() });
    },
    /** Forgets what a commit of these changes made untrue. */
    forget(overlay: Overlay): void {
      if (overlay.readyRow) shards.delete(overlay.shard);
      const heads = shards.get(overlay.shard);
      if (!heads) return;
      for (const [id, guild] of overlay.guildChanges) {
        if (!guild || guild.fresh || guild.changes.size > 0) heads.delete(id);
      }
    },
  };
}

/** Rows come as arrays: measured cheaper than objects with names. */
function prepare(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  return statement;
}

type Row = SQLInputValue[] | undefined;

function createReader(database: DatabaseSync, cache: HeadCache | undefined): StateReader {
  const shards = prepare(database, 'SELECT shard, epoch, s FROM shard');
  const ready = prepare(database, 'SELECT ready, user, self FROM ready WHERE shard = ?');
  const guilds = prepare(database, 'SELECT id, status FROM guild WHERE shard = ? ORDER BY rowid');
  const head = prepare(database, 'SELECT status, kinds, contents FROM guild WHERE shard = ? AND id = ?');
  const blob = prepare(database, 'SELECT bytes FROM blob WHERE shard = ? AND id = ?');
  const part = prepare(
    database,
    'SELECT value FROM part WHERE shard = ? AND guild = ? AND kind = ? AND id = ?',
  );
  const partIds = prepare(database, 'SELECT id FROM part WHERE shard = ? AND guild = ? AND kind = ? LIMIT ?');
  const columns = 'SELECT kind, id, value FROM part WHERE shard = ? AND guild = ?';
  const parts = prepare(database, `${columns} ORDER BY kind, id`);
  const partsOfKind = prepare(database, `${columns} AND kind = ? ORDER BY id`);
  const tails = prepare(database, 'SELECT channel, last, count FROM tail WHERE shard = ? AND guild = ?');

  return {
    shards: () =>
      (shards.all() as unknown as number[][]).map(([shard, epoch, s]) => ({
        shard: shard!,
        epoch: epoch!,
        s: s!,
      })),
    ready(shard) {
      const row = ready.get(shard) as unknown as Row;
      if (!row) return undefined;
      return {
        ready: row[0] as Uint8Array,
        user: (row[1] as Uint8Array | null) ?? undefined,
        self: row[2] as string,
      };
    },
    guilds: (shard) =>
      (guilds.all(shard) as unknown as [string, number][]).map(([id, status]) => ({
        id,
        status: status as GuildStatus,
      })),
    head(shard, guild) {
      const cached = cache?.get(shard, guild);
      if (cached) return cached;
      const row = head.get(shard, guild) as unknown as [number, number, Uint8Array | null] | undefined;
      if (!row) return undefined;
      const contents: Contents | undefined = row[2] ? decodeContents(row[2]) : undefined;
      const found = { status: row[0] as GuildStatus, kinds: row[1], contents };
      cache?.set(shard, guild, found);
      return found;
    },
    blob: (shard, guild) => (blob.get(shard, guild) as unknown as Row)?.[0] as Uint8Array | undefined,
    part: (shard, guild, kind, id) =>
      (part.get(shard, guild, kind, id) as unknown as Row)?.[0] as Uint8Array | null | undefined,
    partIds(shard, guild, kind) {
      const lists = cache?.lists(shard, guild);
      const known = lists?.get(kind);
      if (known) return known;
      const rows = partIds.all(shard, guild, kind, LISTED_MAX) as unknown as [string][];
      if (rows.length === LISTED_MAX) return undefined;
      const ids = new Set(rows.map(([id]) => id));
      lists?.set(kind, ids);
      return ids;
    },
    parts(shard, guild, kind) {
      const rows = kind === undefined ? parts.all(shard, guild) : partsOfKind.all(shard, guild, kind);
      return (rows as unknown as [number, string, Uint8Array | null][]).map(
        ([rowKind, id, value]): PartRow => ({ kind: rowKind as PartKind, id, value }),
      );
    },
    tails: (shard, guild) =>
      (tails.all(shard, guild) as unknown as [string, string, number][]).map(([channel, last, count]) => ({
        channel,
        last,
        count,
      })),
  };
}

function createWriter(database: DatabaseSync): { write(batch: StateBatch): void } {
  const run = (sql: string): ((...values: SQLInputValue[]) => void) => {
    const statement = database.prepare(sql);
    return (...values) => void statement.run(...values);
  };
  const setMeta = run('INSERT OR REPLACE INTO meta VALUES (?, ?)');
  const setShard = run('INSERT OR REPLACE INTO shard VALUES (?, ?, ?)');
  const setReady = run('INSERT OR REPLACE INTO ready VALUES (?, ?, ?, ?)');
  const setUser = run('UPDATE ready SET user = ? WHERE shard = ?');
  const tables = ['guild', 'blob', 'part', 'tail'];
  const clearShard = tables.map((table) => run(`DELETE FROM ${table} WHERE shard = ?`));
  const deleteGuild = [
    run('DELETE FROM guild WHERE shard = ? AND id = ?'),
    run('DELETE FROM blob WHERE shard = ? AND id = ?'),
  ];
  const clearGuild = [
    run('DELETE FROM part WHERE shard = ? AND guild = ?'),
    run('DELETE FROM tail WHERE shard = ? AND guild = ?'),
  ];
  // An upsert keeps the row's number, and with it the order in which guilds became known.
  const setGuild = run(`INSERT INTO guild VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET status = excluded.status, kinds = excluded.kinds, contents = excluded.contents`);
  const setKinds = run('UPDATE guild SET kinds = ? WHERE shard = ? AND id = ?');
  const setBlob = run('INSERT OR REPLACE INTO blob VALUES (?, ?, ?)');
  const deleteBlob = deleteGuild[1]!;
  const setPart = run(
    'INSERT INTO part VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  );
  const deletePart = run('DELETE FROM part WHERE shard = ? AND guild = ? AND kind = ? AND id = ?');
  const addTail = run(`INSERT INTO tail VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET last = excluded.last, count = count + excluded.count`);
  const setTail = run('INSERT OR REPLACE INTO tail VALUES (?, ?, ?, ?, ?)');
  const deleteTail = run('DELETE FROM tail WHERE shard = ? AND guild = ? AND channel = ?');
  const addAside = run(
    'INSERT INTO aside (shard, epoch, s, event, at, error, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const boundAside = run(`DELETE FROM aside WHERE id <= (SELECT max(id) FROM aside) - ${ASIDE_ROWS_MAX}`);

  const writeGuild = (overlay: Overlay, id: string, guild: GuildOverlay | null): void => {
    const { shard } = overlay;
    if (!overlay.readyRow && (guild === null || guild.fresh))
      for (const clear of clearGuild) clear(shard, id);
    if (guild === null) {
      for (const remove of deleteGuild) remove(shard, id);
      return;
    }
    if (guild.fresh) {
      setGuild(shard, id, guild.status ?? GUILD_STATUS.LISTED, guild.kinds, guild.contents?.bytes ?? null);
      // Fold never leaves a blob in the journal: only snapshots' overlays do, and those are not stored.
      if (guild.blob && 'bytes' in guild.blob) setBlob(shard, id, guild.blob.bytes);
      else if (!overlay.readyRow) deleteBlob(shard, id);
    } else if (guild.changes.size > 0 && guild.kindsChanged) setKinds(guild.kinds, shard, id);
    for (const { kind, id: part, value } of changedParts(guild)) {
      if (value === undefined) deletePart(shard, id, kind, part);
      else setPart(shard, id, kind, part, value);
    }
  };

  const writeTails = (overlay: Overlay): void => {
    const { shard } = overlay;
    for (const { guild, channel, last, count, fresh } of overlay.tails.changes()) {
      if (guild.dead) continue;
      if (last === '') {
        if (!guild.fresh) deleteTail(shard, guild.id, channel);
      } else if (fresh) setTail(shard, guild.id, channel, last, count);
      else addTail(shard, guild.id, channel, last, count);
    }
  };

  return {
    write(batch) {
      for (const overlay of batch.overlays) {
        const { shard, readyRow } = overlay;
        if (readyRow) {
          for (const clear of clearShard) clear(shard);
          setReady(shard, readyRow.self, readyRow.ready, readyRow.user ?? null);
        } else if (overlay.userChange) setUser(overlay.userChange, shard);
        for (const [id, guild] of overlay.guildChanges) writeGuild(overlay, id, guild);
        writeTails(overlay);
      }
      for (const { shard, epoch, s } of batch.positions) setShard(shard, epoch, s);
      setMeta('segment', batch.scan.segment);
      setMeta('offset', batch.scan.offset);
      for (const row of batch.aside) {
        const bytes = row.bytes.subarray(0, ASIDE_BYTES_MAX);
        addAside(row.shard, row.epoch, row.s, row.event, row.at, row.error, bytes);
      }
      if (batch.aside.length > 0) boundAside();
    },
  };
}
