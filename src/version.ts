// What Holdfast calls itself.

import packageJson from '../package.json' with { type: 'json' };

export const VERSION: string = packageJson.version;

/** Discord blocks clients without a user agent of this form (protocol reference 9.1). The project has no address yet. */
export const USER_AGENT = `DiscordBot (https://holdfast.example, ${VERSION})`;
