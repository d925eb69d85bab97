// Every number that Discord's rules depend on, with Discord's own value as the default (protocol reference,
// sections named per field). Nothing here is read from files or environments: that is the command's job.

import { ALL_INTENTS } from '../../src/wire/intents.ts';

/** The rules of one simulated Discord with one bot application in it. All times in milliseconds. */
export interface RuleOptions {
  /** Snowflake of the application, which is also the bot's user id (12.1). */
  readonly applicationId: string;
  readonly applicationName: string;
  /** The first bot token; by default the id part of a real one followed by words that no real token has. */
  readonly token: string;
  /** Seed of the world: the same seed builds the same guilds, channels and people. */
  readonly seed: number;
  /** Shard count that `GET /gateway/bot` recommends. */
  readonly shards: number;
  /** Guilds the bot is in at the start; they spread evenly over any shard count. */
  readonly guilds: number;
  /** Approximate size of one GUILD_CREATE without presences, in KiB, on average over all guilds. */
  readonly guildKb: number;
  /** Members of an average guild. */
  readonly membersPerGuild: number;
  /** IDENTIFYs allowed at once: buckets are `shard % maxConcurrency` (4.3). */
  readonly maxConcurrency: number;
  /** One IDENTIFY per bucket in this time (4.3). */
  readonly identifyIntervalMs: number;
  /** Session starts per window, and what is left at the start (4.4, 4.5). */
  readonly sessionStartTotal: number;
  readonly sessionStartRemaining: number;
  readonly sessionStartWindowMs: number;
  /** Whether an IDENTIFY answered by op 9 costs a session start; unknown at Discord, so the harsher is the default (14). */
  readonly countRefusedIdentifies: boolean;
  /** `heartbeat_interval` in HELLO (3). */
  readonly heartbeatIntervalMs: number;
  /** A connection without a beat for interval × this is closed, with this code; its session stays (3). */
  readonly heartbeatGrace: number;
  readonly heartbeatCloseCode: number;
  /** A detached session lives this long (5.7). */
  readonly sessionTtlMs: number;
  /** Dispatches kept for RESUME; 0 = Discord's formula max(100, min(3500, guilds × 75)) (5.7). */
  readonly replayLimit: number;
  /** Messages per connection and window before close 4008; bytes per message before close 4002 (6.1). */
  readonly sendLimit: number;
  readonly sendWindowMs: number;
  readonly sendBytesMax: number;
  /** Presence updates per session and window; the rest is dropped silently (6.4). */
  readonly presenceLimit: number;
  readonly presenceWindowMs: number;
  /** One full member list per guild in this time, else RATE_LIMITED (6.3). */
  readonly memberListWindowMs: number;
  /** Time between op 7 and the server's own close (5.6). */
  readonly reconnectGraceMs: number;
  /** First answer to an interaction, and life of its token (10). */
  readonly interactionDeadlineMs: number;
  readonly interactionLifeMs: number;
  /** Intents the application may use; the portal's privileged switches. Others are answered by 4014 (4.2). */
  readonly allowedIntents: number;
  /** Shard counts must be multiples of this, else 4010 (7, large bots). */
  readonly shardMultiple: number;
  /** More guilds than this on one shard are answered by 4011 (7). */
  readonly guildsPerShardMax: number;
  /** Whether REST answers 429 when a bucket or the global limit is empty (9). */
  readonly restLimits: boolean;
  readonly restGlobalPerSecond: number;
  /** Adds `sim_event_id`, a snowflake, to dispatches that carry no id of their own, so that each can be matched. */
  readonly markEvents: boolean;
  /** Truth rows, bot messages and member messages held in memory. */
  readonly truthRows: number;
  readonly botMessagesKept: number;
  readonly memberMessagesKept: number;
  /** A connection whose socket holds more unsent bytes than this is cut. */
  readonly sendBufferMaxBytes: number;
}

/** What a caller may leave out; `timeScale` multiplies every time that is not given. */
export type RuleOverrides = { readonly [K in keyof RuleOptions]?: RuleOptions[K] | undefined } & {
  readonly timeScale?: number | undefined;
  /** Guilds on each shard of the recommended count; sets `guilds`. */
  readonly guildsPerShard?: number | undefined;
};

/** Fills in Discord's values. */
export function ruleOptions(overrides: RuleOverrides = {}): RuleOptions {
  const { timeScale = 1, guildsPerShard, ...rest } = overrides;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const shards = rest.shards ?? 1;
  const guilds = rest.guilds ?? (guildsPerShard === undefined ? 3 : guildsPerShard * shards);
  const applicationId = rest.applicationId ?? '1180000000000000001';
  // Larger bots have a larger budget (4.5).
  const total = rest.sessionStartTotal ?? (guilds > 150_000 ? Math.max(2000, (guilds / 1000) * 5) : 1000);
  return {
    applicationId,
    applicationName: 'Dice Maiden of the Box',
    token: defaultToken(applicationId),
    seed: 1,
    shards,
    guilds,
    guildKb: 8,
    membersPerGuild: 120,
    maxConcurrency: 1,
    identifyIntervalMs: 5_000 * timeScale,
    sessionStartTotal: total,
    sessionStartRemaining: total,
    sessionStartWindowMs: 86_400_000 * timeScale,
    countRefusedIdentifies: true,
    heartbeatIntervalMs: Math.ceil(41_250 * timeScale),
    heartbeatGrace: 1.5,
    heartbeatCloseCode: 4000,
    sessionTtlMs: 90_000 * timeScale,
    replayLimit: 0,
    sendLimit: 120,
    sendWindowMs: 60_000 * timeScale,
    sendBytesMax: 4096,
    presenceLimit: 5,
    presenceWindowMs: 20_000 * timeScale,
    memberListWindowMs: 30_000 * timeScale,
    reconnectGraceMs: 3_000 * timeScale,
    interactionDeadlineMs: 3_000 * timeScale,
    interactionLifeMs: 900_000 * timeScale,
    allowedIntents: ALL_INTENTS,
    shardMultiple: 1,
    guildsPerShardMax: 2500,
    restLimits: true,
    restGlobalPerSecond: 50,
    markEvents: true,
    truthRows: 500_000,
    botMessagesKept: 20_000,
    memberMessagesKept: 5_000,
    sendBufferMaxBytes: 256 * 1024 * 1024,
    ...given,
  };
}

/** A token in Discord's form, three dotted parts of which the first is the id, that no one can mistake for a real one. */
export function defaultToken(applicationId: string, generation = 1): string {
  const first = Buffer.from(applicationId).toString('base64url');
  return `${first}.simulator${generation === 1 ? '' : `-${generation}`}.not-a-real-token`;
}

/** Dispatches that Discord keeps for a RESUME of a session with so many guilds (5.7). */
export function replayLimit(options: RuleOptions, guilds: number): number {
  return options.replayLimit > 0 ? options.replayLimit : Math.max(100, Math.min(3500, guilds * 75));
}
