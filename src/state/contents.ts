// Which ids a guild's blob holds, as a small sorted index beside it. It answers "is this user's member in
// there?" without reading the blob, and lets a removal leave no row behind for what the blob never had, so
// that the rows of a guild stay bounded by its size however many people pass through its voice channels.

import { ELEMENT_ARRAYS, type ElementArray, type PartKind } from './part.ts';
import { createSnowflake, parseSnowflake, readSnowflake, type Snowflake } from './snowflake.ts';
import { findValue, forEachElement, forEachMember, idOf, keyIs, nameOf, type Range } from './splice.ts';

/** The index of one blob. */
export interface Contents {
  /** Whether the blob's array of this kind has an element with this id. */
  has(kind: PartKind, id: string): boolean;
  /** The same for the id whose digits are `source[start, end)`. */
  hasIn(kind: PartKind, source: Uint8Array, start: number, end: number): boolean;
  /** The index as bytes; `decodeContents` reads them. */
  readonly bytes: Uint8Array;
}

/** What one walk over a guild object finds. */
export interface GuildWalk {
  readonly id: string | undefined;
  /** The value of `unavailable`, if the guild has that key. */
  readonly unavailable: Range | undefined;
  readonly contents: Contents;
}

// Layout: per element array a u32 count, padded to 8 bytes; then per array its ids sorted (snowflake.ts): the high
// numbers as f64, the low ones as i32, padded to 8 bytes.
const HEADER_BYTES = pad(ELEMENT_ARRAYS.length * 4);
/** Set in a count: an id was not a snowflake, so the array may hold anything. */
const ODD = 0x8000_0000;
const ARRAY_NAMES = ELEMENT_ARRAYS.map(({ array }) => nameOf(array));
const ID = nameOf('id');
const UNAVAILABLE = nameOf('unavailable');

/** Walks the guild object in `bytes[start, end)` once. Throws SpliceError when it is not well-formed. */
export function walkGuild(bytes: Uint8Array, start: number, end: number): GuildWalk {
  let id: string | undefined;
  let unavailable: Range | undefined;
  const ids: Snowflake[][] = ELEMENT_ARRAYS.map(() => []);
  const odd = ELEMENT_ARRAYS.map(() => false);
  forEachMember(bytes, start, end, (key, valueStart, valueEnd) => {
    const first = bytes[valueStart]!;
    if (first === 0x5b) {
      const at = ARRAY_NAMES.findIndex((name) => keyIs(bytes, key, name));
      const array = ELEMENT_ARRAYS[at];
      if (!array) return;
      forEachElement(bytes, valueStart, valueEnd, (elementStart, elementEnd) => {
        const found = elementId(bytes, elementStart, elementEnd, array);
        if (found === undefined) return;
        const number = createSnowflake();
        if (parseSnowflake(found, number)) ids[at]!.push(number);
        else odd[at] = true;
      });
    } else if (keyIs(bytes, key, ID)) {
      id = idOf(bytes, { start: valueStart, end: valueEnd });
    } else if (keyIs(bytes, key, UNAVAILABLE)) {
      unavailable = { start: valueStart, end: valueEnd };
    }
  });
  return { id, unavailable, contents: decodeContents(encode(ids, odd)) };
}

/** The id of an element of this array, or undefined when it has none. */
export function elementId(
  bytes: Uint8Array,
  start: number,
  end: number,
  array: ElementArray,
): string | undefined {
  let range: Range = { start, end };
  for (const key of array.id) {
    if (bytes[range.start] !== 0x7b) return undefined;
    const inner = findValue(bytes, range.start, range.end, key);
    if (!inner) return undefined;
    range = inner;
  }
  return idOf(bytes, range);
}

function pad(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function encode(ids: Snowflake[][], odd: boolean[]): Uint8Array {
  const total = ids.reduce((sum, { length }) => sum + length * 8 + pad(length * 4), 0);
  const bytes = new Uint8Array(HEADER_BYTES + total);
  const counts = new Uint32Array(bytes.buffer, 0, ELEMENT_ARRAYS.length);
  let at = HEADER_BYTES;
  for (let i = 0; i < ids.length; i++) {
    const list = ids[i]!.sort((a, b) => a.high - b.high || a.low - b.low);
    counts[i] = list.length + (odd[i] ? ODD : 0);
    const highs = new Float64Array(bytes.buffer, at, list.length);
    const lows = new Int32Array(bytes.buffer, at + list.length * 8, list.length);
    for (let k = 0; k < list.length; k++) {
      highs[k] = list[k]!.high;
      lows[k] = list[k]!.low;
    }
    at += list.length * 8 + pad(list.length * 4);
  }
  return bytes;
}

interface Section {
  readonly highs: Float64Array;
  readonly lows: Int32Array;
  readonly odd: boolean;
}

/** Reads an index back. The bytes are kept, not copied. */
export function decodeContents(bytes: Uint8Array): Contents {
  // Typed arrays need alignment, which bytes out of a database usually, but not surely, have.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const sections: Section[] = [];
  const id = createSnowflake();

  const section = (kind: PartKind): Section | undefined => {
    const known = sections[kind];
    if (known) return known;
    const counts = new Uint32Array(aligned.buffer, aligned.byteOffset, ELEMENT_ARRAYS.length);
    let at = aligned.byteOffset + HEADER_BYTES;
    for (let i = 0; i < ELEMENT_ARRAYS.length; i++) {
      const raw = counts[i]!;
      const count = raw >= ODD ? raw - ODD : raw;
      if (ELEMENT_ARRAYS[i]!.kind === kind) {
        const highs = new Float64Array(aligned.buffer, at, count);
        const lows = new Int32Array(aligned.buffer, at + count * 8, count);
        sections[kind] = { highs, lows, odd: raw >= ODD };
        return sections[kind];
      }
      at += count * 8 + pad(count * 4);
    }
    return undefined;
  };

  return {
    bytes,
    has(kind, text) {
      const found = section(kind);
      if (!found) return false;
      if (found.odd) return true;
      return found.highs.length > 0 && parseSnowflake(text, id) && holds(found, id);
    },
    hasIn(kind, source, start, end) {
      const found = section(kind);
      if (!found) return false;
      if (found.odd) return true;
      return found.highs.length > 0 && readSnowflake(source, start, end, id) && holds(found, id);
    },
  };
}

function holds({ highs, lows }: Section, { high, low }: Snowflake): boolean {
  let from = 0;
  let to = highs.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const order = highs[middle]! - high || lows[middle]! - low;
    if (order === 0) return true;
    if (order < 0) from = middle + 1;
    else to = middle;
  }
  return false;
}
