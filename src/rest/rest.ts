// The REST API that handlers see, under /api. /gateway and /gateway/bot are answered here, with our gateway;
// everything else goes to Discord through one way out (egress.ts), with the real token in place of the
// handler's credential. It never makes up a 401 for a handler that is known: discord.js would drop its token.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { USER_AGENT } from '../version.ts';
import { type Answer, errorAnswer, limitedAnswer, sendAnswer, UNAUTHORISED } from './answer.ts';
import { createBodyBudget } from './body.ts';
import { createEgress, type Outcome } from './egress.ts';
import { relayAnswer, requestHeaders } from './relay.ts';
import { parseRoute, type Route } from './route.ts';

/** What handlers are told about our gateway. */
export interface LocalGateway {
  /** `ws://host:port`, as this handler can reach it. */
  readonly url: string;
  readonly shards: number;
}

export interface RestOptions {
  /** Discord's base, without version or trailing slash: `https://discord.com/api`. */
  readonly api: string;
  /** The bot token without `Bot `; asked for when a request leaves. */
  token(): string;
  readonly log: Log;
  readonly clock?: Clock;
  /** True when this is a handler's credential: an Authorization header without its `Bot `. */
  authorised(credential: string): boolean;
  /** Our gateway for a request with this Host header. */
  localGateway(hostHeader: string | undefined): LocalGateway;
  /** Discord allows 50 in a second for a bot; the rest is for what else uses the token. */
  readonly globalRequestsPerSecond?: number;
  /** How long a request may wait for its rate limit before the handler is told to come back: 10 s. */
  readonly waitMsMax?: number;
  /** 32 MiB: Discord's own limit for a request with files lies below. */
  readonly bodyBytesMax?: number;
}

export interface Rest {
  /** Answers one request, whatever it is; never throws. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  close(): void;
}

const GLOBAL_REQUESTS_PER_SECOND = 45;
/** discord.js gives up on a request after 15 s; it gets a 429 with a time to come back before that. */
const WAIT_MS_MAX = 10_000;
const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** Eight of the largest bodies at once; more wait at the handler. */
const BODIES_PER_BUDGET = 8;
/** Far above what one bot's limits let through; beyond it, requests are only piling up. */
const REQUESTS_WAITING_MAX = 4096;
/** How long a refused body is still read away, so that the refusal is not lost to a connection reset. */
const LINGER_MS = 2000;

/** Creates the REST side. */
export function createRest(options: RestOptions): Rest {
  const { api } = options;
  const clock = options.clock ?? systemClock;
  const bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX;
  const budget = createBodyBudget({ bodyBytesMax, totalBytesMax: BODIES_PER_BUDGET * bodyBytesMax });
  const egress = createEgress({
    userAgent: USER_AGENT,
    globalRequestsPerSecond: options.globalRequestsPerSecond ?? GLOBAL_REQUESTS_PER_SECOND,
    waitMsMax: options.waitMsMax ?? WAIT_MS_MAX,
    clock,
  });
  const health = watchHealth(options.log);
  let waiting = 0;

  /**
   * Answers before the body was read. The rest of it is read away for a moment: closing at once would reset
   * the connection, and the handler might never see why.
   */
  const refuse = (request: IncomingMessage, response: ServerResponse, answer: Answer): void => {
    sendAnswer(response, answer);
    request.resume();
    if (request.complete) return;
    const { socket } = request;
    const linger = clock.after(LINGER_MS, () => socket.destroy());
    const done = (): void => {
      linger.cancel();
      request.off('end', done);
      socket.off('close', done);
    };
    request.on('end', done);
    socket.on('close', done);
  };

  const authorizationOf = (credential: Credential, request: IncomingMessage): string | undefined => {
    if (credential === 'bot') return `Bot ${options.token()}`;
    return credential === 'own' ? request.headers.authorization : undefined;
  };

  const forward = async (
    route: Route,
    credential: Credential,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const body = await budget.read(request);
    if (body === 'gone') return;
    if (body === 'too-large') return refuse(request, response, tooLarge(bodyBytesMax));
    if (body === 'no-room') return refuse(request, response, BUSY);
    try {
      const outcome = await egress.send({
        method: route.method,
        url: `${api}${route.version && `/${route.version}`}${route.path}${route.query}`,
        path: route.path,
        headers: requestHeaders(request.headers),
        authorization: () => authorizationOf(credential, request),
        body: body.bytes.length > 0 && route.method !== 'GET' ? body.bytes : undefined,
        exempt: route.kind === 'token-in-path',
        signal: gone.signal,
      });
      health.note(credential, outcome);
      finish(response, outcome);
    } finally {
      body.release();
    }
  };

  return {
    handle(request, response) {
      const route = parseRoute(request.method, request.url);
      if ('status' in route) {
        const headers = route.status === 405 ? { allow: 'GET, POST, PUT, PATCH, DELETE' } : undefined;
        return refuse(request, response, errorAnswer(route.status, route.message, headers));
      }
      const { authorization, host } = request.headers;
      if (route.kind === 'gateway') {
        return refuse(request, response, { status: 200, body: { url: options.localGateway(host).url } });
      }
      const credential = credentialOf(route, authorization, options.authorised);
      if (credential === 'refused') return refuse(request, response, UNAUTHORISED);
      if (route.kind === 'gateway-bot') {
        return refuse(request, response, gatewayBot(options.localGateway(host)));
      }
      if (waiting >= REQUESTS_WAITING_MAX) return refuse(request, response, BUSY);
      waiting++;
      forward(route, credential, request, response)
        .catch((error: Error) => {
          options.log.error('rest.failed', { error: error.message });
          sendAnswer(response, errorAnswer(500, 'holdfast could not handle this request'));
        })
        .finally(() => waiting--);
    },
    close: () => egress.close(),
  };
}

/** Holdfast itself has no room; the handler's library tries again. */
const BUSY = errorAnswer(503, 'holdfast has too many requests waiting for Discord', { 'retry-after': '1' });

function tooLarge(bodyBytesMax: number): Answer {
  const limit = `${Math.floor(bodyBytesMax / 1024 / 1024)} MiB`;
  return errorAnswer(413, `the request body is larger than ${limit}, the most that holdfast passes on`);
}

/** As Discord's, but generous: our sessions already stand, so handlers may start all at once (4.4). */
function gatewayBot({ url, shards }: LocalGateway): Answer {
  return {
    status: 200,
    body: {
      url,
      shards,
      session_start_limit: {
        total: 1000,
        remaining: 1000,
        reset_after: 0,
        max_concurrency: shards,
      },
    },
  };
}

/**
 * Whose credential a request travels with. A user's OAuth2 token and an application's client secret
 * (`Bearer`, `Basic`) are the handler's own and pass as they are.
 */
type Credential = 'bot' | 'own' | 'none' | 'refused';

function credentialOf(
  route: Route,
  authorization: string | undefined,
  authorised: RestOptions['authorised'],
): Credential {
  if (route.kind === 'token-in-path' || route.kind === 'gateway') return 'none';
  const [, scheme, credential] = /^(Bot|Bearer|Basic) +(.+)$/i.exec(authorization ?? '') ?? [];
  if (scheme === undefined || credential === undefined) return 'refused';
  if (scheme.toLowerCase() === 'bot') return authorised(credential) ? 'bot' : 'refused';
  return route.kind === 'bot' ? 'own' : 'refused';
}

function finish(response: ServerResponse, outcome: Outcome): void {
  switch (outcome.type) {
    case 'answered':
      return relayAnswer(response, outcome);
    case 'limited':
      return sendAnswer(response, limitedAnswer(outcome));
    case 'unreachable':
      return sendAnswer(
        response,
        errorAnswer(outcome.timedOut ? 504 : 502, `holdfast cannot reach Discord: ${outcome.message}`),
      );
    case 'gone':
      return;
  }
}

/** Logs when Discord's API goes and comes back, and when it refuses the bot's token; not each request. */
function watchHealth(log: Log): { note(credential: Credential, outcome: Outcome): void } {
  let unreachable = false;
  let rejected = false;
  return {
    note(credential, outcome) {
      if (outcome.type === 'unreachable') {
        if (!unreachable) log.warn('rest.unreachable', { cause: outcome.message });
        unreachable = true;
      } else if (outcome.type === 'answered') {
        if (unreachable) log.info('rest.reachable');
        unreachable = false;
        const nowRejected = outcome.status === 401;
        if (credential !== 'bot') return;
        if (nowRejected && !rejected)
          log.error('rest.rejected', { status: 401 }, 'Discord refuses the bot token');
        rejected = nowRejected;
      }
    },
  };
}
