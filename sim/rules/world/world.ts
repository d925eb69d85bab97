// The world as it is now: guilds and what is in them, read by id, with every change applied. It knows nothing of
// sessions or events; acts change it and say which events follow.

import { type Fields, type Part, timestamp } from '../json.ts';
import type { RuleOptions } from '../options.ts';
import { DISCORD_EPOCH_MS } from '../snowflake.ts';
import { applyChanges, type ChangedKind, type Changes, createChanges } from './changes.ts';
import { channel, emoji, guildFields, many, role, thread } from './guild.ts';
import { member as pristineMember, presence as pristinePresence, user as pristineUser } from './person.ts';
import { locatePart, locatePerson, type PartKind, type Place, partId, personId, placeAt } from './place.ts';

/** A person in a guild; `n` is -1 for the bot itself. */
export interface Who {
  readonly place: Place;
  readonly n: number;
}

export interface World {
  /** Every guild there ever was, by index. */
  readonly places: readonly Place[];
  /** Guilds the bot is in. */
  count(): number;
  here(place: Place): boolean;
  /** In an outage. */
  down(place: Place): boolean;
  setDown(place: Place, down: boolean): void;
  addGuild(): Place;
  removeGuild(place: Place): void;
  guild(guildId: string): Place | undefined;
  guildsOfShard(shard: number, shardCount: number): Place[];

  fields(place: Place): Part;
  setFields(place: Place, fields: Fields): void;
  parts(place: Place, kind: ChangedKind): Part[];
  part(place: Place, kind: ChangedKind, id: string): Part | undefined;
  setPart(place: Place, kind: ChangedKind, id: string, part: Part | null): void;
  /** A channel or thread by its id alone, with `guild_id`. */
  channel(channelId: string): { place: Place; kind: 'channel' | 'thread'; channel: Part } | undefined;
  sawMessage(place: Place, channelId: string, messageId: string): void;

  /** Everyone but the bot, plus the bot. */
  memberCount(place: Place): number;
  /** Numbers below this may be members. */
  memberNumbers(place: Place): number;
  who(userId: string, place?: Place): Who | undefined;
  userId(who: Who): string;
  user(who: Who): Part;
  /** The member object without `user`; undefined when not (any longer) a member. */
  member(who: Who): Fields | undefined;
  isMember(who: Who): boolean;
  setMember(who: Who, fields: Fields | null): void;
  addMember(place: Place): Who;
  presence(who: Who): Fields | null;
  setPresence(who: Who, presence: Fields): void;

  voiceStates(place: Place): Fields[];
  setVoiceState(place: Place, userId: string, state: Fields | null): void;
}

export function createWorld(options: RuleOptions, botUser: Part): World {
  const places: Place[] = many(options.guilds, (index) => placeAt(index, options));
  const byId = new Map(places.map((place) => [place.id, place]));
  const changesByIndex = new Map<number, Changes>();
  const created = new Map<string, { place: Place; kind: 'channel' | 'thread' }>();
  const gone = new Set<number>();
  const down = new Set<number>();
  const nothing = createChanges();

  const read = (place: Place): Changes => changesByIndex.get(place.index) ?? nothing;
  const write = (place: Place): Changes => {
    let changes = changesByIndex.get(place.index);
    if (!changes) {
      changes = createChanges();
      changesByIndex.set(place.index, changes);
    }
    return changes;
  };
  const sizes: Record<ChangedKind, (place: Place) => number> = {
    channel: (place) => place.channels,
    role: (place) => place.roles,
    thread: (place) => place.threads,
    emoji: (place) => place.emojis,
  };
  const makers: Record<ChangedKind, (place: Place, k: number) => Part> = {
    channel,
    role: (place, k) => role(place, k, options.applicationId),
    thread,
    emoji,
  };
  const withLastMessage = (part: Part, lastMessages: ReadonlyMap<string, string>): Part => {
    const last = lastMessages.get(part.id);
    return last === undefined ? part : { ...part, last_message_id: last };
  };
  const pristinePart = (
    kind: ChangedKind & PartKind,
    id: string,
  ): { place: Place; part: Part } | undefined => {
    const located = locatePart(id, kind);
    const place = located && places[located.index];
    if (!located || !place || located.k >= sizes[kind](place)) return undefined;
    if (partId(place, kind, located.k) !== id) return undefined;
    return { place, part: makers[kind](place, located.k) };
  };
  const part = (place: Place, kind: ChangedKind, id: string): Part | undefined => {
    const { parts, lastMessages } = read(place);
    const changed = parts[kind].get(id);
    if (changed === null) return undefined;
    if (changed) return withLastMessage(changed, lastMessages);
    if (kind === 'role' && id === place.id) return makers.role(place, 0);
    const pristine = pristinePart(kind, id);
    return pristine?.place === place ? withLastMessage(pristine.part, lastMessages) : undefined;
  };
  const world: World = {
    places,
    count: () => places.length - gone.size,
    here: (place) => !gone.has(place.index),
    down: (place) => down.has(place.index),
    setDown(place, isDown) {
      if (isDown) down.add(place.index);
      else down.delete(place.index);
    },
    addGuild() {
      const place = placeAt(places.length, options);
      places.push(place);
      byId.set(place.id, place);
      return place;
    },
    removeGuild(place) {
      gone.add(place.index);
      down.delete(place.index);
      changesByIndex.delete(place.index);
    },
    guild(guildId) {
      const place = byId.get(guildId);
      return place && !gone.has(place.index) ? place : undefined;
    },
    guildsOfShard: (shard, shardCount) =>
      places.filter((place) => place.timeMs % shardCount === shard && !gone.has(place.index)),

    fields: (place) => ({ ...guildFields(place), ...read(place).fields, id: place.id }),
    setFields: (place, fields) => void Object.assign(write(place).fields, fields),
    parts(place, kind) {
      const { parts, lastMessages } = read(place);
      const now = applyChanges(
        many(sizes[kind](place), (k) => makers[kind](place, k)),
        parts[kind],
      );
      return lastMessages.size === 0 ? now : now.map((each) => withLastMessage(each, lastMessages));
    },
    part,
    setPart(place, kind, id, value) {
      write(place).parts[kind].set(id, value);
      if (kind !== 'channel' && kind !== 'thread') return;
      if (value) created.set(id, { place, kind });
      else created.delete(id);
    },
    channel(channelId) {
      const known = created.get(channelId);
      const place = known?.place ?? places[locatePart(channelId, 'channel')?.index ?? -1];
      if (!place || gone.has(place.index)) return undefined;
      for (const kind of ['channel', 'thread'] as const) {
        const found = part(place, kind, channelId);
        if (found) return { place, kind, channel: { ...found, guild_id: place.id } };
      }
      return undefined;
    },
    sawMessage: (place, channelId, messageId) => void write(place).lastMessages.set(channelId, messageId),

    memberCount: (place) => place.members + read(place).joined - read(place).left + 1,
    memberNumbers: (place) => place.members + read(place).joined,
    who(userId, inPlace) {
      if (userId === botUser.id) return inPlace && { place: inPlace, n: -1 };
      const located = locatePerson(userId);
      const place = located && places[located.index];
      if (!located || !place || (inPlace && inPlace !== place)) return undefined;
      if (located.n >= world.memberNumbers(place) || personId(place, located.n) !== userId) return undefined;
      return { place, n: located.n };
    },
    userId: ({ place, n }) => (n < 0 ? botUser.id : personId(place, n)),
    user: ({ place, n }) => (n < 0 ? publicUser(botUser) : pristineUser(place, n)),
    member({ place, n }) {
      const changed = read(place).members.get(n);
      if (changed === null || n >= world.memberNumbers(place)) return undefined;
      const pristine = n < 0 ? botMember(place) : pristineMember(place, n);
      return changed ? { ...pristine, ...changed } : pristine;
    },
    isMember: ({ place, n }) => n < world.memberNumbers(place) && read(place).members.get(n) !== null,
    setMember({ place, n }, fields) {
      const { members } = write(place);
      if (fields === null) write(place).left++;
      members.set(n, fields === null ? null : { ...members.get(n), ...fields });
    },
    addMember(place) {
      const n = world.memberNumbers(place);
      write(place).joined++;
      return { place, n };
    },
    presence(who) {
      const userId = world.userId(who);
      return (
        read(who.place).presences.get(userId) ??
        (who.n < 0 ? null : pristinePresence(who.place, who.n, userId))
      );
    },
    setPresence: (who, presence) => void write(who.place).presences.set(world.userId(who), presence),

    voiceStates(place) {
      const changed = read(place).voice;
      const states: Fields[] = [];
      for (let n = 0; n < place.voiceMembers; n++)
        if (!changed.has(personId(place, n))) states.push(pristineVoiceState(place, n));
      for (const state of changed.values()) if (state) states.push(state);
      return states;
    },
    setVoiceState: (place, userId, state) => void write(place).voice.set(userId, state),
  };
  return world;
}

/** A user as others see it: without the fields only READY and `GET /users/@me` have. */
export function publicUser(user: Part): Part {
  const { verified: _v, mfa_enabled: _m, email: _e, flags: _f, accent_color: _a, banner: _b, ...seen } = user;
  return seen as Part;
}

function botMember(place: Place): Fields {
  return {
    roles: [partId(place, 'role', 1)],
    premium_since: null,
    pending: false,
    nick: null,
    mute: false,
    joined_at: timestamp(DISCORD_EPOCH_MS + place.timeMs + 86_400_000),
    flags: 0,
    deaf: false,
    communication_disabled_until: null,
    banner: null,
    avatar: null,
  };
}

/** A voice state without `guild_id` and `member`, as GUILD_CREATE lists it. */
export function voiceState(userId: string, channelId: string | null, sessionId: string): Fields {
  return {
    user_id: userId,
    suppress: false,
    session_id: sessionId,
    self_video: false,
    self_mute: false,
    self_deaf: false,
    request_to_speak_timestamp: null,
    mute: false,
    deaf: false,
    channel_id: channelId,
  };
}

function pristineVoiceState(place: Place, n: number): Fields {
  return voiceState(personId(place, n), partId(place, 'channel', 2), `voice${place.index}x${n}`);
}
