// Where things are: which ids a guild, its channels, roles, emojis and members have, and back from an id to the guild.
// Ids are arithmetic, so that an id names its guild without a table. Guild creation times lie a prime number of
// milliseconds apart, so guilds spread evenly over any number of shards.

import { DISCORD_EPOCH_MS, isSnowflake, snowflake, snowflakeTimeMs } from '../snowflake.ts';
import { fraction, noise } from './noise.ts';

const STEP_MS = 999_983;
const FIRST_GUILD_MS = Date.UTC(2017, 0, 1) - DISCORD_EPOCH_MS;
const FIRST_PERSON_MS = Date.UTC(2016, 0, 1) - DISCORD_EPOCH_MS;
const PERSON_STEP_MS = 7;

/** Offsets of a guild's parts from its creation, in milliseconds. */
const SLOT = { channel: 1, role: 1_000, emoji: 2_000, thread: 3_000, sound: 4_000 } as const;
export type PartKind = keyof typeof SLOT;

/** Bytes of one part in GUILD_CREATE, measured; a channel's hold its share of threads. */
const BYTES = { role: 320, channel: 352, emoji: 135 } as const;

/** A guild's place and plan: what is in it before anyone changed anything. */
export interface Place {
  readonly index: number;
  readonly id: string;
  /** `guild_id >> 22`: what decides the shard. */
  readonly timeMs: number;
  readonly channels: number;
  readonly roles: number;
  readonly emojis: number;
  readonly threads: number;
  readonly members: number;
  /** The first so many members are in the first voice channel. */
  readonly voiceMembers: number;
  readonly topicChars: number;
}

/** The guild at `index`: its size scatters around `guildKb`, its members around `membersPerGuild`. */
export function placeAt(
  index: number,
  options: { seed: number; guildKb: number; membersPerGuild: number },
): Place {
  const { seed } = options;
  const timeMs = FIRST_GUILD_MS + index * STEP_MS;
  // Bytes for parts, after the guild's own fields and the members it always carries.
  const bytes = Math.max(0, options.guildKb * 1024 * (0.6 + 0.8 * fraction(seed, index, 1)) - 2_900);
  const clamp = (value: number, least: number, most: number) =>
    Math.round(Math.max(least, Math.min(most, value)));
  const roles = clamp((bytes * 0.25) / BYTES.role, 2, 250);
  const channels = clamp((bytes * 0.5) / BYTES.channel, 3, 500);
  const emojis = clamp((bytes * 0.25) / BYTES.emoji, 0, 250);
  const left = bytes - roles * BYTES.role - channels * BYTES.channel - emojis * BYTES.emoji;
  const skew = Math.min(12, -Math.log(1 - fraction(seed, index, 2)));
  const members = Math.max(3, Math.round(options.membersPerGuild * skew));
  return {
    index,
    id: snowflake(timeMs, noise(seed, index, 3) & 0x3f_ffff),
    timeMs,
    channels,
    roles,
    emojis,
    threads: Math.floor(channels / 10),
    members,
    voiceMembers: Math.min(members, noise(seed, index, 4) % 3),
    // Two of three channels have a topic.
    topicChars: clamp(left / channels / 0.64, 0, 4000),
  };
}

/** The id of a guild's `k`th part of a kind. */
export function partId(place: Place, kind: PartKind, k: number): string {
  const slot = SLOT[kind] + k;
  return snowflake(place.timeMs + slot, noise(slot, place.index, 5) & 0x3f_ffff);
}

/** The guild index and the number `k` behind a part's id, if it is the id of such a part; the guild may not exist. */
export function locatePart(id: string, kind: PartKind): { index: number; k: number } | undefined {
  if (!isSnowflake(id)) return undefined;
  const offset = snowflakeTimeMs(id) - FIRST_GUILD_MS;
  const k = (offset % STEP_MS) - SLOT[kind];
  return offset < 0 || k < 0 || k >= 1_000 ? undefined : { index: Math.floor(offset / STEP_MS), k };
}

/** The user id of a guild's `n`th member. People are in one guild each. */
export function personId(place: Place, n: number): string {
  return snowflake(
    FIRST_PERSON_MS + place.index * STEP_MS + n * PERSON_STEP_MS,
    noise(n, place.index, 6) & 0x3f_ffff,
  );
}

/** The guild index and member number behind a user id, if it has the form of one. */
export function locatePerson(id: string): { index: number; n: number } | undefined {
  if (!isSnowflake(id)) return undefined;
  const offset = snowflakeTimeMs(id) - FIRST_PERSON_MS;
  const within = offset % STEP_MS;
  if (offset < 0 || within % PERSON_STEP_MS !== 0) return undefined;
  return { index: Math.floor(offset / STEP_MS), n: within / PERSON_STEP_MS };
}

export const CHANNEL = { text: 0, voice: 2, category: 4, thread: 11 } as const;

/** The type of a guild's `k`th channel. There are always a category (0), a text channel (1) and a voice channel (2). */
export function channelType(k: number): number {
  if (k === 1) return CHANNEL.text;
  if (k === 2 || k % 7 === 6) return CHANNEL.voice;
  return k % 7 === 0 ? CHANNEL.category : CHANNEL.text;
}

/** The number of a text channel, chosen by a fraction in [0, 1). */
export function textChannel(place: Place, choice: number): number {
  const k = Math.floor(choice * place.channels);
  return channelType(k) === CHANNEL.text ? k : 1;
}
