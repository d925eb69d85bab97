// Luck as an argument: jitter and ids come from a Random, so that a seed replays a run exactly.

import { randomBytes } from 'node:crypto';

/** A source of randomness. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `size` random bytes as lower-case hex (2 characters each). */
  hex(size: number): string;
}

/** Unpredictable randomness, fit for secrets and session ids. */
export const systemRandom: Random = {
  next: () => Math.random(),
  hex: (size) => randomBytes(size).toString('hex'),
};

/** Repeatable randomness (mulberry32): the same seed gives the same sequence. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    hex(size) {
      let text = '';
      for (let i = 0; i < size; i++)
        text += Math.floor(next() * 256)
          .toString(16)
          .padStart(2, '0');
      return text;
    },
  };
}
