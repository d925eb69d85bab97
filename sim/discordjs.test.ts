// Fidelity, proved by a real library: discord.js logs in, talks, reacts, answers a command, and comes back from an
// op 7, a reset connection and an op 9, as it does with Discord.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import {
  type ChatInputCommandInteraction,
  Client,
  Events,
  GatewayIntentBits,
  type Message,
} from 'discord.js';
import { type Sim, startSim } from './sim.ts';

const { Guilds, GuildMessages, GuildMessageReactions, MessageContent } = GatewayIntentBits;
const WAIT_MS = 10_000;

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!condition()) {
    assert.ok(performance.now() < end, `waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('discord.js', () => {
  let sim: Sim;
  let client: Client;
  const next = async <T>(event: string): Promise<T> =>
    (await once(client, event, { signal: AbortSignal.timeout(WAIT_MS) }))[0] as T;
  const counters = () => sim.control.state().counters;

  before(async () => {
    sim = await startSim({ guilds: 4, guildKb: 20, identifyIntervalMs: 50, heartbeatIntervalMs: 1000 });
    client = new Client({
      intents: [Guilds, GuildMessages, GuildMessageReactions, MessageContent],
      rest: { api: `${sim.restUrl}/api` },
    });
    const ready = next<Client<true>>(Events.ClientReady);
    await client.login(sim.token);
    await ready;
  });
  after(async () => {
    await client?.destroy();
    await sim?.close();
  });

  it('is ready with every guild, its channels, roles and emojis', () => {
    assert.equal(client.user?.id, sim.options.applicationId);
    assert.equal(client.guilds.cache.size, 4);
    for (const guild of client.guilds.cache.values()) {
      assert.ok(guild.available && guild.channels.cache.size >= 3 && guild.roles.cache.size >= 2);
      assert.ok(guild.members.me, 'the bot is a member');
      assert.ok(guild.systemChannel?.name);
    }
  });

  it('gets a message, answers it by REST, and sees its own answer', async () => {
    const heard = next<Message>(Events.MessageCreate);
    sim.control.say({ content: 'roll 3d6' });
    const message = await heard;
    assert.deepEqual([message.content, message.author.bot], ['roll 3d6', false]);
    assert.ok(message.member);
    const echoed = next<Message>(Events.MessageCreate);
    const sent = await message.reply('you rolled 11');
    assert.equal((await echoed).id, sent.id);
    await sent.edit('you rolled 12');
    assert.equal(sent.content, 'you rolled 12');
  });

  it('sees scissors on its message and deletes it', async () => {
    const channel = client.guilds.cache.first()!.systemChannel!;
    const sent = await channel.send('cut me');
    const reacted = next<{ emoji: { name: string } }>(Events.MessageReactionAdd);
    sim.control.react({ channelId: channel.id, messageId: sent.id, emoji: '✂️', guildId: channel.guildId });
    assert.equal((await reacted).emoji.name, '✂️');
    await sent.delete();
    assert.equal(
      sim.control.messages({ channelId: channel.id }).some(({ id }) => id === sent.id),
      false,
    );
  });

  it('answers a slash command, and again after deferring', async () => {
    for (const defer of [false, true]) {
      const received = next<ChatInputCommandInteraction>(Events.InteractionCreate);
      const { token } = sim.control.useCommand({ name: 'roll', options: { dice: '3d6' } });
      const interaction = await received;
      assert.equal(interaction.options.getString('dice'), '3d6');
      if (defer) {
        await interaction.deferReply();
        await interaction.editReply('rolled 11');
      } else await interaction.reply('rolled 11');
      await interaction.followUp('again?');
      assert.equal(sim.control.interaction({ token }).original?.['content'], 'rolled 11');
    }
  });

  it('resumes after op 7 and hears what it missed', async () => {
    const resumed = next(Events.ShardResume);
    sim.control.op7();
    await until('the connection to go', () => !sim.control.state().sessions[0]!.attached);
    const heard = next<Message>(Events.MessageCreate);
    sim.control.say({ content: 'while you were away' });
    await resumed;
    assert.equal((await heard).content, 'while you were away');
    assert.deepEqual([counters().identifies, counters().resumes.ok], [1, 1]);
  });

  it('resumes after a reset connection', async () => {
    const resumed = next(Events.ShardResume);
    sim.control.cut({ how: 'rst' });
    await resumed;
    assert.deepEqual([counters().identifies, counters().resumes.ok], [1, 2]);
  });

  it('identifies again after op 9 with d:false', async () => {
    const ready = next(Events.ShardReady);
    sim.control.op9({ resumable: false });
    await ready;
    assert.deepEqual([counters().identifies, counters().resumes.ok], [2, 2]);
    const heard = next<Message>(Events.MessageCreate);
    sim.control.say({ content: 'welcome back' });
    assert.equal((await heard).content, 'welcome back');
  });
});
