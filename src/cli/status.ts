// `holdfast status`: asks the running daemon and shows the answer.

import type { Command } from 'commander';
import { callAdmin } from '../admin/admin.ts';
import type { Status } from '../admin/status.ts';
import type { CommandContext } from './main.ts';
import { addSettingsFlags, sourcesOf } from './settings-flags.ts';
import { stateDirOf } from './state-dir.ts';
import { formatStatus } from './status-view.ts';

/** Adds the command. */
export function addStatus(program: Command, { terminal, run }: CommandContext): void {
  addSettingsFlags(
    program
      .command('status')
      .description('Show how the running daemon does: shards, identify budget, journal, handlers.')
      .option('--json', 'print JSON'),
    ['stateDir'],
  )
    .addHelpText(
      'after',
      `
Examples:
  $ holdfast status
  $ holdfast status --state-dir /var/lib/holdfast
  $ holdfast status --json | jq .ledger.remaining`,
    )
    .action(
      run(async (options) => {
        const status = await callAdmin<Status>(stateDirOf(sourcesOf(terminal, options)), 'GET', '/status');
        terminal.print(
          options['json']
            ? JSON.stringify(status, null, 2)
            : formatStatus(status, { now: Date.now(), paint: terminal.paint }),
        );
        return 0;
      }),
    );
}
