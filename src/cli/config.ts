// `holdfast config print` and `holdfast config check`: what the daemon would run with, and whether it would.

import type { Command } from 'commander';
import { describeConfig, type LoadedConfig, loadConfig } from '../config/config.ts';
import type { CommandContext } from './main.ts';
import { addSettingsFlags, sourcesOf } from './settings-flags.ts';
import { formatTable } from './table.ts';
import type { Terminal } from './terminal.ts';

/** Adds the command and its two parts. */
export function addConfig(program: Command, { terminal, run }: CommandContext): void {
  const config = program
    .command('config')
    .description('Show or check the configuration.')
    .helpCommand(false)
    .addHelpText('after', '\nExample:\n  $ holdfast config print');

  addSettingsFlags(
    config
      .command('print')
      .description('Print every setting, and where its value comes from. The token is not shown.')
      .option('--json', 'print JSON'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ holdfast config print\n  $ holdfast config print --json --shards 4',
    )
    .action(
      run(async (options) => {
        const loaded = loadConfig(sourcesOf(terminal, options));
        terminal.print(options['json'] ? asJson(loaded) : asTable(loaded, terminal));
        warn(terminal, loaded);
        return 0;
      }),
    );

  addSettingsFlags(
    config
      .command('check')
      .description('Find every mistake in the configuration; exits with 78 if there is one.'),
  )
    .addHelpText('after', '\nExample:\n  $ holdfast config check --config /etc/holdfast.yaml')
    .action(
      run(async (options) => {
        const loaded = loadConfig(sourcesOf(terminal, options));
        warn(terminal, loaded);
        terminal.print(`the configuration is sound (${loaded.file ?? 'no file of settings'})`);
        return 0;
      }),
    );
}

/** Prints what is unwise about a configuration that is not wrong. */
export function warn(terminal: Terminal, loaded: LoadedConfig): void {
  for (const warning of loaded.warnings) terminal.printError(`holdfast: warning: ${warning}`);
}

function asTable(loaded: LoadedConfig, terminal: Terminal): string {
  const rows = describeConfig(loaded).map(({ key, value, from }) => [key, value, from]);
  const [header, ...lines] = formatTable(['setting', 'value', 'from'], rows);
  return [terminal.paint('bold', header!), ...lines].join('\n');
}

function asJson(loaded: LoadedConfig): string {
  const rows = describeConfig(loaded).map(({ key, value, from }) => [key, { value, from }]);
  return JSON.stringify(Object.fromEntries(rows), null, 2);
}
