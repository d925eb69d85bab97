// What sessions are told of what happens: intents, content, answers to requests, and the crowd.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALL_INTENTS, INTENTS } from '../../src/wire/intents.ts';
import { SCISSORS } from './habits.ts';
import { createMemoryDiscord } from './memory-client.ts';

const only = (name: keyof typeof INTENTS) => ({ intents: INTENTS[name] });

describe('intents', () => {
  it('open the events of their row and no others', () => {
    const { ready, clock, discord } = createMemoryDiscord({ guilds: 1 });
    const clients = Object.fromEntries(
      (['GUILDS', 'GUILD_MEMBERS', 'GUILD_VOICE_STATES', 'GUILD_MESSAGES', 'DIRECT_MESSAGES'] as const).map(
        (name) => {
          clock.advance(5000);
          return [name, ready(only(name))];
        },
      ),
    );
    const { control } = discord;
    const [guild] = control.guilds();
    control.say({ content: 'hi' });
    control.whisper({ content: 'psst' });
    control.addMember({ guildId: guild!.id });
    control.joinVoice({ guildId: guild!.id, channelId: guild!.voiceChannelId });
    control.createChannel({ guildId: guild!.id });
    control.useCommand({ name: 'roll', options: { dice: '1d6' } });
    const types = Object.fromEntries(
      Object.entries(clients).map(([name, client]) => [name, client.takeTypes()]),
    );
    assert.deepEqual(types, {
      GUILDS: ['CHANNEL_CREATE', 'INTERACTION_CREATE'],
      GUILD_MEMBERS: ['GUILD_MEMBER_ADD', 'INTERACTION_CREATE'],
      GUILD_VOICE_STATES: ['VOICE_STATE_UPDATE', 'INTERACTION_CREATE'],
      GUILD_MESSAGES: ['MESSAGE_CREATE', 'INTERACTION_CREATE'],
      DIRECT_MESSAGES: ['MESSAGE_CREATE', 'INTERACTION_CREATE'],
    });
  });

  it('without MESSAGE_CONTENT blank the words of people, but not where the bot is meant', () => {
    const { ready, clock, discord, rest } = createMemoryDiscord({ guilds: 1 });
    const blind = ready(only('GUILD_MESSAGES'));
    clock.advance(5000);
    const seeing = ready({ intents: INTENTS.GUILD_MESSAGES | INTENTS.MESSAGE_CONTENT });
    const { control } = discord;
    control.say({ content: 'secret' });
    control.say({ content: `hello <@${discord.options.applicationId}>` });
    rest('POST', `/channels/${control.guilds()[0]!.textChannelId}/messages`, { content: 'own' });
    const contents = (client: typeof blind) => client.take().map(({ d }) => d.content);
    assert.deepEqual(contents(blind), ['', `hello <@${discord.options.applicationId}>`, 'own']);
    assert.deepEqual(contents(seeing), ['secret', `hello <@${discord.options.applicationId}>`, 'own']);
  });

  it('send what belongs to no guild to shard 0 only', () => {
    const { ready, discord } = createMemoryDiscord({ shards: 2, maxConcurrency: 2, guilds: 2 });
    const zero = ready({ shard: [0, 2] });
    const one = ready({ shard: [1, 2] });
    discord.control.whisper({ content: 'psst', guildId: discord.world.places[1]!.id });
    assert.deepEqual([zero.takeTypes(), one.takeTypes()], [['MESSAGE_CREATE'], []]);
  });

  it('let every dispatch be matched: each has an id that no other has', () => {
    const { ready, discord } = createMemoryDiscord({ guilds: 5 });
    ready({ intents: ALL_INTENTS });
    discord.crowd.burst(2000);
    const ids = discord.truth
      .since(0)
      .rows.flatMap((row) =>
        row.kind === 'dispatch' && !['READY', 'GUILD_CREATE'].includes(row.t) ? [row.id] : [],
      );
    assert.ok(ids.length > 1500, String(ids.length));
    assert.equal(new Set(ids).size, ids.length);
  });
});

describe('guilds', () => {
  it('are joined without the unavailable key, left, and go down and come back', () => {
    const { ready, discord } = createMemoryDiscord({ guilds: 1 });
    const client = ready(only('GUILDS'));
    const { id } = discord.control.createGuild();
    discord.control.guildOutage({ guildId: id });
    discord.control.guildReturn({ guildId: id });
    discord.control.deleteGuild({ guildId: id });
    const down = discord.control.createGuild({ unavailable: true });
    const [join, outage, back, left, unavailable] = client.take();
    assert.deepEqual([join?.t, join?.d.id, 'unavailable' in join!.d], ['GUILD_CREATE', id, false]);
    assert.deepEqual([outage?.t, outage?.d.unavailable], ['GUILD_DELETE', true]);
    assert.deepEqual([back?.t, back?.d.unavailable], ['GUILD_CREATE', false]);
    assert.deepEqual([left?.t, 'unavailable' in left!.d], ['GUILD_DELETE', false]);
    assert.deepEqual(unavailable?.d, { id: down.id, unavailable: true });
  });

  it('show what happened in them to the next session', () => {
    const { ready, clock, discord } = createMemoryDiscord({ guilds: 1 });
    const { control } = discord;
    const guildId = control.guilds()[0]!.id;
    const channel = control.createChannel({ guildId, fields: { name: 'fresh' } });
    const message = control.say({ content: 'hi', channelId: channel.id });
    control.renameGuild({ guildId, name: 'Renamed' });
    clock.advance(1);
    const client = ready(only('GUILDS'));
    const guild = client.received.find(({ t }) => t === 'GUILD_CREATE')?.d;
    assert.equal(guild.name, 'Renamed');
    assert.equal(guild.channels.at(-1).last_message_id, message.id);
  });
});

describe('requests', () => {
  it('for members are answered in chunks of a thousand with their nonce', () => {
    const { ready, discord } = createMemoryDiscord({ guilds: 1, membersPerGuild: 3000, seed: 3 });
    const client = ready({ intents: ALL_INTENTS });
    const place = discord.world.places[0]!;
    client.say(8, { guild_id: place.id, query: '', limit: 0, nonce: 'n', presences: true });
    const chunks = client.take();
    const members = chunks.flatMap(({ d }) => d.members);
    assert.equal(members.length, place.members + 1);
    assert.equal(new Set(members.map(({ user }) => user.id)).size, members.length);
    chunks.forEach(({ t, d }, i) => {
      assert.equal(t, 'GUILD_MEMBERS_CHUNK');
      assert.deepEqual([d.nonce, d.chunk_index, d.chunk_count], ['n', i, chunks.length]);
      assert.ok(Array.isArray(d.presences));
    });
  });

  it('for all members twice in half a minute are answered by RATE_LIMITED', () => {
    const { ready, discord, clock } = createMemoryDiscord({ guilds: 1 });
    const client = ready({ intents: ALL_INTENTS });
    const guild_id = discord.world.places[0]!.id;
    client.say(8, { guild_id, query: '', limit: 0 });
    clock.advance(10_000);
    client.say(8, { guild_id, query: '', limit: 0, nonce: 'again' });
    assert.deepEqual(client.take().at(-1)?.d, {
      opcode: 8,
      retry_after: 20,
      meta: { guild_id, nonce: 'again' },
    });
    clock.advance(20_000);
    client.say(8, { guild_id, query: '', limit: 0 });
    assert.equal(client.take()[0]?.t, 'GUILD_MEMBERS_CHUNK');
  });

  it('for members by id name those not found; a long nonce is left out', () => {
    const { ready, discord } = createMemoryDiscord({ guilds: 1 });
    const client = ready();
    const [guild] = discord.control.guilds();
    client.say(8, { guild_id: guild!.id, user_ids: [guild!.memberId, '123'], nonce: 'x'.repeat(33) });
    const [chunk] = client.take();
    assert.equal(chunk?.d.members[0].user.id, guild!.memberId);
    assert.deepEqual(chunk?.d.not_found, ['123']);
    assert.equal('nonce' in chunk!.d, false);
  });

  it('to join voice bring the voice state and the server, the latter to the asker only', () => {
    const { ready, clock, discord } = createMemoryDiscord({ guilds: 1 });
    const other = ready();
    clock.advance(5000);
    const client = ready();
    const [guild] = discord.control.guilds();
    client.say(4, {
      guild_id: guild!.id,
      channel_id: guild!.voiceChannelId,
      self_mute: false,
      self_deaf: true,
    });
    const [state, server] = client.take();
    assert.deepEqual([state?.t, server?.t], ['VOICE_STATE_UPDATE', 'VOICE_SERVER_UPDATE']);
    assert.equal(state?.d.user_id, discord.options.applicationId);
    assert.notEqual(state?.d.session_id, client.sessionId);
    client.close(1000);
    assert.deepEqual(
      other.take().map(({ d }) => d.channel_id),
      [guild!.voiceChannelId, null],
    );
  });

  it('for presence beyond five in twenty seconds are dropped in silence; a field missing closes with 4001', () => {
    const { ready, discord } = createMemoryDiscord();
    const client = ready();
    const presence = { since: null, activities: [], status: 'idle', afk: false };
    for (let i = 0; i < 7; i++) client.say(3, presence);
    const { presenceUpdates, presenceUpdatesDropped } = discord.control.state().counters;
    assert.deepEqual([presenceUpdates, presenceUpdatesDropped], [7, 2]);
    client.say(3, { status: 'idle', activities: [], afk: false });
    assert.equal(client.ended, 4001);
  });

  it('for sounds and channel info are answered', () => {
    const { ready, discord } = createMemoryDiscord({ guilds: 1 });
    const client = ready();
    const [guild] = discord.control.guilds();
    client.say(31, { guild_ids: [guild!.id] });
    client.say(43, { guild_id: guild!.id, fields: ['status'] });
    const [sounds, info] = client.take();
    assert.deepEqual([sounds?.t, sounds?.d.guild_id], ['SOUNDBOARD_SOUNDS', guild!.id]);
    assert.deepEqual(
      [info?.t, info?.d.channels[0]],
      ['CHANNEL_INFO', { id: guild!.voiceChannelId, status: null }],
    );
  });
});

describe('the crowd', () => {
  it('does the same with the same seed, at the rate asked for', () => {
    const run = () => {
      const { ready, discord, clock } = createMemoryDiscord({ guilds: 20, seed: 9 });
      const client = ready({ intents: ALL_INTENTS });
      discord.control.crowd.start({ eventsPerSecond: 200 });
      clock.advance(5000);
      assert.equal(discord.crowd.read().acts, 1000);
      return client.takeTypes().join();
    };
    assert.equal(run(), run());
  });

  it('puts scissors on messages of the bot, with the variation selector', () => {
    const { ready, discord, rest } = createMemoryDiscord({ guilds: 1 });
    const client = ready(only('GUILD_MESSAGE_REACTIONS'));
    const [guild] = discord.control.guilds();
    const { json } = rest('POST', `/channels/${guild!.textChannelId}/messages`, { content: 'rolled 7' });
    discord.crowd.burst(5, { scissors: 1 });
    const [reaction] = client.take();
    assert.equal(reaction?.d.message_id, json.id);
    assert.equal(reaction?.d.message_author_id, discord.options.applicationId);
    assert.deepEqual(reaction?.d.emoji, { name: SCISSORS, id: null });
  });
});
