// The bot's application, its user and its token. A token is replaced when the session start limit is passed
// (4.5) or when a person resets it in the portal (12.2); mails to the owner are kept so that a test can read them.

import { INTENTS } from '../../src/wire/intents.ts';
import type { Fields, Part } from './json.ts';
import { defaultToken, type RuleOptions } from './options.ts';

/** What Discord wrote to the owner. */
export interface Mail {
  readonly time: number;
  readonly subject: string;
  readonly text: string;
}

export interface Account {
  readonly user: Part;
  readonly applicationId: string;
  readonly mails: readonly Mail[];
  /** The one valid token. */
  token(): string;
  /** Whether a token as sent in IDENTIFY, RESUME or `Authorization` is valid; a `Bot ` prefix is allowed (4.1). */
  accepts(token: unknown): boolean;
  /** Replaces the token and records the mail that says so. */
  resetToken(reason: 'start-limit' | 'person', nowMs: number): string;
  /** The application object of `GET /applications/@me`. */
  application(guilds: number): Fields;
  /** `application` of READY (8.1). */
  readyApplication(): Fields;
}

/** Application flag bits: presence, members, message content, each in the form for bots below the review threshold (8.4). */
function intentFlags(allowedIntents: number): number {
  let flags = 1 << 23; // the application has commands
  if (allowedIntents & INTENTS.GUILD_PRESENCES) flags |= 1 << 13;
  if (allowedIntents & INTENTS.GUILD_MEMBERS) flags |= 1 << 15;
  if (allowedIntents & INTENTS.MESSAGE_CONTENT) flags |= 1 << 19;
  return flags;
}

export function createAccount(options: RuleOptions): Account {
  const { applicationId } = options;
  const flags = intentFlags(options.allowedIntents);
  const mails: Mail[] = [];
  let token = options.token;
  let generation = 1;

  const user: Part = {
    verified: true,
    username: options.applicationName,
    public_flags: 0,
    primary_guild: null,
    mfa_enabled: true,
    id: applicationId,
    global_name: null,
    flags: 0,
    email: null,
    display_name_styles: null,
    discriminator: '0420',
    collectibles: null,
    clan: null,
    bot: true,
    banner: null,
    avatar_decoration_data: null,
    avatar: null,
    accent_color: null,
  };
  return {
    user,
    applicationId,
    mails,
    token: () => token,
    accepts: (given) => typeof given === 'string' && given.trim().split(/\s+/).at(-1) === token,
    resetToken(reason, nowMs) {
      generation++;
      token = defaultToken(applicationId, generation);
      mails.push({
        time: nowMs,
        subject:
          reason === 'start-limit'
            ? `${options.applicationName} connected more than ${options.sessionStartTotal} times in a short time`
            : `The token of ${options.applicationName} was reset`,
        text: 'Its token was reset and all its sessions were ended. Fetch the new token from the portal.',
      });
      return token;
    },
    readyApplication: () => ({ id: applicationId, flags, flags_new: String(flags) }),
    application: (guilds) => ({
      id: applicationId,
      name: options.applicationName,
      icon: null,
      description: 'Rolls dice in a box.',
      summary: '',
      type: null,
      bot: user,
      bot_public: true,
      bot_require_code_grant: false,
      terms_of_service_url: null,
      privacy_policy_url: null,
      verify_key: '0'.repeat(64),
      flags,
      hook: true,
      is_monetized: false,
      approximate_guild_count: guilds,
      approximate_user_install_count: 0,
      interactions_endpoint_url: null,
      role_connections_verification_url: null,
      redirect_uris: [],
      rpc_origins: [],
      tags: [],
      install_params: { scopes: ['applications.commands', 'bot'], permissions: '274877975552' },
      integration_types_config: { 0: {}, 1: {} },
      owner: {
        id: '90000000000000001',
        username: 'owner_of_the_box',
        global_name: null,
        discriminator: '0',
        avatar: null,
        public_flags: 0,
        flags: 0,
      },
      team: null,
    }),
  };
}
