import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { makeMessage } from './fixture.ts';
import { createIds, type Ids, scanIds, WANT } from './ids.ts';
import { SpliceError } from './splice.ts';

const ALL = WANT.ID | WANT.CHANNEL | WANT.GUILD | WANT.USER;

function scan(text: string, want = ALL): Record<'id' | 'channel' | 'guild' | 'user', string | undefined> {
  const bytes = Buffer.from(text);
  const ids: Ids = createIds();
  scanIds(bytes, 0, bytes.length, want, ids);
  const part = (start: number, end: number) => (start < 0 ? undefined : bytes.toString('latin1', start, end));
  return {
    id: part(ids.idStart, ids.idEnd),
    channel: part(ids.channelStart, ids.channelEnd),
    guild: part(ids.guildStart, ids.guildEnd),
    user: part(ids.userStart, ids.userEnd),
  };
}

/** What a scan must find, the plain way. */
function plain(object: Record<string, unknown>): ReturnType<typeof scan> {
  const id = (value: unknown): string | undefined =>
    (typeof value === 'string' || typeof value === 'number') && /^[0-9]+$/.test(String(value))
      ? String(value)
      : undefined;
  const user = object['user'];
  const isObject = typeof user === 'object' && user !== null && !Array.isArray(user);
  return {
    id: id(object['id']),
    channel: id(object['channel_id']),
    guild: id(object['guild_id']),
    user: isObject ? id((user as Record<string, unknown>)['id']) : undefined,
  };
}

describe('ids', () => {
  test('finds what JSON.parse would find, in any order and any company', () => {
    const digits = fc.bigInt({ min: 1n, max: 2n ** 63n }).map(String);
    const value = fc.oneof(digits, fc.jsonValue(), fc.nat(), fc.constant(null));
    const object: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      object: fc.dictionary(
        fc.oneof(fc.constantFrom('id', 'channel_id', 'guild_id', 'user', 'member', 'author'), fc.string()),
        fc.oneof({ depthSize: 'small' }, value, tie('object')),
      ),
    })).object;
    fc.assert(
      fc.property(object, fc.boolean(), (made, spaced) => {
        const text = JSON.stringify(made, null, spaced ? 1 : undefined);
        assert.deepEqual(scan(text), plain(JSON.parse(text)));
      }),
      { numRuns: 150 },
    );
  });

  test('reads a message, and stops where it has what it wants', () => {
    const message = makeMessage('123', '456');
    const { id } = message;
    assert.deepEqual(scan(JSON.stringify(message)), { id, channel: '456', guild: '123', user: undefined });
    // Behind the channel comes what nobody looks at.
    const cut = JSON.stringify(message).replace(/"author":.*"attachments"/, '"author":{"attachments"');
    assert.equal(scan(cut, WANT.ID | WANT.CHANNEL | WANT.GUILD).channel, '456');
  });

  test('takes guild_id from the end only where it is the object’s own', () => {
    assert.equal(scan('{"a":"0123456789012345678901234567","guild_id":"5"}').guild, '5');
    assert.equal(scan('{"a":"0123456789012345678901234567","x":{"b":1,"guild_id":"5"}}').guild, undefined);
    assert.equal(scan('{"a":"01234567890123456789012345,\\"guild_id\\":\\"5\\""}').guild, undefined);
    assert.equal(scan('{"guild_id":"7","a":"01234567890123456789012345,\\"guild_id\\":\\"5"}').guild, '7');
  });

  test('refuses what is not an object', () => {
    for (const text of ['[]', '7', '', '{"id"', '{"id":"1"', '{"id":"1";', '{"id" 1}', '{id:1}'])
      assert.throws(() => scan(text), SpliceError, text);
  });
});
