// "Identify anew at the next start": what `holdfast reidentify --yes` leaves in the state folder when no daemon
// runs. It is needed just then: a daemon that Discord refuses for its intents or shard count has ended.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { OperatingError } from '../base/errors.ts';
import { lockFolder } from '../store/lock.ts';

const FILE = 'reidentify';

/**
 * Leaves the request in a state folder that no daemon holds.
 * @throws STATE_LOCKED when one does; STATE_UNUSABLE when there is no such folder.
 */
export function leaveReidentifyRequest(stateDir: string): void {
  if (!fs.existsSync(stateDir)) {
    throw new OperatingError(
      'STATE_UNUSABLE',
      `found no state folder ${stateDir}, expected that of the daemon`,
    );
  }
  const lock = lockFolder(stateDir, { pid: process.pid, since: new Date().toISOString() });
  try {
    fs.writeFileSync(path.join(stateDir, FILE), '', { mode: 0o600 });
  } finally {
    lock.release();
  }
}

/** True when the request was left; takes it away. For the daemon's start, once it holds the lock. */
export function takeReidentifyRequest(stateDir: string): boolean {
  const file = path.join(stateDir, FILE);
  if (!fs.existsSync(file)) return false;
  fs.rmSync(file);
  return true;
}
