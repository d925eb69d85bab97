// Gateway intents: their bits, their names, and the event types each one opens (protocol reference 8.4).

import { EVENT, type EventName } from './event-type.ts';

export const INTENTS = {
  GUILDS: 1 << 0,
  GUILD_MEMBERS: 1 << 1,
  GUILD_MODERATION: 1 << 2,
  GUILD_EXPRESSIONS: 1 << 3,
  GUILD_INTEGRATIONS: 1 << 4,
  GUILD_WEBHOOKS: 1 << 5,
  GUILD_INVITES: 1 << 6,
  GUILD_VOICE_STATES: 1 << 7,
  GUILD_PRESENCES: 1 << 8,
  GUILD_MESSAGES: 1 << 9,
  GUILD_MESSAGE_REACTIONS: 1 << 10,
  GUILD_MESSAGE_TYPING: 1 << 11,
  DIRECT_MESSAGES: 1 << 12,
  DIRECT_MESSAGE_REACTIONS: 1 << 13,
  DIRECT_MESSAGE_TYPING: 1 << 14,
  MESSAGE_CONTENT: 1 << 15,
  GUILD_SCHEDULED_EVENTS: 1 << 16,
  AUTO_MODERATION_CONFIGURATION: 1 << 20,
  AUTO_MODERATION_EXECUTION: 1 << 21,
  GUILD_MESSAGE_POLLS: 1 << 24,
  DIRECT_MESSAGE_POLLS: 1 << 25,
} as const;

export type IntentName = keyof typeof INTENTS;

/** Every documented bit; any other bit in an IDENTIFY is answered with close 4013. */
export const ALL_INTENTS = Object.values(INTENTS).reduce((sum, bit) => sum | bit, 0);

/** Bits that need approval or a switch in the Developer Portal (close 4014 without). */
export const PRIVILEGED_INTENTS = INTENTS.GUILD_MEMBERS | INTENTS.GUILD_PRESENCES | INTENTS.MESSAGE_CONTENT;

export const UNPRIVILEGED_INTENTS = ALL_INTENTS & ~PRIVILEGED_INTENTS;

/** The names of the bits that are set, in order of their value. */
export function intentNames(bits: number): IntentName[] {
  return (Object.keys(INTENTS) as IntentName[]).filter((name) => (bits & INTENTS[name]) !== 0);
}

/**
 * Reads intents written as a number, a numeric text, or a list of names (also comma-separated, any case).
 * Returns the bits, or a sentence naming what is wrong.
 */
export function parseIntents(value: unknown): number | { wrong: string } {
  if (typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value.trim()))) {
    const bits = Number(value);
    if (!Number.isInteger(bits) || bits < 0 || (bits & ~ALL_INTENTS) !== 0 || bits > ALL_INTENTS) {
      return {
        wrong: `${value} has bits that are no intent; all documented ones together are ${ALL_INTENTS}`,
      };
    }
    return bits;
  }
  const names = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : undefined;
  if (!names) return { wrong: `expected a number or a list of intent names` };
  let bits = 0;
  const unknown: string[] = [];
  for (const name of names) {
    const key = String(name).trim().toUpperCase();
    if (key === 'ALL') bits |= ALL_INTENTS;
    else if (key === 'UNPRIVILEGED') bits |= UNPRIVILEGED_INTENTS;
    else if (Object.hasOwn(INTENTS, key)) bits |= INTENTS[key as IntentName];
    else unknown.push(String(name));
  }
  if (unknown.length > 0)
    return {
      wrong: `no such intent: ${unknown.join(', ')}; the names are ${Object.keys(INTENTS).join(', ')}`,
    };
  return bits;
}

/** A guild's bits and a direct message's bits for one event type. An event type without a row needs no intent. */
export interface EventIntents {
  readonly guild: number;
  readonly direct: number;
}

const rows: Array<[bits: { guild?: number; direct?: number }, names: EventName[]]> = [
  [
    { guild: INTENTS.GUILDS },
    [
      'GUILD_CREATE',
      'GUILD_UPDATE',
      'GUILD_DELETE',
      'GUILD_ROLE_CREATE',
      'GUILD_ROLE_UPDATE',
      'GUILD_ROLE_DELETE',
      'CHANNEL_CREATE',
      'CHANNEL_UPDATE',
      'CHANNEL_DELETE',
      'THREAD_CREATE',
      'THREAD_UPDATE',
      'THREAD_DELETE',
      'THREAD_LIST_SYNC',
      'THREAD_MEMBER_UPDATE',
      'STAGE_INSTANCE_CREATE',
      'STAGE_INSTANCE_UPDATE',
      'STAGE_INSTANCE_DELETE',
      'VOICE_CHANNEL_STATUS_UPDATE',
      'VOICE_CHANNEL_START_TIME_UPDATE',
    ],
  ],
  [{ guild: INTENTS.GUILDS, direct: INTENTS.DIRECT_MESSAGES }, ['CHANNEL_PINS_UPDATE']],
  [{ guild: INTENTS.GUILDS | INTENTS.GUILD_MEMBERS }, ['THREAD_MEMBERS_UPDATE']],
  [{ guild: INTENTS.GUILD_MEMBERS }, ['GUILD_MEMBER_ADD', 'GUILD_MEMBER_UPDATE', 'GUILD_MEMBER_REMOVE']],
  [
    { guild: INTENTS.GUILD_MODERATION },
    ['GUILD_AUDIT_LOG_ENTRY_CREATE', 'GUILD_BAN_ADD', 'GUILD_BAN_REMOVE'],
  ],
  [
    { guild: INTENTS.GUILD_EXPRESSIONS },
    [
      'GUILD_EMOJIS_UPDATE',
      'GUILD_STICKERS_UPDATE',
      'GUILD_SOUNDBOARD_SOUND_CREATE',
      'GUILD_SOUNDBOARD_SOUND_UPDATE',
      'GUILD_SOUNDBOARD_SOUND_DELETE',
      'GUILD_SOUNDBOARD_SOUNDS_UPDATE',
    ],
  ],
  [
    { guild: INTENTS.GUILD_INTEGRATIONS },
    ['GUILD_INTEGRATIONS_UPDATE', 'INTEGRATION_CREATE', 'INTEGRATION_UPDATE', 'INTEGRATION_DELETE'],
  ],
  [{ guild: INTENTS.GUILD_WEBHOOKS }, ['WEBHOOKS_UPDATE']],
  [{ guild: INTENTS.GUILD_INVITES }, ['INVITE_CREATE', 'INVITE_DELETE']],
  [{ guild: INTENTS.GUILD_VOICE_STATES }, ['VOICE_STATE_UPDATE', 'VOICE_CHANNEL_EFFECT_SEND']],
  [{ guild: INTENTS.GUILD_PRESENCES }, ['PRESENCE_UPDATE']],
  [
    { guild: INTENTS.GUILD_MESSAGES, direct: INTENTS.DIRECT_MESSAGES },
    ['MESSAGE_CREATE', 'MESSAGE_UPDATE', 'MESSAGE_DELETE', 'MESSAGE_DELETE_BULK'],
  ],
  [
    { guild: INTENTS.GUILD_MESSAGE_REACTIONS, direct: INTENTS.DIRECT_MESSAGE_REACTIONS },
    [
      'MESSAGE_REACTION_ADD',
      'MESSAGE_REACTION_REMOVE',
      'MESSAGE_REACTION_REMOVE_ALL',
      'MESSAGE_REACTION_REMOVE_EMOJI',
    ],
  ],
  [{ guild: INTENTS.GUILD_MESSAGE_TYPING, direct: INTENTS.DIRECT_MESSAGE_TYPING }, ['TYPING_START']],
  [
    { guild: INTENTS.GUILD_SCHEDULED_EVENTS },
    [
      'GUILD_SCHEDULED_EVENT_CREATE',
      'GUILD_SCHEDULED_EVENT_UPDATE',
      'GUILD_SCHEDULED_EVENT_DELETE',
      'GUILD_SCHEDULED_EVENT_USER_ADD',
      'GUILD_SCHEDULED_EVENT_USER_REMOVE',
    ],
  ],
  [
    { guild: INTENTS.AUTO_MODERATION_CONFIGURATION },
    ['AUTO_MODERATION_RULE_CREATE', 'AUTO_MODERATION_RULE_UPDATE', 'AUTO_MODERATION_RULE_DELETE'],
  ],
  [{ guild: INTENTS.AUTO_MODERATION_EXECUTION }, ['AUTO_MODERATION_ACTION_EXECUTION']],
  [
    { guild: INTENTS.GUILD_MESSAGE_POLLS, direct: INTENTS.DIRECT_MESSAGE_POLLS },
    ['MESSAGE_POLL_VOTE_ADD', 'MESSAGE_POLL_VOTE_REMOVE'],
  ],
];

/** Event type id to the intents that open it (any one of the bits); undefined where none is needed. */
export const EVENT_INTENTS: ReadonlyArray<EventIntents | undefined> = (() => {
  const table: Array<EventIntents | undefined> = new Array(256).fill(undefined);
  for (const [bits, names] of rows) {
    for (const name of names) table[EVENT[name]] = { guild: bits.guild ?? 0, direct: bits.direct ?? 0 };
  }
  return table;
})();
