import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GatewayDispatchEvents } from 'discord-api-types/v10';
import { EVENT, EVENT_TYPES, eventTypeId, eventTypeName } from './event-type.ts';

// The ids as they lie in journals on disk, from 1 on. A new event is added to the end, here too; a test that fails
// here after anything else means that journals of the version before would be misread.
const FROZEN = `
  READY RESUMED GUILD_CREATE GUILD_UPDATE GUILD_DELETE MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE
  MESSAGE_DELETE_BULK MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE MESSAGE_REACTION_REMOVE_ALL
  MESSAGE_REACTION_REMOVE_EMOJI MESSAGE_POLL_VOTE_ADD MESSAGE_POLL_VOTE_REMOVE PRESENCE_UPDATE
  TYPING_START INTERACTION_CREATE GUILD_MEMBER_ADD GUILD_MEMBER_UPDATE GUILD_MEMBER_REMOVE
  GUILD_MEMBERS_CHUNK GUILD_ROLE_CREATE GUILD_ROLE_UPDATE GUILD_ROLE_DELETE GUILD_EMOJIS_UPDATE
  GUILD_STICKERS_UPDATE GUILD_BAN_ADD GUILD_BAN_REMOVE GUILD_AUDIT_LOG_ENTRY_CREATE
  GUILD_INTEGRATIONS_UPDATE INTEGRATION_CREATE INTEGRATION_UPDATE INTEGRATION_DELETE WEBHOOKS_UPDATE
  INVITE_CREATE INVITE_DELETE CHANNEL_CREATE CHANNEL_UPDATE CHANNEL_DELETE CHANNEL_PINS_UPDATE
  CHANNEL_INFO THREAD_CREATE THREAD_UPDATE THREAD_DELETE THREAD_LIST_SYNC THREAD_MEMBER_UPDATE
  THREAD_MEMBERS_UPDATE VOICE_STATE_UPDATE VOICE_SERVER_UPDATE VOICE_CHANNEL_EFFECT_SEND
  VOICE_CHANNEL_STATUS_UPDATE VOICE_CHANNEL_START_TIME_UPDATE STAGE_INSTANCE_CREATE
  STAGE_INSTANCE_UPDATE STAGE_INSTANCE_DELETE GUILD_SCHEDULED_EVENT_CREATE GUILD_SCHEDULED_EVENT_UPDATE
  GUILD_SCHEDULED_EVENT_DELETE GUILD_SCHEDULED_EVENT_USER_ADD GUILD_SCHEDULED_EVENT_USER_REMOVE
  GUILD_SOUNDBOARD_SOUND_CREATE GUILD_SOUNDBOARD_SOUND_UPDATE GUILD_SOUNDBOARD_SOUND_DELETE
  GUILD_SOUNDBOARD_SOUNDS_UPDATE SOUNDBOARD_SOUNDS AUTO_MODERATION_RULE_CREATE
  AUTO_MODERATION_RULE_UPDATE AUTO_MODERATION_RULE_DELETE AUTO_MODERATION_ACTION_EXECUTION
  APPLICATION_COMMAND_PERMISSIONS_UPDATE ENTITLEMENT_CREATE ENTITLEMENT_UPDATE ENTITLEMENT_DELETE
  SUBSCRIPTION_CREATE SUBSCRIPTION_UPDATE SUBSCRIPTION_DELETE USER_UPDATE RATE_LIMITED
`
  .trim()
  .split(/\s+/);

describe('event type', () => {
  test('ids are append-only: every name keeps the id it has on disk', () => {
    assert.deepEqual(EVENT_TYPES.slice(0, FROZEN.length + 1), ['', ...FROZEN]);
  });

  test('ids fit a byte, and names are unique and plain', () => {
    assert.ok(EVENT_TYPES.length <= 255);
    assert.equal(new Set(EVENT_TYPES).size, EVENT_TYPES.length);
    for (const name of EVENT_TYPES.slice(1)) assert.match(name, /^[A-Z_]{4,}$/);
  });

  test('a name and its id lead to each other; what is not listed has id 0', () => {
    for (const [id, name] of EVENT_TYPES.entries()) {
      if (id === 0) continue;
      assert.equal(eventTypeId(name), id);
      assert.equal(eventTypeName(id), name);
      assert.equal(EVENT[name as keyof typeof EVENT], id);
    }
    for (const name of ['', 'NEW_EVENT', 'ready', 'toString', '__proto__'])
      assert.equal(eventTypeId(name), 0);
    for (const id of [0, 255, EVENT_TYPES.length]) assert.equal(eventTypeName(id), 'unknown');
  });

  test('every event of discord-api-types is listed', () => {
    const missing = Object.values(GatewayDispatchEvents).filter((name) => eventTypeId(name) === 0);
    assert.deepEqual(missing, []);
  });
});
