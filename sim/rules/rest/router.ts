// The REST API as one function from request to response: finds the route, checks the token, counts the limits, and
// dresses the answer as Discord does (protocol reference 9). Routes are tables in the files beside it.

import type { Account } from '../account.ts';
import { type Counters, countBy } from '../counters.ts';
import type { Faults } from '../faults.ts';
import { type Fields, isObject } from '../json.ts';
import type { RuleOptions } from '../options.ts';
import type { Timers } from '../timers.ts';
import { createRestLimits, type RouteLimit } from './limits.ts';
import {
  failed,
  httpError,
  invalidForm,
  type Reply,
  type RestRequest,
  type RestResponse,
  type Upload,
} from './reply.ts';

/** What a route's handler gets. */
export interface Call {
  /** Decoded path parameters by name. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The body as an object; empty when there was none. */
  readonly body: Fields;
  /** The body as it came, for routes that take an array. */
  readonly raw: unknown;
  readonly uploads: readonly Upload[];
}

export interface Route {
  readonly method: string;
  /** Path with `{name}` for parameters. */
  readonly path: string;
  /** Needs no bot token, and stays out of the global limit (9.4). */
  readonly open?: true;
  /** Requests and milliseconds of the route's bucket; 50 a second when missing, no bucket headers when null. */
  readonly limit?: readonly [count: number, windowMs: number] | null;
  /** Routes with the same name share a bucket. */
  readonly bucket?: string;
  handle(call: Call): Reply;
}

interface CompiledRoute extends Route {
  readonly parts: readonly string[];
  readonly rate: RouteLimit | null;
}

/** Parameters that split a bucket (9.3). */
const MAJOR = ['channel_id', 'guild_id', 'webhook_id', 'webhook_token'];

export function createRest(context: {
  options: RuleOptions;
  timers: Timers;
  faults: Faults;
  counters: Counters;
  account: Account;
  routes: readonly Route[];
}): (request: RestRequest) => RestResponse {
  const { options, timers, faults, counters, account } = context;
  const limits = createRestLimits({
    enforced: options.restLimits,
    globalPerSecond: options.restGlobalPerSecond,
  });
  const routes = context.routes.map(compile);

  const answer = (request: RestRequest): { reply: Reply; headers?: Record<string, string> } => {
    if (faults.strike('rest-500')) return { reply: httpError(500) };
    if (request.version < 9 || request.version > 10) return { reply: failed(50041) };
    const segments = request.path.split('/').filter((part) => part !== '');
    const found = find(routes, request.method, segments);
    if (!found) return { reply: httpError(404) };
    if (found === 'method') return { reply: httpError(405) };
    const { route, params } = found;
    if (!route.open && !authorised(account, request.authorization)) return { reply: httpError(401) };
    let headers: Record<string, string> = {};
    if (route.rate) {
      const major = MAJOR.map((name) => params[name] ?? '').join(':');
      const verdict = limits.take(route.rate, major, timers.now(), !route.open);
      headers = verdict.headers;
      if (verdict.refused) return { reply: { status: 429, json: verdict.refused }, headers };
    }
    if (request.malformed)
      return {
        reply: invalidForm(
          'content_type',
          'CONTENT_TYPE_INVALID',
          'Expected "Content-Type" header to be one of {application/json, multipart/form-data}.',
        ),
        headers,
      };
    const body = isObject(request.body) ? request.body : {};
    const { query, uploads } = request;
    return { reply: route.handle({ params, query, body, raw: request.body, uploads }), headers };
  };

  return (request) => {
    counters.restRequests++;
    const { reply, headers } = answer(request);
    countBy(counters.restStatuses, reply.status);
    return {
      status: reply.status,
      body: reply.json === undefined ? null : JSON.stringify(reply.json),
      delayMs: faults.takeDelay('rest'),
      headers: {
        // Exactly this, without a charset: discord.py decodes nothing else (9.6). `Via` tells clients that a 429 is
        // Discord's and not Cloudflare's.
        ...(reply.json === undefined ? {} : { 'Content-Type': 'application/json' }),
        Date: new Date(timers.now()).toUTCString(),
        Via: '1.1 google',
        ...headers,
      },
    };
  };
}

function compile(route: Route): CompiledRoute {
  const [count, windowMs] = route.limit ?? [50, 1000];
  const name = route.bucket ?? `${route.method} ${route.path}`;
  return {
    ...route,
    parts: route.path.split('/').filter((part) => part !== ''),
    rate: route.limit === null ? null : { name, count, windowMs },
  };
}

function find(
  routes: readonly CompiledRoute[],
  method: string,
  segments: readonly string[],
): { route: CompiledRoute; params: Record<string, string> } | 'method' | undefined {
  let otherMethod = false;
  for (const route of routes) {
    const params = match(route.parts, segments);
    if (!params) continue;
    if (route.method === method) return { route, params };
    otherMethod = true;
  }
  return otherMethod ? 'method' : undefined;
}

function match(parts: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (parts.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (part.startsWith('{')) params[part.slice(1, -1)] = decode(segments[i]!);
    else if (part !== segments[i]) return undefined;
  }
  return params;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function authorised(account: Account, authorization: string | null): boolean {
  return authorization !== null && /^Bot\s/.test(authorization) && account.accepts(authorization);
}
