// Puts a guild together again: its blob as Discord sent it, with the parts that events have touched since
// spliced in. Whatever was not touched keeps its bytes. It reads no storage and knows no events.

import { elementId } from './contents.ts';
import { ELEMENT_ARRAYS, type ElementArray, PART, type PartKind } from './part.ts';
import type { PartRow, TailRow } from './port.ts';
import {
  findValue,
  forEachElement,
  forEachMember,
  idOf,
  keyText,
  mergeObjects,
  numberOf,
  skipSpace,
  splice,
  withMembers,
  withoutMembers,
} from './splice.ts';

const COMMA = Buffer.from(',');
const OPEN = Buffer.from('[');
const CLOSE = Buffer.from(']');
const EMPTY_ARRAY = Buffer.from('[]');

/** The guild's object as a list of pieces to be written one after another. */
export function rejoin(blob: Uint8Array, rows: readonly PartRow[], tails: readonly TailRow[]): Uint8Array[] {
  if (rows.length === 0 && tails.length === 0) return [blob];
  const parts = createParts(rows, tails);
  const values = replacements(parts);
  const pieces: Uint8Array[] = [];
  let from = 0;
  let empty = true;
  const close = forEachMember(blob, 0, blob.length, (key, valueStart, valueEnd) => {
    empty = false;
    const name = keyText(blob, key);
    const replace = values.get(name);
    if (!replace) return;
    values.delete(name);
    pieces.push(blob.subarray(from, valueStart), ...replace(blob.subarray(valueStart, valueEnd)));
    from = valueEnd;
  });
  pieces.push(blob.subarray(from, close));
  for (const [name, replace] of values) {
    const added = replace(undefined);
    if (added.length === 0) continue;
    pieces.push(Buffer.from(`${empty ? '' : ','}${JSON.stringify(name)}:`), ...added);
    empty = false;
  }
  pieces.push(blob.subarray(close));
  return pieces;
}

/** Touched parts by kind and id, and tails by channel. */
interface Parts {
  of(kind: PartKind): ReadonlyMap<string, Uint8Array | null>;
  readonly tails: ReadonlyMap<string, TailRow>;
}

const NONE: ReadonlyMap<string, Uint8Array | null> = new Map();

function createParts(rows: readonly PartRow[], tails: readonly TailRow[]): Parts {
  const byKind = new Map<PartKind, Map<string, Uint8Array | null>>();
  for (const { kind, id, value } of rows) {
    let map = byKind.get(kind);
    if (!map) {
      map = new Map();
      byKind.set(kind, map);
    }
    map.set(id, value);
  }
  return {
    of: (kind) => byKind.get(kind) ?? NONE,
    tails: new Map(tails.map((row) => [row.channel, row])),
  };
}

/** Makes a member's new value out of the blob's (undefined when the blob lacks it); nothing leaves it out. */
type Replace = (value: Uint8Array | undefined) => Uint8Array[];

/** What becomes of each member of the guild object that changes. */
function replacements(parts: Parts): Map<string, Replace> {
  const values = new Map<string, Replace>();
  const guild = parts.of(PART.GUILD).get('');
  if (guild) {
    forEachMember(guild, 0, guild.length, (key, valueStart, valueEnd) => {
      const value = guild.subarray(valueStart, valueEnd);
      values.set(keyText(guild, key), () => [value]);
    });
  }
  for (const [name, value] of parts.of(PART.FIELD)) if (value) values.set(name, () => [value]);
  for (const array of ELEMENT_ARRAYS) {
    if (!isTouched(parts, array.kind)) continue;
    const newer = values.get(array.array);
    values.set(array.array, (value) => {
      const source = newer?.(value)[0] ?? value;
      return source ? rejoinArray(array, source, parts) : rejoinArray(array, EMPTY_ARRAY, parts);
    });
  }
  const counted = parts.of(PART.MEMBER_COUNT).get('');
  if (counted) {
    values.set('member_count', (value) => {
      if (!value) return [];
      return [plus(value, numberOf(counted, whole(counted)) ?? 0) ?? value];
    });
  }
  return values;
}

/** Kinds of parts, beside its own elements, that change elements of an array. */
const ALSO: ReadonlyMap<PartKind, readonly PartKind[]> = new Map([
  [PART.CHANNEL, [PART.PINS]],
  [PART.THREAD, [PART.PINS, PART.THREAD_SELF, PART.THREAD_COUNT, PART.CHANNEL_GONE, PART.THREADS_GONE]],
  [PART.MEMBER, [PART.ROLE_GONE, PART.MEMBER_GONE]],
  [PART.VOICE_STATE, [PART.CHANNEL_GONE]],
  [PART.STAGE_INSTANCE, [PART.CHANNEL_GONE]],
  [PART.SCHEDULED_EVENT, [PART.EVENT_USERS]],
]);

function isTouched(parts: Parts, kind: PartKind): boolean {
  if (parts.of(kind).size > 0) return true;
  if (parts.tails.size > 0 && (kind === PART.CHANNEL || kind === PART.THREAD)) return true;
  return ALSO.get(kind)?.some((other) => parts.of(other).size > 0) ?? false;
}

function rejoinArray(array: ElementArray, source: Uint8Array, parts: Parts): Uint8Array[] {
  const pieces: Uint8Array[] = [OPEN];
  const add = (bytes: Uint8Array): void => {
    if (pieces.length > 1) pieces.push(COMMA);
    pieces.push(bytes);
  };
  const waiting = new Map(parts.of(array.kind));
  // Runs of untouched elements are taken whole, with what is between them.
  let runStart = -1;
  let runEnd = -1;
  const endRun = (): void => {
    if (runStart >= 0) add(source.subarray(runStart, runEnd));
    runStart = -1;
  };
  forEachElement(source, 0, source.length, (start, end) => {
    const element = source.subarray(start, end);
    const id = elementId(source, start, end, array);
    const result = id === undefined ? element : rejoinElement(array.kind, id, element, parts);
    if (id !== undefined) waiting.delete(id);
    if (result === element) {
      if (runStart < 0) runStart = start;
      runEnd = end;
      return;
    }
    endRun();
    if (result) add(result);
  });
  endRun();
  for (const [id, value] of waiting) {
    const result = value && rejoinElement(array.kind, id, undefined, parts);
    if (result) add(result);
  }
  pieces.push(CLOSE);
  return pieces;
}

/**
 * What becomes of one element: the same array object when nothing does, undefined when it goes. `element` is
 * undefined for one that the blob does not hold.
 */
function rejoinElement(
  kind: PartKind,
  id: string,
  element: Uint8Array | undefined,
  parts: Parts,
): Uint8Array | undefined {
  const part = parts.of(kind).get(id);
  if (part === null) return undefined;
  switch (kind) {
    case PART.CHANNEL:
      return withChannelFields(part ?? element, id, parts, []);
    case PART.THREAD:
      return rejoinThread(id, element, part, parts);
    case PART.MEMBER:
      return rejoinMember(id, element, part, parts);
    case PART.VOICE_STATE:
    case PART.STAGE_INSTANCE:
      return part ?? (isGone(element, 'channel_id', parts.of(PART.CHANNEL_GONE)) ? undefined : element);
    case PART.SCHEDULED_EVENT: {
      const users = parts.of(PART.EVENT_USERS).get(id);
      const event = part ?? element;
      return users && event ? withAdded(event, ['user_count'], numberOf(users, whole(users)) ?? 0) : event;
    }
    default:
      return part ?? element;
  }
}

function rejoinThread(
  id: string,
  element: Uint8Array | undefined,
  part: Uint8Array | undefined,
  parts: Parts,
): Uint8Array | undefined {
  const gone =
    parts.of(PART.THREADS_GONE).has('*') ||
    isGone(element, 'parent_id', parts.of(PART.CHANNEL_GONE)) ||
    isGone(element, 'parent_id', parts.of(PART.THREADS_GONE));
  const thread = part ?? (gone ? undefined : element);
  if (!thread) return undefined;
  const fields: Field[] = [];
  const count = parts.of(PART.THREAD_COUNT).get(id);
  if (count) fields.push(['member_count', count]);
  let self = parts.of(PART.THREAD_SELF).get(id);
  if (self === null) {
    const left = findValue(thread, 0, thread.length, 'member');
    const without = left ? withoutMembers(thread, 0, thread.length, ['member']) : thread;
    return withChannelFields(without, id, parts, fields);
  }
  // A thread's own update does not carry the bot's membership: the blob still knows it.
  if (self === undefined && part && element && !gone) {
    const own = findValue(element, 0, element.length, 'member');
    if (own) self = element.subarray(own.start, own.end);
  }
  if (self) fields.push(['member', self]);
  return withChannelFields(thread, id, parts, fields);
}

type Field = readonly [name: string, value: Uint8Array];

function withChannelFields(
  channel: Uint8Array | undefined,
  id: string,
  parts: Parts,
  fields: readonly Field[],
): Uint8Array | undefined {
  if (!channel) return undefined;
  const changes = [...fields];
  const pins = parts.of(PART.PINS).get(id);
  if (pins) changes.push(['last_pin_timestamp', pins]);
  const tail = parts.tails.get(id);
  if (tail) changes.push(['last_message_id', Buffer.from(JSON.stringify(tail.last))]);
  const changed = changes.length > 0 ? withMembers(channel, changes) : channel;
  // Only threads count their messages; a channel has neither key.
  return tail ? withAdded(changed, ['message_count', 'total_message_sent'], tail.count) : changed;
}

function rejoinMember(
  id: string,
  element: Uint8Array | undefined,
  part: Uint8Array | undefined,
  parts: Parts,
): Uint8Array | undefined {
  const below = parts.of(PART.MEMBER_GONE).has(id) ? undefined : element;
  const member = part && below ? mergeObjects(below, part) : (part ?? below);
  const gone = parts.of(PART.ROLE_GONE);
  if (!member || gone.size === 0) return member;
  const roles = findValue(member, 0, member.length, 'roles');
  if (!roles) return member;
  const kept: Uint8Array[] = [];
  let stripped = false;
  forEachElement(member, roles.start, roles.end, (start, end) => {
    if (gone.has(idOf(member, { start, end }) ?? '')) stripped = true;
    else kept.push(member.subarray(start, end));
  });
  if (!stripped) return member;
  const list = Buffer.concat(kept.flatMap((role, i) => (i === 0 ? [role] : [COMMA, role])));
  return splice(member, 0, member.length, [
    { start: roles.start, end: roles.end, bytes: Buffer.concat([OPEN, list, CLOSE]) },
  ]);
}

function isGone(element: Uint8Array | undefined, key: string, gone: ReadonlyMap<string, unknown>): boolean {
  if (!element || gone.size === 0) return false;
  const id = idOf(element, findValue(element, 0, element.length, key));
  return id !== undefined && gone.has(id);
}

/** Adds to those of the named members that are there and numbers. */
function withAdded(object: Uint8Array, names: readonly string[], delta: number): Uint8Array {
  const changes: Field[] = [];
  for (const name of names) {
    const range = findValue(object, 0, object.length, name);
    const sum = range && plus(object.subarray(range.start, range.end), delta);
    if (sum) changes.push([name, sum]);
  }
  return changes.length > 0 && delta !== 0 ? withMembers(object, changes) : object;
}

/** A count with `delta` added, never below 0; undefined when it is not a number. */
function plus(value: Uint8Array, delta: number): Buffer | undefined {
  const at = skipSpace(value, 0, value.length);
  const count = numberOf(value, { start: at, end: value.length });
  return count === undefined ? undefined : Buffer.from(String(Math.max(0, count + delta)));
}

function whole(bytes: Uint8Array): { start: number; end: number } {
  return { start: 0, end: bytes.length };
}
