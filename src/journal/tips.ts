// How far each shard's stream has got, in two plain arrays: written once per record, so no object is made for it.

import type { HeadTip } from './head.ts';
import type { Position } from './position.ts';

export interface Tips {
  /** Epoch 0, s 0 for a shard that has none. */
  get(shard: number): Position;
  set(shard: number, epoch: number, s: number): void;
  /** Every shard that has a position. */
  rows(): HeadTip[];
}

/** Creates an empty table. */
export function createTips(): Tips {
  let epochs = new Uint32Array(64);
  let sequences = new Uint32Array(64);
  return {
    get: (shard) => ({ epoch: epochs[shard] ?? 0, s: sequences[shard] ?? 0 }),
    set(shard, epoch, s) {
      if (shard >= epochs.length) {
        epochs = grown(epochs, shard + 1);
        sequences = grown(sequences, shard + 1);
      }
      epochs[shard] = epoch;
      sequences[shard] = s;
    },
    rows() {
      const rows: HeadTip[] = [];
      for (let shard = 0; shard < epochs.length; shard++)
        if (epochs[shard] !== 0) rows.push([shard, epochs[shard]!, sequences[shard]!]);
      return rows;
    },
  };
}

function grown(array: Uint32Array<ArrayBuffer>, least: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(least, array.length * 2));
  larger.set(array);
  return larger;
}
