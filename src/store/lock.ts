// The state folder's lock: held for the life of the process and released by the operating system when it dies,
// however it dies. Node has no flock, so an SQLite database in exclusive mode holds a POSIX record lock for us.
// Nothing else in this process may open the file `lock`: closing any descriptor of it would give the lock away.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OperatingError } from '../base/errors.ts';

/** A held lock. */
export interface FolderLock {
  /** True while the lock file is still the one in the folder (false when the folder vanished). */
  inPlace(): boolean;
  release(): void;
}

/** Who holds a lock, as written by the holder. */
export interface LockHolder {
  pid: number;
  since: string;
}

/** A database that nobody refers to is closed by the garbage collector, and its lock would go with it. */
const heldDatabases = new Set<DatabaseSync>();

/**
 * Takes the lock of `directory`, which must exist, or throws STATE_LOCKED naming the holder.
 * `describe` is what others are told about us.
 */
export function lockFolder(directory: string, describe: LockHolder): FolderLock {
  const file = path.join(directory, 'lock');
  const holderFile = path.join(directory, 'lock.json');
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    fs.chmodSync(file, 0o600);
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if ((error as { errcode?: number }).errcode === 5 || /locked|busy/i.test((error as Error).message)) {
      throw new OperatingError(
        'STATE_LOCKED',
        `state folder ${directory} is held by another Holdfast (${readHolder(holderFile)})`,
      );
    }
    throw new OperatingError(
      'STATE_UNUSABLE',
      `cannot lock state folder ${directory}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  const held = database;
  heldDatabases.add(held);
  const inode = fs.statSync(file).ino;
  writeHolder(holderFile, describe);
  return {
    inPlace() {
      try {
        return fs.statSync(file).ino === inode;
      } catch {
        return false;
      }
    },
    release() {
      heldDatabases.delete(held);
      if (held.isOpen) held.close();
    },
  };
}

/** Only told to others, so it may fail: on a full disk Holdfast must still start, and resume. */
function writeHolder(file: string, holder: LockHolder): void {
  try {
    fs.writeFileSync(file, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  } catch {
    // What is left of the file names nobody, which is true enough.
  }
}

function readHolder(file: string): string {
  try {
    const holder = JSON.parse(fs.readFileSync(file, 'utf8')) as LockHolder;
    return `pid ${holder.pid}, since ${holder.since}`;
  } catch {
    return 'holder unknown';
  }
}
