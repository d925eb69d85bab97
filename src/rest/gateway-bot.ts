// The daemon's own question to Discord: GET /gateway/bot. It tells where the gateway is, how many shards are
// recommended, and what is left of the identify budget. Nonsense is refused as a whole: nothing is spent on doubt.

import { OperatingError } from '../base/errors.ts';

/** A sound answer of /gateway/bot. */
export interface GatewayBot {
  readonly url: string;
  readonly shards: number;
  readonly total: number;
  readonly remaining: number;
  readonly resetAfterMs: number;
  readonly maxConcurrency: number;
  /** Discord's own clock (the `Date` header), wall ms; undefined when it sent none. */
  readonly serverTimeMs: number | undefined;
}

const TIMEOUT_MS = 10_000;
const BODY_BYTES_MAX = 64 * 1024;

/**
 * Asks Discord at `api` (its base without a version).
 * @throws TOKEN_REJECTED on 401; DISCORD_UNREACHABLE for everything else that is no sound answer.
 */
export async function fetchGatewayBot(api: string, token: string, userAgent: string): Promise<GatewayBot> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${api}/v10/gateway/bot`, {
      headers: { authorization: `Bot ${token}`, 'user-agent': userAgent },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    });
    text = (await response.text()).slice(0, BODY_BYTES_MAX);
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    throw new OperatingError(
      'DISCORD_UNREACHABLE',
      `GET ${api}/v10/gateway/bot failed: ${cause?.code ?? (error as Error).message}`,
    );
  }
  if (response.status === 401)
    throw new OperatingError(
      'TOKEN_REJECTED',
      `Discord answered 401 to GET ${api}/v10/gateway/bot: the token is not valid`,
    );
  if (response.status !== 200) {
    throw new OperatingError(
      'DISCORD_UNREACHABLE',
      `Discord answered ${response.status} to GET ${api}/v10/gateway/bot, expected 200`,
    );
  }
  const answer = readGatewayBot(text);
  if (typeof answer === 'string') {
    throw new OperatingError(
      'DISCORD_UNREACHABLE',
      `GET ${api}/v10/gateway/bot gave no sound answer: ${answer}`,
    );
  }
  const date = Date.parse(response.headers.get('date') ?? '');
  return { ...answer, serverTimeMs: Number.isNaN(date) ? undefined : date };
}

/** Reads the body of /gateway/bot; a string says what is wrong with it. */
export function readGatewayBot(text: string): Omit<GatewayBot, 'serverTimeMs'> | string {
  let body: { url?: unknown; shards?: unknown; session_start_limit?: Record<string, unknown> };
  try {
    body = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  const limit = body?.session_start_limit;
  if (typeof body?.url !== 'string' || !/^wss?:\/\/[^?]+$/.test(body.url))
    return 'url is not a ws:// or wss:// address';
  if (!isCount(body.shards, 1)) return 'shards is not a positive integer';
  if (typeof limit !== 'object' || limit === null) return 'session_start_limit is missing';
  const { total, remaining, reset_after: resetAfterMs, max_concurrency: maxConcurrency } = limit;
  if (
    !isCount(total, 1) ||
    !isCount(remaining, 0) ||
    !isCount(resetAfterMs, 0) ||
    !isCount(maxConcurrency, 1)
  ) {
    return 'session_start_limit holds something other than counts';
  }
  return {
    url: body.url.replace(/\/$/, ''),
    shards: body.shards,
    total,
    remaining,
    resetAfterMs,
    maxConcurrency,
  };
}

function isCount(value: unknown, least: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= 2 ** 31;
}
