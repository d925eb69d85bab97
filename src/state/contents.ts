// Which ids a guild's blob holds, as a small sorted index beside it. It answers "is this user's member in
// there?" without reading the blob, and lets a removal leave no row behind for what the blob never had, so
// that the rows of a guild stay bounded by its size however many people pass through its voice channels.

import { ELEMENT_ARRAYS, type ElementArray, type PartKind } from './part.ts';
import { findValue, forEachElement, forEachMember, idOf, keyIs, type Range } from './splice.ts';

/** The index of one blob. */
export interface Contents {
  /** Whether the blob's array of this kind has an element with this id. */
  has(kind: PartKind, id: string): boolean;
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

// Layout: per element array a u32 count, padded to 8 bytes, then each array's ids as sorted u64.
const HEADER_BYTES = Math.ceil((ELEMENT_ARRAYS.length * 4) / 8) * 8;
/** Set in a count: an id was not a snowflake, so the array may hold anything. */
const ODD = 0x8000_0000;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Walks the guild object in `bytes[start, end)` once. Throws SpliceError when it is not well-formed. */
export function walkGuild(bytes: Uint8Array, start: number, end: number): GuildWalk {
  let id: string | undefined;
  let unavailable: Range | undefined;
  const ids: bigint[][] = ELEMENT_ARRAYS.map(() => []);
  const odd = ELEMENT_ARRAYS.map(() => false);
  forEachMember(bytes, start, end, (keyStart, keyEnd, valueStart, valueEnd) => {
    const first = bytes[valueStart]!;
    if (first === 0x5b) {
      const at = ELEMENT_ARRAYS.findIndex(({ array }) => keyIs(bytes, keyStart, keyEnd, array));
      const array = ELEMENT_ARRAYS[at];
      if (!array) return;
      forEachElement(bytes, valueStart, valueEnd, (elementStart, elementEnd) => {
        const found = elementId(bytes, elementStart, elementEnd, array);
        if (found === undefined) return;
        const number = snowflake(found);
        if (number === undefined) odd[at] = true;
        else ids[at]!.push(number);
      });
    } else if (keyIs(bytes, keyStart, keyEnd, 'id')) {
      id = idOf(bytes, { start: valueStart, end: valueEnd });
    } else if (keyIs(bytes, keyStart, keyEnd, 'unavailable')) {
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

/** The number behind an id, or undefined when it is not a 64-bit unsigned number. */
function snowflake(id: string): bigint | undefined {
  if (id.length === 0 || id.length > 20) return undefined;
  for (let i = 0; i < id.length; i++) {
    const digit = id.charCodeAt(i);
    if (digit < 0x30 || digit > 0x39) return undefined;
  }
  const number = BigInt(id);
  return number <= U64_MAX ? number : undefined;
}

function encode(ids: bigint[][], odd: boolean[]): Uint8Array {
  const total = ids.reduce((sum, list) => sum + list.length, 0);
  const bytes = new Uint8Array(HEADER_BYTES + total * 8);
  const counts = new Uint32Array(bytes.buffer, 0, ELEMENT_ARRAYS.length);
  let at = HEADER_BYTES;
  for (let i = 0; i < ids.length; i++) {
    const list = ids[i]!;
    counts[i] = list.length + (odd[i] ? ODD : 0);
    const sorted = new BigUint64Array(bytes.buffer, at, list.length);
    sorted.set(list);
    sorted.sort();
    at += list.length * 8;
  }
  return bytes;
}

/** Reads an index back. The bytes are kept, not copied. */
export function decodeContents(bytes: Uint8Array): Contents {
  // Typed arrays need alignment, which bytes out of a database usually, but not surely, have.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const counts = new Uint32Array(aligned.buffer, aligned.byteOffset, ELEMENT_ARRAYS.length);
  return {
    bytes,
    has(kind, id) {
      let at = aligned.byteOffset + HEADER_BYTES;
      for (let i = 0; i < ELEMENT_ARRAYS.length; i++) {
        const raw = counts[i]!;
        const count = raw >= ODD ? raw - ODD : raw;
        if (ELEMENT_ARRAYS[i]!.kind !== kind) {
          at += count * 8;
          continue;
        }
        if (raw >= ODD) return true;
        if (count === 0) return false;
        const number = snowflake(id);
        return number !== undefined && search(new BigUint64Array(aligned.buffer, at, count), number);
      }
      return false;
    },
  };
}

function search(sorted: BigUint64Array, wanted: bigint): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = sorted[middle]!;
    if (value === wanted) return true;
    if (value < wanted) low = middle + 1;
    else high = middle;
  }
  return false;
}
