// What to do when the gateway closes a connection: one row per close code (protocol reference 5.1).

import type { ErrorCode } from '../base/errors.ts';

/**
 * `resume`: the session lives. `resume-once`: reports say it is gone, but one RESUME costs nothing.
 * `identify`: the session is gone. `fatal`: reconnecting cannot help; a person must act.
 */
export type CloseAction = 'resume' | 'resume-once' | 'identify' | 'fatal';

export interface CloseCode {
  readonly name: string;
  readonly action: CloseAction;
  /** The operating error of a fatal code. */
  readonly error?: ErrorCode;
}

export const CLOSE_CODES: Readonly<Record<number, CloseCode>> = {
  1000: { name: 'normal', action: 'resume-once' },
  1001: { name: 'going away', action: 'resume' },
  1005: { name: 'no close code', action: 'resume' },
  1006: { name: 'no close frame', action: 'resume' },
  1011: { name: 'internal error', action: 'resume' },
  1012: { name: 'service restart', action: 'resume' },
  4000: { name: 'unknown error', action: 'resume' },
  4001: { name: 'unknown opcode', action: 'resume' },
  4002: { name: 'decode error', action: 'resume' },
  4003: { name: 'not authenticated', action: 'resume-once' },
  4004: { name: 'authentication failed', action: 'fatal', error: 'TOKEN_REJECTED' },
  4005: { name: 'already authenticated', action: 'resume' },
  4006: { name: 'session no longer valid', action: 'resume-once' },
  4007: { name: 'invalid seq', action: 'identify' },
  4008: { name: 'rate limited', action: 'resume' },
  4009: { name: 'session timed out', action: 'resume-once' },
  4010: { name: 'invalid shard', action: 'fatal', error: 'SHARDING_REFUSED' },
  4011: { name: 'sharding required', action: 'fatal', error: 'SHARDING_REFUSED' },
  4012: { name: 'invalid API version', action: 'fatal', error: 'API_VERSION_REFUSED' },
  4013: { name: 'invalid intents', action: 'fatal', error: 'INTENTS_REFUSED' },
  4014: { name: 'disallowed intents', action: 'fatal', error: 'INTENTS_REFUSED' },
};

/** The row for a close code; a code that is not in the table is resumable. */
export function closeCode(code: number): CloseCode {
  return CLOSE_CODES[code] ?? { name: 'unknown', action: 'resume' };
}

/** What a close code asks for. */
export function closeAction(code: number): CloseAction {
  return closeCode(code).action;
}

/** Close codes that Holdfast sends. */
export const CLOSE = {
  /** Keeps the session: every code but 1000 and 1001 does (5.2). */
  KEEP_SESSION: 4000,
  UNKNOWN_OPCODE: 4001,
  DECODE_ERROR: 4002,
  NOT_AUTHENTICATED: 4003,
  AUTHENTICATION_FAILED: 4004,
  ALREADY_AUTHENTICATED: 4005,
  INVALID_SEQ: 4007,
  RATE_LIMITED: 4008,
  SESSION_TIMED_OUT: 4009,
  INVALID_SHARD: 4010,
  INVALID_API_VERSION: 4012,
  INVALID_INTENTS: 4013,
  DISALLOWED_INTENTS: 4014,
  /** Ends the session; only for a session that is given up on purpose. */
  FORGET_SESSION: 1000,
} as const;
