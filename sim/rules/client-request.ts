// What a client asks for on a live session: presence, voice, members, sounds, channel info (ops 3, 4, 5, 8, 31, 43;
// protocol reference 6.3 to 6.5). Answers go to the asking session only; voice states go to all.

import type { Random } from '../../src/base/random.ts';
import { INTENTS } from '../../src/wire/intents.ts';
import { OP } from '../../src/wire/opcode.ts';
import type { Connection } from './connection.ts';
import type { Counters } from './counters.ts';
import type { FanOut } from './fan-out.ts';
import type { Fields } from './json.ts';
import type { RuleOptions } from './options.ts';
import {
  isRefused,
  type MemberRequest,
  readChannelInfoRequest,
  readMemberRequest,
  readPresence,
  readSoundboardRequest,
  readVoiceUpdate,
  type VoiceUpdate,
} from './payload.ts';
import type { Session } from './session.ts';
import type { Timers } from './timers.ts';
import { sound } from './world/guild.ts';
import { CHANNEL, type Place } from './world/place.ts';
import { voiceState, type Who, type World } from './world/world.ts';

export interface ClientRequestContext {
  readonly options: RuleOptions;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: Counters;
  readonly world: World;
  readonly fanOut: FanOut;
  readonly mintId: () => string;
}

export interface ClientRequests {
  request(connection: Connection, session: Session, op: number, d: unknown): void;
  /** The bot leaves the voice channels that this session joined. */
  leaveVoice(session: Session): void;
}

const MEMBERS_PER_CHUNK = 1000;
const PREFIX_RESULTS_MAX = 100;

export function createClientRequests(context: ClientRequestContext): ClientRequests {
  const { options, timers, random, counters, world, fanOut, mintId } = context;
  /** When a guild's full member list was last asked for, by guild id. */
  const listedAt = new Map<string, number>();
  /** Guilds in whose voice a session has put the bot. */
  const voiceOf = new Map<Session, Set<Place>>();

  const guildOf = (session: Session, guildId: string): Place | undefined => {
    const place = world.guild(guildId);
    return place && place.timeMs % session.shardCount === session.shard ? place : undefined;
  };

  const setVoice = (session: Session, place: Place, update: Omit<VoiceUpdate, 'guildId'>): void => {
    const who: Who = { place, n: -1 };
    const botId = world.userId(who);
    const state = {
      ...voiceState(botId, update.channelId, session.voiceId),
      self_mute: update.selfMute,
      self_deaf: update.selfDeaf,
    };
    world.setVoiceState(place, botId, update.channelId === null ? null : state);
    const member = { user: world.user(who), ...world.member(who) };
    fanOut.publish({ t: 'VOICE_STATE_UPDATE', place, d: { member, ...state, guild_id: place.id } });
  };

  const voice = (connection: Connection, session: Session, d: unknown): void => {
    const update = readVoiceUpdate(d);
    if (isRefused(update)) return connection.shut(update.refused);
    const place = guildOf(session, update.guildId);
    if (!place) return;
    const { channelId } = update;
    if (channelId !== null && world.channel(channelId)?.channel['type'] !== CHANNEL.voice) return;
    const joined = voiceOf.get(session) ?? new Set();
    voiceOf.set(session, joined);
    if (channelId === null && !joined.has(place)) return;
    setVoice(session, place, update);
    if (channelId === null) return void joined.delete(place);
    joined.add(place);
    const server = { token: random.hex(8), guild_id: place.id, endpoint: 'box-voice-1.discord.invalid:443' };
    fanOut.reply(session, 'VOICE_SERVER_UPDATE', server, mintId());
  };

  const members = (connection: Connection, session: Session, d: unknown): void => {
    const request = readMemberRequest(d);
    if (isRefused(request)) return connection.shut(request.refused);
    const place = guildOf(session, request.guildId);
    if (!place) return;
    const fullList = request.query === '' && request.limit === 0;
    // Without the intent Discord does not answer, and never says why.
    if (fullList && (session.intents & INTENTS.GUILD_MEMBERS) === 0) return;
    if (fullList) {
      const waitMs = (listedAt.get(place.id) ?? -Infinity) + options.memberListWindowMs - timers.monotonic();
      if (waitMs > 0) {
        const meta = { guild_id: place.id, ...(request.nonce === null ? {} : { nonce: request.nonce }) };
        const limited = { opcode: OP.REQUEST_GUILD_MEMBERS, retry_after: waitMs / 1000, meta };
        return fanOut.reply(session, 'RATE_LIMITED', limited, mintId());
      }
      listedAt.set(place.id, timers.monotonic());
    }
    for (const chunk of memberChunks(world, place, request, session.intents))
      fanOut.reply(session, 'GUILD_MEMBERS_CHUNK', chunk, mintId());
  };

  const presence = (connection: Connection, session: Session, d: unknown): void => {
    const update = readPresence(d);
    if (isRefused(update)) return connection.shut(update.refused);
    counters.presenceUpdates++;
    if (session.presenceWindow.take(timers.monotonic())) session.presence = update;
    else counters.presenceUpdatesDropped++;
  };

  const sounds = (connection: Connection, session: Session, d: unknown): void => {
    const request = readSoundboardRequest(d);
    if (isRefused(request)) return connection.shut(request.refused);
    for (const guildId of request.guildIds) {
      const place = guildOf(session, guildId);
      if (!place) continue;
      const reply = { guild_id: guildId, soundboard_sounds: [sound(place, 0)] };
      fanOut.reply(session, 'SOUNDBOARD_SOUNDS', reply, mintId());
    }
  };

  const channelInfo = (connection: Connection, session: Session, d: unknown): void => {
    const request = readChannelInfoRequest(d);
    if (isRefused(request)) return connection.shut(request.refused);
    const place = guildOf(session, request.guildId);
    if (!place) return;
    const channels = world
      .parts(place, 'channel')
      .filter((channel) => channel['type'] === CHANNEL.voice)
      .map(({ id }) => ({
        id,
        ...(request.fields.includes('status') ? { status: null } : {}),
        ...(request.fields.includes('voice_start_time') ? { voice_start_time: null } : {}),
      }));
    fanOut.reply(session, 'CHANNEL_INFO', { guild_id: place.id, channels }, mintId());
  };

  return {
    request(connection, session, op, d) {
      if (op === OP.PRESENCE_UPDATE) presence(connection, session, d);
      else if (op === OP.VOICE_STATE_UPDATE) voice(connection, session, d);
      else if (op === OP.REQUEST_GUILD_MEMBERS) members(connection, session, d);
      else if (op === OP.REQUEST_SOUNDBOARD_SOUNDS) sounds(connection, session, d);
      else if (op === OP.REQUEST_CHANNEL_INFO) channelInfo(connection, session, d);
    },
    leaveVoice(session) {
      const joined = voiceOf.get(session);
      voiceOf.delete(session);
      for (const place of joined ?? [])
        if (world.here(place))
          setVoice(session, place, { channelId: null, selfMute: false, selfDeaf: false });
    },
  };
}

/** GUILD_MEMBERS_CHUNK bodies that answer a request; always at least one. */
function memberChunks(world: World, place: Place, request: MemberRequest, intents: number): Fields[] {
  const found: Who[] = [];
  const notFound: string[] = [];
  if (request.query === null) {
    for (const userId of request.userIds) {
      const who = world.who(userId, place);
      if (who && world.member(who)) found.push(who);
      else notFound.push(userId);
    }
  } else {
    const prefix = request.query.toLowerCase();
    const most =
      prefix === '' && request.limit === 0
        ? Infinity
        : Math.min(PREFIX_RESULTS_MAX, request.limit || PREFIX_RESULTS_MAX);
    for (let n = -1; n < world.memberNumbers(place) && found.length < most; n++) {
      const who = { place, n };
      if (prefix !== '' && !String(world.user(who)['username']).toLowerCase().startsWith(prefix)) continue;
      if (world.member(who)) found.push(who);
    }
  }
  const withPresences = request.presences && (intents & INTENTS.GUILD_PRESENCES) !== 0;
  const count = Math.max(1, Math.ceil(found.length / MEMBERS_PER_CHUNK));
  return Array.from({ length: count }, (_, index) => {
    const part = found.slice(index * MEMBERS_PER_CHUNK, (index + 1) * MEMBERS_PER_CHUNK);
    return {
      guild_id: place.id,
      members: part.map((who) => ({ user: world.user(who), ...world.member(who) })),
      chunk_index: index,
      chunk_count: count,
      ...(notFound.length > 0 ? { not_found: notFound } : {}),
      ...(withPresences
        ? { presences: part.map((who) => world.presence(who)).filter((presence) => presence !== null) }
        : {}),
      ...(request.nonce === null ? {} : { nonce: request.nonce }),
    };
  });
}
