// Folds who is in a guild: members, presences and voice states. A guild's blob holds the members that Discord
// sent with it; of others only the bot's own and those in voice channels are kept, unless options say more.

import { available, elementIdOf, type FoldEvent, guildOf, required } from './fold-event.ts';
import { createIds, scanIds, WANT } from './ids.ts';
import type { GuildOverlay } from './overlay.ts';
import { PART } from './part.ts';
import {
  asBuffer,
  findValue,
  findValues,
  forEachElement,
  idOf,
  isLiteral,
  mergeObjects,
  numberOf,
  type Range,
  SpliceError,
  withoutMembers,
} from './splice.ts';

/** GUILD_MEMBER_ADD. It may fire for members that are already there: those are not counted twice. */
export function foldMemberAdd(event: FoldEvent): void {
  const guild = guildOf(event);
  if (!guild) return;
  const user = elementIdOf(event, PART.MEMBER, event);
  const known = isMember(guild, user);
  if (!known) countMembers(guild, 1);
  if (known || event.options.keepMembers || isSelf(event, user)) putMember(event, guild, user, event);
}

/** GUILD_MEMBER_UPDATE: merged over what is known; of a member nobody knows there is nothing to merge into. */
export function foldMemberUpdate(event: FoldEvent): void {
  const { bytes, options } = event;
  const guild = scanAbout(event);
  if (ids.guildStart < 0) throw new SpliceError('guild_id is missing');
  if (ids.userStart < 0) throw new SpliceError('user.id is missing');
  if (!guild) return;
  // The bot itself is in every guild, so it is no stranger.
  if (!options.keepMembers && guild.isStranger(PART.MEMBER, bytes, ids.userStart, ids.userEnd)) return;
  const user = asBuffer(bytes).toString('latin1', ids.userStart, ids.userEnd);
  if (isMember(guild, user) || isSelf(event, user) || (options.keepMembers && isWhole(event)))
    mergeMember(event, guild, user, event);
}

/** GUILD_MEMBER_REMOVE. The voice state ends by an event of its own. */
export function foldMemberRemove(event: FoldEvent): void {
  const guild = guildOf(event);
  if (!guild) return;
  const user = elementIdOf(event, PART.MEMBER, event);
  countMembers(guild, -1);
  forgetMember(guild, user);
  guild.remove(PART.PRESENCE, user);
}

/** GUILD_MEMBERS_CHUNK. */
export function foldMembersChunk(event: FoldEvent): void {
  const guild = guildOf(event);
  if (!guild) return;
  const members = required(event, 'members');
  forEachElement(event.bytes, members.start, members.end, (start, end) => {
    offerMember(event, guild, { start, end });
  });
  const presences = findValue(event.bytes, event.start, event.end, 'presences');
  if (!presences) return;
  forEachElement(event.bytes, presences.start, presences.end, (start, end) => {
    const presence = { start, end };
    offerPresence(event, guild, elementIdOf(event, PART.PRESENCE, presence), presence);
  });
}

/** PRESENCE_UPDATE. Everything but the user's id may be missing or odd. */
export function foldPresence(event: FoldEvent): void {
  const { bytes, options } = event;
  const guild = scanAbout(event);
  if (!guild) return;
  if (ids.userStart < 0) throw new SpliceError('user.id is missing');
  if (!options.keepPresences && guild.isStranger(PART.PRESENCE, bytes, ids.userStart, ids.userEnd)) return;
  offerPresence(event, guild, asBuffer(bytes).toString('latin1', ids.userStart, ids.userEnd), event);
}

const ids = createIds();

/**
 * Reads whom an event is about into `ids`, in one walk, and returns the guild if there is something to change:
 * most of these events change nothing, and must cost nearly that.
 */
function scanAbout(event: FoldEvent): GuildOverlay | undefined {
  scanIds(event.bytes, event.start, event.end, WANT.GUILD | WANT.USER, ids);
  if (ids.guildStart < 0) return undefined;
  return available(event, asBuffer(event.bytes).toString('latin1', ids.guildStart, ids.guildEnd));
}

/** VOICE_STATE_UPDATE: a voice state without `guild_id` and `member`, as GUILD_CREATE has them. */
export function foldVoiceState(event: FoldEvent): void {
  const { bytes, start, end } = event;
  const keys = ['guild_id', 'user_id', 'channel_id', 'member'] as const;
  const [guildRange, userRange, channel, member] = findValues(bytes, start, end, keys);
  const guildId = idOf(bytes, guildRange);
  const guild = guildId === undefined ? undefined : available(event, guildId);
  if (!guild) return;
  const user = idOf(bytes, userRange);
  if (user === undefined) throw new SpliceError('user_id is missing');
  if (idOf(bytes, channel) === undefined) {
    guild.remove(PART.VOICE_STATE, user);
    if (!event.options.keepMembers && !isSelf(event, user)) forgetMember(guild, user);
    return;
  }
  if (member && bytes[member.start] === 0x7b) putMember(event, guild, user, member);
  guild.put(PART.VOICE_STATE, user, withoutMembers(bytes, start, end, ['guild_id', 'member']));
}

/** Keeps a member object if options want all members, or if this one is known already. */
export function offerMember(event: FoldEvent, guild: GuildOverlay, range: Range): void {
  const user = elementIdOf(event, PART.MEMBER, range);
  if (event.options.keepMembers || isMember(guild, user) || isSelf(event, user))
    putMember(event, guild, user, range);
}

/** Keeps a presence if options want all presences, or if the guild holds this one already. Offline ends it. */
export function offerPresence(event: FoldEvent, guild: GuildOverlay, user: string, range: Range): void {
  const known = guild.has(PART.PRESENCE, user) || guild.part(PART.PRESENCE, user) !== undefined;
  if (!known && !event.options.keepPresences) return;
  const status = findValue(event.bytes, range.start, range.end, 'status');
  if (isLiteral(event.bytes, status, '"offline"')) guild.remove(PART.PRESENCE, user);
  else guild.put(PART.PRESENCE, user, withoutMembers(event.bytes, range.start, range.end, ['guild_id']));
}

function isSelf(event: FoldEvent, user: string): boolean {
  return event.overlay.self === user;
}

function isMember(guild: GuildOverlay, user: string): boolean {
  if (guild.part(PART.MEMBER, user)) return true;
  return guild.has(PART.MEMBER, user) && guild.part(PART.MEMBER_GONE, user) === undefined;
}

/** A whole member: it takes the place of what events have said before, though not of what the blob says. */
function putMember(event: FoldEvent, guild: GuildOverlay, user: string, range: Range): void {
  guild.put(PART.MEMBER, user, withoutMembers(event.bytes, range.start, range.end, ['guild_id']));
}

/** Some fields of a member. */
function mergeMember(event: FoldEvent, guild: GuildOverlay, user: string, range: Range): void {
  const member = withoutMembers(event.bytes, range.start, range.end, ['guild_id']);
  const before = guild.part(PART.MEMBER, user);
  guild.put(PART.MEMBER, user, before ? mergeObjects(before, member) : member);
}

function forgetMember(guild: GuildOverlay, user: string): void {
  guild.drop(PART.MEMBER, user);
  if (guild.has(PART.MEMBER, user)) guild.put(PART.MEMBER_GONE, user, MARK);
}

const MARK = Buffer.from('1');

function countMembers(guild: GuildOverlay, by: number): void {
  const before = guild.part(PART.MEMBER_COUNT, '');
  const delta = (before ? (numberOf(before, { start: 0, end: before.length }) ?? 0) : 0) + by;
  guild.put(PART.MEMBER_COUNT, '', Buffer.from(String(delta)));
}

/** Strict clients refuse a member without these (protocol reference 8.3), and an update may lack them. */
function isWhole(event: FoldEvent): boolean {
  return ['deaf', 'mute', 'roles', 'user'].every((name) =>
    findValue(event.bytes, event.start, event.end, name),
  );
}
