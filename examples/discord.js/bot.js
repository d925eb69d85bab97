// An ordinary discord.js 14 bot: it answers `/roll 3d6`, and deletes its own message when someone reacts with ✂.
// The one line that points it at Holdfast is `rest.api`; everything else it would have on Discord too.

import { Client, Events, GatewayIntentBits } from 'discord.js';

const client = new Client({
  intents: [
    GatewayIntentBits.Guilds,
    GatewayIntentBits.GuildMessages,
    GatewayIntentBits.GuildMessageReactions,
    GatewayIntentBits.GuildMessageTyping,
  ],
  shards: 'auto',
  rest: { api: process.env.DISCORD_API ?? 'http://127.0.0.1:4600/api' },
});

/** Rolls `3d6`: returns the dice, or undefined when the text is no dice. */
function roll(text) {
  const match = /^(\d{1,2})d(\d{1,3})$/.exec(text.trim());
  if (!match) return undefined;
  return Array.from({ length: Number(match[1]) }, () => 1 + Math.floor(Math.random() * Number(match[2])));
}

client.on(Events.InteractionCreate, async (interaction) => {
  if (!interaction.isChatInputCommand() || interaction.commandName !== 'roll') return;
  const text = interaction.options.getString('dice') ?? '1d6';
  const dice = roll(text);
  const answer = dice
    ? `${text}: ${dice.join(' + ')} = ${dice.reduce((a, b) => a + b, 0)}`
    : `"${text}" is no dice, try 3d6`;
  // An interaction that came while the bot was being restarted may be too old to answer: nothing to be done.
  await interaction.reply(answer).catch((error) => console.error(`reply failed: ${error.message}`));
});

client.on('raw', async ({ t, d }) => {
  if (t !== 'MESSAGE_REACTION_ADD' || d.message_author_id !== client.user?.id) return;
  // Clients send the scissors with a variation selector, other bots without.
  if (d.emoji.id !== null || d.emoji.name?.replace('\uFE0F', '') !== '\u2702') return;
  await client.rest
    .delete(`/channels/${d.channel_id}/messages/${d.message_id}`)
    .catch((error) => console.error(`delete failed: ${error.message}`));
});

client.once(Events.ClientReady, async () => {
  console.log(
    `ready as ${client.user.tag} in ${client.guilds.cache.size} guilds on ${client.ws.shards.size} shards`,
  );
  await client.application.commands.set([
    {
      name: 'roll',
      description: 'Roll dice',
      options: [{ type: 3, name: 'dice', description: 'such as 3d6', required: true }],
    },
  ]);
});

client.on(Events.ShardResume, (shard, replayed) =>
  console.log(`shard ${shard} resumed, ${replayed} events replayed`),
);
client.on(Events.Error, (error) => console.error(error.message));

process.on('SIGTERM', async () => {
  await client.destroy();
  process.exit(0);
});

await client.login(process.env.DISCORD_TOKEN);
