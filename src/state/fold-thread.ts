// Folds threads. GUILD_CREATE lists active threads only, and the bot's own membership (`member`) sits inside
// them though most thread events do not carry it: it is a part of its own, so that no event can lose it.

import { copyOf, elementIdOf, type FoldEvent, guildOf, guildOfAny, requiredId } from './fold-event.ts';
import { offerMember, offerPresence } from './fold-member.ts';
import type { GuildOverlay } from './overlay.ts';
import { PART } from './part.ts';
import {
  findValue,
  findValues,
  forEachElement,
  idOf,
  isLiteral,
  type Range,
  SpliceError,
  withoutMembers,
} from './splice.ts';

const MARK = Buffer.from('1');

/** THREAD_CREATE and THREAD_UPDATE: an archived thread leaves the list, but the bot stays its member. */
export function foldThread(event: FoldEvent): void {
  const guild = guildOfAny(event);
  if (guild) putThread(event, guild, event);
}

/** THREAD_DELETE. */
export function foldThreadDelete(event: FoldEvent): void {
  const guild = guildOf(event);
  if (guild) deleteThread(guild, requiredId(event, 'id'));
}

/** THREAD_LIST_SYNC: the active threads of some channels, or of the whole guild, and the bot's memberships. */
export function foldThreadList(event: FoldEvent): void {
  const guild = guildOf(event);
  if (!guild) return;
  const { bytes, start, end } = event;
  const [channels, threads, members] = findValues(bytes, start, end, ['channel_ids', 'threads', 'members']);
  if (!threads) throw new SpliceError('threads is missing');
  let parents: Set<string> | undefined;
  if (channels && !isLiteral(bytes, channels, 'null')) {
    parents = new Set();
    forEachElement(bytes, channels.start, channels.end, (from, to) => {
      parents!.add(idOf(bytes, { start: from, end: to }) ?? '');
    });
  }
  for (const row of guild.parts(PART.THREAD)) {
    if (!row.value) continue;
    const parent = idOf(row.value, findValue(row.value, 0, row.value.length, 'parent_id'));
    if (!parents || parents.has(parent ?? '')) deleteThread(guild, row.id);
  }
  for (const parent of parents ?? ['*']) guild.put(PART.THREADS_GONE, parent, MARK);
  const listed: Range[] = [];
  forEachElement(bytes, threads.start, threads.end, (from, to) => {
    listed.push({ start: from, end: to });
  });
  for (const thread of listed) {
    const id = idOf(bytes, findValue(bytes, thread.start, thread.end, 'id'));
    if (id !== undefined) guild.put(PART.THREAD_SELF, id, null);
    putThread(event, guild, thread);
  }
  if (!members) return;
  forEachElement(bytes, members.start, members.end, (from, to) => {
    const id = idOf(bytes, findValue(bytes, from, to, 'id'));
    if (id !== undefined) guild.put(PART.THREAD_SELF, id, ownMember(bytes, { start: from, end: to }));
  });
}

/** THREAD_MEMBER_UPDATE: the bot's own membership. */
export function foldThreadMember(event: FoldEvent): void {
  const guild = guildOf(event);
  if (guild) guild.put(PART.THREAD_SELF, requiredId(event, 'id'), ownMember(event.bytes, event));
}

/** THREAD_MEMBERS_UPDATE: the count, and the bot joining or leaving. Added entries carry member and presence. */
export function foldThreadMembers(event: FoldEvent): void {
  const guild = guildOf(event);
  if (!guild) return;
  const { bytes } = event;
  const id = requiredId(event, 'id');
  const self = event.overlay.self;
  const [count, added, removed] = findValues(bytes, event.start, event.end, [
    'member_count',
    'added_members',
    'removed_member_ids',
  ]);
  if (count) guild.put(PART.THREAD_COUNT, id, copyOf(event, count));
  if (added) {
    forEachElement(bytes, added.start, added.end, (start, end) => {
      const [user, member, presence] = findValues(bytes, start, end, ['user_id', 'member', 'presence']);
      if (idOf(bytes, user) === self) guild.put(PART.THREAD_SELF, id, ownMember(bytes, { start, end }));
      if (member && bytes[member.start] === 0x7b) offerMember(event, guild, member);
      if (presence && bytes[presence.start] === 0x7b)
        offerPresence(event, guild, elementIdOf(event, PART.PRESENCE, presence), presence);
    });
  }
  if (!removed) return;
  forEachElement(bytes, removed.start, removed.end, (start, end) => {
    if (idOf(bytes, { start, end }) === self) guild.put(PART.THREAD_SELF, id, null);
  });
}

/** CHANNEL_DELETE takes its threads along: those touched here, and by a mark those still in the blob. */
export function deleteThreadsOf(guild: GuildOverlay, channel: string): void {
  for (const row of guild.parts(PART.THREAD)) {
    if (!row.value) continue;
    if (idOf(row.value, findValue(row.value, 0, row.value.length, 'parent_id')) === channel)
      deleteThread(guild, row.id);
  }
}

function putThread(event: FoldEvent, guild: GuildOverlay, range: Range): void {
  const { bytes } = event;
  const [idRange, metadata, member] = findValues(bytes, range.start, range.end, [
    'id',
    'thread_metadata',
    'member',
  ]);
  const id = idOf(bytes, idRange);
  if (id === undefined) throw new SpliceError('id is missing');
  const archived =
    metadata !== undefined &&
    bytes[metadata.start] === 0x7b &&
    isLiteral(bytes, findValue(bytes, metadata.start, metadata.end, 'archived'), 'true');
  if (archived) guild.remove(PART.THREAD, id);
  else guild.put(PART.THREAD, id, withoutMembers(bytes, range.start, range.end, ['newly_created']));
  if (member && bytes[member.start] === 0x7b) guild.put(PART.THREAD_SELF, id, copyOf(event, member));
  dropFields(guild, id);
}

function deleteThread(guild: GuildOverlay, id: string): void {
  guild.remove(PART.THREAD, id);
  guild.drop(PART.THREAD_SELF, id);
  dropFields(guild, id);
}

function dropFields(guild: GuildOverlay, id: string): void {
  guild.drop(PART.THREAD_COUNT, id);
  guild.drop(PART.PINS, id);
  guild.dropTail(id);
}

/** GUILD_CREATE's threads carry the own member without these. */
function ownMember(bytes: Uint8Array, range: Range): Buffer {
  return withoutMembers(bytes, range.start, range.end, ['id', 'user_id', 'guild_id', 'member', 'presence']);
}
