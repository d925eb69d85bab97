// People: the user, member and presence objects of a guild's `n`th member, computed from its number.

import { type Fields, type Part, timestamp } from '../json.ts';
import { DISCORD_EPOCH_MS } from '../snowflake.ts';
import { fraction, imageHash, noise, pairOfWords } from './noise.ts';
import { type Place, partId, personId } from './place.ts';

/** The user object as other objects embed it. */
export function user(place: Place, n: number): Part {
  const value = noise(n, place.index, 10);
  const id = personId(place, n);
  return {
    username: `${pairOfWords(value, '_')}_${value % 10_000}`,
    public_flags: 0,
    primary_guild: null,
    id,
    global_name: value % 3 === 0 ? null : pairOfWords(value >>> 3, ' '),
    display_name_styles: null,
    discriminator: '0',
    collectibles: null,
    clan: null,
    bot: false,
    avatar_decoration_data: null,
    avatar: value % 4 === 0 ? null : imageHash(n, place.index, 11),
  };
}

/** The member object without `user`, as message events embed it. */
export function member(place: Place, n: number): Fields {
  const value = noise(n, place.index, 12);
  const roles: string[] = [];
  for (let i = 0; i < value % 4 && i + 1 < place.roles; i++)
    roles.push(partId(place, 'role', 1 + (((value >>> 4) + i) % Math.max(1, place.roles - 1))));
  return {
    roles: roles.length > 1 ? [...new Set(roles)] : roles,
    premium_since: null,
    pending: false,
    nick: value % 5 === 0 ? pairOfWords(value >>> 5, ' ') : null,
    mute: false,
    joined_at: timestamp(DISCORD_EPOCH_MS + place.timeMs + 3_600_000 * (n + 1) + (value % 3_600_000)),
    flags: 0,
    deaf: false,
    communication_disabled_until: null,
    banner: null,
    avatar: null,
  };
}

const STATUSES = ['online', 'online', 'idle', 'dnd', 'offline'] as const;

/** The presence that a member has before it changes; null when offline. */
export function presence(place: Place, n: number, userId: string): Fields | null {
  const status = STATUSES[noise(n, place.index, 13) % STATUSES.length]!;
  return status === 'offline' ? null : presenceOf(userId, status, fraction(n, place.index, 14) < 0.3);
}

/** A presence object without `guild_id`. */
export function presenceOf(userId: string, status: string, playing: boolean): Fields {
  return {
    user: { id: userId },
    status,
    client_status: status === 'offline' ? {} : { desktop: status },
    broadcast: null,
    activities:
      playing && status !== 'offline'
        ? [
            {
              type: 0,
              timestamps: { start: 1_700_000_000_000 },
              name: 'Dungeon of the Box',
              id: 'ec0b28a579ecb4bd',
              created_at: 1_700_000_000_000,
            },
          ]
        : [],
  };
}
