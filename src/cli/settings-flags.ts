// The flags that commands share: --config, and one flag per row of the table of settings.

import { type Command, Option } from 'commander';
import { flagName, SETTING_NAMES, type SettingName, type Sources, settingOf } from '../config/config.ts';
import type { Terminal } from './terminal.ts';

const GROUP = 'Settings (all: docs/config.md):';

/** Adds --config and the flags of the given settings (of all without a list) to a command. */
export function addSettingsFlags(command: Command, names: readonly SettingName[] = SETTING_NAMES): Command {
  command.addOption(
    new Option('--config <path>', 'the file of settings; default ./holdfast.yaml').helpGroup(GROUP),
  );
  for (const name of names) command.addOption(optionOf(name));
  return command;
}

/** The sources of settings for a command that was given `options`. */
export function sourcesOf(terminal: Terminal, options: Record<string, unknown>): Sources {
  const flags: Partial<Record<SettingName, string | boolean>> = {};
  for (const name of SETTING_NAMES) {
    const value = options[optionOf(name).attributeName()];
    if (value !== undefined) flags[name] = value as string | boolean;
  }
  return {
    flags,
    configPath: options['config'] as string | undefined,
    environment: terminal.environment,
    cwd: terminal.cwd,
    home: terminal.home,
  };
}

function optionOf(name: SettingName): Option {
  const setting = settingOf(name);
  const value = setting.expected === 'true or false' ? '' : ' <value>';
  const option = new Option(`${flagName(setting.key)}${value}`, setting.summary).helpGroup(GROUP);
  return setting.advanced ? option.hideHelp() : option;
}
