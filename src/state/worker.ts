// The worker thread's own file: gives the keeper a thread, timers and messages, and decides nothing.

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { systemClock } from '../base/clock.ts';
import { OperatingError } from '../base/errors.ts';
import type { Log, LogFields, LogLevel } from '../base/log.ts';
import { systemDisk } from '../store/disk.ts';
import { type Keeper, type KeeperStatus, openKeeper } from './keeper.ts';
import type { SnapshotHandle } from './snapshot-stream.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './worker-message.ts';

const TICK_MS = 1000;

assert(parentPort, 'worker.ts runs in a worker thread');
const port = parentPort;
const setup = workerData as WorkerSetup;

const post = (message: FromWorker): void => port.postMessage(message);

const line =
  (level: LogLevel, bound: LogFields) =>
  (event: string, fields?: LogFields, text?: string): void =>
    post({ type: 'log', level, event, fields: { ...bound, ...fields }, text });

const createPortLog = (bound: LogFields): Log => ({
  debug: line('debug', bound),
  info: line('info', bound),
  warn: line('warn', bound),
  error: line('error', bound),
  child: (fields) => createPortLog({ ...bound, ...fields }),
});

run(openOrEnd());

function openOrEnd(): Keeper {
  try {
    return openKeeper({ ...setup, disk: systemDisk, clock: systemClock, log: createPortLog({}) });
  } catch (error) {
    if (error instanceof OperatingError) post({ type: 'unusable', message: error.message });
    throw error;
  }
}

function run(keeper: Keeper): void {
  const snapshots = new Map<number, SnapshotHandle>();
  let pumping = false;
  let told = '';

  const pump = (): void => {
    pumping = false;
    if (keeper.pump()) schedulePump();
  };
  const schedulePump = (): void => {
    if (pumping) return;
    pumping = true;
    setImmediate(pump);
  };

  const tellStatus = (): void => {
    const status = keeper.status();
    const short = summary(status);
    if (short !== told) post({ type: 'status', status });
    told = short;
  };

  const timer = setInterval(() => {
    keeper.tick();
    tellStatus();
  }, TICK_MS);
  tellStatus();

  port.on('message', (message: ToWorker) => {
    switch (message.type) {
      case 'appended':
        return keeper.appended(message.to);
      case 'limits':
        return keeper.setLimits(message.limits, message.synced);
      case 'catch-up':
        keeper.catchUp();
        return post({ type: 'caught-up', id: message.id, status: keeper.status() });
      case 'snapshot': {
        const { id } = message;
        const handle = keeper.snapshot(message.request, {
          head: (head) => post({ type: 'head', id, head }),
          chunk: (bytes) =>
            port.postMessage({ type: 'chunk', id, bytes } satisfies FromWorker, [
              bytes.buffer as ArrayBuffer,
            ]),
          end(outcome) {
            snapshots.delete(id);
            post({ type: 'end', id, outcome });
          },
        });
        if (keeper.status().stats.snapshots > 0) snapshots.set(id, handle);
        return schedulePump();
      }
      case 'grant':
        snapshots.get(message.id)?.grant(message.bytes);
        return schedulePump();
      case 'cancel':
        return snapshots.get(message.id)?.cancel();
      case 'close':
        clearInterval(timer);
        keeper.close();
        tellStatus();
        port.close();
    }
  });
}

/** Changes whenever there is something to tell. */
function summary({ frontier, scanned, shards, stats }: KeeperStatus): string {
  return JSON.stringify([frontier, scanned, shards.length, stats]);
}
