// `holdfast reidentify`: ends every session and begins anew, which is how a change of shards or intents takes
// effect. It is the one command that spends IDENTIFYs, so it first says what it costs and asks for --yes.

import type { Command } from 'commander';
import { callAdmin } from '../admin/admin.ts';
import { leaveReidentifyRequest } from '../admin/reidentify-request.ts';
import type { Status } from '../admin/status.ts';
import { ERRORS, OperatingError } from '../base/errors.ts';
import type { CommandContext } from './main.ts';
import { addSettingsFlags, sourcesOf } from './settings-flags.ts';
import { stateDirOf } from './state-dir.ts';
import { formatAge, formatCount } from './table.ts';

/** Adds the command. */
export function addReidentify(program: Command, { terminal, run }: CommandContext): void {
  addSettingsFlags(
    program
      .command('reidentify')
      .description('End all sessions and identify anew; needed after a change of shards or intents.')
      .option('--yes', 'do it; without, only the price is shown'),
    ['stateDir'],
  )
    .addHelpText(
      'after',
      `
Examples:
  $ holdfast reidentify           what it would cost
  $ holdfast reidentify --yes     do it

Changed settings must be known first: restart \`holdfast up\`, which costs nothing, then reidentify. Handlers get all
events up to the end of the old sessions, then identify anew too. While no daemon runs, the wish is kept and
fulfilled by the next \`holdfast up\`.`,
    )
    .action(
      run(async (options) => {
        const stateDir = stateDirOf(sourcesOf(terminal, options));
        if (!options['yes']) {
          terminal.printError(`holdfast: ${await priceOf(stateDir)}\n  → holdfast reidentify --yes`);
          return ERRORS.USAGE.exit;
        }
        terminal.print(await reidentify(stateDir));
        return 0;
      }),
    );
}

async function reidentify(stateDir: string): Promise<string> {
  try {
    const { shards } = await callAdmin<{ shards: number }>(stateDir, 'POST', '/actions/reidentify');
    if (shards === 0) return 'there was no session yet; shard count and intents are decided anew';
    const ending = shards === 1 ? '1 session ends' : `${formatCount(shards)} sessions end`;
    return `${ending} now; \`holdfast status\` shows how the new ones begin`;
  } catch (error) {
    if (!(error instanceof OperatingError) || error.code !== 'ADMIN_UNREACHABLE') throw error;
    leaveReidentifyRequest(stateDir);
    return `no daemon runs on ${stateDir}; the next \`holdfast up\` will identify anew`;
  }
}

async function priceOf(stateDir: string): Promise<string> {
  const general = 'reidentify ends every session and costs one IDENTIFY per shard';
  let status: Status;
  try {
    status = await callAdmin<Status>(stateDir, 'GET', '/status');
  } catch (error) {
    if (!(error instanceof OperatingError) || error.code !== 'ADMIN_UNREACHABLE') throw error;
    return `${general} (no daemon runs on ${stateDir}, so what is left is not known)`;
  }
  const { total, remaining, resetAt, floor } = status.ledger;
  const price = status.shards.length;
  const lines = [`${general}: ${formatCount(price)} IDENTIFY${price === 1 ? '' : 's'}`];
  if (remaining !== null && total !== null) {
    const reset =
      resetAt === null ? '' : ` until the reset in ${formatAge(Math.max(0, resetAt - Date.now()))}`;
    lines.push(
      `  ${formatCount(remaining)} of ${formatCount(total)} are left${reset}; the last ${floor} are never sent`,
    );
    const missing = price - Math.max(0, remaining - floor);
    if (missing > 0)
      lines.push(
        `  ${formatCount(missing)} shard${missing === 1 ? '' : 's'} would have to wait for the reset`,
      );
  }
  return lines.join('\n');
}
