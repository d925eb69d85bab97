// A guild as Discord would describe it before anyone changed it (protocol reference 8.3): the guild's own fields, and
// each kind of part. Every field that serenity, twilight or JDA refuse to miss is here.

import type { Fields, Part } from '../json.ts';
import { imageHash, noise, pairOfWords, sentence } from './noise.ts';
import { CHANNEL, channelType, type Place, partId, personId } from './place.ts';

/** The guild object without roles, emojis and the extra fields of GUILD_CREATE. */
export function guildFields(place: Place): Part {
  const value = noise(17, place.index, 20);
  return {
    id: place.id,
    name: pairOfWords(value, ' '),
    icon: value % 5 === 0 ? null : imageHash(18, place.index, 21),
    splash: null,
    discovery_splash: null,
    home_header: null,
    owner_id: personId(place, 0),
    region: 'deprecated',
    afk_channel_id: null,
    afk_timeout: 300,
    system_channel_id: partId(place, 'channel', 1),
    system_channel_flags: 0,
    widget_enabled: false,
    widget_channel_id: null,
    verification_level: value % 4,
    default_message_notifications: 0,
    explicit_content_filter: 0,
    features: value % 3 === 0 ? ['COMMUNITY', 'NEWS'] : [],
    mfa_level: 0,
    application_id: null,
    rules_channel_id: null,
    max_presences: null,
    max_members: 25_000_000,
    max_video_channel_users: 25,
    max_stage_video_channel_users: 50,
    vanity_url_code: null,
    description: null,
    banner: null,
    premium_tier: 0,
    premium_subscription_count: 0,
    premium_progress_bar_enabled: false,
    preferred_locale: 'en-US',
    public_updates_channel_id: null,
    safety_alerts_channel_id: null,
    nsfw: false,
    nsfw_level: 0,
    hub_type: null,
    latest_onboarding_question_id: null,
    incidents_data: null,
    inventory_settings: null,
    version: 1_700_000_000_000 + place.index,
  };
}

/** The `k`th role; 0 is @everyone, 1 the bot's own. */
export function role(place: Place, k: number, applicationId: string): Part {
  const everyone = k === 0;
  const bot = k === 1;
  return {
    version: 1_700_000_000_000 + k,
    unicode_emoji: null,
    tags: bot ? { bot_id: applicationId } : {},
    position: k,
    permissions: everyone ? '2222085186637377' : '2248473465835073',
    name: everyone ? '@everyone' : pairOfWords(noise(k, place.index, 22), ' '),
    mentionable: false,
    managed: bot,
    id: everyone ? place.id : partId(place, 'role', k),
    icon: null,
    hoist: k % 4 === 3,
    flags: 0,
    colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
    color: everyone ? 0 : noise(k, place.index, 23) & 0xff_ffff,
  };
}

/** The `k`th channel, without `guild_id`, as GUILD_CREATE lists it. */
export function channel(place: Place, k: number): Part {
  const type = channelType(k);
  const value = noise(k, place.index, 24);
  const common: Part = {
    version: 1_700_000_000_000 + k,
    type,
    position: k,
    permission_overwrites: value % 3 === 0 ? [{ type: 0, id: place.id, deny: '2048', allow: '1024' }] : [],
    name: pairOfWords(value, type === CHANNEL.text ? '-' : ' '),
    id: partId(place, 'channel', k),
    flags: 0,
  };
  if (type === CHANNEL.category) return common;
  const parent_id = partId(place, 'channel', k < 7 ? 0 : k - (k % 7));
  const topic = place.topicChars > 0 ? sentence(value, place.topicChars) : null;
  if (type === CHANNEL.voice) {
    return {
      ...common,
      voice_background_display: null,
      user_limit: 0,
      rtc_region: null,
      rate_limit_per_user: 0,
      parent_id,
      nsfw: false,
      last_message_id: null,
      icon_emoji: null,
      bitrate: 64_000,
    };
  }
  return {
    ...common,
    topic,
    rate_limit_per_user: 0,
    parent_id,
    nsfw: false,
    last_pin_timestamp: null,
    last_message_id: null,
    icon_emoji: null,
    theme_color: null,
  };
}

/** The `k`th active thread, without `guild_id`. The bot has not joined it, so it has no `member`. */
export function thread(place: Place, k: number): Part {
  const created = '2024-05-01T12:00:00.000000+00:00';
  return {
    type: CHANNEL.thread,
    total_message_sent: 3,
    thread_metadata: {
      locked: false,
      create_timestamp: created,
      auto_archive_duration: 10_080,
      archived: false,
      archive_timestamp: created,
    },
    rate_limit_per_user: 0,
    parent_id: partId(place, 'channel', 1),
    owner_id: personId(place, 0),
    name: pairOfWords(noise(k, place.index, 25), ' '),
    message_count: 3,
    member_count: 2,
    member_ids_preview: [personId(place, 0)],
    last_message_id: null,
    id: partId(place, 'thread', k),
    flags: 0,
  };
}

export function emoji(place: Place, k: number): Part {
  return {
    roles: [],
    require_colons: true,
    name: pairOfWords(noise(k, place.index, 26), '_'),
    managed: false,
    id: partId(place, 'emoji', k),
    available: true,
    animated: k % 5 === 0,
  };
}

/** The `k`th soundboard sound of a guild; each guild has one. */
export function sound(place: Place, k: number): Fields {
  return {
    volume: 1,
    user_id: personId(place, 0),
    sound_id: partId(place, 'sound', k),
    name: 'dice rolling',
    guild_id: place.id,
    emoji_name: '🎲',
    emoji_id: null,
    available: true,
  };
}

/** `length` things made by number. */
export function many<T>(length: number, make: (k: number) => T): T[] {
  return Array.from({ length }, (_, k) => make(k));
}
