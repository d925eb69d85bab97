// Reads a gateway message's envelope as bytes, without parsing the message: 0.2 µs an event where JSON.parse
// costs 4 to 6 (perf-baselines). Discord writes `{"t":…,"s":…,"op":…,"d":…}`, compact and in this order
// (protocol reference 2.2), but nothing guarantees it; what is not in this form goes to `parseHeader`.
// The value of `d` is not looked at: it is taken to be valid JSON, and the message's last member.

import { EVENT_TYPES, eventTypeId } from './event-type.ts';

/** The envelope of one gateway message. Offsets are bytes into the scanned buffer. Reused between scans. */
export interface Header {
  op: number;
  /** Sequence number, or -1 where the message has null. */
  s: number;
  /** Durable event id (event-type.ts); 0 for an unlisted event and for every op but 0. */
  type: number;
  /** Range of the event name's JSON text, without quotes; both -1 where `t` is null. */
  typeStart: number;
  typeEnd: number;
  /** Range of the value of `d`. */
  dataStart: number;
  dataEnd: number;
}

/** Creates a header to scan into. */
export function createHeader(): Header {
  return { op: -1, s: -1, type: 0, typeStart: -1, typeEnd: -1, dataStart: 0, dataEnd: 0 };
}

const QUOTE = 0x22;
const CLOSING_BRACE = 0x7d;
const OP_MAX = 999;
const S_MAX = 0xffffffff;
const NULL = Buffer.from('null');
const T_PREFIX = Buffer.from('{"t":');
const S_PREFIX = Buffer.from(',"s":');
const OP_PREFIX = Buffer.from(',"op":');
const D_PREFIX = Buffer.from(',"d":');
// The fewest bytes that can follow each part of the envelope. They are checked before each part is read: behind
// `end` lie an older message's bytes, which must not complete a message that was cut short.
const LEAST_AFTER_D = '0}'.length;
const LEAST_AFTER_OP = D_PREFIX.length + LEAST_AFTER_D;
const LEAST_AFTER_S = OP_PREFIX.length + 1 + LEAST_AFTER_OP;
const LEAST_AFTER_T = S_PREFIX.length + 1 + LEAST_AFTER_S;
const LEAST = T_PREFIX.length + '""'.length + LEAST_AFTER_T;

// Event names are found by a hash of length, and of three bytes that differ between them.
const HASH_SIZE = 1024;
const slots: number[][] = Array.from({ length: HASH_SIZE }, () => []);
const nameBytes = EVENT_TYPES.map((name) => Buffer.from(name));
function hashName(buffer: Uint8Array, start: number, end: number): number {
  const length = end - start;
  return (
    (length * 31 +
      buffer[end - 2]! * 7 +
      buffer[start + (length >> 1)]! * 13 +
      buffer[start + (length >> 2)]! * 3) &
    (HASH_SIZE - 1)
  );
}
for (let id = 1; id < nameBytes.length; id++) {
  const bytes = nameBytes[id]!;
  slots[hashName(bytes, 0, bytes.length)]!.push(id);
}

function findType(buffer: Uint8Array, start: number, end: number): number {
  if (end - start < 4) return 0;
  const candidates = slots[hashName(buffer, start, end)]!;
  search: for (let c = 0; c < candidates.length; c++) {
    const id = candidates[c]!;
    const bytes = nameBytes[id]!;
    if (bytes.length !== end - start) continue;
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== buffer[start + i]) continue search;
    return id;
  }
  return 0;
}

/** Whether `text` stands at `at` of `buffer`. */
export function matches(buffer: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (buffer[at + i] !== text[i]) return false;
  return true;
}

/**
 * Reads the envelope of the message in `buffer[start, end)` into `out`.
 * Returns false, with `out` undefined, when the message does not begin in the known form.
 */
export function scanHeader(buffer: Uint8Array, start: number, end: number, out: Header): boolean {
  if (end - start < LEAST || !matches(buffer, start, T_PREFIX)) return false;
  let at = start + 5;
  if (buffer[at] === QUOTE) {
    const nameStart = ++at;
    while (at < end && buffer[at] !== QUOTE) {
      const byte = buffer[at]!;
      // A-Z, 0-9 and _ only: anything else (an escape, say) is not a name we know how to read as bytes.
      if (!((byte >= 0x41 && byte <= 0x5a) || byte === 0x5f || (byte >= 0x30 && byte <= 0x39))) return false;
      at++;
    }
    if (at === nameStart || at >= end) return false;
    out.typeStart = nameStart;
    out.typeEnd = at;
    out.type = findType(buffer, nameStart, at);
    at++;
  } else if (matches(buffer, at, NULL)) {
    out.typeStart = -1;
    out.typeEnd = -1;
    out.type = 0;
    at += 4;
  } else return false;
  if (end - at < LEAST_AFTER_T || !matches(buffer, at, S_PREFIX)) return false;
  at += 5;
  if (matches(buffer, at, NULL)) {
    out.s = -1;
    at += 4;
  } else {
    let s = 0;
    const from = at;
    for (; at < end; at++) {
      const digit = buffer[at]! - 0x30;
      if (digit < 0 || digit > 9) break;
      s = s * 10 + digit;
    }
    if (at === from || s > S_MAX) return false;
    out.s = s;
  }
  if (end - at < LEAST_AFTER_S || !matches(buffer, at, OP_PREFIX)) return false;
  at += 6;
  let op = 0;
  const from = at;
  for (; at < end; at++) {
    const digit = buffer[at]! - 0x30;
    if (digit < 0 || digit > 9) break;
    op = op * 10 + digit;
  }
  if (at === from || op > OP_MAX || end - at < LEAST_AFTER_OP || !matches(buffer, at, D_PREFIX)) return false;
  out.op = op;
  out.dataStart = at + 5;
  out.dataEnd = end - 1;
  return buffer[end - 1] === CLOSING_BRACE;
}

/** A message read the slow way: its header and the same message re-written in the known form. */
export interface ParsedMessage {
  readonly header: Header;
  readonly bytes: Buffer;
}

/**
 * Reads a message whose envelope is not in the known form, by JSON.parse, and re-writes it in the known form.
 * Returns undefined when it is not JSON, not an object, or has no integer `op`.
 */
export function parseHeader(buffer: Uint8Array, start: number, end: number): ParsedMessage | undefined {
  let message: { t?: unknown; s?: unknown; op?: unknown; d?: unknown };
  try {
    message = JSON.parse(Buffer.from(buffer.buffer, buffer.byteOffset + start, end - start).toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof message !== 'object' || message === null || !Number.isInteger(message.op)) return undefined;
  const t = typeof message.t === 'string' ? message.t : null;
  const s = isSequence(message.s) ? message.s : null;
  const bytes = Buffer.from(JSON.stringify({ t, s, op: message.op, d: message.d ?? null }));
  const header = createHeader();
  if (!scanHeader(bytes, 0, bytes.length, header)) {
    // What is left that the scan refuses: an event name outside A-Z0-9_, and an opcode that does not exist.
    header.op = message.op as number;
    header.s = s ?? -1;
    header.type = t === null ? 0 : eventTypeId(t);
    header.typeStart = t === null ? -1 : T_PREFIX.length + 1;
    header.typeEnd = t === null ? -1 : T_PREFIX.length + Buffer.byteLength(JSON.stringify(t)) - 1;
    // The first one: inside the event name the quotes would be escaped.
    header.dataStart = bytes.indexOf(D_PREFIX) + D_PREFIX.length;
    header.dataEnd = bytes.length - 1;
  }
  return { header, bytes };
}

function isSequence(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= S_MAX;
}
