// docs/config.md, made from the table of settings. A test holds the file on disk to this text.

import { environmentName, flagName, SETTING_NAMES, type Setting, settingOf } from './settings.ts';

/** The whole text of docs/config.md. */
export function configDocument(): string {
  const settings = SETTING_NAMES.map(settingOf);
  return `${[
    '# Configuration',
    '<!-- Generated from src/config/settings.ts. After a change there: UPDATE_DOCS=1 npm test -- config/document -->',
    'Holdfast needs one thing to be told: the bot token. Everything else has a default.',
    INTRODUCTION,
    TOKEN,
    '## Settings',
    'Those marked *fixed* are kept with the sessions from the first start on. Changing one later changes nothing by itself: Holdfast warns and says what it would cost, until `holdfast reidentify --yes`.',
    table(settings),
    ...settings.map(section),
  ].join('\n\n')}\n`;
}

const INTRODUCTION = `A setting is looked for in this order, and the first place that has it counts:

1. a flag, such as \`--journal-max-bytes 4GiB\`
2. the environment, such as \`HOLDFAST_JOURNAL_MAX_BYTES=4GiB\`
3. the file named by \`--config\` or \`HOLDFAST_CONFIG\`, else \`holdfast.yaml\` in the current folder, if it exists
4. the default

A dot in a key is one level in the file:

\`\`\`yaml
shards: 4
journal:
  max_bytes: 4GiB
  max_age: 1h
\`\`\`

A relative path in the file is relative to the file's folder; anywhere else, to the current folder.
\`holdfast config check\` finds every mistake at once; \`holdfast config print\` shows each value and where it came from.`;

const TOKEN = `## The token

It is looked for in this order:

1. \`DISCORD_TOKEN\` in the environment. Holdfast forgets the variable once it is read, but the kernel keeps showing it to this user's other processes in \`/proc\`; on a shared machine use one of the others.
2. the file named by \`token_file\`, which should have mode 0600
3. a systemd credential: \`LoadCredential=discord_token:/etc/holdfast/token\`

It is never taken from a flag, where every user of the machine could read it, nor from \`holdfast.yaml\`.`;

function table(settings: readonly Setting<unknown>[]): string {
  const rows = settings.map((setting) => {
    const anchor = setting.key.replaceAll('.', '');
    const fixed = setting.fixedAtFirstStart ? ' *(fixed)*' : '';
    return `| [\`${setting.key}\`](#${anchor}) | ${defaultOf(setting)} | ${setting.summary}${fixed} |`;
  });
  return ['| setting | default | what it is |', '|---|---|---|', ...rows].join('\n');
}

function section(setting: Setting<unknown>): string {
  const facts = [
    `- Expected: ${setting.expected}`,
    `- Default: ${defaultOf(setting)}`,
    `- Flag \`${flagName(setting.key)}\`, environment \`${environmentName(setting.key)}\``,
  ];
  if (setting.fixedAtFirstStart) facts.push('- Fixed at the first start');
  if (setting.advanced) facts.push('- The default suits nearly everyone');
  return `### ${setting.key}\n\n${setting.summary} ${setting.details}\n\n${facts.join('\n')}`;
}

function defaultOf(setting: Setting<unknown>): string {
  return setting.fallbackText ?? `\`${setting.fallback({ environment: {}, home: '' })}\``;
}
