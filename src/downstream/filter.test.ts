import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVENT } from '../wire/event-type.ts';
import { ALL_INTENTS, INTENTS } from '../wire/intents.ts';
import { filterOf } from './filter.ts';

describe('the filter of a handler', () => {
  it('is none when it asked for all that upstream has', () => {
    assert.equal(filterOf(INTENTS.GUILDS, INTENTS.GUILDS), undefined);
    assert.equal(filterOf(ALL_INTENTS, INTENTS.GUILDS), undefined);
  });

  it('leaves out what none of its intents lets in', () => {
    const filter = filterOf(INTENTS.GUILDS | INTENTS.DIRECT_MESSAGES, ALL_INTENTS)!;
    assert.equal(filter[EVENT.PRESENCE_UPDATE], 1);
    assert.equal(filter[EVENT.GUILD_MEMBER_ADD], 1);
    assert.equal(filter[EVENT.GUILD_CREATE], 0);
    assert.equal(filter[EVENT.MESSAGE_CREATE], 0, 'direct messages share the name with those of guilds');
  });

  it('never leaves out what needs no intent', () => {
    const filter = filterOf(0, ALL_INTENTS)!;
    for (const type of [
      EVENT.READY,
      EVENT.INTERACTION_CREATE,
      EVENT.VOICE_SERVER_UPDATE,
      EVENT.USER_UPDATE,
      0,
    ])
      assert.equal(filter[type], 0);
  });
});
