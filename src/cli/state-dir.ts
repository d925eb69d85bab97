// Where the daemon's state is, for commands that talk to it. They need no token, and a mistake elsewhere in the
// settings is no reason for them not to work.

import { OperatingError } from '../base/errors.ts';
import { describeMistake, readSettings, type Sources } from '../config/config.ts';

/** The state folder that these sources name. @throws CONFIG_INVALID when just that cannot be told. */
export function stateDirOf(sources: Sources): string {
  const { settings, mistakes } = readSettings(sources);
  if (settings.stateDir !== undefined && !mistakes.some(({ key }) => key === 'config'))
    return settings.stateDir;
  const list = mistakes.map((mistake) => `\n  ${describeMistake(mistake)}`).join('');
  throw new OperatingError('CONFIG_INVALID', `cannot tell where the state is:${list}`);
}
