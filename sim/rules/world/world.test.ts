import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { INTENTS, UNPRIVILEGED_INTENTS } from '../../../src/wire/intents.ts';
import { createAccount } from '../account.ts';
import { ruleOptions } from '../options.ts';
import { shardOf } from '../snowflake.ts';
import { guildCreate } from './guild-view.ts';
import { createWorld } from './world.ts';

function make(overrides: Parameters<typeof ruleOptions>[0] = {}) {
  const options = ruleOptions(overrides);
  return { options, world: createWorld(options, createAccount(options).user) };
}
const viewer = { intents: UNPRIVILEGED_INTENTS, largeThreshold: 50 };

describe('world', () => {
  it('spreads guilds evenly over any number of shards', () => {
    const { world } = make({ guilds: 16_400 });
    for (const shards of [1, 2, 16, 164, 1000]) {
      const counts = new Array(shards).fill(0);
      for (const place of world.places) counts[shardOf(place.id, shards)]++;
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${shards} shards`);
    }
    assert.equal(world.guildsOfShard(7, 164).length, 100);
  });

  it('is the same for the same seed and another for another', () => {
    const text = (seed: number) => {
      const { world } = make({ seed });
      return JSON.stringify(guildCreate(world, world.places[1]!, viewer, 'backfill'));
    };
    assert.equal(text(5), text(5));
    assert.notEqual(text(5), text(6));
  });

  it('makes guilds of about the size asked for', () => {
    for (const guildKb of [8, 30, 120]) {
      const { world } = make({ guilds: 100, guildKb });
      const sizes = world.places.map(
        (place) => JSON.stringify(guildCreate(world, place, viewer, 'backfill')).length,
      );
      const meanKb = sizes.reduce((sum, size) => sum + size, 0) / sizes.length / 1024;
      assert.ok(Math.abs(meanKb - guildKb) < guildKb * 0.1, `${meanKb} for ${guildKb}`);
    }
  });

  it('finds the guild of a channel and of a person by their ids alone', () => {
    const { world } = make({ guilds: 50 });
    for (const place of world.places) {
      for (const channel of world.parts(place, 'channel')) {
        assert.equal(world.channel(channel.id)?.place, place);
        assert.equal(world.channel(channel.id)?.channel['guild_id'], place.id);
      }
      const id = world.userId({ place, n: place.members - 1 });
      assert.deepEqual(world.who(id), { place, n: place.members - 1 });
      assert.equal(world.who(world.userId({ place, n: place.members })), undefined);
    }
    assert.equal(world.channel('1'), undefined);
    assert.equal(world.channel('not an id'), undefined);
  });

  it('has no id twice', () => {
    const { world } = make({ guilds: 30, guildKb: 30 });
    const ids = world.places.flatMap((place) => [
      place.id,
      ...(['channel', 'role', 'thread', 'emoji'] as const).flatMap((kind) =>
        world
          .parts(place, kind)
          .map((part) => part.id)
          .filter((id) => id !== place.id),
      ),
    ]);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('shows changes, additions and deletions in GUILD_CREATE', () => {
    const { world } = make();
    const place = world.places[0]!;
    const [first, second] = world.parts(place, 'channel');
    world.setPart(place, 'channel', first!.id, null);
    world.setPart(place, 'channel', second!.id, { ...second!, name: 'changed' });
    world.setPart(place, 'role', '77', { id: '77', name: 'added' });
    world.setFields(place, { name: 'Renamed' });
    world.sawMessage(place, second!.id, '999');
    const guild = guildCreate(world, place, viewer, 'join');
    const channels = guild['channels'] as Array<Record<string, unknown>>;
    assert.equal(guild['name'], 'Renamed');
    assert.equal(
      channels.some(({ id }) => id === first!.id),
      false,
    );
    assert.deepEqual(channels[0], { ...second, name: 'changed', last_message_id: '999' });
    assert.equal((guild['roles'] as Array<{ id: string }>).at(-1)?.id, '77');
  });

  it('sends the bot itself and people in voice without the presence intent, and everyone with it', () => {
    const { world } = make({ guilds: 20, membersPerGuild: 20 });
    const place = world.places.find(({ members, voiceMembers }) => voiceMembers > 0 && members < 40)!;
    const members = (intents: number) =>
      guildCreate(world, place, { intents, largeThreshold: 50 }, 'backfill')['members'] as unknown[];
    assert.equal(members(INTENTS.GUILDS).length, 1 + place.voiceMembers);
    assert.equal(members(INTENTS.GUILDS | INTENTS.GUILD_PRESENCES).length, 1 + place.members);
  });

  it('says unavailable:false in a backfill and nothing of it in a join', () => {
    const { world } = make();
    const keys = (why: 'backfill' | 'join') => guildCreate(world, world.places[0]!, viewer, why);
    assert.equal(keys('backfill')['unavailable'], false);
    assert.equal('unavailable' in keys('join'), false);
  });

  it('has every field that serenity, twilight and JDA refuse to miss', () => {
    const { world } = make();
    const guild = guildCreate(world, world.places[0]!, viewer, 'backfill');
    const required =
      'id name owner_id afk_timeout verification_level default_message_notifications explicit_content_filter roles emojis features mfa_level system_channel_flags premium_tier preferred_locale nsfw_level stickers premium_progress_bar_enabled joined_at large member_count voice_states members channels threads presences stage_instances guild_scheduled_events';
    for (const field of required.split(' ')) assert.notEqual(guild[field], undefined, field);
    for (const member of guild['members'] as Array<Record<string, unknown>>)
      for (const field of ['user', 'roles', 'deaf', 'mute', 'flags', 'joined_at'])
        assert.notEqual(member[field], undefined, field);
  });
});
