// The command line: `holdfast <command>`. Puts the commands together, and turns every error into one sentence
// with a remedy and an exit status from the table of errors. A bug is not an error: it shows its stack.

import { Command, CommanderError } from 'commander';
import { ERRORS, OperatingError } from '../base/errors.ts';
import { redact } from '../base/log.ts';
import { addConfig } from './config.ts';
import { addReidentify } from './reidentify.ts';
import { addSim } from './sim.ts';
import { addStatus } from './status.ts';
import { processTerminal, type Terminal } from './terminal.ts';
import { addUp } from './up.ts';
import { addVersion } from './version.ts';

/** What a command is made with: the way out, and `run`, which keeps the exit status its action returns. */
export interface CommandContext {
  readonly terminal: Terminal;
  run(
    action: (options: Record<string, unknown>) => Promise<number>,
  ): (options: Record<string, unknown>) => Promise<void>;
}

/** Runs one command line (without `node` and the script) and resolves with the exit status. Never rejects for an operating error. */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<number> {
  let exit = 0;
  const context: CommandContext = {
    terminal,
    run: (action) => async (options) => {
      exit = await action(options);
    },
  };
  try {
    refuseToken(argv);
    await createProgram(context).parseAsync(argv, { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      // Without a command, the help has been shown already.
      if (error.code !== 'commander.help')
        fail(terminal, error.message.replace(/^error: /, ''), ERRORS.USAGE.remedy);
      return ERRORS.USAGE.exit;
    }
    if (error instanceof OperatingError) {
      fail(terminal, error.message, error.remedy);
      return error.exit;
    }
    throw error;
  }
}

function createProgram(context: CommandContext): Command {
  const { terminal } = context;
  const program = new Command('holdfast')
    .description("Holds a Discord bot's gateway sessions and lends them to the bot.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.printError(text.trimEnd()),
      // Shown by `main`, in the form of all errors.
      outputError: () => {},
    })
    .showHelpAfterError(false)
    .helpCommand(false);
  for (const add of [addUp, addStatus, addReidentify, addConfig, addSim, addVersion]) add(program, context);
  program.addHelpText(
    'after',
    `
Examples:
  $ DISCORD_TOKEN=... holdfast up       hold the sessions of a bot
  $ holdfast status                     see how it does
  $ holdfast sim                        a Discord to try it with

Point the bot at Holdfast by its library's option for the API's address, such as
http://127.0.0.1:4600/api; see the README.`,
  );
  return program;
}

/** A command line is readable by every user of the machine, so there is no such flag, and it is not merely unknown. */
function refuseToken(argv: readonly string[]): void {
  if (argv[0] === 'sim' || !argv.some((word) => /^--(?:bot-)?token(?:=|$)/.test(word))) return;
  throw new OperatingError(
    'USAGE',
    'there is no --token: every user of this machine could read it there. Set DISCORD_TOKEN, or token_file in holdfast.yaml. If the token was real, reset it',
  );
}

function fail(terminal: Terminal, message: string, remedy: string): void {
  terminal.printError(redact(`holdfast: ${message}\n  → ${remedy}`));
}
