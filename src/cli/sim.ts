// `holdfast sim`: a Discord in a box on this machine, to try a bot or Holdfast with, without a token and without
// any risk. The simulator itself is in sim/; this only starts it and says how to use it.

import { type Command, InvalidArgumentError } from 'commander';
import type { CommandContext } from './main.ts';

/** Adds the command. */
export function addSim(program: Command, { terminal, run }: CommandContext): void {
  program
    .command('sim')
    .description('Run a simulated Discord: gateway, REST, guilds and people, on this machine.')
    .option('--port <port>', 'where it listens; 0 takes a free one', wholeNumber, 4700)
    .option('--guilds <count>', 'guilds the bot is in', wholeNumber, 3)
    .option('--shards <count>', 'the shard count it recommends', wholeNumber, 1)
    .option('--max-concurrency <count>', 'IDENTIFYs it allows at once', wholeNumber, 1)
    .option('--guild-kb <size>', 'size of one GUILD_CREATE in KiB, on average', wholeNumber, 8)
    .option('--seed <number>', 'the same seed makes the same guilds and people', wholeNumber, 1)
    .option('--crowd <rate>', 'events per second that people make by themselves', wholeNumber, 0)
    .option('--token <token>', 'the token it accepts; made up by default, and worth nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ holdfast sim
  $ holdfast sim --shards 4 --guilds 400 --crowd 50`,
    )
    .action(
      run(async (options) => {
        const { startSim } = await import('../../sim/sim.ts');
        await using sim = await startSim({
          port: options['port'] as number,
          guilds: options['guilds'] as number,
          shards: options['shards'] as number,
          maxConcurrency: options['maxConcurrency'] as number,
          guildKb: options['guildKb'] as number,
          seed: options['seed'] as number,
          token: options['token'] as string | undefined,
        });
        const eventsPerSecond = options['crowd'] as number;
        if (eventsPerSecond > 0) sim.control.crowd.start({ eventsPerSecond });
        terminal.print(instructions(sim.restUrl, sim.token));
        await new Promise<void>((resolve) => {
          process.once('SIGINT', () => resolve());
          process.once('SIGTERM', () => resolve());
        });
        return 0;
      }),
    );
}

/** How to point things at a simulator whose base is `url` (`http://127.0.0.1:PORT`). */
function instructions(url: string, token: string): string {
  return `simulated Discord at ${url}, until Ctrl-C

Holdfast on it:
  DISCORD_TOKEN=${token} holdfast up --api ${url}/api --state-dir .holdfast

A discord.js bot on that Holdfast (or on the simulator itself, with ${url}/api):
  new Client({ intents, rest: { api: 'http://127.0.0.1:4600/api' } }).login('${token}')`;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}
