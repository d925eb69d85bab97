// The ordered log of every dispatch of every shard, on disk before any handler needs it. Appends collect in one
// buffer and leave with one synchronous write per tick; only then are they delivered. Knows nothing of JSON
// events, sockets or handlers.

import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Disk } from '../store/disk.ts';
import { EVENT } from '../wire/event-type.ts';
import { encodeHead } from './head.ts';
import type { LogPosition, Position } from './position.ts';
import { createJournalReader, type JournalReader } from './reader.ts';
import { createRecordHeader, KIND, readRecord, recordBytes, writeRecord } from './record.ts';
import { recover } from './recovery.ts';
import { openSegments, type Segment } from './segments.ts';

/** `failing`: the disk refuses, events go on live from memory. `full`: the memory for that is used up. */
export type JournalCondition = 'sound' | 'failing' | 'full';

export interface JournalOptions {
  disk: Disk;
  directory: string;
  clock: Clock;
  log: Log;
  /** Size at which a new segment begins. */
  segmentBytes: number;
  /** The whole journal is trimmed to this many bytes and this age. */
  maxBytes: number;
  maxAgeMs: number;
  /** Handlers' cursors as they stand, for the head of a new segment. */
  cursors: () => unknown;
  /** Called after each write with the records just written, `buffer[0, end)`; valid during the call only. */
  onAppended: (buffer: Buffer, end: number) => void;
  /** Called when the condition changes. On `full` the caller closes upstream until `sound` is told. */
  onCondition: (condition: JournalCondition) => void;
}

export interface JournalStats {
  bytes: number;
  segments: number;
  /** Wall ms of the oldest record kept; 0 when empty. */
  oldestAt: number;
  /** Bytes appended since the start. */
  appendedBytes: number;
  /** Bytes that wait for a failing disk. */
  pendingBytes: number;
  condition: JournalCondition;
  damaged: number;
}

/** An open journal. */
export interface Journal {
  /** Queues one dispatch, `bytes[start, end)`; it is written by the next `flush`, at the latest on the next tick. */
  append(
    shard: number,
    epoch: number,
    s: number,
    type: number,
    receivedAt: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** Queues handlers' cursors (any JSON value). */
  appendCursors(cursors: unknown): void;
  /** Writes what is queued, then delivers it. Called by itself once per tick after an append. */
  flush(): void;
  /** Says where a shard stands when the journal does not know: its file was lost, the session was not. */
  seed(shard: number, position: Position): void;
  /** The last position of a shard whose record has been written; epoch 0, s 0 when there is none. */
  tip(shard: number): Position;
  /** Where the written log ends. */
  end(): LogPosition;
  /** Resolves when everything written so far is on stable storage; resolves to that place. */
  sync(): Promise<LogPosition>;
  syncNow(): void;
  /** A reader of one shard's stream, starting after `from`. */
  reader(shard: number, from: Position): JournalReader;
  /** The first position of a shard that is still readable: everything after it is here. */
  floor(shard: number): Position;
  /** Begins anew in the same place after the folder vanished; tips and cursors go on. */
  recreate(): void;
  /** Drops segments beyond the bounds that end before `frontier`; `slowest` is the oldest place a link still reads. */
  trim(frontier: LogPosition, slowest: LogPosition): void;
  /** Cursor payloads found at the start, oldest first. */
  readonly recoveredCursors: readonly unknown[];
  stats(): JournalStats;
  close(): void;
}

const BUFFER_BYTES = 1024 * 1024;
/** Queued bytes at which a flush does not wait for the end of the tick. */
const FLUSH_BYTES = 512 * 1024;
/** How much may wait in memory for a failing disk. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
const RETRY_MS = 500;
/** Segments that are never dropped for space: the newest and the one before. */
const SEGMENTS_MIN = 2;

/** Opens the journal in `directory`, recovering what is there. */
export function openJournal(options: JournalOptions): Journal {
  const { clock, log } = options;
  const segments = openSegments(options);
  const recovered = recover(segments, log);
  const damaged = recovered.damaged;
  // Positions by shard. `appended` runs ahead of `written` within a tick, and while the disk fails.
  let appended = createTips(64);
  let written = createTips(64);
  let shards = 0;
  const setTip = (shard: number, epoch: number, s: number): void => {
    if (shard >= shards) {
      shards = shard + 1;
      appended = growTips(appended, shards);
      written = growTips(written, shards);
    }
    appended.epoch[shard] = epoch;
    appended.s[shard] = s;
  };
  const copyTips = (): void => {
    written.epoch.set(appended.epoch);
    written.s.set(appended.s);
  };
  for (const [shard, position] of recovered.tips) setTip(shard, position.epoch, position.s);
  copyTips();

  // Two buffers: one is written and delivered while the other takes appends.
  let buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  let spare = Buffer.allocUnsafe(BUFFER_BYTES);
  let used = 0;
  let delivering = false;
  let scheduled = false;
  let condition: JournalCondition = 'sound';
  const pending: Buffer[] = [];
  let pendingBytes = 0;
  let pendingWritten = 0;
  let retry: Timer | undefined;
  let appendedBytes = 0;
  let frontier: LogPosition = { segment: 0, offset: 0 };
  let current: Segment | undefined = segments.newest();
  let dirty = false;
  let closed = false;
  const scratch = createRecordHeader();
  const header = { kind: 0, type: 0, shard: 0, epoch: 0, s: 0, receivedAt: 0 };

  const reserve = (bytes: number): void => {
    if (used + bytes <= buffer.length) return;
    flush();
    if (used + bytes <= buffer.length) return;
    // A giant record, or an append from inside a delivery, which can't flush: grow.
    const larger = Buffer.allocUnsafe(Math.max(used + bytes, buffer.length * 2));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  };

  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      if (!closed) flush();
    });
  };

  const setCondition = (next: JournalCondition): void => {
    if (next === condition) return;
    condition = next;
    options.onCondition(next);
  };

  /** Writes bytes at the end of the current segment; throws the disk's error after cutting back what it left. */
  const writeBytes = (bytes: Buffer, end: number): void => {
    const segment = current!;
    const file = segments.file(segment);
    let done = 0;
    try {
      while (done < end) {
        const count = file.write(bytes, done, end - done, segment.bytes + done);
        if (count === 0) throw Object.assign(new Error('the disk took no bytes'), { code: 'EIO' });
        done += count;
      }
    } catch (error) {
      try {
        if (done > 0) file.truncate(segment.bytes);
      } catch {
        // Cut at the next start: recovery stops at the last whole record.
      }
      throw error;
    }
    dirty = true;
    indexRecords(segment, bytes, end, segment.bytes);
    segment.bytes += end;
    appendedBytes += end;
  };

  const indexRecords = (segment: Segment, bytes: Buffer, end: number, base: number): void => {
    const index = segments.index(segment);
    for (let at = 0; at < end; ) {
      const next = readRecord(bytes, at, end, scratch);
      if (scratch.kind === KIND.DISPATCH) {
        index.push(scratch.shard, scratch.epoch, scratch.s, base + at);
        if (scratch.type === EVENT.GUILD_CREATE) segment.backfillBytes += next - at;
      }
      at = next;
    }
  };

  const beginSegment = (): void => {
    const before = current;
    const segment = segments.create();
    const tips = Array.from({ length: shards }, (_, shard) => shard)
      .filter((shard) => written.epoch[shard] !== 0)
      .map((shard) => [shard, written.epoch[shard]!, written.s[shard]!] as const);
    segment.head = { version: 1, tips, cursors: options.cursors() };
    segment.beganAt = clock.now();
    const payload = encodeHead(segment.head);
    const record = Buffer.allocUnsafe(recordBytes(payload.length));
    writeRecord(
      record,
      0,
      { kind: KIND.HEAD, type: 0, shard: 0, epoch: 0, s: 0, receivedAt: segment.beganAt },
      payload,
      0,
      payload.length,
    );
    current = segment;
    try {
      writeBytes(record, record.length);
      options.disk.syncFolder(options.directory);
    } catch (error) {
      segments.drop(segment);
      current = before;
      throw error;
    }
  };

  /** Writes one batch, beginning a new segment first where the current one is full or absent. */
  const writeBatch = (bytes: Buffer, end: number): void => {
    if (!current || (current.bytes + end > options.segmentBytes && current.bytes > 0)) beginSegment();
    try {
      writeBytes(bytes, end);
    } catch (error) {
      // A full disk: make room by dropping the oldest, a bad file: try a new one.
      if (makeRoom()) return writeBytes(bytes, end);
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw error;
      beginSegment();
      writeBytes(bytes, end);
    }
  };

  const makeRoom = (): boolean => {
    const oldest = segments.list[0];
    if (!oldest || segments.list.length <= SEGMENTS_MIN || oldest.number >= frontier.segment) return false;
    log.warn(
      'journal.room-made',
      { segment: oldest.number },
      'the disk is full: the oldest part of the journal was dropped to go on',
    );
    segments.drop(oldest);
    return true;
  };

  const flush = (): void => {
    if (used === 0) return;
    // What a delivery appends waits for the next tick: its own batch is still being read.
    if (delivering) return schedule();
    const end = used;
    const batch = buffer;
    buffer = spare;
    used = 0;
    if (condition === 'sound') {
      try {
        writeBatch(batch, end);
        copyTips();
      } catch (error) {
        beginTrouble(error);
      }
    }
    if (condition !== 'sound') keepPending(batch.subarray(0, end));
    delivering = true;
    try {
      options.onAppended(batch, end);
    } finally {
      delivering = false;
      // A batch that outgrew the usual size is let go with its memory.
      spare = batch.length > BUFFER_BYTES ? Buffer.allocUnsafe(BUFFER_BYTES) : batch;
    }
  };

  const beginTrouble = (error: unknown): void => {
    log.error(
      'journal.failing',
      { code: (error as NodeJS.ErrnoException).code, directory: options.directory },
      `the journal cannot be written (${(error as Error).message}); events go on live from memory, and Discord's sessions stay resumable from what is on disk. Free space or repair the disk`,
    );
    setCondition('failing');
    retry = clock.after(RETRY_MS, drainPending);
  };

  const keepPending = (batch: Buffer): void => {
    pending.push(Buffer.from(batch));
    pendingBytes += batch.length;
    if (pendingBytes > PENDING_BYTES_MAX && condition === 'failing') {
      log.error(
        'journal.full',
        { pendingBytes },
        'memory for undeliverable journal writes is used up: upstream is closed and will be resumed when the disk is back',
      );
      setCondition('full');
    }
  };

  const drainPending = (): void => {
    if (closed) return;
    try {
      while (pending.length > 0) {
        const batch = pending[0]!;
        writeBatch(batch, batch.length);
        pending.shift();
        pendingBytes -= batch.length;
        pendingWritten += batch.length;
      }
    } catch {
      retry = clock.after(RETRY_MS, drainPending);
      return;
    }
    copyTips();
    log.info(
      'journal.recovered',
      { bytes: pendingWritten },
      'the journal is written again; nothing was lost',
    );
    pendingWritten = 0;
    setCondition('sound');
  };

  const endOfLog = (): LogPosition => ({ segment: current?.number ?? 0, offset: current?.bytes ?? 0 });

  return {
    append(shard, epoch, s, type, receivedAt, bytes, start, end) {
      reserve(recordBytes(end - start));
      header.kind = KIND.DISPATCH;
      header.type = type;
      header.shard = shard;
      header.epoch = epoch;
      header.s = s;
      header.receivedAt = receivedAt;
      used = writeRecord(buffer, used, header, bytes, start, end);
      setTip(shard, epoch, s);
      if (used >= FLUSH_BYTES) flush();
      else schedule();
    },
    appendCursors(cursors) {
      const payload = Buffer.from(JSON.stringify(cursors));
      reserve(recordBytes(payload.length));
      const note = { kind: KIND.CURSORS, type: 0, shard: 0, epoch: 0, s: 0, receivedAt: clock.now() };
      used = writeRecord(buffer, used, note, payload, 0, payload.length);
      schedule();
    },
    flush,
    seed(shard, position) {
      setTip(shard, position.epoch, position.s);
      copyTips();
    },
    tip: (shard) => ({ epoch: written.epoch[shard] ?? 0, s: written.s[shard] ?? 0 }),
    end: endOfLog,
    async sync() {
      const position = endOfLog();
      if (dirty && current) {
        dirty = false;
        try {
          await segments.file(current).sync();
        } catch (error) {
          dirty = true;
          throw error;
        }
      }
      return position;
    },
    syncNow() {
      flush();
      if (condition === 'sound' && current) segments.file(current).syncNow();
    },
    reader: (shard, from) => createJournalReader(segments, shard, from),
    floor(shard) {
      const oldest = segments.list[0];
      const tip = oldest && segments.head(oldest)?.tips.find((row) => row[0] === shard);
      return tip ? { epoch: tip[1], s: tip[2] } : { epoch: 0, s: 0 };
    },
    recreate() {
      for (const segment of segments.list.slice()) segments.drop(segment);
      current = undefined;
      beginSegment();
    },
    trim(newFrontier, slowest) {
      frontier = newFrontier;
      const now = clock.now();
      for (;;) {
        const [oldest, next] = segments.list;
        if (!oldest || !next || oldest.number >= frontier.segment) return;
        segments.head(next);
        let counted = 0;
        for (const segment of segments.list) {
          if (segment.bytes === 0) segments.file(segment);
          counted += segment.bytes - (segment.number >= slowest.segment ? segment.backfillBytes : 0);
        }
        const tooOld = next.beganAt > 0 && now - next.beganAt > options.maxAgeMs;
        if (counted <= options.maxBytes && !tooOld) return;
        segments.drop(oldest);
      }
    },
    recoveredCursors: recovered.cursors,
    stats() {
      const oldest = segments.list[0];
      if (oldest) segments.head(oldest);
      return {
        bytes: segments.list.reduce((sum, segment) => sum + segment.bytes, 0),
        segments: segments.list.length,
        oldestAt: oldest?.beganAt ?? 0,
        appendedBytes,
        pendingBytes,
        condition,
        damaged,
      };
    },
    close() {
      flush();
      closed = true;
      retry?.cancel();
      segments.close();
    },
  };
}

interface Tips {
  readonly epoch: Uint32Array;
  readonly s: Uint32Array;
}

function createTips(size: number): Tips {
  return { epoch: new Uint32Array(size), s: new Uint32Array(size) };
}

function growTips(tips: Tips, shards: number): Tips {
  if (shards <= tips.epoch.length) return tips;
  const larger = createTips(Math.max(shards, tips.epoch.length * 2));
  larger.epoch.set(tips.epoch);
  larger.s.set(tips.s);
  return larger;
}
