// Where each shard's records lie inside one segment: 12 bytes a record, in order, so that a link that is
// behind is found its place by binary search. Built while writing, or by one pass over an older segment.

/** One shard's records of a segment, in order of position. */
export interface ShardIndex {
  readonly count: number;
  epochAt(index: number): number;
  sAt(index: number): number;
  offsetAt(index: number): number;
  /** The index of the first record after (epoch, s); `count` when there is none. */
  after(epoch: number, s: number): number;
}

class GrowingShardIndex implements ShardIndex {
  count = 0;
  #rows = new Uint32Array(3 * 16);

  push(epoch: number, s: number, offset: number): void {
    const at = this.count * 3;
    if (at === this.#rows.length) {
      const larger = new Uint32Array(at * 2);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows[at] = epoch;
    this.#rows[at + 1] = s;
    this.#rows[at + 2] = offset;
    this.count++;
  }

  epochAt(index: number): number {
    return this.#rows[index * 3]!;
  }
  sAt(index: number): number {
    return this.#rows[index * 3 + 1]!;
  }
  offsetAt(index: number): number {
    return this.#rows[index * 3 + 2]!;
  }

  after(epoch: number, s: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const rowEpoch = this.#rows[middle * 3]!;
      const isAfter = rowEpoch === epoch ? this.#rows[middle * 3 + 1]! > s : rowEpoch > epoch;
      if (isAfter) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** The index of one segment. */
export interface SegmentIndex {
  push(shard: number, epoch: number, s: number, offset: number): void;
  shard(shard: number): ShardIndex | undefined;
}

/** Creates an empty index. */
export function createSegmentIndex(): SegmentIndex {
  const shards: Array<GrowingShardIndex | undefined> = [];
  return {
    push(shard, epoch, s, offset) {
      let index = shards[shard];
      if (!index) {
        index = new GrowingShardIndex();
        shards[shard] = index;
      }
      index.push(epoch, s, offset);
    },
    shard: (shard) => shards[shard],
  };
}
