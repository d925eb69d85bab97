// The events that the benchmarks replay: the mix of a large bot (45 % messages of 1.8 KB, 20 % presences, ...),
// mean 1.24 KB, made from a seed. Synthetic: see the caveats in docs/performance.md.

import { type Random, seededRandom } from '../src/base/random.ts';

const WORDS =
  'the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get come made may part'.split(
    ' ',
  );

/** Share of each event type, in percent. */
const MIX: ReadonlyArray<readonly [type: string, percent: number]> = [
  ['MESSAGE_CREATE', 45],
  ['PRESENCE_UPDATE', 20],
  ['TYPING_START', 10],
  ['GUILD_MEMBER_UPDATE', 8],
  ['MESSAGE_REACTION_ADD', 5],
  ['MESSAGE_UPDATE', 4],
  ['VOICE_STATE_UPDATE', 3],
  ['INTERACTION_CREATE', 2],
  ['MESSAGE_DELETE', 2],
  ['CHANNEL_UPDATE', 1],
];

/** Guilds of one shard in the corpus; events happen in these, in a few channels of each, among a few hundred people. */
export const GUILDS_PER_SHARD = 50;
const CHANNELS_PER_GUILD = 8;
const PEOPLE_PER_GUILD = 200;

/** The GUILD_CREATEs of one shard, as JSON of d. */
export function createGuilds(shard: number): string[] {
  return Array.from({ length: GUILDS_PER_SHARD }, (_, index) => {
    const guild = guildId(shard, index);
    return JSON.stringify({
      id: guild,
      name: `Guild ${index}`,
      owner_id: partId(guild, 1),
      unavailable: false,
      large: false,
      member_count: PEOPLE_PER_GUILD,
      joined_at: '2023-04-05T12:34:56.789000+00:00',
      roles: [
        {
          id: guild,
          name: '@everyone',
          permissions: '2251799813685247',
          position: 0,
          color: 0,
          hoist: false,
          managed: false,
          mentionable: false,
          flags: 0,
        },
      ],
      channels: Array.from({ length: CHANNELS_PER_GUILD }, (_unused, channel) => ({
        id: partId(guild, 1000 + channel),
        type: 0,
        name: `channel-${channel}`,
        position: channel,
        permission_overwrites: [],
        last_message_id: null,
        flags: 0,
      })),
      threads: [],
      members: [],
      voice_states: [],
      presences: [],
      emojis: [],
      stickers: [],
      features: [],
      stage_instances: [],
      guild_scheduled_events: [],
      soundboard_sounds: [],
    });
  });
}

const guildId = (shard: number, index: number): string =>
  String(1_000_000_000_000_000_000n + BigInt(shard * 1000 + index) * 4_194_304n);
const partId = (guild: string, part: number): string => String(BigInt(guild) + BigInt(part));

/** Makes `count` events of a shard as [type, JSON of d]. */
export function createCorpus(count: number, shard: number): Array<readonly [type: string, data: string]> {
  const random = seededRandom(shard + 1);
  return Array.from({ length: count }, () => {
    let roll = random.next() * 100;
    const type =
      MIX.find(([, percent]) => {
        roll -= percent;
        return roll < 0;
      })?.[0] ?? 'MESSAGE_CREATE';
    return [type, JSON.stringify(inPlace(makeEvent(type, random), shard, random))] as const;
  });
}

/** Puts an event into one of the shard's guilds, and gives it to one of the people there. */
function inPlace(event: object, shard: number, random: Random): object {
  const placed = event as Record<string, unknown>;
  // Few guilds are loud and many are quiet.
  const guild = guildId(shard, Math.floor(random.next() ** 2 * GUILDS_PER_SHARD));
  const person = partId(guild, 10_000 + Math.floor(random.next() ** 2 * PEOPLE_PER_GUILD));
  if ('guild_id' in placed) placed['guild_id'] = guild;
  if ('channel_id' in placed)
    placed['channel_id'] = partId(guild, 1000 + Math.floor(random.next() ** 2 * CHANNELS_PER_GUILD));
  // As many leave a voice channel as join one.
  if ('self_mute' in placed && random.next() < 0.5) placed['channel_id'] = null;
  if ('user_id' in placed) placed['user_id'] = person;
  for (const key of ['user', 'author']) if (key in placed) (placed[key] as { id: string }).id = person;
  if (placed['type'] === 0 && 'permission_overwrites' in placed) placed['id'] = partId(guild, 1000);
  return placed;
}

const id = (random: Random): string =>
  String(1_000_000_000_000_000_000n + BigInt(Math.floor(random.next() * 2 ** 52)) * 113n);
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;
const text = (random: Random, words: number): string =>
  Array.from({ length: words }, () => pick(random, WORDS)).join(' ');
const hash = (random: Random): string => random.hex(16);

function user(random: Random) {
  return {
    username: pick(random, WORDS) + Math.floor(random.next() * 9999),
    public_flags: 0,
    id: id(random),
    global_name: text(random, 2),
    display_name_styles: null,
    discriminator: '0',
    collectibles: null,
    clan: null,
    bot: false,
    avatar_decoration_data: null,
    avatar: hash(random),
  };
}

function member(random: Random) {
  return {
    roles: Array.from({ length: 2 + Math.floor(random.next() * 6) }, () => id(random)),
    premium_since: null,
    pending: false,
    nick: random.next() < 0.3 ? text(random, 1) : null,
    mute: false,
    joined_at: '2023-04-05T12:34:56.789000+00:00',
    flags: 0,
    deaf: false,
    communication_disabled_until: null,
    banner: null,
    avatar: null,
  };
}

function message(random: Random) {
  const embedded = random.next() < 0.25;
  return {
    type: 0,
    tts: false,
    timestamp: '2026-11-24T12:34:56.789000+00:00',
    pinned: false,
    nonce: id(random),
    mentions: random.next() < 0.2 ? [{ ...user(random), member: member(random) }] : [],
    mention_roles: [],
    mention_everyone: false,
    member: member(random),
    id: id(random),
    flags: 0,
    embeds: embedded
      ? [
          {
            type: 'rich',
            title: text(random, 6),
            description: text(random, 80),
            color: 5814783,
            fields: [
              { name: text(random, 2), value: text(random, 12), inline: true },
              { name: text(random, 2), value: text(random, 12), inline: true },
            ],
          },
        ]
      : [],
    edited_timestamp: null,
    content: text(random, 8 + Math.floor(random.next() * 60)),
    components: [],
    channel_type: 0,
    channel_id: id(random),
    author: user(random),
    attachments:
      random.next() < 0.15
        ? [
            {
              url: `https://cdn.discordapp.com/attachments/${id(random)}/${id(random)}/image.png?ex=${hash(random)}&is=${hash(random)}&hm=${hash(random)}${hash(random)}`,
              size: 123456,
              id: id(random),
              filename: 'image.png',
              content_type: 'image/png',
              width: 1024,
              height: 768,
            },
          ]
        : [],
    guild_id: id(random),
  };
}

function makeEvent(type: string, random: Random): object {
  switch (type) {
    case 'MESSAGE_CREATE':
    case 'MESSAGE_UPDATE':
      return message(random);
    case 'PRESENCE_UPDATE':
      return {
        user: { id: id(random) },
        status: pick(random, ['online', 'idle', 'dnd', 'offline']),
        processed_at_timestamp: Math.floor(random.next() * 1e12),
        guild_id: id(random),
        client_status: { desktop: 'online' },
        broadcast: null,
        activities:
          random.next() < 0.6
            ? [
                {
                  type: 0,
                  timestamps: { start: 1700000000000 },
                  state: text(random, 4),
                  name: text(random, 2),
                  id: hash(random),
                  details: text(random, 6),
                  created_at: 1700000000000,
                  assets: { large_image: hash(random), large_text: text(random, 3) },
                  application_id: id(random),
                },
              ]
            : [],
      };
    case 'TYPING_START':
      return {
        user_id: id(random),
        timestamp: 1764000000,
        member: { user: user(random), ...member(random) },
        channel_id: id(random),
        guild_id: id(random),
      };
    case 'GUILD_MEMBER_UPDATE':
      return { user: user(random), ...member(random), guild_id: id(random) };
    case 'MESSAGE_REACTION_ADD':
      return {
        user_id: id(random),
        type: 0,
        message_id: id(random),
        message_author_id: id(random),
        member: { user: user(random), ...member(random) },
        emoji: { name: '✂️', id: null },
        channel_id: id(random),
        burst: false,
        guild_id: id(random),
      };
    case 'VOICE_STATE_UPDATE':
      return {
        member: { user: user(random), ...member(random) },
        user_id: id(random),
        suppress: false,
        session_id: hash(random),
        self_video: false,
        self_mute: false,
        self_deaf: false,
        request_to_speak_timestamp: null,
        mute: false,
        guild_id: id(random),
        deaf: false,
        channel_id: id(random),
      };
    case 'INTERACTION_CREATE':
      return {
        version: 1,
        type: 2,
        token: hash(random).repeat(8),
        member: { user: user(random), ...member(random), permissions: '2251799813685247' },
        locale: 'en-US',
        id: id(random),
        guild_locale: 'en-US',
        guild_id: id(random),
        guild: {
          locale: 'en-US',
          id: id(random),
          features: ['COMMUNITY', 'NEWS', 'ANIMATED_ICON', 'INVITE_SPLASH', 'SOUNDBOARD', 'ROLE_ICONS'],
        },
        entitlements: [],
        data: {
          type: 1,
          name: 'roll',
          id: id(random),
          options: [{ value: text(random, 12), type: 3, name: 'dice' }],
          resolved: { users: { [id(random)]: user(random) } },
        },
        channel_id: id(random),
        channel: {
          type: 0,
          topic: text(random, 20),
          rate_limit_per_user: 0,
          position: 3,
          permissions: '2251799813685247',
          parent_id: id(random),
          nsfw: false,
          name: text(random, 1),
          last_message_id: id(random),
          id: id(random),
          guild_id: id(random),
          flags: 0,
        },
        authorizing_integration_owners: { '0': id(random) },
        attachment_size_limit: 10485760,
        application_id: id(random),
        app_permissions: '2251799813685247',
      };
    case 'MESSAGE_DELETE':
      return { id: id(random), channel_id: id(random), guild_id: id(random) };
    default:
      return {
        version: 1700000000000,
        type: 0,
        topic: text(random, 10),
        rate_limit_per_user: 0,
        position: 4,
        permission_overwrites: [],
        parent_id: id(random),
        nsfw: false,
        name: text(random, 2),
        last_message_id: id(random),
        id: id(random),
        guild_id: id(random),
        flags: 0,
      };
  }
}
