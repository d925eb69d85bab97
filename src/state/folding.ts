// The writing side of state: every shard's track, the overlays that events are folded into, and the commits that
// store them. It does not know where records come from.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { LogPosition, Position } from '../journal/position.ts';
import { createRecordHeader, RECORD_HEADER_BYTES, readRecord } from '../journal/record.ts';
import { EVENT, eventTypeName } from '../wire/event-type.ts';
import { foldRecord } from './fold.ts';
import type { FoldOptions } from './fold-event.ts';
import { type Meter, Overlay } from './overlay.ts';
import type { AsideRow } from './port.ts';
import type { RecordBytes } from './segment-log.ts';
import { createShardTrack, type ShardTrack } from './shard-track.ts';
import { isCorrupt, type StateStore } from './store.ts';

export interface Folding {
  /** The track of a shard, made when it is first asked for. */
  track(shard: number): ShardTrack;
  eachTrack(visit: (track: ShardTrack) => void): void;
  /** Memory that changes which are not stored take. */
  readonly meter: Meter;
  /** Folds one record; what can't be applied is put aside. Throws only what SQLite throws. */
  apply(track: ShardTrack, type: number, position: Position, bytes: RecordBytes): void;
  /** Whether a commit would store anything. */
  readonly changed: boolean;
  /** Stores what is folded. Returns false when the database could not be written; nothing is lost then. */
  commit(scan: LogPosition, durable: boolean): boolean;
  readonly counts: { folded: number; lost: number; aside: number; commits: number; commitFailures: number };
}

/** Whether an error is SQLite's, rather than about the event being folded. */
export function isDatabaseError(error: unknown): boolean {
  return (error as { code?: string } | undefined)?.code === 'ERR_SQLITE_ERROR';
}

/** Begins with what the store says of each shard. */
export function createFolding(options: {
  store: StateStore;
  fold: FoldOptions;
  clock: Clock;
  log: Log;
}): Folding {
  const { store, log } = options;
  // Indexed by shard; shards of other nodes leave holes.
  const tracks: Array<ShardTrack | undefined> = [];
  for (const row of store.reader.shards()) tracks[row.shard] = createShardTrack(row.shard, row);
  const meter: Meter = { bytes: 0 };
  const header = createRecordHeader();
  const counts = { folded: 0, lost: 0, aside: 0, commits: 0, commitFailures: 0 };
  let asideRows: AsideRow[] = [];
  let failing = false;

  const eachTrack = (visit: (track: ShardTrack) => void): void => {
    for (const track of tracks) if (track) visit(track);
  };

  const changedTracks = (): ShardTrack[] => {
    const changed: ShardTrack[] = [];
    eachTrack((track) => {
      if (track.overlay || track.folded !== track.stored) changed.push(track);
    });
    return changed;
  };

  const keepAside = (track: ShardTrack, bytes: RecordBytes, error: unknown): void => {
    counts.aside++;
    readRecord(bytes.buffer, bytes.at, bytes.end, header);
    const { epoch, s, receivedAt } = header;
    const event = eventTypeName(header.type);
    const message = error instanceof Error ? error.message : String(error);
    if (counts.aside === 1)
      log.warn(
        'state.event-skipped',
        { shard: track.shard, type: event, error: message },
        'an event could not be applied to state; its bytes are in the table "aside" of the state database. Further ones are only counted',
      );
    const payload = Buffer.from(bytes.buffer.subarray(header.payloadStart, header.payloadEnd));
    asideRows.push({ shard: track.shard, epoch, s, event, at: receivedAt, error: message, bytes: payload });
    meter.bytes += payload.length;
  };

  const noteFailure = (error: unknown): void => {
    counts.commitFailures++;
    if (!failing)
      log.error(
        'state.failing',
        { error: (error as Error).message },
        `the state database cannot be written (${(error as Error).message}); the journal keeps what it could not take. Free space or repair the disk`,
      );
    failing = true;
  };

  return {
    track(shard) {
      const known = tracks[shard];
      if (known) return known;
      const track = createShardTrack(shard);
      tracks[shard] = track;
      return track;
    },
    eachTrack,
    meter,
    counts,
    get changed() {
      return asideRows.length > 0 || changedTracks().length > 0;
    },
    apply(track, type, position, bytes) {
      if (type !== EVENT.READY && position.epoch !== track.folded.epoch) {
        counts.lost++;
        return;
      }
      track.overlay ??= new Overlay(store.reader, track.shard, meter);
      try {
        const payload = { type, bytes: bytes.buffer, start: bytes.at + RECORD_HEADER_BYTES, end: bytes.end };
        foldRecord(track.overlay, payload, options.fold);
        counts.folded++;
      } catch (error) {
        if (isDatabaseError(error)) throw error;
        keepAside(track, bytes, error);
        // Without its READY an epoch has no state, and the one before must not pass for it.
        if (type === EVENT.READY) {
          if (track.known === position.epoch) track.known = 0;
          return;
        }
      }
      track.folded = position;
    },
    commit(scan, durable) {
      const changed = changedTracks();
      try {
        store.commit({
          overlays: changed.flatMap(({ overlay }) => overlay ?? []),
          positions: changed.map(({ shard, folded }) => ({ shard, ...folded })),
          scan,
          aside: asideRows,
          durable,
        });
      } catch (error) {
        if (isCorrupt(error)) throw error;
        noteFailure(error);
        return false;
      }
      if (failing) log.info('state.recovered', {}, 'the state database is written again; nothing was lost');
      failing = false;
      counts.commits++;
      for (const track of changed) {
        track.overlay = undefined;
        track.stored = track.folded;
      }
      meter.bytes = 0;
      asideRows = [];
      return true;
    },
  };
}
