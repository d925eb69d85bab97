// One file of the disk in memory: its bytes as they are seen, its bytes as they are safe, and the changes between
// the two, any part of which a crash may lose.

import type { Random } from '../base/random.ts';

/** Data reaches a disk in pages; a crash loses or keeps each as a whole. */
const PAGE_BYTES = 4096;

export interface MemoryFile {
  size(): number;
  read(into: Uint8Array, offset: number, length: number, position: number): number;
  write(from: Uint8Array, offset: number, length: number, position: number): void;
  truncate(size: number): void;
  /** How many changes were ever made. */
  changes(): number;
  /** Makes the first `upTo` changes ever made safe. */
  sync(upTo: number): void;
  /** Loses what is not safe; with `keep`, a random part of it. */
  crash(keep?: Random): void;
}

/** Bytes written at a position, or the file cut or extended to it where there are none. */
interface Change {
  readonly position: number;
  readonly bytes?: Uint8Array;
}

/** Creates an empty file. */
export function createMemoryFile(): MemoryFile {
  const seen = createBytes();
  const safe = createBytes();
  let unsafe: Change[] = [];
  let count = 0;

  const note = (change: Change): void => {
    applyTo(seen, change);
    unsafe.push(change);
    count++;
  };

  return {
    size: () => seen.size(),
    read: (into, offset, length, position) => seen.read(into, offset, length, position),
    write(from, offset, length, position) {
      note({ position, bytes: Uint8Array.prototype.slice.call(from, offset, offset + length) });
    },
    truncate: (size) => note({ position: size }),
    changes: () => count,
    sync(upTo) {
      const done = unsafe.length - Math.max(0, count - upTo);
      for (let i = 0; i < done; i++) applyTo(safe, unsafe[i]!);
      if (done > 0) unsafe = unsafe.slice(done);
    },
    crash(keep) {
      const sizeSeen = seen.size();
      if (keep) {
        for (const change of unsafe) {
          for (const part of pagesOf(change)) if (keep.next() < 0.5) applyTo(safe, part);
        }
        // The file may also have its new size without the data: zeros.
        if (keep.next() < 0.3) applyTo(safe, { position: sizeSeen });
      }
      unsafe = [];
      seen.become(safe);
    },
  };
}

function applyTo(target: Bytes, change: Change): void {
  if (change.bytes) target.write(change.bytes, change.position);
  else target.resize(change.position);
}

function pagesOf(change: Change): Change[] {
  const { bytes } = change;
  if (!bytes) return [change];
  const parts: Change[] = [];
  for (let from = 0; from < bytes.length; ) {
    const position = change.position + from;
    const to = Math.min(bytes.length, from + PAGE_BYTES - (position % PAGE_BYTES));
    parts.push({ position, bytes: bytes.subarray(from, to) });
    from = to;
  }
  return parts;
}

interface Bytes {
  size(): number;
  read(into: Uint8Array, offset: number, length: number, position: number): number;
  write(bytes: Uint8Array, position: number): void;
  resize(next: number): void;
  become(other: Bytes): void;
}

/** Bytes that grow; what lies beyond `size` is always zero. */
function createBytes(): Bytes {
  let held = new Uint8Array(0);
  let size = 0;
  const grow = (needed: number): void => {
    if (needed <= held.length) return;
    const larger = new Uint8Array(Math.max(needed, held.length * 2, 1024));
    larger.set(held.subarray(0, size));
    held = larger;
  };
  return {
    size: () => size,
    read(into, offset, length, position) {
      const end = Math.min(size, position + length);
      if (end <= position) return 0;
      into.set(held.subarray(position, end), offset);
      return end - position;
    },
    write(bytes, position) {
      grow(position + bytes.length);
      held.set(bytes, position);
      size = Math.max(size, position + bytes.length);
    },
    resize(next) {
      grow(next);
      if (next < size) held.fill(0, next, size);
      size = next;
    },
    become(other) {
      size = other.size();
      held = new Uint8Array(size);
      other.read(held, 0, size, 0);
    },
  };
}
