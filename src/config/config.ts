// The door of the configuration room. Only daemon.ts, parent.ts, admin and cli come through it: every other
// room gets its slice as a plain options object.

export { type DescribedSetting, describeConfig } from './describe.ts';
export type { Address } from './kind.ts';
export { formatDuration, formatSize } from './kind.ts';
export {
  type Config,
  type LoadedConfig,
  loadConfig,
  type ReadSettings,
  readSettings,
  type Sources,
} from './load.ts';
export { describeMistake, type Mistake } from './origin.ts';
export { Secret } from './secret.ts';
export {
  environmentName,
  flagName,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingOf,
} from './settings.ts';
export { parseToken } from './token.ts';
