// Reads the ids of an event as bytes. Messages, presences and member updates are most of all traffic, and most
// of what state wants to know of them is whom they are about; so this walk is written out by hand where the
// rest of the room uses splice.ts.

import { matches } from '../wire/header.ts';
import { SpliceError, skipContainer, skipSpace, skipString, skipValue } from './splice.ts';

/** Bits of the members to look for. */
export const WANT = { ID: 1, CHANNEL: 2, GUILD: 4, USER: 8 } as const;

/**
 * Ranges of the digits of `id`, `channel_id`, `guild_id` and `user.id`, without quotes; start -1 where one is
 * missing, null or not an id. Reused between events.
 */
export interface Ids {
  idStart: number;
  idEnd: number;
  channelStart: number;
  channelEnd: number;
  guildStart: number;
  guildEnd: number;
  userStart: number;
  userEnd: number;
}

/** Creates ranges to scan into. */
export function createIds(): Ids {
  return {
    idStart: -1,
    idEnd: -1,
    channelStart: -1,
    channelEnd: -1,
    guildStart: -1,
    guildEnd: -1,
    userStart: -1,
    userEnd: -1,
  };
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;

const CHANNEL_KEY = Buffer.from('channel_id');
const GUILD_KEY = Buffer.from('guild_id');
const USER_KEY = Buffer.from('user');
const GUILD_TAIL = Buffer.from(',"guild_id":"');

/**
 * Scans the object in `bytes[start, end)` for the members in `want` (bits of WANT), at its own depth only.
 * Throws SpliceError when it is not an object.
 */
export function scanIds(bytes: Uint8Array, start: number, end: number, want: number, out: Ids): void {
  out.idStart = out.channelStart = out.guildStart = out.userStart = -1;
  // Discord writes a message's `guild_id` last. Where it does, the walk ends before the author and attachments.
  let missing = (want & WANT.GUILD) !== 0 && scanTail(bytes, start, end, out) ? want & ~WANT.GUILD : want;
  let at = skipSpace(bytes, start, end);
  if (at >= end || bytes[at] !== OPEN_BRACE) throw new SpliceError('an object was expected');
  at = skipSpace(bytes, at + 1, end);
  if (bytes[at] === CLOSE_BRACE) return;
  for (;;) {
    if (at >= end || bytes[at] !== QUOTE) throw new SpliceError('a key was expected');
    const keyStart = ++at;
    at = skipString(bytes, at, end);
    const key = keyBit(bytes, keyStart, at - 1) & missing;
    if (bytes[at] !== COLON) at = skipSpace(bytes, at, end);
    if (at >= end || bytes[at] !== COLON) throw new SpliceError('a colon was expected');
    at++;
    if (bytes[at]! <= 0x20) at = skipSpace(bytes, at, end);
    const valueStart = at;
    const first = bytes[at]!;
    if (first === QUOTE) at = skipString(bytes, at + 1, end);
    else if (first === OPEN_BRACE || first === OPEN_BRACKET) at = skipContainer(bytes, at + 1, end);
    else at = skipValue(bytes, at, end);
    if (key !== 0 && takeId(bytes, valueStart, at, key, out)) {
      missing &= ~key;
      if (missing === 0) return;
    }
    if (at < end && bytes[at] !== COMMA) at = skipSpace(bytes, at, end);
    if (at >= end) throw new SpliceError('an object does not end');
    if (bytes[at] === CLOSE_BRACE) return;
    if (bytes[at] !== COMMA) throw new SpliceError('a comma was expected');
    at++;
    if (bytes[at] !== QUOTE) at = skipSpace(bytes, at, end);
  }
}

function keyBit(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length === 2) return bytes[start] === 0x69 && bytes[start + 1] === 0x64 ? WANT.ID : 0;
  if (length === 4) return matches(bytes, start, USER_KEY) ? WANT.USER : 0;
  if (length === 8) return matches(bytes, start, GUILD_KEY) ? WANT.GUILD : 0;
  if (length === 10) return matches(bytes, start, CHANNEL_KEY) ? WANT.CHANNEL : 0;
  return 0;
}

const inner: Ids = createIds();

/** Takes an id written as string or number, or a user's; false for null and anything else. */
function takeId(bytes: Uint8Array, start: number, end: number, key: number, out: Ids): boolean {
  if (key === WANT.USER) {
    if (bytes[start] !== OPEN_BRACE) return false;
    scanIds(bytes, start, end, WANT.ID, inner);
    out.userStart = inner.idStart;
    out.userEnd = inner.idEnd;
    return inner.idStart >= 0;
  }
  const quoted = bytes[start] === QUOTE ? 1 : 0;
  const from = start + quoted;
  const to = end - quoted;
  if (from >= to) return false;
  for (let i = from; i < to; i++) if (bytes[i]! < 0x30 || bytes[i]! > 0x39) return false;
  if (key === WANT.ID) {
    out.idStart = from;
    out.idEnd = to;
  } else if (key === WANT.CHANNEL) {
    out.channelStart = from;
    out.channelEnd = to;
  } else {
    out.guildStart = from;
    out.guildEnd = to;
  }
  return true;
}

/**
 * Takes `guild_id` where the object ends in exactly `,"guild_id":"<digits>"}`. A string can't end that way
 * (its quotes would be escaped), and the brace after it closes the object, so it is the object's own key.
 */
function scanTail(bytes: Uint8Array, start: number, end: number, out: Ids): boolean {
  if (end - start < 40 || bytes[end - 1] !== CLOSE_BRACE || bytes[end - 2] !== QUOTE) return false;
  const to = end - 2;
  let from = to;
  while (from > to - 21 && bytes[from - 1]! >= 0x30 && bytes[from - 1]! <= 0x39) from--;
  if (
    from === to ||
    from - GUILD_TAIL.length < start ||
    !matches(bytes, from - GUILD_TAIL.length, GUILD_TAIL)
  )
    return false;
  out.guildStart = from;
  out.guildEnd = to;
  return true;
}
