// Answers that are ours and not Discord's. They have the form of Discord's errors, because handlers' libraries
// read that; discord.py decodes JSON only when the content type is exactly `application/json`, and takes an
// answer without `Via` for a ban by Cloudflare (protocol reference 9.6).

import type { ServerResponse } from 'node:http';

/** An answer made here. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends an answer; does nothing when the handler has gone or was answered already. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.from(JSON.stringify(answer.body));
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    via: '1.1 holdfast',
    ...answer.headers,
  });
  response.end(bytes);
}

/** An error in Discord's form; `code` 0 is Discord's "general error". */
export function errorAnswer(status: number, message: string, headers?: Record<string, string>): Answer {
  return { status, body: { message, code: 0 }, ...(headers ? { headers } : {}) };
}

/** What Discord says to a credential it does not know. */
export const UNAUTHORISED = errorAnswer(401, '401: Unauthorized');

/** A 429 as Discord's; `Retry-After` is in whole seconds, because JDA reads it as an integer. */
export function limitedAnswer(options: { retryAfterMs: number; global: boolean }): Answer {
  const seconds = Math.max(1, Math.ceil(options.retryAfterMs / 1000));
  return {
    status: 429,
    body: { message: 'You are being rate limited.', retry_after: seconds, global: options.global },
    headers: {
      'retry-after': String(seconds),
      'x-ratelimit-scope': options.global ? 'global' : 'user',
      ...(options.global ? { 'x-ratelimit-global': 'true' } : {}),
    },
  };
}
