import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVENT, EVENT_TYPES } from '../wire/event-type.ts';
import { EXPIRES_AFTER_MS, isExpired } from './expiry.ts';

describe('expiry', () => {
  it('leaves out what tells nothing after an absence, and nothing else', () => {
    const expiring = EVENT_TYPES.filter((_, type) => EXPIRES_AFTER_MS[type] !== 0);
    assert.deepEqual(expiring, ['PRESENCE_UPDATE', 'TYPING_START', 'INTERACTION_CREATE']);
  });

  it('lets an interaction go before its token dies, 3 s after Discord sent it', () => {
    const at = 1_700_000_000_000;
    assert.equal(isExpired(EVENT.INTERACTION_CREATE, at, at), false);
    assert.equal(isExpired(EVENT.INTERACTION_CREATE, at, at + 2_500), false);
    assert.equal(isExpired(EVENT.INTERACTION_CREATE, at, at + 2_501), true);
  });

  it('keeps messages, and events without a name, for ever', () => {
    for (const type of [EVENT.MESSAGE_CREATE, EVENT.GUILD_CREATE, 0, 255])
      assert.equal(isExpired(type, 0, Number.MAX_SAFE_INTEGER), false);
  });

  it('does not leave out what a clock that was put back says is from the future', () => {
    assert.equal(isExpired(EVENT.TYPING_START, 10_000, 0), false);
  });
});
