import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeContents, walkGuild } from './contents.ts';
import { type Json, makeGuild, snowflake } from './fixture.ts';
import { ELEMENT_ARRAYS, PART } from './part.ts';

const walk = (guild: Json) => {
  const bytes = Buffer.from(` ${JSON.stringify(guild)} `);
  return walkGuild(bytes, 1, bytes.length - 1);
};

describe('contents', () => {
  test('knows every element of a guild, and no other', () => {
    const guild = makeGuild(snowflake(), { channels: 40, threads: 9, roles: 30, members: 25, presences: 25 });
    const { id, unavailable, contents } = walk(guild);
    assert.equal(id, guild['id']);
    assert.ok(unavailable);
    // As bytes out of a database, which may lie anywhere.
    const moved = new Uint8Array(contents.bytes.length + 3);
    moved.set(contents.bytes, 3);
    for (const read of [contents, decodeContents(contents.bytes), decodeContents(moved.subarray(3))]) {
      for (const { kind, array, id: path } of ELEMENT_ARRAYS) {
        for (const element of guild[array] as Json[]) {
          let value: unknown = element;
          for (const key of path) value = (value as Json)[key];
          assert.ok(read.has(kind, value as string), `${array} ${value}`);
          assert.ok(read.hasIn(kind, Buffer.from(value as string), 0, (value as string).length));
        }
        assert.equal(read.has(kind, snowflake()), false);
        assert.equal(read.has(kind, 'x'), false);
        assert.equal(read.has(kind, '1'), false);
      }
    }
  });

  test('takes an array with an odd id for one that may hold anything', () => {
    const guild = { id: '1', roles: [{ id: 'everyone' }, { id: '2' }, {}, 7], channels: [{ id: 34 }] };
    const { contents, unavailable } = walk(guild);
    assert.equal(unavailable, undefined);
    assert.ok(contents.has(PART.ROLE, '99'));
    assert.ok(contents.has(PART.CHANNEL, '34'));
    assert.equal(contents.has(PART.CHANNEL, '99'), false);
    assert.equal(contents.has(PART.MEMBER, '99'), false);
  });
});
