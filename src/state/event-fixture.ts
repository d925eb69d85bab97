// Made-up events about a made-up guild, at least one kind for every event that changes state. Each looks at the
// guild as it is and picks what to change. For this room's tests and benchmarks; not used by the daemon.

import type { EventName } from '../wire/event-type.ts';
import {
  type Json,
  makeChannel,
  makeGuild,
  makeMember,
  makeMessage,
  makePresence,
  makeRole,
  makeScheduledEvent,
  makeSound,
  makeStage,
  makeThread,
  makeUser,
  makeVoiceState,
  SELF,
  snowflake,
} from './fixture.ts';

/** What to change, as numbers: the same numbers make the same choices. */
export type Pick = (below: number) => number;

export interface EventMaker {
  readonly event: EventName;
  /** Says what makes it different from others for the same event. */
  readonly about: string;
  /** The event's `d`, or undefined when the guild has nothing of the kind. */
  readonly make: (guild: Json, pick: Pick) => Json | undefined;
}

const one = <Value>(values: readonly Value[], pick: Pick): Value | undefined =>
  values.length === 0 ? undefined : values[pick(values.length)];

const elements = (guild: Json, array: string): Json[] => (guild[array] as Json[] | undefined) ?? [];

const someChannel = (guild: Json, pick: Pick): Json | undefined => one(elements(guild, 'channels'), pick);
const someThread = (guild: Json, pick: Pick): Json | undefined => one(elements(guild, 'threads'), pick);
const userOf = (member: Json): string => (member['user'] as Json)['id'] as string;

/** A member of the guild other than the bot. */
const someMember = (guild: Json, pick: Pick): string | undefined => {
  const others = elements(guild, 'members').filter((member) => userOf(member) !== SELF);
  const found = one(others, pick);
  return found && userOf(found);
};

const roleIds = (guild: Json): string[] => elements(guild, 'roles').map((role) => role['id'] as string);

const memberUpdate = (guild: Json, user: string, extra: Json): Json => ({
  user: makeUser(user, 'renamed'),
  roles: roleIds(guild).slice(0, 1),
  guild_id: guild['id'],
  flags: 1,
  ...extra,
});

export const EVENT_MAKERS: readonly EventMaker[] = [
  {
    event: 'GUILD_UPDATE',
    about: 'a new name, roles and emojis',
    make: (guild) => {
      const source = makeGuild(guild['id'] as string);
      const { channels, threads, members, presences, voice_states, joined_at, large, member_count, ...rest } =
        source;
      void [channels, threads, members, presences, voice_states, joined_at, large, member_count];
      const { unavailable, stage_instances, guild_scheduled_events, soundboard_sounds, ...own } = rest;
      void [unavailable, stage_instances, guild_scheduled_events, soundboard_sounds];
      const roles = elements(guild, 'roles').map((role) => ({ ...role, name: 'of the update' }));
      return { ...own, roles, name: 'renamed', max_presences: null, brand_new_field: [1] };
    },
  },
  {
    event: 'GUILD_UPDATE',
    about: 'a few fields only',
    make: (guild) => ({ id: guild['id'], description: 'changed', member_count: 3 }),
  },
  {
    event: 'GUILD_ROLE_CREATE',
    about: '',
    make: (guild) => ({ role: makeRole(snowflake()), guild_id: guild['id'] }),
  },
  {
    event: 'GUILD_ROLE_UPDATE',
    about: '',
    make: (guild, pick) => {
      const role = one(elements(guild, 'roles'), pick);
      return role && { role: { ...role, name: 'renamed', color: pick(99) }, guild_id: guild['id'] };
    },
  },
  {
    event: 'GUILD_ROLE_DELETE',
    about: '',
    make: (guild, pick) => {
      const role = one(roleIds(guild).slice(1), pick);
      return role === undefined ? undefined : { role_id: role, guild_id: guild['id'] };
    },
  },
  {
    event: 'CHANNEL_CREATE',
    about: '',
    make: (guild) => ({ ...makeChannel(snowflake()), guild_id: guild['id'] }),
  },
  {
    event: 'CHANNEL_UPDATE',
    about: '',
    make: (guild, pick) => {
      const channel = someChannel(guild, pick);
      return channel && { ...makeChannel(channel['id'] as string), name: 'renamed', guild_id: guild['id'] };
    },
  },
  {
    event: 'CHANNEL_DELETE',
    about: '',
    make: (guild, pick) => {
      const channel = someChannel(guild, pick);
      return channel && { ...channel, guild_id: guild['id'] };
    },
  },
  {
    event: 'CHANNEL_PINS_UPDATE',
    about: 'in a channel',
    make: (guild, pick) => {
      const channel = someChannel(guild, pick);
      const at = pick(2) === 0 ? { last_pin_timestamp: '2026-01-01T00:00:00+00:00' } : {};
      return channel && { channel_id: channel['id'], guild_id: guild['id'], ...at };
    },
  },
  {
    event: 'CHANNEL_PINS_UPDATE',
    about: 'in a thread',
    make: (guild, pick) => {
      const thread = someThread(guild, pick);
      return thread && { channel_id: thread['id'], guild_id: guild['id'], last_pin_timestamp: null };
    },
  },
  {
    event: 'THREAD_CREATE',
    about: 'newly created',
    make: (guild, pick) => {
      const parent = someChannel(guild, pick);
      const extra = { guild_id: guild['id'], newly_created: true };
      return parent && makeThread(snowflake(), parent['id'] as string, extra);
    },
  },
  {
    event: 'THREAD_CREATE',
    about: 'the bot was added to it',
    make: (guild, pick) => {
      const parent = someChannel(guild, pick);
      const member = { user_id: SELF, id: '0', join_timestamp: '2026-01-01T00:00:00+00:00', flags: 0 };
      const extra = { guild_id: guild['id'], member };
      return parent && makeThread(snowflake(), parent['id'] as string, extra);
    },
  },
  {
    event: 'THREAD_UPDATE',
    about: '',
    make: (guild, pick) => {
      const thread = someThread(guild, pick);
      if (!thread) return undefined;
      return makeThread(thread['id'] as string, thread['parent_id'] as string, {
        guild_id: guild['id'],
        name: 'renamed',
      });
    },
  },
  {
    event: 'THREAD_UPDATE',
    about: 'archived',
    make: (guild, pick) => {
      const thread = someThread(guild, pick);
      if (!thread) return undefined;
      return makeThread(thread['id'] as string, thread['parent_id'] as string, {
        guild_id: guild['id'],
        thread_metadata: { archived: true, locked: false },
      });
    },
  },
  {
    event: 'THREAD_DELETE',
    about: '',
    make: (guild, pick) => {
      const thread = someThread(guild, pick);
      return thread && { id: thread['id'], guild_id: guild['id'], parent_id: thread['parent_id'], type: 11 };
    },
  },
  {
    event: 'THREAD_LIST_SYNC',
    about: 'of one channel',
    make: (guild, pick) => {
      const parent = someChannel(guild, pick);
      if (!parent) return undefined;
      const id = parent['id'] as string;
      const kept = elements(guild, 'threads').filter((thread) => thread['parent_id'] === id && pick(2) === 0);
      const added = makeThread(snowflake(), id, { guild_id: guild['id'] });
      const threads = [...kept.map(({ member, ...thread }) => thread), added];
      const members = [{ id: added['id'], user_id: SELF, join_timestamp: '2026-01-01T00:00:00Z', flags: 0 }];
      return { guild_id: guild['id'], channel_ids: [id], threads, members };
    },
  },
  {
    event: 'THREAD_LIST_SYNC',
    about: 'of the whole guild',
    make: (guild, pick) => {
      const threads = elements(guild, 'threads').filter(() => pick(2) === 0);
      return { guild_id: guild['id'], threads: threads.map(({ member, ...thread }) => thread), members: [] };
    },
  },
  {
    event: 'THREAD_MEMBER_UPDATE',
    about: '',
    make: (guild, pick) => {
      const thread = someThread(guild, pick);
      const member = { user_id: SELF, join_timestamp: '2026-01-01T00:00:00Z', flags: pick(5) };
      return thread && { id: thread['id'], guild_id: guild['id'], ...member };
    },
  },
  {
    event: 'THREAD_MEMBERS_UPDATE',
    about: 'the bot and another join',
    make: (guild, pick) => {
      const thread = someThread(guild, pick);
      const user = someMember(guild, pick) ?? snowflake();
      const entry = (id: string) => ({
        id: thread?.['id'],
        user_id: id,
        join_timestamp: '2026-01-01T00:00:00Z',
        flags: 0,
        member: makeMember(id),
        presence: makePresence(id),
      });
      const added = [entry(user), entry(SELF)];
      return (
        thread && { id: thread['id'], guild_id: guild['id'], member_count: pick(50), added_members: added }
      );
    },
  },
  {
    event: 'THREAD_MEMBERS_UPDATE',
    about: 'the bot leaves',
    make: (guild, pick) => {
      const thread = someThread(guild, pick);
      const removed = { removed_member_ids: [snowflake(), SELF] };
      return thread && { id: thread['id'], guild_id: guild['id'], member_count: pick(50), ...removed };
    },
  },
  {
    event: 'GUILD_MEMBER_ADD',
    about: 'a new member',
    make: (guild) => ({ ...makeMember(snowflake()), guild_id: guild['id'] }),
  },
  {
    event: 'GUILD_MEMBER_ADD',
    about: 'a member that is there already',
    make: (guild, pick) => {
      const user = someMember(guild, pick);
      return user === undefined ? undefined : { ...makeMember(user), guild_id: guild['id'] };
    },
  },
  {
    event: 'GUILD_MEMBER_UPDATE',
    about: 'of the bot',
    make: (guild, pick) => memberUpdate(guild, SELF, { nick: `nick ${pick(99)}` }),
  },
  {
    event: 'GUILD_MEMBER_UPDATE',
    about: 'of a member',
    make: (guild, pick) => {
      const user = someMember(guild, pick);
      return user === undefined ? undefined : memberUpdate(guild, user, { deaf: false, mute: true });
    },
  },
  {
    event: 'GUILD_MEMBER_UPDATE',
    about: 'of somebody unknown',
    make: (guild, pick) =>
      memberUpdate(guild, snowflake(), pick(2) === 0 ? {} : { deaf: false, mute: false }),
  },
  {
    event: 'GUILD_MEMBER_REMOVE',
    about: 'a member',
    make: (guild, pick) => {
      const user = someMember(guild, pick);
      return user === undefined ? undefined : { user: makeUser(user), guild_id: guild['id'] };
    },
  },
  {
    event: 'GUILD_MEMBER_REMOVE',
    about: 'somebody unknown',
    make: (guild) => ({ user: makeUser(snowflake()), guild_id: guild['id'] }),
  },
  {
    event: 'GUILD_MEMBERS_CHUNK',
    about: '',
    make: (guild, pick) => {
      const users = [someMember(guild, pick) ?? snowflake(), snowflake()];
      const chunk = { chunk_index: 0, chunk_count: 1, not_found: [] };
      const members = users.map((user) => makeMember(user, roleIds(guild).slice(0, 2)));
      const presences = users.map((user) => makePresence(user, 'idle'));
      return { guild_id: guild['id'], members, presences, ...chunk };
    },
  },
  {
    event: 'GUILD_EMOJIS_UPDATE',
    about: '',
    make: (guild) => ({ guild_id: guild['id'], emojis: [{ id: snowflake(), name: 'new', animated: true }] }),
  },
  {
    event: 'GUILD_STICKERS_UPDATE',
    about: '',
    make: (guild) => ({ guild_id: guild['id'], stickers: [{ id: snowflake(), name: 'new' }] }),
  },
  {
    event: 'GUILD_SOUNDBOARD_SOUND_CREATE',
    about: '',
    make: (guild) => makeSound(snowflake(), guild['id'] as string),
  },
  {
    event: 'GUILD_SOUNDBOARD_SOUND_UPDATE',
    about: '',
    make: (guild, pick) => {
      const sound = one(elements(guild, 'soundboard_sounds'), pick);
      return sound && { ...sound, name: 'renamed' };
    },
  },
  {
    event: 'GUILD_SOUNDBOARD_SOUND_DELETE',
    about: '',
    make: (guild, pick) => {
      const sound = one(elements(guild, 'soundboard_sounds'), pick);
      return sound && { sound_id: sound['sound_id'], guild_id: guild['id'] };
    },
  },
  {
    event: 'GUILD_SOUNDBOARD_SOUNDS_UPDATE',
    about: '',
    make: (guild, pick) => {
      const sound = one(elements(guild, 'soundboard_sounds'), pick);
      const id = guild['id'] as string;
      const sounds = [...(sound ? [{ ...sound, volume: 0.5 }] : []), makeSound(snowflake(), id)];
      return { guild_id: id, soundboard_sounds: sounds };
    },
  },
  {
    event: 'GUILD_SCHEDULED_EVENT_CREATE',
    about: '',
    make: (guild) => makeScheduledEvent(snowflake(), guild['id'] as string),
  },
  {
    event: 'GUILD_SCHEDULED_EVENT_UPDATE',
    about: '',
    make: (guild, pick) => {
      const event = one(elements(guild, 'guild_scheduled_events'), pick);
      return event && { ...event, name: 'renamed', status: 1 + pick(4) };
    },
  },
  {
    event: 'GUILD_SCHEDULED_EVENT_DELETE',
    about: '',
    make: (guild, pick) => one(elements(guild, 'guild_scheduled_events'), pick),
  },
  {
    event: 'GUILD_SCHEDULED_EVENT_USER_ADD',
    about: '',
    make: (guild, pick) => scheduledEventUser(guild, pick),
  },
  {
    event: 'GUILD_SCHEDULED_EVENT_USER_REMOVE',
    about: '',
    make: (guild, pick) => scheduledEventUser(guild, pick),
  },
  {
    event: 'STAGE_INSTANCE_CREATE',
    about: '',
    make: (guild, pick) => {
      const channel = someChannel(guild, pick);
      return channel && makeStage(snowflake(), guild['id'] as string, channel['id'] as string);
    },
  },
  {
    event: 'STAGE_INSTANCE_UPDATE',
    about: '',
    make: (guild, pick) => {
      const stage = one(elements(guild, 'stage_instances'), pick);
      return stage && { ...stage, topic: 'renamed' };
    },
  },
  {
    event: 'STAGE_INSTANCE_DELETE',
    about: '',
    make: (guild, pick) => one(elements(guild, 'stage_instances'), pick),
  },
  {
    event: 'VOICE_STATE_UPDATE',
    about: 'somebody joins',
    make: (guild, pick) => voiceState(guild, pick, snowflake()),
  },
  {
    event: 'VOICE_STATE_UPDATE',
    about: 'the bot joins',
    make: (guild, pick) => voiceState(guild, pick, SELF),
  },
  {
    event: 'VOICE_STATE_UPDATE',
    about: 'somebody moves or leaves',
    make: (guild, pick) => {
      const state = one(elements(guild, 'voice_states'), pick);
      if (!state) return undefined;
      const channel = pick(2) === 0 ? undefined : someChannel(guild, pick);
      const user = state['user_id'] as string;
      return {
        ...makeVoiceState(user, (channel?.['id'] as string | undefined) ?? null),
        guild_id: guild['id'],
        member: makeMember(user),
      };
    },
  },
  {
    event: 'PRESENCE_UPDATE',
    about: 'of somebody known',
    make: (guild, pick) => {
      const presence = one(elements(guild, 'presences'), pick);
      if (!presence) return undefined;
      const status = ['online', 'idle', 'offline'][pick(3)]!;
      return { ...makePresence(userOf(presence), status), guild_id: guild['id'] };
    },
  },
  {
    event: 'PRESENCE_UPDATE',
    about: 'of somebody unknown',
    make: (guild, pick) => ({
      ...makePresence(snowflake(), pick(2) === 0 ? 'dnd' : 'offline'),
      guild_id: guild['id'],
    }),
  },
  {
    event: 'MESSAGE_CREATE',
    about: 'in a channel',
    make: (guild, pick) => {
      const channel = someChannel(guild, pick);
      return channel && makeMessage(guild['id'] as string, channel['id'] as string);
    },
  },
  {
    event: 'MESSAGE_CREATE',
    about: 'in a thread',
    make: (guild, pick) => {
      const thread = someThread(guild, pick);
      return thread && makeMessage(guild['id'] as string, thread['id'] as string);
    },
  },
];

function scheduledEventUser(guild: Json, pick: Pick): Json | undefined {
  const event = one(elements(guild, 'guild_scheduled_events'), pick);
  return event && { guild_scheduled_event_id: event['id'], user_id: snowflake(), guild_id: guild['id'] };
}

function voiceState(guild: Json, pick: Pick, user: string): Json | undefined {
  const channel = someChannel(guild, pick);
  if (!channel) return undefined;
  const state = makeVoiceState(user, channel['id'] as string);
  return { member: makeMember(user, roleIds(guild).slice(0, 1)), ...state, guild_id: guild['id'] };
}
