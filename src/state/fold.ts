// Applies one event to a shard's state, as bytes: events.ts says what an event does, here is how. Only what an
// event touches becomes a part of its own; a guild's blob is never read here, let alone parsed.
// It does not know positions, storage or batches.

import { createHeader, scanHeader } from '../wire/header.ts';
import { walkGuild } from './contents.ts';
import { type Effect, effectOf, type NamedEffect } from './events.ts';
import {
  available,
  copyOf,
  elementIdOf,
  type FoldEvent,
  type FoldOptions,
  guildOf,
  guildOfAny,
  required,
  requiredId,
} from './fold-event.ts';
import {
  foldMemberAdd,
  foldMemberRemove,
  foldMembersChunk,
  foldMemberUpdate,
  foldPresence,
  foldVoiceState,
} from './fold-member.ts';
import {
  deleteThreadsOf,
  foldThread,
  foldThreadDelete,
  foldThreadList,
  foldThreadMember,
  foldThreadMembers,
} from './fold-thread.ts';
import { createIds, scanIds, WANT } from './ids.ts';
import type { GuildOverlay, Overlay } from './overlay.ts';
import { NOT_IN_GUILD_UPDATE, PART, type PartKind } from './part.ts';
import {
  findValue,
  forEachElement,
  idOf,
  isLiteral,
  mergeObjects,
  numberOf,
  type Range,
  SpliceError,
  splice,
  withMembers,
  withoutMembers,
} from './splice.ts';

const MARK = Buffer.from('1');
const NULL = Buffer.from('null');
const FALSE = Buffer.from('false');
/** A guild smaller than this is copied even where it could be left in the journal. */
const LEFT_IN_PLACE_BYTES_MIN = 4096;

/** One record's payload, for `foldRecord`. */
export interface RecordPayload {
  /** The event's durable type id. */
  readonly type: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Where in the journal the payload is, if big values may be left there; it must stay readable. */
  readonly place?: { readonly segment: number; readonly offset: number } | undefined;
}

const header = createHeader();
const ids = createIds();
const MESSAGE_IDS = WANT.ID | WANT.CHANNEL | WANT.GUILD;

/**
 * Applies the event in a record's payload (a whole gateway message in the known form) to a shard. Throws
 * SpliceError when it does not have the shape of its kind; what it had changed until then stays changed.
 */
export function foldRecord(overlay: Overlay, record: RecordPayload, options: FoldOptions): void {
  const effect = effectOf(record.type);
  if (effect.does === 'nothing') return;
  if (!scanHeader(record.bytes, record.start, record.end, header))
    throw new SpliceError('not a gateway message in the known form');
  const { dataStart: start, dataEnd: end } = header;
  if (effect.does === 'message') {
    foldMessage(overlay, record.bytes, start, end);
    return;
  }
  const place = record.place && {
    segment: record.place.segment,
    offset: record.place.offset + start - record.start,
    length: end - start,
  };
  foldEffect({ overlay, options, bytes: record.bytes, start, end, place }, effect);
}

/** The newest message of a channel. Never parsed. */
function foldMessage(overlay: Overlay, bytes: Uint8Array, start: number, end: number): void {
  scanIds(bytes, start, end, MESSAGE_IDS, ids);
  if (ids.channelStart < 0 || ids.idStart < 0) throw new SpliceError('a message without id or channel_id');
  overlay.noteMessage(bytes, ids);
}

function foldEffect(event: FoldEvent, effect: Effect): void {
  switch (effect.does) {
    case 'nothing':
      return;
    case 'upsert':
      return foldUpsert(event, effect.kind, effect.from);
    case 'upsert-all':
      return foldUpsertAll(event, effect.kind, effect.from);
    case 'remove':
      guildOf(event)?.remove(effect.kind, requiredId(event, effect.id));
      return;
    case 'replace-field':
      guildOf(event)?.put(PART.FIELD, effect.field, copyOf(event, required(event, effect.field)));
      return;
    case 'scheduled-event-users':
      return foldScheduledEventUsers(event, effect.by);
    default:
      return NAMED[effect.does](event);
  }
}

const NAMED: Record<NamedEffect, (event: FoldEvent) => void> = {
  ready: foldReady,
  user: foldUser,
  'guild-create': foldGuildCreate,
  'guild-update': foldGuildUpdate,
  'guild-delete': foldGuildDelete,
  'role-delete': foldRoleDelete,
  channel: foldChannel,
  'channel-delete': foldChannelDelete,
  'channel-pins': foldChannelPins,
  thread: foldThread,
  'thread-delete': foldThreadDelete,
  'thread-list': foldThreadList,
  'thread-member': foldThreadMember,
  'thread-members': foldThreadMembers,
  'member-add': foldMemberAdd,
  'member-update': foldMemberUpdate,
  'member-remove': foldMemberRemove,
  'members-chunk': foldMembersChunk,
  'scheduled-event': foldScheduledEvent,
  'scheduled-event-delete': foldScheduledEventDelete,
  'voice-state': foldVoiceState,
  presence: foldPresence,
  message: (event) => foldMessage(event.overlay, event.bytes, event.start, event.end),
};

function foldUpsert(event: FoldEvent, kind: PartKind, from: string | undefined): void {
  const guild = guildOf(event);
  if (!guild) return;
  const range: Range = from === undefined ? event : required(event, from);
  guild.put(kind, elementIdOf(event, kind, range), copyOf(event, range));
}

function foldUpsertAll(event: FoldEvent, kind: PartKind, from: string): void {
  const guild = guildOf(event);
  if (!guild) return;
  const list = required(event, from);
  forEachElement(event.bytes, list.start, list.end, (start, end) => {
    guild.put(kind, elementIdOf(event, kind, { start, end }), copyOf(event, { start, end }));
  });
}

function foldReady(event: FoldEvent): void {
  const { bytes } = event;
  const user = required(event, 'user');
  const self = idOf(bytes, findValue(bytes, user.start, user.end, 'id'));
  if (self === undefined) throw new SpliceError('user.id is missing');
  const listed: string[] = [];
  const guilds = required(event, 'guilds');
  forEachElement(bytes, guilds.start, guilds.end, (start, end) => {
    const id = idOf(bytes, findValue(bytes, start, end, 'id'));
    if (id !== undefined) listed.push(id);
  });
  event.overlay.reset(copyOf(event, event), self, listed);
}

function foldUser(event: FoldEvent): void {
  const row = event.overlay.ready();
  if (!row) return;
  const user = row.user ?? userOf(row.ready);
  event.overlay.setUser(mergeObjects(user, event.bytes.subarray(event.start, event.end)));
}

function userOf(ready: Uint8Array): Uint8Array {
  const range = findValue(ready, 0, ready.length, 'user');
  if (!range) throw new SpliceError('user is missing');
  return ready.subarray(range.start, range.end);
}

function foldGuildCreate(event: FoldEvent): void {
  const { overlay, bytes, start, end } = event;
  const { id, unavailable, contents } = walkGuild(bytes, start, end);
  if (id === undefined) throw new SpliceError('id is missing');
  if (isLiteral(bytes, unavailable, 'true')) return overlay.putUnavailable(id);
  const insert = unavailable === undefined;
  if (insert || isLiteral(bytes, unavailable, 'false')) {
    if (event.place && end - start >= LEFT_IN_PLACE_BYTES_MIN)
      return overlay.putGuild(id, { place: event.place, insert }, contents);
    const own = insert ? withAvailable(bytes, start, end) : copyOf(event, event);
    return overlay.putGuild(id, { bytes: own }, contents);
  }
  const own = withMembers(bytes.subarray(start, end), [['unavailable', FALSE]]);
  overlay.putGuild(id, { bytes: own }, contents);
}

const AVAILABLE = Buffer.from('"unavailable":false,');

/** A guild object with `"unavailable":false` put in front: without that key a client sees a join (8.2). */
export function withAvailable(bytes: Uint8Array, start: number, end: number): Buffer {
  const brace = bytes.indexOf(0x7b, start);
  return splice(bytes, start, end, [{ start: brace + 1, end: brace + 1, bytes: AVAILABLE }]);
}

function foldGuildUpdate(event: FoldEvent): void {
  const guild = available(event, requiredId(event, 'id'));
  if (!guild) return;
  const { bytes, start, end } = event;
  const patch = withoutMembers(bytes, start, end, [...NOT_IN_GUILD_UPDATE]);
  const before = guild.part(PART.GUILD, '');
  guild.put(PART.GUILD, '', before ? mergeObjects(before, patch) : patch);
  // What it carries whole is newer than what was touched before.
  for (const field of ['emojis', 'stickers']) {
    if (findValue(patch, 0, patch.length, field)) guild.drop(PART.FIELD, field);
  }
  if (!findValue(patch, 0, patch.length, 'roles')) return;
  for (const row of guild.parts(PART.ROLE)) guild.drop(PART.ROLE, row.id);
}

function foldGuildDelete(event: FoldEvent): void {
  const id = requiredId(event, 'id');
  const { bytes, start, end } = event;
  if (isLiteral(bytes, findValue(bytes, start, end, 'unavailable'), 'true')) event.overlay.putUnavailable(id);
  else event.overlay.deleteGuild(id);
}

function foldRoleDelete(event: FoldEvent): void {
  const guild = guildOf(event);
  if (!guild) return;
  const role = requiredId(event, 'role_id');
  // Always a mark, never forgotten: the role may be in a GUILD_UPDATE's roles, which the index does not know.
  guild.put(PART.ROLE, role, null);
  guild.put(PART.ROLE_GONE, role, MARK);
}

function foldChannel(event: FoldEvent): void {
  const guild = guildOfAny(event);
  if (!guild) return;
  const id = requiredId(event, 'id');
  guild.put(PART.CHANNEL, id, copyOf(event, event));
  guild.drop(PART.PINS, id);
  guild.dropTail(id);
}

function foldChannelDelete(event: FoldEvent): void {
  const guild = guildOfAny(event);
  if (!guild) return;
  const id = requiredId(event, 'id');
  if (guild.has(PART.CHANNEL, id)) guild.put(PART.CHANNEL_GONE, id, MARK);
  guild.remove(PART.CHANNEL, id);
  guild.drop(PART.PINS, id);
  guild.dropTail(id);
  deleteThreadsOf(guild, id);
  removeInChannel(guild, PART.VOICE_STATE, id);
  removeInChannel(guild, PART.STAGE_INSTANCE, id);
}

function removeInChannel(guild: GuildOverlay, kind: PartKind, channel: string): void {
  for (const row of guild.parts(kind)) {
    if (row.value && idOf(row.value, findValue(row.value, 0, row.value.length, 'channel_id')) === channel)
      guild.remove(kind, row.id);
  }
}

function foldChannelPins(event: FoldEvent): void {
  const guild = guildOfAny(event);
  if (!guild) return;
  const at = findValue(event.bytes, event.start, event.end, 'last_pin_timestamp');
  guild.put(PART.PINS, requiredId(event, 'channel_id'), at ? copyOf(event, at) : NULL);
}

function foldScheduledEvent(event: FoldEvent): void {
  const guild = guildOf(event);
  if (!guild) return;
  const id = requiredId(event, 'id');
  const status = numberOf(event.bytes, required(event, 'status'));
  // Completed and cancelled events are no longer listed.
  if (status === 3 || status === 4) guild.remove(PART.SCHEDULED_EVENT, id);
  else guild.put(PART.SCHEDULED_EVENT, id, copyOf(event, event));
  guild.drop(PART.EVENT_USERS, id);
}

function foldScheduledEventDelete(event: FoldEvent): void {
  const guild = guildOf(event);
  if (!guild) return;
  const id = requiredId(event, 'id');
  guild.remove(PART.SCHEDULED_EVENT, id);
  guild.drop(PART.EVENT_USERS, id);
}

function foldScheduledEventUsers(event: FoldEvent, by: number): void {
  const guild = guildOf(event);
  if (!guild) return;
  const id = requiredId(event, 'guild_scheduled_event_id');
  const before = guild.part(PART.EVENT_USERS, id);
  const delta = (before ? (numberOf(before, { start: 0, end: before.length }) ?? 0) : 0) + by;
  guild.put(PART.EVENT_USERS, id, Buffer.from(String(delta)));
}
