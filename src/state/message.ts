// Reads the three ids of a MESSAGE_CREATE as bytes. Messages are nearly half of all traffic and state wants
// only `last_message_id` of them, so this walk is written out by hand where the rest of the room uses splice.ts.

import { SpliceError, skipContainer, skipSpace, skipString, skipValue } from './splice.ts';

/** Ranges of the ids' digits, without quotes; start -1 where the key is missing or null. Reused between messages. */
export interface MessageIds {
  idStart: number;
  idEnd: number;
  channelStart: number;
  channelEnd: number;
  guildStart: number;
  guildEnd: number;
}

/** Creates ranges to scan into. */
export function createMessageIds(): MessageIds {
  return { idStart: -1, idEnd: -1, channelStart: -1, channelEnd: -1, guildStart: -1, guildEnd: -1 };
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;

const ID = 1;
const CHANNEL = 2;
const GUILD = 4;
const ALL = ID | CHANNEL | GUILD;
const CHANNEL_KEY = Buffer.from('channel_id');
const GUILD_KEY = Buffer.from('guild_id');
const GUILD_TAIL = Buffer.from(',"guild_id":"');

/** Scans the message object in `bytes[start, end)`. Throws SpliceError when it is not an object. */
export function scanMessage(bytes: Uint8Array, start: number, end: number, out: MessageIds): void {
  out.idStart = out.channelStart = out.guildStart = -1;
  let found = 0;
  // Discord writes `guild_id` last. Where it does, the walk ends before the author and attachments.
  if (scanTail(bytes, start, end, out)) found = GUILD;
  let at = skipSpace(bytes, start, end);
  if (at >= end || bytes[at] !== OPEN_BRACE) throw new SpliceError('a message was expected');
  at = skipSpace(bytes, at + 1, end);
  if (bytes[at] === CLOSE_BRACE) return;
  for (;;) {
    if (at >= end || bytes[at] !== QUOTE) throw new SpliceError('a key was expected');
    const keyStart = ++at;
    at = skipString(bytes, at, end);
    const wanted = keyBit(bytes, keyStart, at - 1);
    if (bytes[at] !== COLON) at = skipSpace(bytes, at, end);
    if (at >= end || bytes[at] !== COLON) throw new SpliceError('a colon was expected');
    at++;
    if (bytes[at]! <= 0x20) at = skipSpace(bytes, at, end);
    const valueStart = at;
    const first = bytes[at]!;
    if (first === QUOTE) at = skipString(bytes, at + 1, end);
    else if (first === OPEN_BRACE || first === OPEN_BRACKET) at = skipContainer(bytes, at + 1, end);
    else at = skipValue(bytes, at, end);
    if (wanted !== 0 && (found & wanted) === 0 && takeId(bytes, valueStart, at, wanted, out)) {
      found |= wanted;
      if (found === ALL) return;
    }
    if (at < end && bytes[at] !== COMMA) at = skipSpace(bytes, at, end);
    if (at >= end) throw new SpliceError('a message does not end');
    if (bytes[at] === CLOSE_BRACE) return;
    if (bytes[at] !== COMMA) throw new SpliceError('a comma was expected');
    at++;
    if (bytes[at] !== QUOTE) at = skipSpace(bytes, at, end);
  }
}

function keyBit(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length === 2) return bytes[start] === 0x69 && bytes[start + 1] === 0x64 ? ID : 0;
  if (length === 10) return matches(bytes, start, CHANNEL_KEY) ? CHANNEL : 0;
  if (length === 8) return matches(bytes, start, GUILD_KEY) ? GUILD : 0;
  return 0;
}

function matches(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}

/** Takes an id written as string or number; false for null and anything else. */
function takeId(bytes: Uint8Array, start: number, end: number, wanted: number, out: MessageIds): boolean {
  const quoted = bytes[start] === QUOTE ? 1 : 0;
  const from = start + quoted;
  const to = end - quoted;
  if (from >= to) return false;
  for (let i = from; i < to; i++) if (bytes[i]! < 0x30 || bytes[i]! > 0x39) return false;
  if (wanted === ID) {
    out.idStart = from;
    out.idEnd = to;
  } else if (wanted === CHANNEL) {
    out.channelStart = from;
    out.channelEnd = to;
  } else {
    out.guildStart = from;
    out.guildEnd = to;
  }
  return true;
}

/**
 * Takes `guild_id` where the message ends in exactly `,"guild_id":"<digits>"}`. A string can't end that way
 * (its quotes would be escaped), and the brace after it closes the message, so it is the message's own key.
 */
function scanTail(bytes: Uint8Array, start: number, end: number, out: MessageIds): boolean {
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
