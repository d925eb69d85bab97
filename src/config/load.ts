// From flags, environment, holdfast.yaml and defaults to one frozen `Config`, or to the list of everything that
// is wrong. A later source never hides a mistake in an earlier one: a wrong value is a mistake even where
// another source would win.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { OperatingError } from '../base/errors.ts';
import { redact } from '../base/log.ts';
import { checkRelations } from './check.ts';
import { type FileValue, readFileContent, unknownKey } from './file.ts';
import { detailOf } from './kind.ts';
import { describeFound, describeMistake, type Mistake, type Origin } from './origin.ts';
import type { Secret } from './secret.ts';
import {
  environmentName,
  flagName,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingOf,
} from './settings.ts';
import { type BotToken, findToken } from './token.ts';

/** Everything the daemon is told from outside: the settings, and the token in its wrapper. */
export type Config = Settings & {
  readonly token: Secret;
  /** The bot's user id, read from the token. */
  readonly botId: string;
};

/** Where values are looked for. `environment` loses DISCORD_TOKEN once that has been read. */
export interface Sources {
  /** Raw values of flags by setting name; `true` for a flag without a value. */
  readonly flags: Partial<Record<SettingName, string | boolean>>;
  /** `--config`, when given. Without it HOLDFAST_CONFIG, then holdfast.yaml in `cwd` if it exists. */
  readonly configPath?: string | undefined;
  readonly environment: Record<string, string | undefined>;
  readonly cwd: string;
  readonly home: string;
}

/** All settings that could be read, where each came from, and everything that was wrong. */
export interface ReadSettings {
  /** Complete only when `mistakes` is empty. */
  readonly settings: Partial<Settings>;
  readonly origins: Readonly<Record<SettingName, Origin>>;
  /** The file that was read, if any. */
  readonly file: string | undefined;
  readonly mistakes: readonly Mistake[];
}

/** A whole configuration. */
export interface LoadedConfig {
  readonly config: Config;
  readonly origins: ReadSettings['origins'];
  readonly tokenOrigin: Origin;
  readonly file: string | undefined;
  /** Sentences for the operator: nothing is wrong, but something is unwise. */
  readonly warnings: readonly string[];
}

/**
 * Loads the configuration. Throws CONFIG_INVALID naming every mistake at once, or TOKEN_MISSING when all that
 * is wrong is that there is no token anywhere.
 */
export function loadConfig(sources: Sources): LoadedConfig {
  const read = readSettings(sources);
  const search = findToken({ environment: sources.environment, tokenFile: read.settings.tokenFile });
  const mistakes = [...read.mistakes, ...search.mistakes];
  if (mistakes.length > 0) throw invalid(mistakes);
  if (!search.token) {
    throw new OperatingError(
      'TOKEN_MISSING',
      'no bot token in DISCORD_TOKEN, token_file or a systemd credential',
    );
  }
  return {
    config: freeze(read.settings as Settings, search.token),
    origins: read.origins,
    tokenOrigin: search.token.origin,
    file: read.file,
    warnings: search.warnings.map(redact),
  };
}

/** Reads the settings without the token; for commands that need only where the state is. Never throws. */
export function readSettings(sources: Sources): ReadSettings {
  const mistakes: Mistake[] = [];
  const names = new Map(SETTING_NAMES.map((name) => [settingOf(name).key, name]));
  const keys = [...names.keys()];
  const file = readConfigFile(sources, keys, mistakes);
  mistakes.push(...unknownEnvironment(sources.environment, keys));

  const settings: Record<string, unknown> = {};
  const origins = {} as Record<SettingName, Origin>;
  for (const [key, name] of names) {
    const candidates = candidatesOf(name, key, sources, file.values.get(key), file.folder);
    origins[name] = candidates[0]!.origin;
    for (const [rank, candidate] of candidates.entries()) {
      const result = readValue(name, candidate, sources.home);
      if ('problem' in result) mistakes.push({ origin: candidate.origin, key, problem: result.problem });
      else if (rank === 0) settings[name] = result.value;
    }
  }
  mistakes.push(...checkRelations(settings as Partial<Settings>, origins));
  return { settings: settings as Partial<Settings>, origins, file: file.path, mistakes };
}

/** The one error that carries a list of mistakes. */
function invalid(mistakes: readonly Mistake[]): OperatingError {
  const count = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`;
  const list = mistakes
    .toSorted((left, right) => lineOf(left) - lineOf(right))
    .map((mistake) => `\n  ${describeMistake(mistake)}`)
    .join('');
  return new OperatingError('CONFIG_INVALID', `${count} in the configuration:${list}`);
}

// The file's lines come in their order, and before what has no line.
function lineOf(mistake: Mistake): number {
  return (mistake.origin.type === 'file' ? mistake.origin.line : undefined) ?? Number.MAX_SAFE_INTEGER;
}

function freeze(settings: Settings, token: BotToken): Config {
  return Object.freeze({ ...settings, token: token.secret, botId: token.botId });
}

interface Candidate extends FileValue {
  /** What a relative path is relative to. */
  readonly base: string;
}

/** The values a setting was given, the one that counts first; the default only when there is no other. */
function candidatesOf(
  name: SettingName,
  key: string,
  sources: Sources,
  fromFile: FileValue | undefined,
  fileFolder: string,
): Candidate[] {
  const { environment, cwd } = sources;
  const candidates: Candidate[] = [];
  const flag = sources.flags[name];
  if (flag !== undefined) {
    candidates.push({ raw: flag, origin: { type: 'flag', name: flagName(key) }, base: cwd });
  }
  const variable = environmentName(key);
  if (environment[variable] !== undefined) {
    candidates.push({
      raw: environment[variable],
      origin: { type: 'environment', name: variable },
      base: cwd,
    });
  }
  if (fromFile) candidates.push({ ...fromFile, base: fileFolder });
  if (candidates.length === 0) {
    const raw = settingOf(name).fallback(sources);
    candidates.push({ raw, origin: { type: 'default' }, base: cwd });
  }
  return candidates;
}

function readValue(
  name: SettingName,
  candidate: Candidate,
  home: string,
): { value: unknown } | { problem: string } {
  const setting = settingOf(name);
  let { raw } = candidate;
  if (raw === undefined && candidate.origin.type === 'default') return { value: undefined };
  if (setting.isPath && typeof raw === 'string' && raw !== '') {
    raw = path.resolve(candidate.base, raw.replace(/^~(?=\/|$)/, home));
  }
  // An optional setting accepts `undefined`, but `key:` without a value is a slip and not a wish.
  const result = raw === null ? undefined : setting.schema.safeParse(raw);
  if (result?.success) return { value: result.data };
  const detail = result && detailOf(result.error);
  const problem = `found ${describeFound(raw)}, expected ${setting.expected}`;
  return { problem: detail === undefined ? problem : `${problem}; ${detail}` };
}

interface ConfigFile {
  readonly path: string | undefined;
  readonly folder: string;
  readonly values: ReadonlyMap<string, FileValue>;
}

function readConfigFile(sources: Sources, keys: readonly string[], mistakes: Mistake[]): ConfigFile {
  const { environment, cwd } = sources;
  const named = sources.configPath ?? environment['HOLDFAST_CONFIG'];
  const file = path.resolve(cwd, named ?? 'holdfast.yaml');
  const shown = path.dirname(file) === path.resolve(cwd) ? path.basename(file) : file;
  if (named === undefined && !fs.existsSync(file)) return { path: undefined, folder: cwd, values: new Map() };
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    const origin: Origin =
      sources.configPath !== undefined
        ? { type: 'flag', name: '--config' }
        : named !== undefined
          ? { type: 'environment', name: 'HOLDFAST_CONFIG' }
          : { type: 'file', path: shown };
    mistakes.push({ origin, key: 'config', problem: `cannot read ${file}: ${(error as Error).message}` });
    return { path: file, folder: path.dirname(file), values: new Map() };
  }
  const content = readFileContent({ text, path: shown, keys });
  mistakes.push(...content.mistakes);
  return { path: file, folder: path.dirname(file), values: content.values };
}

/** Names that are ours and no settings. */
const OTHER_ENVIRONMENT = /^HOLDFAST_(?:CONFIG$|INHERITED_)/;
/** Kubernetes puts these into every container when a Service is called holdfast. */
const SERVICE_LINKS = /^HOLDFAST(?:_[A-Z0-9_]+)?_(?:SERVICE_(?:HOST|PORT)(?:_.*)?|PORT(?:_\d+_.*)?)$/;

function unknownEnvironment(environment: Sources['environment'], keys: readonly string[]): Mistake[] {
  const known = new Map(keys.map((key) => [environmentName(key), key]));
  const mistakes: Mistake[] = [];
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('HOLDFAST_') || known.has(name)) continue;
    if (OTHER_ENVIRONMENT.test(name) || SERVICE_LINKS.test(name)) continue;
    const key = name.slice('HOLDFAST_'.length).toLowerCase();
    mistakes.push({
      origin: { type: 'environment', name },
      key,
      problem: unknownKey(key, keys, environmentName),
    });
  }
  return mistakes;
}
