// The newest message of each channel, as packed numbers: nearly half of all traffic ends here, and a Map of
// strings cost three times as much.

import type { GuildOverlay } from './overlay.ts';
import { createSnowflake, readSnowflake, snowflakeText } from './snowflake.ts';
import { SpliceError } from './splice.ts';

const CAPACITY_MIN = 64;

/** What an overlay changes about one channel's messages. */
export interface TailChange {
  readonly guild: GuildOverlay;
  readonly channel: string;
  /** '' when the channel's own object is right about its newest message. */
  readonly last: string;
  /** Messages to be added to those stored, or all of them when `fresh`. */
  readonly count: number;
  /** Whether what is stored below is void. */
  readonly fresh: boolean;
}

/** Tails by channel. A slot stays valid until the table is cleared. */
export class TailTable {
  size = 0;
  #keyHigh = new Float64Array(CAPACITY_MIN);
  #keyLow = new Int32Array(CAPACITY_MIN);
  #lastHigh = new Float64Array(CAPACITY_MIN);
  #lastLow = new Int32Array(CAPACITY_MIN);
  #count = new Int32Array(CAPACITY_MIN);
  #fresh = new Uint8Array(CAPACITY_MIN);
  #guild: GuildOverlay[] = [];
  // Open addressing, twice as many places as slots; a place holds a slot's number plus one.
  #places = new Int32Array(CAPACITY_MIN * 2);
  // The id read last.
  #id = createSnowflake();

  /** The slot of the channel with the id in `bytes[start, end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    this.#read(bytes, start, end);
    return this.#find();
  }

  /** The slot of the channel, which belongs to `guild` from now on, with nothing counted in it yet. */
  open(bytes: Uint8Array, start: number, end: number, guild: GuildOverlay, fresh: boolean): number {
    this.#read(bytes, start, end);
    let slot = this.#find();
    if (slot < 0) slot = this.#add();
    this.#guild[slot] = guild;
    this.#lastHigh[slot] = -1;
    this.#count[slot] = 0;
    this.#fresh[slot] = fresh ? 1 : 0;
    return slot;
  }

  guildAt(slot: number): GuildOverlay {
    return this.#guild[slot]!;
  }

  /** Counts the message with the id in `bytes[start, end)`. */
  count(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.#read(bytes, start, end);
    this.#lastHigh[slot] = this.#id.high;
    this.#lastLow[slot] = this.#id.low;
    this.#count[slot]!++;
  }

  clear(): void {
    this.size = 0;
    this.#guild.length = 0;
    this.#places.fill(0);
  }

  *changes(): Iterable<TailChange> {
    for (let slot = 0; slot < this.size; slot++) {
      yield {
        guild: this.#guild[slot]!,
        channel: snowflakeText(this.#keyHigh[slot]!, this.#keyLow[slot]!),
        last: this.#lastHigh[slot]! < 0 ? '' : snowflakeText(this.#lastHigh[slot]!, this.#lastLow[slot]!),
        count: this.#count[slot]!,
        fresh: this.#fresh[slot] === 1,
      };
    }
  }

  #read(bytes: Uint8Array, start: number, end: number): void {
    if (!readSnowflake(bytes, start, end, this.#id)) throw new SpliceError('not a snowflake');
  }

  #find(): number {
    const { high, low } = this.#id;
    const mask = this.#places.length - 1;
    for (let place = hash(high, low) & mask; ; place = (place + 1) & mask) {
      const slot = this.#places[place]! - 1;
      if (slot < 0) return -1;
      if (this.#keyLow[slot] === low && this.#keyHigh[slot] === high) return slot;
    }
  }

  #add(): number {
    if (this.size === this.#keyLow.length) this.#grow();
    const slot = this.size++;
    this.#keyHigh[slot] = this.#id.high;
    this.#keyLow[slot] = this.#id.low;
    this.#place(slot);
    return slot;
  }

  #place(slot: number): void {
    const mask = this.#places.length - 1;
    let place = hash(this.#keyHigh[slot]!, this.#keyLow[slot]!) & mask;
    while (this.#places[place] !== 0) place = (place + 1) & mask;
    this.#places[place] = slot + 1;
  }

  #grow(): void {
    const capacity = this.#keyLow.length * 2;
    const larger = <Numbers extends { set(from: Numbers): void }>(made: Numbers, from: Numbers): Numbers => {
      made.set(from);
      return made;
    };
    this.#keyHigh = larger(new Float64Array(capacity), this.#keyHigh);
    this.#keyLow = larger(new Int32Array(capacity), this.#keyLow);
    this.#lastHigh = larger(new Float64Array(capacity), this.#lastHigh);
    this.#lastLow = larger(new Int32Array(capacity), this.#lastLow);
    this.#count = larger(new Int32Array(capacity), this.#count);
    this.#fresh = larger(new Uint8Array(capacity), this.#fresh);
    this.#places = new Int32Array(capacity * 2);
    for (let slot = 0; slot < this.size; slot++) this.#place(slot);
  }
}

function hash(high: number, low: number): number {
  const mixed = Math.imul(low ^ Math.imul(high | 0, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
