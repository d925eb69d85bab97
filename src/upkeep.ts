// What must happen now and then: sync the journal, let fold go as far as it may, trim, write checkpoints, and
// notice a state folder that vanished. One slow timer each; nothing here is on the event path.

import type { Clock, Timer } from './base/clock.ts';
import type { Log } from './base/log.ts';
import type { Cursor, Cursors } from './downstream/cursors.ts';
import type { Journal } from './journal/journal.ts';
import {
  compareLogPositions,
  comparePositions,
  type LogPosition,
  type Position,
} from './journal/position.ts';
import type { SessionTable, StoredTip } from './session/session-table.ts';
import type { State } from './state/state.ts';
import type { FolderLock } from './store/lock.ts';

export interface UpkeepOptions {
  clock: Clock;
  log: Log;
  journal: Journal;
  state: () => State;
  cursors: Cursors;
  table: SessionTable;
  segmentBytes: number;
  shardCount: () => number;
  lock: () => FolderLock;
  /** Makes the state folder again and takes its lock. */
  remakeFolder: () => void;
}

export interface Upkeep {
  start(): void;
  /** The journal was written: the state's worker is told soon. */
  journalGrew(): void;
  stop(): void;
  /** Writes positions beside the sessions; also done at a clean end. */
  checkpoint(): void;
}

const SYNC_MS = 1_000;
/** How long news of the journal's growth may take to the state's worker. */
const TELL_MS = 100;
const TRIM_MS = 5_000;
const CHECKPOINT_MS = 60_000;
const FOLDER_MS = 2_000;
/** The state waits this long, or for this many journal bytes, for a handler that has not got so far. */
const HOLD_MS = 10 * 60_000;
const HOLD_BYTES = 256 * 1024 * 1024;

/** Creates the upkeep of one daemon. */
export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { clock, log, journal, cursors, table } = options;
  const timers = new Set<Timer>();
  let stopped = false;
  let telling: Timer | undefined;
  /** Where in the log the slowest connected handler reads, as of the last look. */
  let slowest: LogPosition = { segment: 0, offset: 0 };

  const every = (periodMs: number, run: () => void | Promise<void>): void => {
    const again = (): void => {
      const timer = clock.after(periodMs, async () => {
        timers.delete(timer);
        try {
          await run();
        } catch (error) {
          log.error('upkeep.failed', { message: (error as Error).message });
        }
        if (!stopped) again();
      });
      timers.add(timer);
    };
    again();
  };

  const holds = (cursor: Cursor, place: LogPosition): boolean => {
    const end = journal.end();
    const behindBytes = (end.segment - place.segment) * options.segmentBytes + end.offset - place.offset;
    return behindBytes < HOLD_BYTES && (cursor.connected || clock.now() - cursor.awaySince < HOLD_MS);
  };

  /** Fold may go as far as the journal is synced, and not past a handler whose snapshot must be older. */
  const limitFold = (synced: readonly Position[], upTo: LogPosition): void => {
    const limits = synced.slice();
    slowest = journal.end();
    for (const cursor of cursors.all()) {
      const limit = limits[cursor.shard];
      if (!limit || comparePositions(cursor.proven, limit) >= 0) continue;
      const place = journal.reader(cursor.shard, cursor.proven).place();
      if (cursor.connected && compareLogPositions(place, slowest) < 0) slowest = place;
      if (holds(cursor, place)) limits[cursor.shard] = cursor.proven;
    }
    options.state().setLimits(
      limits.flatMap((limit, shard) => (limit.epoch > 0 ? [{ shard, epoch: limit.epoch, s: limit.s }] : [])),
      upTo,
    );
  };

  const sync = async (): Promise<void> => {
    const tips = Array.from({ length: options.shardCount() }, (_, shard) => journal.tip(shard));
    limitFold(tips, await journal.sync());
  };

  const checkpoint = (): void => {
    const tips: StoredTip[] = [];
    for (let shard = 0; shard < options.shardCount(); shard++) {
      const tip = journal.tip(shard);
      const known = table.tip(shard);
      if (tip.epoch > 0 && (known?.[1] !== tip.epoch || known[2] !== tip.s))
        tips.push([shard, tip.epoch, tip.s]);
    }
    if (tips.length > 0) table.checkpoint(tips);
  };

  const watchFolder = (): void => {
    if (options.lock().inPlace()) return;
    log.error(
      'state-folder.vanished',
      {},
      'the state folder was removed while Holdfast runs; it is made again from memory. Sessions go on; what handlers had not read yet is gone. Is it on tmpfs, or does a cleaner remove it?',
    );
    options.remakeFolder();
  };

  return {
    start() {
      every(SYNC_MS, sync);
      every(TRIM_MS, () => journal.trim(options.state().frontier(), slowest));
      every(CHECKPOINT_MS, checkpoint);
      every(FOLDER_MS, watchFolder);
    },
    stop() {
      stopped = true;
      for (const timer of timers) timer.cancel();
      telling?.cancel();
    },
    journalGrew() {
      telling ??= clock.after(TELL_MS, () => {
        telling = undefined;
        options.state().appended(journal.end());
      });
    },
    checkpoint,
  };
}
