// Every dispatch event and what it does to state: protocol reference 8.5 as a table. Whatever else needs to
// know about events here is derived from it: which records are worth reading, and which function applies them.

import { EVENT, type EventName } from '../wire/event-type.ts';
import { PART, type PartKind } from './part.ts';

/** What an event does. The simple effects are data; the rest name a function of fold. */
export type Effect =
  | { readonly does: 'nothing' }
  /** The event (or its member `from`) becomes the element with its own id. */
  | { readonly does: 'upsert'; readonly kind: PartKind; readonly from?: string }
  /** Each element of the event's array `from` does. */
  | { readonly does: 'upsert-all'; readonly kind: PartKind; readonly from: string }
  /** The element whose id is the event's member `id` goes. */
  | { readonly does: 'remove'; readonly kind: PartKind; readonly id: string }
  /** The guild's member `field` becomes the event's. */
  | { readonly does: 'replace-field'; readonly field: string }
  | { readonly does: 'scheduled-event-users'; readonly by: 1 | -1 }
  | { readonly does: NamedEffect };

export type NamedEffect =
  | 'ready'
  | 'user'
  | 'guild-create'
  | 'guild-update'
  | 'guild-delete'
  | 'role-delete'
  | 'channel'
  | 'channel-delete'
  | 'channel-pins'
  | 'thread'
  | 'thread-delete'
  | 'thread-list'
  | 'thread-member'
  | 'thread-members'
  | 'member-add'
  | 'member-update'
  | 'member-remove'
  | 'members-chunk'
  | 'scheduled-event'
  | 'scheduled-event-delete'
  | 'voice-state'
  | 'presence'
  | 'message';

const NOTHING: Effect = { does: 'nothing' };
const sound: Effect = { does: 'upsert', kind: PART.SOUNDBOARD_SOUND };
const stage: Effect = { does: 'upsert', kind: PART.STAGE_INSTANCE };
const role: Effect = { does: 'upsert', kind: PART.ROLE, from: 'role' };

/** The effect of each event. */
export const EFFECTS = {
  READY: { does: 'ready' },
  RESUMED: NOTHING,
  USER_UPDATE: { does: 'user' },
  APPLICATION_COMMAND_PERMISSIONS_UPDATE: NOTHING,
  GUILD_CREATE: { does: 'guild-create' },
  GUILD_UPDATE: { does: 'guild-update' },
  GUILD_DELETE: { does: 'guild-delete' },
  GUILD_ROLE_CREATE: role,
  GUILD_ROLE_UPDATE: role,
  GUILD_ROLE_DELETE: { does: 'role-delete' },
  CHANNEL_CREATE: { does: 'channel' },
  CHANNEL_UPDATE: { does: 'channel' },
  CHANNEL_DELETE: { does: 'channel-delete' },
  CHANNEL_PINS_UPDATE: { does: 'channel-pins' },
  // A reply to op 43, and not part of a channel object.
  CHANNEL_INFO: NOTHING,
  VOICE_CHANNEL_STATUS_UPDATE: NOTHING,
  VOICE_CHANNEL_START_TIME_UPDATE: NOTHING,
  THREAD_CREATE: { does: 'thread' },
  THREAD_UPDATE: { does: 'thread' },
  THREAD_DELETE: { does: 'thread-delete' },
  THREAD_LIST_SYNC: { does: 'thread-list' },
  THREAD_MEMBER_UPDATE: { does: 'thread-member' },
  THREAD_MEMBERS_UPDATE: { does: 'thread-members' },
  GUILD_MEMBER_ADD: { does: 'member-add' },
  GUILD_MEMBER_UPDATE: { does: 'member-update' },
  GUILD_MEMBER_REMOVE: { does: 'member-remove' },
  GUILD_MEMBERS_CHUNK: { does: 'members-chunk' },
  GUILD_EMOJIS_UPDATE: { does: 'replace-field', field: 'emojis' },
  GUILD_STICKERS_UPDATE: { does: 'replace-field', field: 'stickers' },
  GUILD_SOUNDBOARD_SOUND_CREATE: sound,
  GUILD_SOUNDBOARD_SOUND_UPDATE: sound,
  GUILD_SOUNDBOARD_SOUND_DELETE: { does: 'remove', kind: PART.SOUNDBOARD_SOUND, id: 'sound_id' },
  GUILD_SOUNDBOARD_SOUNDS_UPDATE: {
    does: 'upsert-all',
    kind: PART.SOUNDBOARD_SOUND,
    from: 'soundboard_sounds',
  },
  // A reply to op 31.
  SOUNDBOARD_SOUNDS: NOTHING,
  // A member's removal is an event of its own.
  GUILD_BAN_ADD: NOTHING,
  GUILD_BAN_REMOVE: NOTHING,
  GUILD_AUDIT_LOG_ENTRY_CREATE: NOTHING,
  GUILD_INTEGRATIONS_UPDATE: NOTHING,
  INTEGRATION_CREATE: NOTHING,
  INTEGRATION_UPDATE: NOTHING,
  INTEGRATION_DELETE: NOTHING,
  WEBHOOKS_UPDATE: NOTHING,
  INVITE_CREATE: NOTHING,
  INVITE_DELETE: NOTHING,
  GUILD_SCHEDULED_EVENT_CREATE: { does: 'scheduled-event' },
  GUILD_SCHEDULED_EVENT_UPDATE: { does: 'scheduled-event' },
  GUILD_SCHEDULED_EVENT_DELETE: { does: 'scheduled-event-delete' },
  GUILD_SCHEDULED_EVENT_USER_ADD: { does: 'scheduled-event-users', by: 1 },
  GUILD_SCHEDULED_EVENT_USER_REMOVE: { does: 'scheduled-event-users', by: -1 },
  STAGE_INSTANCE_CREATE: stage,
  STAGE_INSTANCE_UPDATE: stage,
  STAGE_INSTANCE_DELETE: { does: 'remove', kind: PART.STAGE_INSTANCE, id: 'id' },
  VOICE_STATE_UPDATE: { does: 'voice-state' },
  // Belongs to the handler that joined, once.
  VOICE_SERVER_UPDATE: NOTHING,
  VOICE_CHANNEL_EFFECT_SEND: NOTHING,
  PRESENCE_UPDATE: { does: 'presence' },
  MESSAGE_CREATE: { does: 'message' },
  MESSAGE_UPDATE: NOTHING,
  // `last_message_id` keeps naming a deleted message.
  MESSAGE_DELETE: NOTHING,
  MESSAGE_DELETE_BULK: NOTHING,
  MESSAGE_REACTION_ADD: NOTHING,
  MESSAGE_REACTION_REMOVE: NOTHING,
  MESSAGE_REACTION_REMOVE_ALL: NOTHING,
  MESSAGE_REACTION_REMOVE_EMOJI: NOTHING,
  MESSAGE_POLL_VOTE_ADD: NOTHING,
  MESSAGE_POLL_VOTE_REMOVE: NOTHING,
  TYPING_START: NOTHING,
  INTERACTION_CREATE: NOTHING,
  AUTO_MODERATION_RULE_CREATE: NOTHING,
  AUTO_MODERATION_RULE_UPDATE: NOTHING,
  AUTO_MODERATION_RULE_DELETE: NOTHING,
  AUTO_MODERATION_ACTION_EXECUTION: NOTHING,
  ENTITLEMENT_CREATE: NOTHING,
  ENTITLEMENT_UPDATE: NOTHING,
  ENTITLEMENT_DELETE: NOTHING,
  SUBSCRIPTION_CREATE: NOTHING,
  SUBSCRIPTION_UPDATE: NOTHING,
  SUBSCRIPTION_DELETE: NOTHING,
  RATE_LIMITED: NOTHING,
} as const satisfies Record<EventName, Effect>;

const byType: Effect[] = new Array(256).fill(NOTHING);
for (const [name, effect] of Object.entries(EFFECTS)) byType[EVENT[name as EventName]] = effect;

const changing = Uint8Array.from(byType, (effect) => (effect.does === 'nothing' ? 0 : 1));

/** The effect of an event by its durable id; an unknown event has none. */
export function effectOf(type: number): Effect {
  return byType[type] ?? NOTHING;
}

/** Whether events of this type change state. */
export function changesState(type: number): boolean {
  return changing[type] === 1;
}
