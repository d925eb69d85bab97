// The configuration as `holdfast config print` shows it: each value, and where it came from. The token's row
// tells whose token it is, never the token.

import type { LoadedConfig } from './load.ts';
import { describeOrigin } from './origin.ts';
import { SETTING_NAMES, settingOf } from './settings.ts';

/** One line of `config print`. */
export interface DescribedSetting {
  readonly key: string;
  /** As a person would write it; `[secret]` for the token. */
  readonly value: string;
  readonly from: string;
  readonly summary: string;
}

/** Describes every setting of a loaded configuration, in the table's order, the token first. */
export function describeConfig(loaded: LoadedConfig): DescribedSetting[] {
  const rows: DescribedSetting[] = [
    {
      key: 'token',
      value: String(loaded.config.token),
      from: describeOrigin(loaded.tokenOrigin),
      summary: `the token of bot ${loaded.config.botId}`,
    },
  ];
  for (const name of SETTING_NAMES) {
    const setting = settingOf(name);
    rows.push({
      key: setting.key,
      value: setting.format(loaded.config[name]),
      from: describeOrigin(loaded.origins[name]),
      summary: setting.summary,
    });
  }
  return rows;
}
