// Made-up Discord data for this room's tests and benchmarks: guilds as GUILD_CREATE has them (protocol reference
// 8.3), events about them, and journal segments to put them in. Not used by the daemon.

import * as fs from 'node:fs';
import * as path from 'node:path';
import type { LogPosition } from '../journal/position.ts';
import { KIND, recordBytes, writeRecord } from '../journal/record.ts';
import { segmentName } from '../journal/segment.ts';
import { eventTypeId } from '../wire/event-type.ts';

export type Json = Record<string, unknown>;

/** Size of a made-up guild. */
export interface GuildSize {
  readonly channels?: number;
  readonly threads?: number;
  readonly roles?: number;
  readonly members?: number;
  readonly voice?: number;
  readonly presences?: number;
}

/** The bot's user id in all made-up data. */
export const SELF = '900000000000000001';

let counter = 0;

/** A new snowflake, larger than all before. */
export function snowflake(): string {
  counter++;
  return String(1_100_000_000_000_000_000n + BigInt(counter) * 4_194_304n);
}

export function makeUser(id: string, name = `user ${id.slice(-4)}`): Json {
  return {
    username: name,
    public_flags: 0,
    id,
    global_name: `Ünïcode "${name}" \\ 🎲`,
    discriminator: '0',
    clan: null,
    bot: id === SELF,
    avatar: 'a_0123456789abcdef0123456789abcdef',
  };
}

export function makeMember(id: string, roles: readonly string[] = []): Json {
  return {
    user: makeUser(id),
    roles: [...roles],
    premium_since: null,
    pending: false,
    nick: null,
    mute: false,
    joined_at: '2021-03-04T05:06:07.000000+00:00',
    flags: 0,
    deaf: false,
    communication_disabled_until: null,
    banner: null,
    avatar: null,
  };
}

export function makeRole(id: string): Json {
  return {
    version: 1_700_000_000_001,
    unicode_emoji: null,
    tags: {},
    position: 1,
    permissions: '2248473465835073',
    name: 'role',
    mentionable: false,
    managed: false,
    id,
    icon: null,
    hoist: true,
    flags: 0,
    color: 15158332,
    colors: { primary_color: 15158332, secondary_color: null, tertiary_color: null },
  };
}

export function makeChannel(id: string, extra: Json = {}): Json {
  return {
    version: 1_700_000_000_002,
    type: 0,
    topic: 'a topic with "quotes", {braces} and ünïcode 🎉',
    rate_limit_per_user: 0,
    position: 3,
    permission_overwrites: [{ type: 0, id: snowflake(), deny: '1024', allow: '0' }],
    parent_id: null,
    name: 'general',
    last_pin_timestamp: '2023-01-01T00:00:00+00:00',
    last_message_id: snowflake(),
    id,
    flags: 0,
    ...extra,
  };
}

export function makeThread(id: string, parent: string, extra: Json = {}): Json {
  return {
    type: 11,
    total_message_sent: 12,
    thread_metadata: {
      locked: false,
      create_timestamp: '2024-01-01T00:00:00+00:00',
      auto_archive_duration: 4320,
      archived: false,
      archive_timestamp: '2024-01-01T00:00:00+00:00',
    },
    rate_limit_per_user: 0,
    parent_id: parent,
    owner_id: SELF,
    name: 'a thread',
    message_count: 12,
    member_count: 2,
    last_message_id: snowflake(),
    id,
    guild_id: '0',
    flags: 0,
    ...extra,
  };
}

export function makeVoiceState(user: string, channel: string | null): Json {
  return {
    user_id: user,
    suppress: false,
    session_id: 'f'.repeat(32),
    self_video: false,
    self_mute: false,
    self_deaf: false,
    request_to_speak_timestamp: null,
    mute: false,
    deaf: false,
    channel_id: channel,
  };
}

export function makePresence(user: string, status = 'online'): Json {
  return { user: { id: user }, status, client_status: { desktop: status }, activities: [] };
}

export function makeScheduledEvent(id: string, guild: string, extra: Json = {}): Json {
  return {
    user_count: 4,
    status: 1,
    sku_ids: [],
    scheduled_start_time: '2027-01-01T00:00:00+00:00',
    scheduled_end_time: null,
    recurrence_rule: null,
    privacy_level: 2,
    name: 'an event',
    image: null,
    id,
    guild_id: guild,
    entity_type: 2,
    entity_metadata: null,
    entity_id: null,
    description: null,
    creator_id: SELF,
    channel_id: null,
    ...extra,
  };
}

export function makeStage(id: string, guild: string, channel: string): Json {
  return {
    topic: 'hello',
    privacy_level: 2,
    id,
    guild_id: guild,
    discoverable_disabled: true,
    channel_id: channel,
  };
}

export function makeSound(id: string, guild: string): Json {
  return {
    volume: 1,
    sound_id: id,
    name: 'quack',
    guild_id: guild,
    emoji_name: '🦆',
    emoji_id: null,
    available: true,
  };
}

const times = <Value>(count: number, make: (index: number) => Value): Value[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** A guild as GUILD_CREATE has it. The bot is its first member. */
export function makeGuild(id: string, size: GuildSize = {}): Json {
  const channels = times(size.channels ?? 6, () => snowflake());
  const roles = [id, ...times((size.roles ?? 4) - 1, () => snowflake())];
  const members = times(size.members ?? 3, () => snowflake());
  const voice = members.slice(0, size.voice ?? 1);
  return {
    version: 1_700_000_000_003,
    verification_level: 1,
    vanity_url_code: null,
    unavailable: false,
    threads: times(size.threads ?? 2, (i) =>
      makeThread(snowflake(), channels[i % channels.length] ?? id, {
        guild_id: id,
        ...(i % 2 === 0
          ? { member: { muted: false, join_timestamp: '2024-01-01T00:00:00+00:00', flags: 1 } }
          : {}),
      }),
    ),
    system_channel_id: channels[0] ?? null,
    system_channel_flags: 0,
    stickers: [],
    stage_instances: channels[1] ? [makeStage(snowflake(), id, channels[1])] : [],
    soundboard_sounds: [makeSound(snowflake(), id)],
    roles: roles.map(makeRole),
    rules_channel_id: null,
    region: 'deprecated',
    presences: members.slice(0, size.presences ?? 1).map((user) => makePresence(user)),
    premium_tier: 0,
    premium_subscription_count: 0,
    premium_progress_bar_enabled: false,
    preferred_locale: 'en-US',
    owner_id: members[0] ?? SELF,
    nsfw_level: 0,
    name: 'A guild with a "name" 🐸',
    mfa_level: 0,
    members: [SELF, ...members].map((user, i) => makeMember(user, roles.slice(1, 1 + (i % 3)))),
    member_count: 1234,
    max_members: 500000,
    large: false,
    joined_at: '2022-02-02T02:02:02.000000+00:00',
    id,
    icon: null,
    home_header: null,
    guild_scheduled_events: [makeScheduledEvent(snowflake(), id)],
    features: ['COMMUNITY', 'NEWS'],
    explicit_content_filter: 2,
    emojis: [
      { roles: [], require_colons: true, name: 'frog', managed: false, id: snowflake(), available: true },
    ],
    discovery_splash: null,
    description: null,
    default_message_notifications: 1,
    channels: channels.map((channel) => makeChannel(channel)),
    banner: null,
    application_id: null,
    afk_timeout: 300,
    afk_channel_id: null,
    activity_instances: [],
    voice_states: voice.map((user) => makeVoiceState(user, channels[1] ?? id)),
  };
}

/** READY's `d`. */
export function makeReady(guilds: readonly string[], extra: Json = {}): Json {
  return {
    v: 10,
    user_settings: {},
    user: { ...makeUser(SELF, 'bot'), verified: true, mfa_enabled: true, flags: 0, email: null },
    session_type: 'normal',
    session_id: 'upstream-session',
    resume_gateway_url: 'wss://gateway-us-east1-b.discord.gg',
    relationships: [],
    private_channels: [],
    presences: [],
    guilds: guilds.map((id) => ({ unavailable: true, id })),
    guild_join_requests: [],
    geo_ordered_rtc_regions: ['us-east'],
    auth: {},
    application: { id: SELF, flags: 565248 },
    _trace: ['["gateway"]'],
    ...extra,
  };
}

/** MESSAGE_CREATE's `d`, keys in Discord's order. */
export function makeMessage(guild: string | undefined, channel: string, content = 'hello there'): Json {
  return {
    type: 0,
    tts: false,
    timestamp: '2026-11-24T20:00:00.000000+00:00',
    referenced_message: null,
    pinned: false,
    nonce: snowflake(),
    mentions: [],
    mention_roles: [],
    mention_everyone: false,
    ...(guild ? { member: { ...makeMember(SELF), user: undefined } } : {}),
    id: snowflake(),
    flags: 0,
    embeds: [{ type: 'rich', title: 'id', description: '{"channel_id":"1","guild_id":"2"}' }],
    edited_timestamp: null,
    content,
    components: [],
    channel_type: 0,
    channel_id: channel,
    author: makeUser(snowflake()),
    attachments: [],
    ...(guild ? { guild_id: guild } : {}),
  };
}

/** A dispatch in the known form. */
export function dispatch(event: string, s: number, d: unknown): Buffer {
  return Buffer.from(`{"t":"${event}","s":${s},"op":0,"d":${typeof d === 'string' ? d : JSON.stringify(d)}}`);
}

/** Writes journal segments the way the journal does. */
export interface SegmentWriter {
  append(shard: number, epoch: number, s: number, event: string, d: unknown): LogPosition;
  /** Begins the next segment. */
  roll(): void;
  /** The end of what is written. */
  end(): LogPosition;
  close(): void;
}

export function createSegmentWriter(directory: string, first = 1): SegmentWriter {
  fs.mkdirSync(directory, { recursive: true });
  let segment = first;
  let offset = 0;
  let file = fs.openSync(path.join(directory, segmentName(segment)), 'a');
  const write = (
    kind: number,
    shard: number,
    epoch: number,
    s: number,
    type: number,
    payload: Buffer,
  ): void => {
    const bytes = Buffer.alloc(recordBytes(payload.length));
    const header = { kind, type, shard, epoch, s, receivedAt: 1_700_000_000_000 };
    writeRecord(bytes, 0, header, payload, 0, payload.length);
    fs.writeSync(file, bytes);
    offset += bytes.length;
  };
  const head = (): void =>
    write(KIND.HEAD, 0, 0, 0, 0, Buffer.from('{"version":1,"tips":[],"cursors":null}'));
  head();
  return {
    append(shard, epoch, s, event, d) {
      const at = { segment, offset };
      write(KIND.DISPATCH, shard, epoch, s, eventTypeId(event), dispatch(event, s, d));
      return at;
    },
    roll() {
      fs.closeSync(file);
      segment++;
      offset = 0;
      file = fs.openSync(path.join(directory, segmentName(segment)), 'a');
      head();
    },
    end: () => ({ segment, offset }),
    close: () => fs.closeSync(file),
  };
}
