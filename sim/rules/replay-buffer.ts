// The dispatches a session keeps for RESUME (5.4, 5.7). The newest are strings; older ones are packed with zstd,
// because 164 sessions with a few thousand events and a hundred guilds each would otherwise take gigabytes.

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

export interface ReplayBuffer {
  /** Keeps a dispatch. `s` must be one more than the last. `d` is its JSON text. */
  append(s: number, t: string, d: string): void;
  /** The lowest `s` that can still be replayed; one more than the last when nothing is kept. */
  oldest(): number;
  /** Calls `each` for every kept dispatch above `after`, in order. */
  replay(after: number, each: (s: number, t: string, d: string) => void): void;
  /** Memory in use, roughly, in bytes. */
  sizeBytes(): number;
}

interface Block {
  readonly first: number;
  readonly last: number;
  readonly packed: Buffer;
}

const PACK_AT_CHARS = 96 * 1024;
const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export function createReplayBuffer(limit: number, packAtChars = PACK_AT_CHARS): ReplayBuffer {
  const blocks: Block[] = [];
  // The raw tail: type and body of each dispatch, alternating.
  let tail: string[] = [];
  let tailFirst = 1;
  let tailChars = 0;
  let last = 0;

  const oldest = (): number => Math.max(1, last - limit + 1);
  const pack = (): void => {
    // Neither a type nor JSON text can hold a raw newline, so it separates them.
    blocks.push({ first: tailFirst, last, packed: zstdCompressSync(tail.join('\n'), FAST) });
    tail = [];
    tailFirst = last + 1;
    tailChars = 0;
    while (blocks.length > 0 && blocks[0]!.last < oldest()) blocks.shift();
  };
  return {
    append(s, t, d) {
      last = s;
      tail.push(t, d);
      tailChars += d.length;
      if (tailChars > packAtChars) pack();
    },
    oldest,
    replay(after, each) {
      const from = Math.max(after + 1, oldest());
      const emit = (first: number, parts: readonly string[]): void => {
        for (let i = Math.max(0, from - first) * 2; i < parts.length; i += 2)
          each(first + i / 2, parts[i]!, parts[i + 1]!);
      };
      for (const block of blocks) {
        if (block.last >= from) emit(block.first, zstdDecompressSync(block.packed).toString().split('\n'));
      }
      emit(tailFirst, tail);
    },
    sizeBytes: () => tailChars + blocks.reduce((sum, block) => sum + block.packed.length, 0),
  };
}
