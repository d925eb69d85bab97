// `holdfast sim`: a Discord in a box on this machine, to try a bot or Holdfast with, without a token and without
// any risk. The simulator itself is in sim/; this only starts it and says how to use it.

import { type Command, InvalidArgumentError } from 'commander';
import { OperatingError } from '../base/errors.ts';
import {
  detailOf,
  duration,
  integer as integerKind,
  intents as intentsKind,
  type Kind,
} from '../config/kind.ts';
import { parseToken } from '../config/token.ts';
import type { CommandContext } from './main.ts';

/** Adds the command. */
export function addSim(program: Command, { terminal, run }: CommandContext): void {
  program
    .command('sim')
    .description('Run a simulated Discord: gateway, REST, guilds and people, on this machine.')
    .option('--port <port>', 'where it listens; 0 takes a free one', integer(0, 65_535), 4700)
    .option('--guilds <count>', 'guilds the bot is in', integer(0, 1_000_000), 3)
    .option('--members <count>', 'members of an average guild', integer(1, 1_000_000), 120)
    .option('--guild-kb <size>', 'size of one GUILD_CREATE in KiB, on average', integer(1, 10_000), 8)
    .option('--shards <count>', 'the shard count it recommends', integer(1, 65_535), 1)
    .option('--max-concurrency <count>', 'IDENTIFYs it allows at once', integer(1, 65_535), 1)
    .option(
      '--session-starts <count>',
      'IDENTIFYs it allows in 24 hours; 1000 by default',
      integer(1, 1_000_000),
    )
    .option('--intents <names>', 'intents that are enabled for the bot; all by default', intents)
    .option('--crowd <rate>', 'events per second that people make by themselves', integer(0, 100_000), 0)
    .option('--seed <number>', 'the same seed makes the same guilds and people', integer(0, 2 ** 32 - 1), 1)
    .option('--heartbeat-interval <time>', "Discord's is 41.25s", time)
    .option('--session-ttl <time>', 'how long a session waits for its RESUME; 90s by default', time)
    .option('--time-scale <factor>', "multiplies all of Discord's times that are not given", factor)
    .option('--truth-file <path>', 'a file that the truth log is appended to')
    .option('--token <token>', 'the token it accepts; made up by default, and worth nothing')
    .addHelpText(
      'after',
      `
Examples:
  $ holdfast sim
  $ holdfast sim --shards 4 --guilds 400 --crowd 50
  $ holdfast sim --time-scale 0.1 --session-starts 20

How to use it with a bot, and its levers (cuts, op 7, op 9, outages, people): docs/simulator.md`,
    )
    .action(
      run(async (options) => {
        const { startSim } = await import('../../sim/sim.ts');
        await using sim = await startSim(optionsOf(options)).catch(refusal);
        terminal.print(instructions(sim.restUrl, sim.token));
        await new Promise<void>((resolve) => {
          process.once('SIGINT', () => resolve());
          process.once('SIGTERM', () => resolve());
        });
        return 0;
      }),
    );
}

/** The command's options in the simulator's words; what was not given has the simulator's own default. */
function optionsOf(options: Record<string, unknown>) {
  const number = (name: string) => options[name] as number | undefined;
  const text = (name: string) => options[name] as string | undefined;
  return {
    port: number('port'),
    guilds: number('guilds'),
    membersPerGuild: number('members'),
    guildKb: number('guildKb'),
    shards: number('shards'),
    maxConcurrency: number('maxConcurrency'),
    sessionStartTotal: number('sessionStarts'),
    allowedIntents: number('intents'),
    crowd: number('crowd'),
    seed: number('seed'),
    heartbeatIntervalMs: number('heartbeatInterval'),
    sessionTtlMs: number('sessionTtl'),
    timeScale: number('timeScale'),
    truthFile: text('truthFile'),
    ...identityOf(text('token')),
  };
}

/** A token as Holdfast takes it, too: its first part is the bot's id. */
function identityOf(token: string | undefined): { token?: string; applicationId?: string } {
  if (token === undefined) return {};
  const parsed = parseToken(token);
  if ('problem' in parsed) throw new OperatingError('USAGE', `--token: ${parsed.problem}`);
  return { token: parsed.secret.reveal(), applicationId: parsed.botId };
}

/** What the world refused, in the words of this command; a fault stays one. */
function refusal(error: NodeJS.ErrnoException): never {
  if (error.syscall === 'open')
    throw new OperatingError('USAGE', `--truth-file: ${error.message}`, { cause: error });
  if (error.syscall !== 'listen') throw error;
  throw new OperatingError('LISTEN_FAILED', `cannot simulate: ${error.message}; take another --port`, {
    cause: error,
  });
}

/** How to point things at a simulator whose base is `url` (`http://127.0.0.1:PORT`). */
function instructions(url: string, token: string): string {
  return `simulated Discord at ${url}, until Ctrl-C

A discord.js bot on it:
  new Client({ intents, rest: { api: '${url}/api' } }).login('${token}')

Holdfast on it, and the bot on that Holdfast by api: 'http://127.0.0.1:4600/api':
  DISCORD_TOKEN=${token} holdfast up --api ${url}/api --state-dir .holdfast

A lever, such as an op 7 (all of them: docs/simulator.md):
  curl -X POST ${url}/control/op7`;
}

function integer(least: number, most: number): (text: string) => number {
  return parserOf(integerKind({ least, most }));
}

function time(text: string): number {
  return parserOf(duration({ leastMs: 1, mostMs: 86_400_000 }))(text);
}

function intents(text: string): number {
  const result = intentsKind.schema.safeParse(text);
  if (result.success && result.data !== 'auto') return result.data;
  const detail = result.success ? undefined : detailOf(result.error);
  throw new InvalidArgumentError(`Expected intent names${detail === undefined ? '' : `; ${detail}`}.`);
}

function factor(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 100)) throw new InvalidArgumentError('Expected a number above 0, up to 100.');
  return value;
}

/** Reads an option's text as a setting of that kind is read. */
function parserOf<T>(kind: Kind<T>): (text: string) => T {
  return (text) => {
    const result = kind.schema.safeParse(text);
    if (!result.success) throw new InvalidArgumentError(`Expected ${kind.expected}.`);
    return result.data;
  };
}
