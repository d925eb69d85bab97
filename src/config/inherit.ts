// How the parent hands its configuration to the daemon it starts: the settings as one JSON text in the
// environment, without the token, which the daemon reads again from where it came from. So a file that was
// edited badly meanwhile can't keep a daemon from coming back.

import { OperatingError } from '../base/errors.ts';
import type { Config } from './load.ts';
import { describeMistake } from './origin.ts';
import type { Settings } from './settings.ts';
import { findToken } from './token.ts';

/** The environment variable that carries the settings. Not for people. */
export const INHERITED_SETTINGS = 'HOLDFAST_INHERITED_SETTINGS';

/** The settings of a configuration as text, without the token. */
export function encodeSettings(config: Config): string {
  const { token: _token, botId: _botId, ...settings } = config;
  return JSON.stringify(settings);
}

/**
 * The configuration that the parent handed over; undefined when there is none. Takes the settings and the
 * token out of `environment`. Throws TOKEN_MISSING or CONFIG_INVALID when the token is gone or unsound.
 */
export function inheritConfig(environment: Record<string, string | undefined>): Config | undefined {
  const text = environment[INHERITED_SETTINGS];
  if (text === undefined) return undefined;
  delete environment[INHERITED_SETTINGS];
  const settings = JSON.parse(text) as Settings;
  const search = findToken({ environment, tokenFile: settings.tokenFile });
  if (search.mistakes[0]) throw new OperatingError('CONFIG_INVALID', describeMistake(search.mistakes[0]));
  if (!search.token)
    throw new OperatingError(
      'TOKEN_MISSING',
      'no bot token in DISCORD_TOKEN, token_file or a systemd credential',
    );
  return Object.freeze({ ...settings, token: search.token.secret, botId: search.token.botId });
}
