// The door of this room: what a fresh IDENTIFY must be told, kept by one worker thread. The thread reads the
// journal itself, so nothing of an event passes through here; if it dies it is started again, and goes on from
// what it had stored. See DESIGN.md, ideas 3 to 5.

import * as path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { LogPosition, Position } from '../journal/position.ts';
import type { KeeperStats, KeeperTuning, ShardPosition, SnapshotRequest } from './keeper.ts';
import type { SnapshotHandle, SnapshotSink } from './snapshot-stream.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './worker-message.ts';

export interface StateOptions extends KeeperTuning {
  /** Folder of `state.db`; created if absent. */
  readonly directory: string;
  readonly journalDirectory: string;
  /** Keep members other than the bot's own and those in voice channels (default false). */
  readonly keepMembers?: boolean;
  /** Keep presences that GUILD_CREATE did not bring (default false). */
  readonly keepPresences?: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** The database can't be opened, and trying again has been put off: the folder needs a person. */
  readonly onUnusable?: (error: OperatingError) => void;
  /** Where the worker's file is, if not beside this one (a bundle). */
  readonly workerUrl?: URL;
}

export interface StateStats extends KeeperStats {
  /** How often the worker died and was started again. */
  readonly restarts: number;
}

export interface State {
  /** The journal is written up to here. Cheap; once in 50 ms is plenty, and before each `snapshot`. */
  appended(position: LogPosition): void;
  /**
   * Fold may go up to these positions of shards (the synced tip, or an away handler's cursor); shards that are
   * not named keep their limit. The journal is synced up to `synced`.
   */
  setLimits(limits: readonly ShardPosition[], synced: LogPosition): void;
  /** Resolves when everything `appended` so far has been read: then `shardStatus` knows of every epoch in it. */
  caughtUp(): Promise<void>;
  /** Everything in the log before this place is folded and synced, so trimming may go up to here. */
  frontier(): LogPosition;
  /** Everything in the log before this place has been read by the worker. */
  scanned(): LogPosition;
  /**
   * The newest epoch whose state is known and the `s` up to which it is folded (0 while only its READY is known).
   * Undefined, or an older epoch than the shard's session, when the state is lost: only an IDENTIFY helps.
   */
  shardStatus(shard: number): Position | undefined;
  /** Sends a snapshot to `sink` as its credit allows. The sink is never called before this returns. */
  snapshot(request: SnapshotRequest, sink: SnapshotSink): SnapshotHandle;
  stats(): StateStats;
  /** Folds and stores what the limits allow, then ends the worker. */
  close(): Promise<void>;
}

const RESTART_MIN_MS = 250;
const RESTART_MAX_MS = 30_000;
/** A worker that lived this long was healthy: the next restart is a first one. */
const STABLE_MS = 60_000;
const CLOSE_MS = 10_000;

const NO_STATS: KeeperStats = {
  folded: 0,
  duplicates: 0,
  lost: 0,
  aside: 0,
  missing: 0,
  damaged: 0,
  skippedSegments: 0,
  commits: 0,
  commitFailures: 0,
  staleStarts: 0,
  queued: 0,
  snapshots: 0,
};

/** Starts the worker. Returns at once; the database is opened in the worker. */
export function openState(options: StateOptions): State {
  const { clock, log } = options;
  const setup: WorkerSetup = {
    ...tuningOf(options),
    databaseFile: path.join(options.directory, 'state.db'),
    journalDirectory: options.journalDirectory,
    keepMembers: options.keepMembers ?? false,
    keepPresences: options.keepPresences ?? false,
  };
  const url = options.workerUrl ?? new URL('./worker.ts', import.meta.url);
  const limits = new Map<number, ShardPosition>();
  const sinks = new Map<number, SnapshotSink>();
  const waiting = new Map<number, () => void>();
  let shards = new Map<number, Position>();
  let frontier: LogPosition = { segment: 0, offset: 0 };
  let scanned: LogPosition = { segment: 0, offset: 0 };
  let stats = NO_STATS;
  let to: LogPosition | undefined;
  let synced: LogPosition | undefined;
  let lastId = 0;
  let restarts = 0;
  let failures = 0;
  let closing = false;
  let worker: Worker | undefined;
  let startedAt = 0;
  let restart: Timer | undefined;

  const send = (message: ToWorker): void => worker?.postMessage(message);

  const start = (): void => {
    startedAt = clock.monotonic();
    const own = new Worker(url, {
      workerData: setup,
      name: 'holdfast-state',
      // Its objects live as long as an event: a small nursery costs no time and saves 60 MiB.
      resourceLimits: { maxYoungGenerationSizeMb: 12 },
    });
    worker = own;
    let cause: Error | undefined;
    own.on('message', receive);
    own.on('error', (error: Error) => {
      cause = error;
    });
    own.on('exit', () => {
      if (worker === own) ended(cause);
    });
    if (to) send({ type: 'appended', to });
    if (synced) send({ type: 'limits', limits: [...limits.values()], synced });
    for (const id of waiting.keys()) send({ type: 'catch-up', id });
  };

  const ended = (cause: Error | undefined): void => {
    worker = undefined;
    for (const [id, sink] of [...sinks]) {
      sinks.delete(id);
      sink.end('failed');
    }
    if (closing) return;
    restarts++;
    failures = clock.monotonic() - startedAt > STABLE_MS ? 0 : failures + 1;
    const delayMs = Math.min(RESTART_MAX_MS, RESTART_MIN_MS * 2 ** Math.max(0, failures - 1));
    log.error(
      'state.worker-died',
      { error: cause?.message ?? 'no error was given', delayMs, restarts },
      `the thread that keeps state ended (${cause?.message ?? 'no error was given'}); it is started again and goes on from what it had stored`,
    );
    restart = clock.after(delayMs, start);
  };

  const receive = (message: FromWorker): void => {
    switch (message.type) {
      case 'status':
        return noteStatus(message.status);
      case 'caught-up':
        noteStatus(message.status);
        waiting.get(message.id)?.();
        waiting.delete(message.id);
        return;
      case 'head':
        return sinks.get(message.id)?.head(message.head);
      case 'chunk':
        return sinks.get(message.id)?.chunk(message.bytes);
      case 'end': {
        const sink = sinks.get(message.id);
        sinks.delete(message.id);
        return sink?.end(message.outcome);
      }
      case 'log':
        return log[message.level](message.event, message.fields, message.text);
      case 'unusable':
        options.onUnusable?.(new OperatingError('STATE_UNUSABLE', message.message));
    }
  };

  const noteStatus = (status: {
    frontier: LogPosition;
    scanned: LogPosition;
    shards: readonly ShardPosition[];
    stats: KeeperStats;
  }): void => {
    frontier = status.frontier;
    scanned = status.scanned;
    shards = new Map(status.shards.map(({ shard, epoch, s }) => [shard, { epoch, s }]));
    stats = status.stats;
  };

  start();
  return {
    appended(position) {
      to = position;
      send({ type: 'appended', to: position });
    },
    setLimits(list, syncedTo) {
      for (const limit of list) limits.set(limit.shard, limit);
      synced = syncedTo;
      send({ type: 'limits', limits: list, synced: syncedTo });
    },
    caughtUp() {
      const id = ++lastId;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        send({ type: 'catch-up', id });
      });
    },
    frontier: () => frontier,
    scanned: () => scanned,
    shardStatus: (shard) => shards.get(shard),
    snapshot(request, sink) {
      const id = ++lastId;
      if (worker) {
        sinks.set(id, sink);
        send({ type: 'snapshot', id, request });
      } else setImmediate(() => sink.end('failed'));
      return {
        grant: (bytes) => send({ type: 'grant', id, bytes }),
        cancel: () => send({ type: 'cancel', id }),
      };
    },
    stats: () => ({ ...stats, restarts }),
    async close() {
      closing = true;
      restart?.cancel();
      const own = worker;
      if (!own) return;
      await new Promise<void>((resolve) => {
        const late = clock.after(CLOSE_MS, () => void own.terminate());
        own.once('exit', () => {
          late.cancel();
          resolve();
        });
        send({ type: 'close' });
      });
    },
  };
}

function tuningOf(options: StateOptions): KeeperTuning {
  const { foldIntervalMs, foldBytes, batchBytes, syncIntervalMs, snapshotIdleMs } = options;
  const given = Object.entries({ foldIntervalMs, foldBytes, batchBytes, syncIntervalMs, snapshotIdleMs });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}
