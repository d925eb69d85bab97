// Opens the state database, or sets a damaged one aside and starts an empty one: state can be had again, from the
// journal or by an IDENTIFY, so damage must never keep Holdfast from starting.

import * as path from 'node:path';
import { OperatingError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Disk } from '../store/disk.ts';
import { isCorrupt, openStateStore, SchemaError, type StateStore } from './store.ts';

/** Opens `file`; a damaged database, or one of another version, is renamed and replaced by an empty one. */
export function openDatabaseFile(options: {
  disk: Disk;
  file: string;
  now: () => number;
  log: Log;
}): StateStore {
  options.disk.mkdir(path.dirname(options.file));
  try {
    return openSound(options.file);
  } catch (error) {
    if (!isCorrupt(error) && !(error instanceof SchemaError)) throw unusable(options.file, error);
    setDatabaseAside({ ...options, reason: (error as Error).message });
  }
  try {
    return openStateStore(options.file);
  } catch (error) {
    throw unusable(options.file, error);
  }
}

/** Opens it and reads what every start needs. Damage elsewhere shows when it is met. */
function openSound(file: string): StateStore {
  const store = openStateStore(file);
  try {
    store.reader.shards();
    store.scan();
    return store;
  } catch (error) {
    store.close();
    throw error;
  }
}

/** Renames a database (which must be closed) with its companion files, and says so. */
export function setDatabaseAside(options: {
  disk: Disk;
  file: string;
  now: () => number;
  log: Log;
  reason: string;
}): void {
  const { disk, file, log } = options;
  const aside = `${file}.corrupt-${options.now()}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (disk.exists(file + suffix)) disk.rename(file + suffix, aside + suffix);
  }
  log.error(
    'state.set-aside',
    { file, aside, reason: options.reason },
    `the state database could not be used (${options.reason}) and was set aside; state is rebuilt from the journal where that still holds a shard's READY, else by an IDENTIFY`,
  );
}

function unusable(file: string, error: unknown): OperatingError {
  return new OperatingError('STATE_UNUSABLE', `cannot open ${file}: ${(error as Error).message}`, {
    cause: error,
  });
}
