// The ordered log of every dispatch of every shard, on disk before any handler needs it. Appends collect in one
// buffer and leave with one synchronous write per tick; only then are they delivered. Knows nothing of JSON
// events, sockets or handlers.

import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { type Disk, isDiskError } from '../store/disk.ts';
import type { LogPosition, Position } from './position.ts';
import { createJournalReader, findFloor, type JournalReader } from './reader.ts';
import { KIND, recordBytes, SHARD_MAX, writeRecord } from './record.ts';
import { recover } from './recovery.ts';
import { openSegments } from './segments.ts';
import { createTips } from './tips.ts';
import { trimSegments } from './trim.ts';
import { createWriter } from './writer.ts';

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
  /** Damaged stretches and lost segments met since the start. */
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
  /** Writes what is queued and lets go of the files. What waits for a failing disk, Discord will send again. */
  close(): void;
}

const BUFFER_BYTES = 1024 * 1024;
/** Queued bytes at which a flush does not wait for the end of the tick. */
const FLUSH_BYTES = 512 * 1024;
/** How much may wait in memory for a failing disk. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
const RETRY_MS = 500;

/** Opens the journal in `directory`, recovering what is there. */
export function openJournal(options: JournalOptions): Journal {
  const { clock, log } = options;
  const segments = openSegments(options);
  const recovered = recover(segments, log);
  const tips = createTips();
  for (const [shard, position] of recovered.tips) tips.set(shard, position.epoch, position.s);
  // Ages are measured on the monotonic clock: when the wall clock is put right, nothing becomes old at once.
  const wallAtStart = clock.now() - clock.monotonic();
  const now = (): number => wallAtStart + clock.monotonic();
  let frontier: LogPosition = { segment: 0, offset: 0 };
  const writer = createWriter({
    ...options,
    segments,
    tips,
    now,
    frontier: () => frontier,
    synced: recovered.synced,
  });

  // What was found is made safe before anything is built on it: lost power must not bring back another past.
  try {
    writer.syncNow();
    segments.syncFolder();
  } catch (error) {
    if (!isDiskError(error)) throw error;
    log.warn('journal.unsynced', { message: error.message });
  }

  // Two buffers: one is written and delivered while the other takes appends.
  let buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  let spare = Buffer.allocUnsafe(BUFFER_BYTES);
  let used = 0;
  let flushing = false;
  let scheduled = false;
  let closed = false;
  let condition: JournalCondition = 'sound';
  // What a failing disk did not take, oldest first.
  const pending: Buffer[] = [];
  let pendingBytes = 0;
  let retry: Timer | undefined;
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
      flush();
    });
  };

  const setCondition = (next: JournalCondition): void => {
    if (next === condition) return;
    condition = next;
    options.onCondition(next);
  };

  const flush = (): void => {
    if (used === 0 || closed) return;
    // What a delivery appends waits for the next tick: its own batch is still being read.
    if (flushing) return schedule();
    flushing = true;
    const end = used;
    const batch = buffer;
    buffer = spare;
    used = 0;
    try {
      store(batch, end);
      options.onAppended(batch, end);
    } finally {
      flushing = false;
      // A batch that outgrew the usual size is let go with its memory.
      spare = batch.length > BUFFER_BYTES ? Buffer.allocUnsafe(BUFFER_BYTES) : batch;
    }
  };

  /** Writes a batch or, while the disk fails, keeps it in memory. */
  const store = (batch: Buffer, end: number): void => {
    if (condition === 'sound') {
      try {
        return writer.write(batch, end);
      } catch (error) {
        if (!isDiskError(error)) throw error;
        beginTrouble(error);
      }
    }
    pending.push(Buffer.from(batch.subarray(0, end)));
    pendingBytes += end;
    if (pendingBytes <= PENDING_BYTES_MAX || condition === 'full') return;
    log.error(
      'journal.full',
      { pendingBytes },
      'memory for undeliverable journal writes is used up: upstream is closed and will be resumed when the disk is back',
    );
    setCondition('full');
  };

  const beginTrouble = (error: NodeJS.ErrnoException): void => {
    log.error(
      'journal.failing',
      { code: error.code, directory: options.directory },
      `the journal cannot be written (${error.message}); events go on live from memory, and Discord's sessions stay resumable from what is on disk. Free space or repair the disk`,
    );
    setCondition('failing');
    retry = clock.after(RETRY_MS, drainPending);
  };

  const drainPending = (): void => {
    try {
      for (let batch = pending[0]; batch; batch = pending[0]) {
        writer.write(batch, batch.length);
        pending.shift();
        pendingBytes -= batch.length;
      }
    } catch (error) {
      if (!isDiskError(error)) throw error;
      retry = clock.after(RETRY_MS, drainPending);
      return;
    }
    log.info('journal.recovered', {}, 'the journal is written again; nothing was lost');
    setCondition('sound');
  };

  return {
    append(shard, epoch, s, type, receivedAt, bytes, start, end) {
      // Written otherwise it would wrap, and a tip of four thousand million hides everything that follows.
      assert(s >= 0 && shard >= 0 && shard <= SHARD_MAX, 'an event has a position');
      reserve(recordBytes(end - start));
      header.kind = KIND.DISPATCH;
      header.type = type;
      header.shard = shard;
      header.epoch = epoch;
      header.s = s;
      header.receivedAt = receivedAt;
      used = writeRecord(buffer, used, header, bytes, start, end);
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
    seed: (shard, position) => tips.set(shard, position.epoch, position.s),
    tip: (shard) => tips.get(shard),
    end: () => writer.end(),
    sync: () => writer.sync(),
    syncNow() {
      flush();
      writer.syncNow();
    },
    reader: (shard, from) => createJournalReader(segments, shard, from),
    floor: (shard) => findFloor(segments, shard),
    recreate: () => writer.recreate(),
    trim(newFrontier, slowest) {
      frontier = newFrontier;
      trimSegments(segments, { bounds: options, frontier, slowest, now: now() });
    },
    recoveredCursors: recovered.cursors,
    stats() {
      const oldest = segments.list[0];
      if (oldest) segments.head(oldest);
      return {
        bytes: segments.list.reduce((sum, segment) => sum + segment.bytes, 0),
        segments: segments.list.length,
        oldestAt: oldest?.beganAt ?? 0,
        appendedBytes: writer.writtenBytes(),
        pendingBytes,
        condition,
        damaged: segments.damaged(),
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
