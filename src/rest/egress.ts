// The one way out to Discord's REST API. @discordjs/rest keeps the buckets, the queues and the global limit;
// how a request is really sent, and what of the answer the library gets to see, is decided here: its own way
// would drop an error's headers, retry on 5xx (a message twice), forget the token after one 401, and go round
// for ever on a 429 without Retry-After, which is how Cloudflare's bans look.

import type { Readable } from 'node:stream';
import { RateLimitError, REST, type ResponseLike } from '@discordjs/rest';
import { makeRequest } from '@discordjs/rest/undiciRequest';
import type { Clock } from '../base/clock.ts';
import type { Method } from './route.ts';

/** Headers of an answer of Discord's; names in lower case. */
export type AnswerHeaders = ResponseLike['headers'];

/** A request that is ready to go. */
export interface Outgoing {
  readonly method: Method;
  readonly url: string;
  /** The path after the version; the library derives the bucket from it. */
  readonly path: string;
  /** All headers but Authorization and User-Agent. */
  readonly headers: Readonly<Record<string, string>>;
  /** Called when the request leaves, which may be after a wait; undefined sends no Authorization. */
  authorization(): string | undefined;
  readonly body: Buffer | undefined;
  /** Outside the bot's global limit. */
  readonly exempt: boolean;
  /** Aborted when the handler has gone. */
  readonly signal: AbortSignal;
}

/** What became of a request. Nothing is thrown. */
export type Outcome =
  | {
      readonly type: 'answered';
      readonly status: number;
      readonly headers: AnswerHeaders;
      readonly body: Readable | Buffer;
    }
  /** Not sent, or sent and limited without an answer worth passing on: it would have to wait too long. */
  | { readonly type: 'limited'; readonly retryAfterMs: number; readonly global: boolean }
  | { readonly type: 'unreachable'; readonly message: string; readonly timedOut: boolean }
  | { readonly type: 'gone' };

export interface Egress {
  send(outgoing: Outgoing): Promise<Outcome>;
  close(): void;
}

/** What is said when the wait was for other requests of the bucket, whose end nobody knows. */
const RETRY_AFTER_BUSY_MS = 5000;
/** The handler's own patience ends first in nearly every library; uploads need more than the usual 15 s. */
const ANSWER_TIMEOUT_MS = 60_000;
/** A 429 is a short JSON, or a page of Cloudflare's. */
const LIMITED_BODY_BYTES_MAX = 256 * 1024;
/** Ties a call of the library back to its request. It never leaves this process. */
const EXCHANGE_HEADER = 'x-holdfast-exchange';

interface Exchange {
  readonly outgoing: Outgoing;
  readonly deadlineMs: number;
  inFlight: boolean;
  /** Discord's last word, which is what the handler gets. */
  answer?: { status: number; headers: AnswerHeaders; body: Readable | Buffer };
}

/**
 * Opens the way out. `globalRequestsPerSecond` counts requests that are not exempt; no request waits longer
 * than `waitMsMax` for its rate limit.
 */
export function createEgress(options: {
  userAgent: string;
  globalRequestsPerSecond: number;
  waitMsMax: number;
  clock: Clock;
}): Egress {
  const { clock, userAgent, waitMsMax } = options;
  const exchanges = new Map<string, Exchange>();
  let created = 0;

  const transmit: typeof makeRequest = async (_url, init) => {
    const id = (init.headers as Record<string, string>)[EXCHANGE_HEADER]!;
    const exchange = exchanges.get(id);
    if (!exchange || init.signal?.aborted) throw new Error('nobody waits for this request any more');
    const { outgoing } = exchange;
    const authorization = outgoing.authorization();
    exchange.inFlight = true;
    delete exchange.answer;
    try {
      const response = await makeRequest(outgoing.url, {
        method: outgoing.method,
        headers: {
          ...outgoing.headers,
          'user-agent': userAgent,
          ...(authorization === undefined ? {} : { authorization }),
        },
        body: outgoing.body ?? null,
        signal: init.signal ?? null,
      });
      return await observe(exchange, response, { nowMs: clock.monotonic(), waitMsMax });
    } finally {
      exchange.inFlight = false;
    }
  };
  const queue = (perSecond: number): REST =>
    new REST({
      makeRequest: transmit,
      globalRequestsPerSecond: perSecond,
      retries: 0,
      timeout: ANSWER_TIMEOUT_MS,
      rejectOnRateLimit: (limit) =>
        Math.max(limit.timeToReset, limit.retryAfter, limit.sublimitTimeout) > waitMsMax,
    });
  const botQueue = queue(options.globalRequestsPerSecond);
  const exemptQueue = queue(Number.POSITIVE_INFINITY);

  return {
    async send(outgoing) {
      const id = String(created++);
      const exchange: Exchange = {
        outgoing,
        deadlineMs: clock.monotonic() + waitMsMax,
        inFlight: false,
      };
      const waiting = new AbortController();
      exchanges.set(id, exchange);
      const patience = clock.after(waitMsMax, () => {
        if (!exchange.inFlight) waiting.abort();
      });
      const queued = (outgoing.exempt ? exemptQueue : botQueue)
        .queueRequest({
          fullRoute: outgoing.path as `/${string}`,
          method: outgoing.method as never,
          headers: { [EXCHANGE_HEADER]: id },
          auth: false,
          signal: AbortSignal.any([outgoing.signal, waiting.signal]),
        })
        .then(() => undefined);
      // The library's sleeps cannot be interrupted, so an abort is raced against them; what wakes up later
      // finds its exchange gone and sends nothing.
      const aborted = new Promise<never>((_, reject) => {
        const onAbort = (): void => reject(new Error('aborted'));
        waiting.signal.addEventListener('abort', onAbort);
        if (outgoing.signal.aborted) onAbort();
        else outgoing.signal.addEventListener('abort', onAbort);
      });
      queued.catch(() => {});
      try {
        await Promise.race([queued, aborted]);
        return { type: 'answered', ...exchange.answer! };
      } catch (error) {
        if (outgoing.signal.aborted) return { type: 'gone' };
        if (exchange.answer) return { type: 'answered', ...exchange.answer };
        return outcomeOf(error as Error, waiting.signal.aborted);
      } finally {
        patience.cancel();
        exchanges.delete(id);
      }
    },
    close() {
      for (const rest of [botQueue, exemptQueue]) {
        rest.clearHashSweeper();
        rest.clearHandlerSweeper();
      }
    },
  };
}

/**
 * Keeps Discord's answer for the handler, and returns what the library sees of it: a 429 worth waiting for
 * stays one, everything else is a success whose headers move the buckets on.
 */
async function observe(
  exchange: Exchange,
  response: ResponseLike,
  { nowMs, waitMsMax }: { nowMs: number; waitMsMax: number },
): Promise<ResponseLike> {
  const { status, headers } = response;
  const body = response.body as Readable;
  const retryAfterMs = Number(headers.get('retry-after')) * 1000;
  const limited = status === 429 && retryAfterMs > 0;
  exchange.answer = { status, headers, body: status === 429 ? await collect(body) : body };
  const worthWaiting = limited && nowMs + retryAfterMs <= exchange.deadlineMs;
  // Once the deadline has passed, nobody may sleep for this request any more; its bucket learns of the limit
  // from the headers all the same.
  const seen = limited && (worthWaiting || retryAfterMs > waitMsMax) ? 429 : 200;
  return {
    status: seen,
    ok: seen === 200,
    statusText: '',
    headers,
    body: null,
    bodyUsed: true,
    arrayBuffer: async () => new ArrayBuffer(0),
    json: async () => ({}),
    text: async () => '',
  };
}

async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LIMITED_BODY_BYTES_MAX) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function outcomeOf(error: Error, gaveUpWaiting: boolean): Outcome {
  if (gaveUpWaiting) return { type: 'limited', retryAfterMs: RETRY_AFTER_BUSY_MS, global: false };
  if (error instanceof RateLimitError) {
    const retryAfterMs = Math.max(error.timeToReset, error.retryAfter, error.sublimitTimeout);
    return { type: 'limited', retryAfterMs, global: error.global };
  }
  const timedOut = error.name === 'AbortError' || /timeout/i.test(error.name);
  const { code } = error as NodeJS.ErrnoException;
  const cause = error.message || code || error.name;
  return { type: 'unreachable', message: timedOut ? 'no answer in time' : cause, timedOut };
}
