// Operating errors: the world said no. One class, and one table of codes from which exit statuses and the
// supervisor's behaviour derive. Bugs are faults (assert.ts), not operating errors.

/**
 * Every operating error: `exit` is the exit status when it ends the process (sysexits where one fits),
 * `restart` says whether the parent starts the daemon again after it, `remedy` what a person can do.
 */
export const ERRORS = {
  CONFIG_INVALID: {
    exit: 78,
    restart: false,
    remedy: 'fix the settings named above; `holdfast config print` shows where each came from',
  },
  TOKEN_MISSING: {
    exit: 78,
    restart: false,
    remedy: 'set DISCORD_TOKEN, or token_file in holdfast.yaml, or a systemd credential named discord_token',
  },
  TOKEN_REJECTED: {
    exit: 77,
    restart: false,
    remedy:
      'a person must fetch a new token from the Developer Portal (Bot page, Reset Token) and put it where the token came from',
  },
  INTENTS_REFUSED: {
    exit: 79,
    restart: false,
    remedy:
      'enable the privileged intents in the Developer Portal, or lower `intents` and run `holdfast reidentify --yes`',
  },
  SHARDING_REFUSED: {
    exit: 80,
    restart: false,
    remedy: 'set `shards` to what /gateway/bot recommends and run `holdfast reidentify --yes`',
  },
  API_VERSION_REFUSED: {
    exit: 81,
    restart: false,
    remedy: 'this Holdfast speaks a gateway version that Discord has ended; upgrade Holdfast',
  },
  STATE_LOCKED: {
    exit: 75,
    restart: false,
    remedy: 'another Holdfast holds this state folder; stop it, or give this one a `state_dir` of its own',
  },
  STATE_UNUSABLE: {
    exit: 74,
    restart: false,
    remedy: 'check that `state_dir` exists, is writable, and is on a disk (not tmpfs)',
  },
  LISTEN_FAILED: { exit: 76, restart: false, remedy: 'another program uses this address; change `listen`' },
  PARENT_LOST: { exit: 0, restart: true, remedy: 'nothing: the daemon ends when its parent does' },
  DISCORD_UNREACHABLE: {
    exit: 69,
    restart: true,
    remedy: 'check the network and https://discordstatus.com; Holdfast keeps trying',
  },
  ADMIN_UNREACHABLE: { exit: 69, restart: false, remedy: 'is `holdfast up` running with this `state_dir`?' },
  USAGE: { exit: 64, restart: false, remedy: 'see --help' },
} as const satisfies Record<string, { exit: number; restart: boolean; remedy: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** The world said no: `message` says what was expected and what was found; the table adds the remedy. */
export class OperatingError extends Error {
  override name = 'OperatingError';
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
  get exit(): number {
    return ERRORS[this.code].exit;
  }
  get remedy(): string {
    return ERRORS[this.code].remedy;
  }
}
