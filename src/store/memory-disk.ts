// A disk in memory that can be told to fail, to fill up and to lose power: what tests and the simulation run on.
// It is as mean as a real one may be: what was not synced is gone after a crash, or, worse, a part of it is.

import * as path from 'node:path';
import type { Random } from '../base/random.ts';
import type { Disk, DiskFile } from './disk.ts';
import { createMemoryFile, type MemoryFile } from './memory-file.ts';

export type DiskCall =
  | 'mkdir'
  | 'list'
  | 'open'
  | 'write'
  | 'read'
  | 'truncate'
  | 'sync'
  | 'rename'
  | 'remove'
  | 'syncFolder';

/** Calls that will go wrong. */
export interface DiskFault {
  readonly call: DiskCall;
  /** Only calls whose path ends so; every path when absent. */
  readonly path?: string;
  /** How many such calls still go well before the first that does not; 0 when absent. */
  readonly after?: number;
  /** How many calls go wrong; 1 when absent, `Infinity` until it is cleared. */
  readonly times?: number;
  /** The error that is thrown, `EIO` or `ENOSPC` say. */
  readonly code?: string;
  /** A write or read does at most so many bytes: with `code` it throws after them, without it returns them. */
  readonly bytes?: number;
}

/** A `Disk` in memory. */
export interface MemoryDisk extends Disk {
  /** Arms a fault; returns how to take it back. */
  fail(fault: DiskFault): () => void;
  /** Takes back every fault. */
  heal(): void;
  /** Bytes that all files together may hold; a write beyond them falls short, or throws ENOSPC. */
  capacity: number;
  /**
   * The power goes and comes back. Without `keep` only what was synced is left. With it, so is a random part
   * of the rest: any of the pages that writes touched since, and the earlier ones of the changes to folders.
   * Files that were open throw from now on.
   */
  crash(options?: { keep?: Random }): void;
  /** A copy of a file's bytes. */
  contents(file: string): Buffer;
  /** Puts bytes into a file behind its users' backs, as synced: damage, or a file from elsewhere. */
  plant(file: string, bytes: Uint8Array): void;
  /** How many handles are open. */
  openFiles(): number;
}

/** A change of a folder's entries that is not synced yet: `path` now names `file`, or nothing. */
interface EntryChange {
  readonly entries: ReadonlyArray<readonly [path: string, file: MemoryFile | undefined]>;
}

/** Creates an empty disk. */
export function createMemoryDisk(): MemoryDisk {
  const folders = new Set<string>(['/']);
  const files = new Map<string, MemoryFile>();
  const syncedFiles = new Map<string, MemoryFile>();
  let changes: EntryChange[] = [];
  const handles = new Map<object, MemoryFile>();
  const faults = createFaults();

  const apply = (to: Map<string, MemoryFile>, change: EntryChange): void => {
    for (const [name, file] of change.entries) {
      if (file) to.set(name, file);
      else to.delete(name);
    }
  };
  const change = (...entries: EntryChange['entries']): void => {
    const made = { entries };
    apply(files, made);
    changes.push(made);
  };
  const used = (): number =>
    [...new Set([...files.values(), ...handles.values()])].reduce((sum, file) => sum + file.size(), 0);

  const openHandle = (file: MemoryFile, name: string): DiskFile => {
    const handle = {};
    handles.set(handle, file);
    const use = (call: DiskCall): void => {
      if (!handles.has(handle)) throw diskError('EBADF', call, name);
    };
    return {
      write(buffer, offset, length, position) {
        use('write');
        const fault = faults.meet('write', name);
        const growth = Math.max(0, position + length - file.size());
        const room = disk.capacity === Number.POSITIVE_INFINITY ? growth : disk.capacity - used();
        const most = fault ? (fault.bytes ?? 0) : length;
        const fitting = Math.min(length, most, length - Math.max(0, growth - room));
        if (fitting > 0) file.write(buffer, offset, fitting, position);
        if (fault?.code) throw diskError(fault.code, 'write', name);
        if (fitting <= 0 && length > 0 && !fault) throw diskError('ENOSPC', 'write', name);
        return Math.max(0, fitting);
      },
      read(buffer, offset, length, position) {
        use('read');
        const fault = faults.meet('read', name);
        if (fault?.code) throw diskError(fault.code, 'read', name);
        return file.read(buffer, offset, Math.min(length, fault?.bytes ?? length), position);
      },
      size() {
        use('read');
        return file.size();
      },
      truncate(size) {
        use('truncate');
        faults.throwOn('truncate', name);
        file.truncate(size);
      },
      syncNow() {
        use('sync');
        faults.throwOn('sync', name);
        file.sync(file.changes());
      },
      async sync() {
        use('sync');
        const upTo = file.changes();
        // A real one takes its time, too: nothing is safe before it resolves.
        await Promise.resolve();
        use('sync');
        faults.throwOn('sync', name);
        file.sync(upTo);
      },
      close() {
        use('read');
        handles.delete(handle);
      },
    };
  };

  const disk: MemoryDisk = {
    capacity: Number.POSITIVE_INFINITY,
    mkdir(folder) {
      faults.throwOn('mkdir', folder);
      for (let at = folder; at !== '/'; at = path.dirname(at)) folders.add(at);
    },
    list(folder) {
      faults.throwOn('list', folder);
      const names = [...files.keys(), ...folders].filter(
        (name) => name !== '/' && path.dirname(name) === folder,
      );
      return names.map((name) => path.basename(name)).sort();
    },
    exists: (name) => files.has(name) || folders.has(name),
    open(name, options) {
      faults.throwOn('open', name);
      let file = files.get(name);
      if (!file) {
        if (!options?.create || !folders.has(path.dirname(name))) throw diskError('ENOENT', 'open', name);
        file = createMemoryFile();
        change([name, file]);
      }
      return openHandle(file, name);
    },
    rename(from, to) {
      faults.throwOn('rename', from);
      const file = files.get(from);
      if (!file) throw diskError('ENOENT', 'rename', from);
      change([from, undefined], [to, file]);
    },
    remove(name) {
      faults.throwOn('remove', name);
      const below = (other: string): boolean => other === name || other.startsWith(`${name}/`);
      for (const file of [...files.keys()].filter(below)) change([file, undefined]);
      for (const folder of [...folders].filter(below)) folders.delete(folder);
    },
    syncFolder(folder) {
      if (!folders.has(folder)) throw diskError('ENOENT', 'syncFolder', folder);
      faults.throwOn('syncFolder', folder);
      const isHere = (change: EntryChange): boolean => path.dirname(change.entries[0]![0]) === folder;
      for (const done of changes.filter(isHere)) apply(syncedFiles, done);
      changes = changes.filter((left) => !isHere(left));
    },
    fail: faults.arm,
    heal: faults.clear,
    crash(options) {
      const keep = options?.keep;
      // Folders are written in order (file systems journal them), pages in any.
      const kept = keep ? changes.slice(0, Math.floor(keep.next() * (changes.length + 1))) : [];
      for (const done of kept) apply(syncedFiles, done);
      changes = [];
      handles.clear();
      files.clear();
      for (const [name, file] of syncedFiles) {
        file.crash(keep);
        files.set(name, file);
        for (let at = path.dirname(name); at !== '/'; at = path.dirname(at)) folders.add(at);
      }
    },
    contents(name) {
      const file = files.get(name);
      if (!file) throw diskError('ENOENT', 'open', name);
      const bytes = Buffer.alloc(file.size());
      file.read(bytes, 0, bytes.length, 0);
      return bytes;
    },
    plant(name, bytes) {
      const file = files.get(name) ?? createMemoryFile();
      file.truncate(0);
      file.write(bytes, 0, bytes.length, 0);
      file.sync(file.changes());
      files.set(name, file);
      syncedFiles.set(name, file);
      disk.mkdir(path.dirname(name));
    },
    openFiles: () => handles.size,
  };
  return disk;
}

/** The faults that are armed, in the order in which they were. */
function createFaults() {
  const armed = new Set<{ readonly fault: DiskFault; before: number; left: number }>();
  /** The fault that this call meets, if any. */
  const meet = (call: DiskCall, name: string): DiskFault | undefined => {
    for (const entry of armed) {
      const { fault } = entry;
      if (fault.call !== call || !name.endsWith(fault.path ?? '')) continue;
      if (entry.before-- > 0) continue;
      if (--entry.left <= 0) armed.delete(entry);
      return fault;
    }
    return undefined;
  };
  return {
    arm(fault: DiskFault): () => void {
      const entry = { fault, before: fault.after ?? 0, left: fault.times ?? 1 };
      armed.add(entry);
      return () => void armed.delete(entry);
    },
    clear: () => armed.clear(),
    meet,
    throwOn(call: DiskCall, name: string): void {
      const fault = meet(call, name);
      if (fault) throw diskError(fault.code ?? 'EIO', call, name);
    },
  };
}

function diskError(code: string, call: DiskCall, name: string): Error {
  return Object.assign(new Error(`${code}: ${call} '${name}'`), { code, syscall: call, path: name });
}
