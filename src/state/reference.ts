// The same state kept the plain way: parsed objects, changed as protocol reference 8.5 says. Tests compare what
// this room makes of bytes with what this makes of objects. Not used by the daemon.

import type { Json } from './fixture.ts';
import { NOT_IN_GUILD_UPDATE } from './part.ts';

interface ReferenceGuild {
  status: 'listed' | 'available' | 'unavailable';
  data: Json;
  /** The bot's own membership by thread; it outlives archiving. */
  selfMembers: Map<string, Json>;
  /** Members as GUILD_CREATE brought them, while they have not left. */
  members: Map<string, Json>;
  /** Users whose presence GUILD_CREATE brought. */
  presences: Set<string>;
}

export interface Reference {
  apply(event: string, d: Json): void;
  /** READY's `d` and the guild frames that a fresh IDENTIFY must get, by guild id. */
  expected(): { ready: Json; listed: string[]; frames: Map<string, { t: string; d: Json }> };
  guild(id: string): Json | undefined;
  available(): string[];
}

export interface ReferenceOptions {
  readonly keepMembers: boolean;
  readonly keepPresences: boolean;
}

const idOf = (element: Json): string =>
  ((element['user'] as Json | undefined)?.['id'] ??
    element['user_id'] ??
    element['sound_id'] ??
    element['id']) as string;

/** Creates an empty reference. */
export function createReference(options: ReferenceOptions): Reference {
  let ready: Json = {};
  let self = '';
  let guilds = new Map<string, ReferenceGuild>();

  const list = (guild: ReferenceGuild, array: string): Json[] => {
    const found = guild.data[array] as Json[] | undefined;
    if (found) return found;
    const made: Json[] = [];
    guild.data[array] = made;
    return made;
  };
  const find = (guild: ReferenceGuild, array: string, id: string): Json | undefined =>
    list(guild, array).find((element) => idOf(element) === id);
  const upsert = (guild: ReferenceGuild, array: string, element: Json): void => {
    const elements = list(guild, array);
    const at = elements.findIndex((other) => idOf(other) === idOf(element));
    if (at >= 0) elements[at] = element;
    else elements.push(element);
  };
  const remove = (guild: ReferenceGuild, array: string, gone: (element: Json) => boolean): void => {
    guild.data[array] = list(guild, array).filter((element) => !gone(element));
  };
  const removeId = (guild: ReferenceGuild, array: string, id: string): void =>
    remove(guild, array, (element) => idOf(element) === id);
  const count = (object: Json | undefined, key: string, by: number): void => {
    if (object && typeof object[key] === 'number') object[key] = Math.max(0, object[key] + by);
  };
  const without = (object: Json, ...keys: string[]): Json =>
    Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));

  const mergeMember = (guild: ReferenceGuild, member: Json): void => {
    upsert(guild, 'members', { ...find(guild, 'members', idOf(member)), ...without(member, 'guild_id') });
  };
  const putMember = (guild: ReferenceGuild, member: Json): void => {
    upsert(guild, 'members', { ...guild.members.get(idOf(member)), ...without(member, 'guild_id') });
  };
  const forgetMember = (guild: ReferenceGuild, id: string): void => {
    removeId(guild, 'members', id);
    guild.members.delete(id);
  };
  const offerMember = (guild: ReferenceGuild, member: Json): void => {
    const id = idOf(member);
    if (options.keepMembers || id === self || find(guild, 'members', id)) putMember(guild, member);
  };
  const offerPresence = (guild: ReferenceGuild, presence: Json): void => {
    const id = idOf(presence);
    if (!options.keepPresences && !guild.presences.has(id)) return;
    if (presence['status'] === 'offline') removeId(guild, 'presences', id);
    else upsert(guild, 'presences', without(presence, 'guild_id'));
  };
  const ownMember = (entry: Json): Json => without(entry, 'id', 'user_id', 'guild_id', 'member', 'presence');

  const putThread = (guild: ReferenceGuild, thread: Json): void => {
    const id = thread['id'] as string;
    if (thread['member']) guild.selfMembers.set(id, thread['member'] as Json);
    if ((thread['thread_metadata'] as Json | undefined)?.['archived'] === true)
      removeId(guild, 'threads', id);
    else upsert(guild, 'threads', without(thread, 'newly_created', 'member'));
  };
  const deleteThreads = (guild: ReferenceGuild, gone: (thread: Json) => boolean): void => {
    for (const thread of list(guild, 'threads'))
      if (gone(thread)) guild.selfMembers.delete(thread['id'] as string);
    remove(guild, 'threads', gone);
  };

  const effects: Record<string, (guild: ReferenceGuild, d: Json) => void> = {
    GUILD_ROLE_CREATE: (guild, d) => upsert(guild, 'roles', d['role'] as Json),
    GUILD_ROLE_UPDATE: (guild, d) => upsert(guild, 'roles', d['role'] as Json),
    GUILD_ROLE_DELETE(guild, d) {
      removeId(guild, 'roles', d['role_id'] as string);
      for (const member of list(guild, 'members'))
        member['roles'] = (member['roles'] as string[]).filter((role) => role !== d['role_id']);
    },
    CHANNEL_CREATE: (guild, d) => upsert(guild, 'channels', d),
    CHANNEL_UPDATE: (guild, d) => upsert(guild, 'channels', d),
    CHANNEL_DELETE(guild, d) {
      removeId(guild, 'channels', d['id'] as string);
      deleteThreads(guild, (thread) => thread['parent_id'] === d['id']);
      remove(guild, 'voice_states', (state) => state['channel_id'] === d['id']);
      remove(guild, 'stage_instances', (stage) => stage['channel_id'] === d['id']);
    },
    CHANNEL_PINS_UPDATE(guild, d) {
      const id = d['channel_id'] as string;
      const channel = find(guild, 'channels', id) ?? find(guild, 'threads', id);
      if (channel) channel['last_pin_timestamp'] = d['last_pin_timestamp'] ?? null;
    },
    THREAD_CREATE: putThread,
    THREAD_UPDATE: putThread,
    THREAD_DELETE: (guild, d) => deleteThreads(guild, (thread) => thread['id'] === d['id']),
    THREAD_LIST_SYNC(guild, d) {
      const parents = d['channel_ids'] as string[] | undefined;
      deleteThreads(guild, (thread) => !parents || parents.includes(thread['parent_id'] as string));
      for (const thread of d['threads'] as Json[]) {
        guild.selfMembers.delete(thread['id'] as string);
        putThread(guild, thread);
      }
      for (const member of d['members'] as Json[])
        guild.selfMembers.set(member['id'] as string, ownMember(member));
    },
    THREAD_MEMBER_UPDATE: (guild, d) => guild.selfMembers.set(d['id'] as string, ownMember(d)),
    THREAD_MEMBERS_UPDATE(guild, d) {
      const thread = find(guild, 'threads', d['id'] as string);
      if (thread) thread['member_count'] = d['member_count'];
      for (const entry of (d['added_members'] as Json[] | undefined) ?? []) {
        if (entry['user_id'] === self) guild.selfMembers.set(d['id'] as string, ownMember(entry));
        if (entry['member']) offerMember(guild, entry['member'] as Json);
        if (entry['presence']) offerPresence(guild, entry['presence'] as Json);
      }
      if ((d['removed_member_ids'] as string[] | undefined)?.includes(self))
        guild.selfMembers.delete(d['id'] as string);
    },
    GUILD_MEMBER_ADD(guild, d) {
      if (!find(guild, 'members', idOf(d))) count(guild.data, 'member_count', 1);
      offerMember(guild, d);
    },
    GUILD_MEMBER_UPDATE(guild, d) {
      const whole = ['deaf', 'mute', 'roles', 'user'].every((key) => key in d);
      if (find(guild, 'members', idOf(d)) || idOf(d) === self || (options.keepMembers && whole))
        mergeMember(guild, d);
    },
    GUILD_MEMBER_REMOVE(guild, d) {
      count(guild.data, 'member_count', -1);
      forgetMember(guild, idOf(d));
      removeId(guild, 'presences', idOf(d));
    },
    GUILD_MEMBERS_CHUNK(guild, d) {
      for (const member of d['members'] as Json[]) offerMember(guild, member);
      for (const presence of (d['presences'] as Json[] | undefined) ?? []) offerPresence(guild, presence);
    },
    GUILD_EMOJIS_UPDATE(guild, d) {
      guild.data['emojis'] = d['emojis'];
    },
    GUILD_STICKERS_UPDATE(guild, d) {
      guild.data['stickers'] = d['stickers'];
    },
    GUILD_SOUNDBOARD_SOUND_CREATE: (guild, d) => upsert(guild, 'soundboard_sounds', d),
    GUILD_SOUNDBOARD_SOUND_UPDATE: (guild, d) => upsert(guild, 'soundboard_sounds', d),
    GUILD_SOUNDBOARD_SOUND_DELETE: (guild, d) =>
      removeId(guild, 'soundboard_sounds', d['sound_id'] as string),
    GUILD_SOUNDBOARD_SOUNDS_UPDATE(guild, d) {
      for (const sound of d['soundboard_sounds'] as Json[]) upsert(guild, 'soundboard_sounds', sound);
    },
    GUILD_SCHEDULED_EVENT_CREATE: putScheduledEvent,
    GUILD_SCHEDULED_EVENT_UPDATE: putScheduledEvent,
    GUILD_SCHEDULED_EVENT_DELETE: (guild, d) => removeId(guild, 'guild_scheduled_events', d['id'] as string),
    GUILD_SCHEDULED_EVENT_USER_ADD: (guild, d) => countUsers(guild, d, 1),
    GUILD_SCHEDULED_EVENT_USER_REMOVE: (guild, d) => countUsers(guild, d, -1),
    STAGE_INSTANCE_CREATE: (guild, d) => upsert(guild, 'stage_instances', d),
    STAGE_INSTANCE_UPDATE: (guild, d) => upsert(guild, 'stage_instances', d),
    STAGE_INSTANCE_DELETE: (guild, d) => removeId(guild, 'stage_instances', d['id'] as string),
    VOICE_STATE_UPDATE(guild, d) {
      const user = d['user_id'] as string;
      if (d['channel_id'] === null) {
        removeId(guild, 'voice_states', user);
        if (!options.keepMembers && user !== self) forgetMember(guild, user);
        return;
      }
      if (d['member']) putMember(guild, d['member'] as Json);
      upsert(guild, 'voice_states', without(d, 'guild_id', 'member'));
    },
    PRESENCE_UPDATE: offerPresence,
    MESSAGE_CREATE(guild, d) {
      const id = d['channel_id'] as string;
      const channel = find(guild, 'channels', id) ?? find(guild, 'threads', id);
      if (!channel) return;
      channel['last_message_id'] = d['id'];
      count(channel, 'message_count', 1);
      count(channel, 'total_message_sent', 1);
    },
  };

  function putScheduledEvent(guild: ReferenceGuild, d: Json): void {
    if (d['status'] === 3 || d['status'] === 4) removeId(guild, 'guild_scheduled_events', d['id'] as string);
    else upsert(guild, 'guild_scheduled_events', d);
  }
  function countUsers(guild: ReferenceGuild, d: Json, by: number): void {
    count(find(guild, 'guild_scheduled_events', d['guild_scheduled_event_id'] as string), 'user_count', by);
  }

  const create = (d: Json): void => {
    const id = d['id'] as string;
    if (d['unavailable'] === true) {
      guilds.set(id, empty('unavailable'));
      return;
    }
    const guild = empty('available');
    guild.data = { ...d, unavailable: false };
    for (const thread of list(guild, 'threads'))
      if (thread['member']) guild.selfMembers.set(thread['id'] as string, thread['member'] as Json);
    for (const member of list(guild, 'members')) guild.members.set(idOf(member), member);
    guild.presences = new Set(list(guild, 'presences').map(idOf));
    guilds.set(id, guild);
  };

  return {
    apply(event, source) {
      const d = structuredClone(source);
      if (event === 'READY') {
        ready = d;
        self = (d['user'] as Json)['id'] as string;
        guilds = new Map((d['guilds'] as Json[]).map(({ id }) => [id as string, empty('listed')]));
      } else if (event === 'USER_UPDATE') ready = { ...ready, user: { ...(ready['user'] as Json), ...d } };
      else if (event === 'GUILD_CREATE') create(d);
      else if (event === 'GUILD_DELETE') {
        if (d['unavailable'] === true) guilds.set(d['id'] as string, empty('unavailable'));
        else guilds.delete(d['id'] as string);
      } else {
        const guild = guilds.get((event === 'GUILD_UPDATE' ? d['id'] : d['guild_id']) as string);
        if (guild?.status !== 'available') return;
        if (event === 'GUILD_UPDATE') Object.assign(guild.data, without(d, ...NOT_IN_GUILD_UPDATE));
        else effects[event]?.(guild, d);
      }
    },
    expected() {
      const frames = new Map<string, { t: string; d: Json }>();
      for (const [id, guild] of guilds) {
        if (guild.status === 'unavailable')
          frames.set(id, { t: 'GUILD_DELETE', d: { id, unavailable: true } });
        if (guild.status !== 'available') continue;
        const threads = list(guild, 'threads').map((thread) => {
          const member = guild.selfMembers.get(thread['id'] as string);
          return member ? { ...thread, member } : without(thread, 'member');
        });
        frames.set(id, { t: 'GUILD_CREATE', d: { ...guild.data, threads } });
      }
      return { ready, listed: [...guilds.keys()], frames };
    },
    guild: (id) => guilds.get(id)?.data,
    available: () => [...guilds].filter(([, { status }]) => status === 'available').map(([id]) => id),
  };
}

function empty(status: ReferenceGuild['status']): ReferenceGuild {
  return { status, data: {}, selfMembers: new Map(), members: new Map(), presences: new Set() };
}

const ARRAYS = [
  'channels',
  'threads',
  'roles',
  'voice_states',
  'members',
  'presences',
  'stage_instances',
  'guild_scheduled_events',
  'soundboard_sounds',
];

/** A guild in which the order of elements, which means nothing, is always the same. */
export function ordered(guild: Json): Json {
  const result = { ...guild };
  for (const array of ARRAYS) {
    const elements = (result[array] as Json[] | undefined) ?? [];
    result[array] = [...elements].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  }
  return result;
}
