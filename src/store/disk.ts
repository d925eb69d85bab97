// The disk as an argument: the few synchronous calls that journal, ledger and sessions need. Synchronous on
// purpose: one write per tick costs +2 to +10 µs an event, an asynchronous one +24 (perf-baselines).

import * as fs from 'node:fs';
import { promisify } from 'node:util';

/** An open file. All offsets and lengths are bytes. Every call throws the operating system's error (`code` ENOSPC, EIO, ...). */
export interface DiskFile {
  /** Writes `buffer[offset, offset + length)` at `position`; returns how much was written, which may be less. */
  write(buffer: Uint8Array, offset: number, length: number, position: number): number;
  /** Reads into `buffer` at `offset`; returns how much was read, 0 at the end. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): number;
  size(): number;
  truncate(size: number): void;
  /** Returns when the file's data is on stable storage. */
  syncNow(): void;
  /** The same, off the main thread. */
  sync(): Promise<void>;
  close(): void;
}

/** A folder tree on stable storage. Paths are absolute. */
export interface Disk {
  /** Creates a folder and its parents, mode 0700. */
  mkdir(path: string): void;
  /** File names in a folder, sorted; an empty list when it does not exist. */
  list(path: string): string[];
  exists(path: string): boolean;
  /** Opens for reading and writing, creating it (mode 0600) if absent and `create` is true. */
  open(path: string, options?: { create?: boolean }): DiskFile;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes renames, creations and removals in this folder durable. */
  syncFolder(path: string): void;
}

/** Whether an error is the operating system's (`EIO`, `ENOSPC`, ...) and not a bug of ours. */
export function isDiskError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  // Node's own complaints about arguments have codes, too: ERR_OUT_OF_RANGE and its like.
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code);
}

/** Writes `buffer[0, length)` at `position`, in as many calls as it takes. Throws when the disk takes no more. */
export function writeFully(file: DiskFile, buffer: Uint8Array, length: number, position: number): void {
  for (let done = 0; done < length; ) {
    const count = file.write(buffer, done, length - done, position + done);
    if (count === 0) throw Object.assign(new Error('EIO: the disk took no bytes'), { code: 'EIO' });
    done += count;
  }
}

/** Fills `into` from `position` on; returns how many bytes there were, fewer only at the end of the file. */
export function readFully(file: DiskFile, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.length) {
    const count = file.read(into, done, into.length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

const fdatasync = promisify(fs.fdatasync);

/** The machine's own disk. */
export const systemDisk: Disk = {
  mkdir: (path) => void fs.mkdirSync(path, { recursive: true, mode: 0o700 }),
  list(path) {
    try {
      return fs.readdirSync(path).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  },
  exists: (path) => fs.existsSync(path),
  open(path, options) {
    const flags = options?.create ? fs.constants.O_RDWR | fs.constants.O_CREAT : fs.constants.O_RDWR;
    const fd = fs.openSync(path, flags, 0o600);
    return {
      write: (buffer, offset, length, position) => fs.writeSync(fd, buffer, offset, length, position),
      read: (buffer, offset, length, position) => fs.readSync(fd, buffer, offset, length, position),
      size: () => fs.fstatSync(fd).size,
      truncate: (size) => fs.ftruncateSync(fd, size),
      syncNow: () => fs.fdatasyncSync(fd),
      sync: () => fdatasync(fd),
      close: () => fs.closeSync(fd),
    };
  },
  rename: (from, to) => fs.renameSync(from, to),
  remove: (path) => fs.rmSync(path, { recursive: true, force: true }),
  syncFolder(path) {
    const fd = fs.openSync(path, 'r');
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
};
