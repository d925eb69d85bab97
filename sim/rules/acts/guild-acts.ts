// Acts on guilds, their parts and their members: each changes the world and publishes the events that follow (8.2, 8.5).

import type { FanOut } from '../fan-out.ts';
import { type Fields, type Part, timestamp } from '../json.ts';
import type { Timers } from '../timers.ts';
import { guildUpdate } from '../world/guild-view.ts';
import { presenceOf } from '../world/person.ts';
import { CHANNEL, type Place, partId } from '../world/place.ts';
import { voiceState, type Who, type World } from '../world/world.ts';

export interface GuildActs {
  /** The bot joins a new guild; in an outage it is created unavailable. */
  join(options?: { unavailable?: boolean }): Place;
  leave(place: Place): void;
  outage(place: Place): void;
  comeBack(place: Place): void;
  rename(place: Place, name: string): void;

  createChannel(place: Place, fields: Fields): Part;
  createThread(place: Place, parentId: string, fields: Fields): Part;
  changePart(place: Place, kind: 'channel' | 'thread', part: Part, fields: Fields): Part;
  deletePart(place: Place, kind: 'channel' | 'thread', part: Part): void;
  createRole(place: Place, fields: Fields): Part;
  changeRole(place: Place, role: Part, fields: Fields): Part;
  deleteRole(place: Place, roleId: string): void;

  addMember(place: Place): Who;
  changeMember(who: Who, fields: Fields): void;
  removeMember(who: Who): void;
  setStatus(who: Who, status: string, playing: boolean): void;
  joinVoice(who: Who, channelId: string): void;
  leaveVoice(who: Who): void;
}

export function createGuildActs(context: {
  timers: Timers;
  world: World;
  fanOut: FanOut;
  mintId: () => string;
}): GuildActs {
  const { timers, world, fanOut, mintId } = context;
  const inGuild = (place: Place, d: Fields): Fields => ({ ...d, guild_id: place.id });
  const withUser = (who: Who): Fields => ({ user: world.user(who), ...world.member(who) });
  const publish = (t: string, place: Place, d: Fields, id?: string): void =>
    fanOut.publish({ t, place, d, ...(id === undefined ? {} : { id }) });
  const PREFIX = { channel: 'CHANNEL', thread: 'THREAD' } as const;
  const changeVoice = (who: Who, channelId: string | null): void => {
    const userId = world.userId(who);
    const state = voiceState(userId, channelId, `voice${userId}`);
    world.setVoiceState(who.place, userId, channelId === null ? null : state);
    publish('VOICE_STATE_UPDATE', who.place, inGuild(who.place, { member: withUser(who), ...state }));
  };

  return {
    join({ unavailable = false } = {}) {
      const place = world.addGuild();
      world.setDown(place, unavailable);
      if (unavailable)
        fanOut.publish({ t: 'GUILD_CREATE', place, d: { id: place.id, unavailable: true }, id: place.id });
      else fanOut.publishGuild(place, 'join');
      return place;
    },
    leave(place) {
      world.removeGuild(place);
      publish('GUILD_DELETE', place, { id: place.id });
    },
    outage(place) {
      if (world.down(place)) return;
      world.setDown(place, true);
      publish('GUILD_DELETE', place, { id: place.id, unavailable: true });
    },
    comeBack(place) {
      if (!world.down(place)) return;
      world.setDown(place, false);
      fanOut.publishGuild(place, 'backfill');
    },
    rename(place, name) {
      world.setFields(place, { name });
      publish('GUILD_UPDATE', place, guildUpdate(world, place));
    },

    createChannel(place, fields) {
      const template = world.part(
        place,
        'channel',
        partId(place, 'channel', fields['type'] === CHANNEL.voice ? 2 : 1),
      );
      const id = mintId();
      const part = { ...template, position: 99, permission_overwrites: [], ...fields, id } as Part;
      world.setPart(place, 'channel', id, part);
      publish('CHANNEL_CREATE', place, inGuild(place, part), id);
      return part;
    },
    createThread(place, parentId, fields) {
      const id = mintId();
      const now = timestamp(timers.now());
      const part: Part = {
        type: CHANNEL.thread,
        total_message_sent: 0,
        thread_metadata: {
          locked: false,
          create_timestamp: now,
          auto_archive_duration: 1440,
          archived: false,
          archive_timestamp: now,
        },
        rate_limit_per_user: 0,
        parent_id: parentId,
        owner_id: world.userId({ place, n: 0 }),
        name: 'thread',
        message_count: 0,
        member_count: 1,
        last_message_id: null,
        flags: 0,
        ...fields,
        id,
      };
      world.setPart(place, 'thread', id, part);
      publish('THREAD_CREATE', place, inGuild(place, { ...part, newly_created: true }), id);
      return part;
    },
    changePart(place, kind, part, fields) {
      const { guild_id: _guild, ...kept } = part as Part & { guild_id?: unknown };
      const changed = { ...kept, ...fields, id: part.id } as Part;
      const archived = (changed['thread_metadata'] as Fields | undefined)?.['archived'] === true;
      // An archived thread is no longer in GUILD_CREATE's list, and can still be read by its id at Discord.
      world.setPart(place, kind, part.id, kind === 'thread' && archived ? null : changed);
      publish(`${PREFIX[kind]}_UPDATE`, place, inGuild(place, changed));
      return changed;
    },
    deletePart(place, kind, part) {
      world.setPart(place, kind, part.id, null);
      if (kind === 'thread') {
        const { id, parent_id, type } = part as Part & { parent_id?: unknown; type?: unknown };
        return publish('THREAD_DELETE', place, inGuild(place, { id, parent_id, type }));
      }
      for (const thread of world.parts(place, 'thread'))
        if (thread['parent_id'] === part.id) world.setPart(place, 'thread', thread.id, null);
      publish('CHANNEL_DELETE', place, inGuild(place, part));
    },
    createRole(place, fields) {
      const everyone = world.part(place, 'role', place.id);
      const id = mintId();
      const role = { ...everyone, name: 'new role', position: 1, ...fields, id } as Part;
      world.setPart(place, 'role', id, role);
      publish('GUILD_ROLE_CREATE', place, { role, guild_id: place.id }, id);
      return role;
    },
    changeRole(place, role, fields) {
      const changed = { ...role, ...fields, id: role.id } as Part;
      world.setPart(place, 'role', role.id, changed);
      publish('GUILD_ROLE_UPDATE', place, { role: changed, guild_id: place.id });
      return changed;
    },
    deleteRole(place, roleId) {
      world.setPart(place, 'role', roleId, null);
      publish('GUILD_ROLE_DELETE', place, { role_id: roleId, guild_id: place.id });
    },

    addMember(place) {
      const who = world.addMember(place);
      publish('GUILD_MEMBER_ADD', place, inGuild(place, { ...withUser(who), roles: [] }), world.userId(who));
      return who;
    },
    changeMember(who, fields) {
      world.setMember(who, fields);
      const d = inGuild(who.place, withUser(who));
      fanOut.publish({
        ...{ t: 'GUILD_MEMBER_UPDATE', place: who.place, d },
        ...(who.n < 0 ? { always: true as const } : {}),
      });
    },
    removeMember(who) {
      const user = world.user(who);
      world.setMember(who, null);
      if (world.voiceStates(who.place).some((state) => state['user_id'] === user.id)) changeVoice(who, null);
      publish('GUILD_MEMBER_REMOVE', who.place, { user, guild_id: who.place.id });
    },
    setStatus(who, status, playing) {
      const presence = presenceOf(world.userId(who), status, playing);
      world.setPresence(who, presence);
      publish('PRESENCE_UPDATE', who.place, inGuild(who.place, presence));
    },
    joinVoice: (who, channelId) => changeVoice(who, channelId),
    leaveVoice: (who) => changeVoice(who, null),
  };
}
