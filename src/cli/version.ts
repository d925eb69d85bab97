// `holdfast version`

import type { Command } from 'commander';
import { VERSION } from '../version.ts';
import type { CommandContext } from './main.ts';

/** Adds the command. */
export function addVersion(program: Command, { terminal, run }: CommandContext): void {
  program
    .command('version')
    .description('Print the version of Holdfast and of the Node.js it runs on.')
    .addHelpText('after', '\nExample:\n  $ holdfast version')
    .action(
      run(async () => {
        terminal.print(`holdfast ${VERSION} (node ${process.versions.node})`);
        return 0;
      }),
    );
  program.version(`holdfast ${VERSION}`, '-V, --version', 'print the version');
}
