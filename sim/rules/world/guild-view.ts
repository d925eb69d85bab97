// GUILD_CREATE as one session gets it: which members and presences it holds depends on the session's intents and
// `large_threshold` (protocol reference 8.3).

import { INTENTS } from '../../../src/wire/intents.ts';
import { type Fields, type Part, timestamp } from '../json.ts';
import { DISCORD_EPOCH_MS } from '../snowflake.ts';
import { sound } from './guild.ts';
import type { Place } from './place.ts';
import type { Who, World } from './world.ts';

/** What of a session decides how it sees a guild. */
export interface Viewer {
  readonly intents: number;
  readonly largeThreshold: number;
}

/** At most so many members of a large guild are online; otherwise one guild could outgrow all others together. */
const ONLINE_MAX = 200;

/**
 * The `d` of an available guild's GUILD_CREATE. `unavailable: false` is there in a backfill and after an outage, and
 * absent when the bot joins (8.2).
 */
export function guildCreate(world: World, place: Place, viewer: Viewer, why: 'backfill' | 'join'): Fields {
  return {
    ...world.fields(place),
    ...(why === 'backfill' ? { unavailable: false } : {}),
    roles: world.parts(place, 'role'),
    emojis: world.parts(place, 'emoji'),
    stickers: [],
    joined_at: timestamp(DISCORD_EPOCH_MS + place.timeMs + 86_400_000),
    large: world.memberCount(place) > viewer.largeThreshold,
    lazy: true,
    member_count: world.memberCount(place),
    voice_states: world.voiceStates(place),
    channels: world.parts(place, 'channel'),
    threads: world.parts(place, 'thread'),
    stage_instances: [],
    guild_scheduled_events: [],
    soundboard_sounds: [sound(place, 0)],
    activity_instances: [],
    embedded_activities: [],
    application_command_counts: {},
    ...membersAndPresences(world, place, viewer),
  };
}

/** The `d` of GUILD_UPDATE: the guild object without the extra fields. */
export function guildUpdate(world: World, place: Place): Fields {
  return {
    ...world.fields(place),
    guild_id: place.id,
    roles: world.parts(place, 'role'),
    emojis: world.parts(place, 'emoji'),
    stickers: [],
  };
}

function membersAndPresences(
  world: World,
  place: Place,
  viewer: Viewer,
): { members: Part[]; presences: Fields[] } {
  const shown = new Map<number, Who>([[-1, { place, n: -1 }]]);
  const presences: Fields[] = [];
  for (const state of world.voiceStates(place)) {
    const who = world.who(String(state['user_id']), place);
    if (who) shown.set(who.n, who);
  }
  if (viewer.intents & INTENTS.GUILD_PRESENCES) {
    const everybody = world.memberCount(place) <= viewer.largeThreshold;
    for (let n = 0; n < world.memberNumbers(place); n++) {
      const presence = world.presence({ place, n });
      if (presence && presences.length < ONLINE_MAX) presences.push(presence);
      if (everybody || (presence && shown.size < ONLINE_MAX)) shown.set(n, { place, n });
    }
  }
  const members: Part[] = [];
  for (const who of shown.values()) {
    const member = world.member(who);
    if (member) members.push({ user: world.user(who), ...member } as unknown as Part);
  }
  return { members, presences };
}
