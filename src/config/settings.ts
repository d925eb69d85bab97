// Every setting, once. The `Config` type, the YAML keys, the environment names, the flags, `config print`,
// the checks and docs/config.md all derive from this table; a setting is added by adding a row.
// The bot token is not in it: it never stands in a file of settings or on a command line (token.ts).

import * as path from 'node:path';
import { LOG_LEVELS } from '../base/log.ts';
import {
  address,
  autoOrInteger,
  choice,
  duration,
  filePath,
  integer,
  intents,
  type Kind,
  size,
  url,
  yesOrNo,
} from './kind.ts';

/** What defaults may be computed from. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** One row of the table. */
export interface Setting<T> extends Kind<T> {
  /** The key in holdfast.yaml; a dot is one level of nesting. */
  readonly key: string;
  /** The raw default, read by the same schema as any other value; undefined makes the setting optional. */
  fallback(surroundings: Surroundings): unknown;
  /** The default in words, where it is not a plain value. */
  readonly fallbackText?: string;
  /** One line. */
  readonly summary: string;
  /** What a person who is about to change it should know. */
  readonly details: string;
  /** Kept with the sessions from the first start on: a change warns with its price until `holdfast reidentify`. */
  readonly fixedAtFirstStart: boolean;
  /** True where the default suits nearly everyone. */
  readonly advanced: boolean;
}

type Row<T> = Omit<Setting<T>, 'fallback' | 'fixedAtFirstStart' | 'advanced'> &
  Partial<Pick<Setting<T>, 'fixedAtFirstStart' | 'advanced'>>;

function setting<T>(
  row: Row<T> & { fallback: string | ((surroundings: Surroundings) => unknown) },
): Setting<T> {
  const { fallback } = row;
  return {
    fixedAtFirstStart: false,
    advanced: false,
    ...row,
    fallback: typeof fallback === 'function' ? fallback : () => fallback,
  };
}

function optional<T>(row: Row<T>): Setting<T | undefined> {
  return setting<T | undefined>({
    ...row,
    schema: row.schema.optional(),
    format: (value) => (value === undefined ? '(none)' : row.format(value)),
    fallback: () => undefined,
    fallbackText: '(none)',
  });
}

/** The table, in the order in which it is shown. */
export const SETTINGS = {
  stateDir: setting({
    ...filePath,
    key: 'state_dir',
    fallback: defaultStateDir,
    fallbackText:
      '`$STATE_DIRECTORY` (systemd), else `$XDG_STATE_HOME/holdfast`, else `~/.local/state/holdfast`',
    summary: 'The folder that holds sessions, ledger, journal and state.',
    details:
      'One Holdfast per folder. It must be on a disk: on tmpfs a reboot would lose every session, and each lost session costs an IDENTIFY.',
  }),
  tokenFile: optional({
    ...filePath,
    key: 'token_file',
    summary: 'A file that holds the bot token and nothing else.',
    details:
      'Give it mode 0600. `DISCORD_TOKEN` in the environment comes first, this file second, a systemd credential named `discord_token` third.',
  }),
  listen: setting({
    ...address,
    key: 'listen',
    fallback: '127.0.0.1:4600',
    summary: 'Where handlers connect, for the gateway and for REST.',
    details:
      'An address that other machines can reach is refused unless `insecure` is true, because handlers speak plain HTTP to it.',
  }),
  publicUrl: optional({
    ...url({ schemes: ['http', 'https'], example: 'http://holdfast:4600' }),
    key: 'public_url',
    summary: 'The address that handlers are told to come back to, when it is not the one they used.',
    details:
      'Without it, the gateway address in `/gateway/bot` and READY is made from the Host header of the request, which is right unless a proxy in between rewrites it.',
  }),
  insecure: setting({
    ...yesOrNo,
    key: 'insecure',
    fallback: 'false',
    summary: 'Allows plain, unencrypted addresses off this machine.',
    details:
      'Only for a network that nobody else is on, such as the private network of one compose file. It concerns `listen`, `api` and `gateway_url`.',
  }),
  api: setting({
    ...url({ schemes: ['https', 'http'], example: 'https://discord.com/api', unversioned: true }),
    key: 'api',
    fallback: 'https://discord.com/api',
    summary: "The base of Discord's REST API, without a version.",
    details: 'For `holdfast sim` it is `http://127.0.0.1:PORT/api`.',
  }),
  gatewayUrl: optional({
    ...url({ schemes: ['wss', 'ws'], example: 'wss://gateway.discord.gg' }),
    key: 'gateway_url',
    summary: "Discord's gateway, instead of the one `/gateway/bot` names.",
    details: 'For tests and for networks where the gateway is reached through a tunnel.',
    advanced: true,
  }),
  shards: setting({
    ...autoOrInteger({ least: 1, most: 65_535 }),
    key: 'shards',
    fallback: 'auto',
    summary: 'How many shards; `auto` takes what Discord recommends at the first start.',
    details: 'Another count is another set of sessions: it costs one IDENTIFY per shard.',
    fixedAtFirstStart: true,
  }),
  intents: setting({
    ...intents,
    key: 'intents',
    fallback: 'auto',
    summary: 'The gateway intents of the sessions; `auto` takes what the first handler asks for.',
    details:
      'A handler gets the part of them that it asks for itself. A list of names, one number, `ALL` and `UNPRIVILEGED` are understood. Other intents are another set of sessions: that costs one IDENTIFY per shard.',
    fixedAtFirstStart: true,
  }),
  largeThreshold: setting({
    ...integer({ least: 50, most: 250 }),
    key: 'large_threshold',
    fallback: '50',
    summary: 'Guilds with more members than this are sent without their offline members.',
    details: "Discord's `large_threshold` of IDENTIFY. Smaller means smaller GUILD_CREATEs.",
    fixedAtFirstStart: true,
    advanced: true,
  }),
  compression: setting({
    ...choice(['zlib-stream', 'zstd-stream', 'none']),
    key: 'compression',
    fallback: 'zlib-stream',
    summary: 'How Discord compresses what it sends to us.',
    details:
      'zstd-stream takes about half the processor time of zlib-stream, and about 350 KiB more memory per shard. A session keeps the compression it began with.',
    advanced: true,
  }),
  identifySpacingMs: setting({
    ...duration({ leastMs: 0, mostMs: 600_000 }),
    key: 'identify.spacing',
    fallback: '5.25s',
    summary: 'The time between two IDENTIFYs of one bucket.',
    details:
      'Discord allows one per bucket in 5 seconds, by its own clock; a little more is never refused. Under 5s is accepted only where `api` is not Discord.',
    advanced: true,
  }),
  identifyFloor: setting({
    ...integer({ least: 1, most: 100_000 }),
    key: 'identify.floor',
    fallback: '10',
    summary: 'No IDENTIFY is sent when this many, or fewer, are left until the reset.',
    details:
      'At zero Discord does not merely refuse: it ends every session and resets the bot token. What is kept here is what a person has left to repair things with.',
  }),
  journalMaxBytes: setting({
    ...size({ leastBytes: 4 * 1024 ** 2, mostBytes: 64 * 1024 ** 4 }),
    key: 'journal.max_bytes',
    fallback: '2GiB',
    summary: 'The most disk that the journal may take.',
    details:
      'With the rate of events it decides how long a handler may be away and miss nothing; `holdfast status` shows that time. At least four segments.',
  }),
  journalMaxAgeMs: setting({
    ...duration({ leastMs: 60_000, mostMs: 7 * 86_400_000 }),
    key: 'journal.max_age',
    fallback: '30m',
    summary: 'How long an event is kept for a handler that is away.',
    details: 'What is older than this is not delivered any more, but counted as expired.',
  }),
  journalSegmentBytes: setting({
    ...size({ leastBytes: 1024 ** 2, mostBytes: 1024 ** 3 }),
    key: 'journal.segment_bytes',
    fallback: '64MiB',
    summary: 'The size of one file of the journal.',
    details: 'The journal is trimmed a file at a time.',
    advanced: true,
  }),
  logLevel: setting({
    ...choice(LOG_LEVELS),
    key: 'log.level',
    fallback: 'info',
    summary: 'The least important line that is still logged.',
    details: 'Changes of state are logged, events never are; a quiet hour is a nearly silent log.',
  }),
} satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;

/** The values of all settings, each in the unit that ends its name. */
export type Settings = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};

/** The names of all settings, in the table's order. */
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** One row, without its type of value. */
export function settingOf(name: SettingName): Setting<unknown> {
  return SETTINGS[name] as Setting<unknown>;
}

/** `journal.max_bytes` → `HOLDFAST_JOURNAL_MAX_BYTES`. */
export function environmentName(key: string): string {
  return `HOLDFAST_${key.replaceAll('.', '_').toUpperCase()}`;
}

/** `journal.max_bytes` → `--journal-max-bytes`. */
export function flagName(key: string): string {
  return `--${key.replaceAll(/[._]/g, '-')}`;
}

function defaultStateDir({ environment, home }: Surroundings): string {
  // systemd gives a colon-separated list when StateDirectory= names several.
  const given = environment['STATE_DIRECTORY']?.split(':')[0];
  if (given) return given;
  const stateHome = environment['XDG_STATE_HOME'];
  return path.join(
    stateHome && path.isAbsolute(stateHome) ? stateHome : path.join(home, '.local/state'),
    'holdfast',
  );
}
