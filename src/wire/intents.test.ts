import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EVENT, EVENT_TYPES } from './event-type.ts';
import {
  ALL_INTENTS,
  EVENT_INTENTS,
  INTENTS,
  type IntentName,
  intentNames,
  PRIVILEGED_INTENTS,
  parseIntents,
  UNPRIVILEGED_INTENTS,
} from './intents.ts';

const names = Object.keys(INTENTS) as IntentName[];
const someNames = fc.subarray(names, { minLength: 1 });
const bitsOf = (list: readonly IntentName[]): number => list.reduce((sum, name) => sum | INTENTS[name], 0);

describe('intents', () => {
  test('the sums are those of the protocol reference, 8.4', () => {
    assert.equal(ALL_INTENTS, 53608447);
    assert.equal(UNPRIVILEGED_INTENTS, 53575421);
    assert.deepEqual(intentNames(PRIVILEGED_INTENTS), [
      'GUILD_MEMBERS',
      'GUILD_PRESENCES',
      'MESSAGE_CONTENT',
    ]);
  });

  test('names, numbers and numeric texts mean the same bits, however they are written', () => {
    fc.assert(
      fc.property(someNames, (list) => {
        const bits = bitsOf(list);
        assert.equal(parseIntents(bits), bits);
        assert.equal(parseIntents(` ${bits} `), bits);
        assert.equal(parseIntents(list), bits);
        assert.equal(parseIntents(list.join(' , ').toLowerCase()), bits);
        assert.deepEqual(intentNames(bits).sort(), [...list].sort());
      }),
    );
  });

  test('ALL and UNPRIVILEGED are names, too', () => {
    assert.equal(parseIntents('all'), ALL_INTENTS);
    assert.equal(
      parseIntents(['unprivileged', 'GUILD_MEMBERS']),
      UNPRIVILEGED_INTENTS | INTENTS.GUILD_MEMBERS,
    );
    assert.equal(parseIntents(0), 0);
    assert.equal(parseIntents([]), 0);
  });

  test('what is no intent is refused with a sentence that names it', () => {
    const wrong = (value: unknown): string => {
      const parsed = parseIntents(value);
      assert.ok(typeof parsed === 'object', `${String(value)} was taken for ${String(parsed)}`);
      return parsed.wrong;
    };
    assert.match(wrong('GUILDS,GUILD_MESAGES'), /no such intent: GUILD_MESAGES;/);
    assert.match(wrong(['toString', 'GUILDS']), /toString/);
    assert.match(wrong(1 << 17), /131072/);
    for (const bits of [-1, 1.5, 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.NaN, ALL_INTENTS + 1])
      assert.match(wrong(bits), /no intent/);
    assert.match(wrong('4294967297'), /no intent/);
    for (const value of [undefined, null, {}, true]) assert.match(wrong(value), /expected a number/);
    for (const value of ['', ' ', 'GUILDS,', '0x10', '-1']) wrong(value);
  });

  test('events that need no intent are exactly those the reference lists', () => {
    const free = EVENT_TYPES.slice(1).filter((_, i) => EVENT_INTENTS[i + 1] === undefined);
    assert.deepEqual(
      [...free].sort(),
      [
        ...[
          'READY',
          'RESUMED',
          'RATE_LIMITED',
          'INTERACTION_CREATE',
          'APPLICATION_COMMAND_PERMISSIONS_UPDATE',
        ],
        ...[
          'ENTITLEMENT_CREATE',
          'ENTITLEMENT_UPDATE',
          'ENTITLEMENT_DELETE',
          'USER_UPDATE',
          'VOICE_SERVER_UPDATE',
        ],
        ...['SUBSCRIPTION_CREATE', 'SUBSCRIPTION_UPDATE', 'SUBSCRIPTION_DELETE'],
        ...['GUILD_MEMBERS_CHUNK', 'SOUNDBOARD_SOUNDS', 'CHANNEL_INFO'],
      ].sort(),
    );
  });

  test('every intent but MESSAGE_CONTENT opens an event, and direct messages only with direct bits', () => {
    let opened = 0;
    for (const row of EVENT_INTENTS) if (row) opened |= row.guild | row.direct;
    assert.equal(opened, ALL_INTENTS & ~INTENTS.MESSAGE_CONTENT);
    const direct = names.filter((name) => name.startsWith('DIRECT_'));
    for (const row of EVENT_INTENTS) {
      if (!row) continue;
      assert.equal(row.direct & ~bitsOf(direct), 0);
      assert.equal(row.guild & bitsOf(direct), 0);
    }
    assert.deepEqual(EVENT_INTENTS[EVENT.MESSAGE_CREATE], {
      guild: INTENTS.GUILD_MESSAGES,
      direct: INTENTS.DIRECT_MESSAGES,
    });
  });
});
