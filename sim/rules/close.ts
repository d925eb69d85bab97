// Close codes that Discord sends, with its wording, and which of them leave the session alive (5.1).

export const CLOSE_REASONS: Readonly<Record<number, string>> = {
  1000: '',
  1001: 'CloudFlare WebSocket proxy restarting',
  4000: 'Unknown error.',
  4001: 'Unknown opcode.',
  4002: 'Error while decoding payload.',
  4003: 'Not authenticated.',
  4004: 'Authentication failed.',
  4005: 'Already authenticated.',
  4006: 'Session is no longer valid.',
  4007: 'Invalid seq.',
  4008: 'You are being rate limited.',
  4009: 'Session timed out.',
  4010: 'Invalid shard.',
  4011: 'Sharding is required.',
  4012: 'Invalid API version.',
  4013: 'Invalid intent(s).',
  4014: 'Disallowed intent(s).',
};

/**
 * Codes after which the session is gone: documented ("start a new session"), or 1000, after which reports say a RESUME
 * is refused (5.1).
 */
const ENDS_SESSION = new Set([1000, 4003, 4004, 4006, 4007, 4009, 4010, 4011, 4012, 4013, 4014]);

/** Whether a close by the server ends the session. */
export function endsSession(code: number): boolean {
  return ENDS_SESSION.has(code);
}

/** Whether a close by the client ends the session (5.2). */
export function clientEndsSession(code: number): boolean {
  return code === 1000 || code === 1001;
}
