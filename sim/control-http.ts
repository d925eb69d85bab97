// The levers over HTTP, for tests in other processes and other languages: `POST /control/<lever>` with a JSON object,
// `GET /control/state`, and the truth log as lines. From this machine only.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBytes } from './http-body.ts';
import { isObject } from './rules/json.ts';
import type { Truth } from './rules/truth.ts';

const LOOPBACK = /^(?:::1|(?:::ffff:)?127(?:\.\d+){3})$/;

const READABLE: ReadonlySet<string> = new Set(['state', 'guilds']);

/** Answers requests under `/control`. `control` is the table of levers; `token` is asked for as a bearer when set. */
export function createControlHttp(context: {
  control: object;
  truth: Truth;
  token: string | undefined;
}): (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void> {
  const { control, truth, token } = context;
  return async (request, response, url) => {
    if (!LOOPBACK.test(request.socket.remoteAddress ?? ''))
      return answer(response, 403, { error: 'loopback only' });
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`)
      return answer(response, 401, { error: 'the control token is needed' });
    const name = url.pathname.slice('/control/'.length);
    if (request.method === 'GET' && name === '')
      return answer(response, 200, { levers: leverNames(control) });
    if (request.method === 'GET' && name === 'truth') return writeTruth(response, truth, url.searchParams);
    // A browser may read, but not pull.
    if (request.method !== 'POST' && !READABLE.has(name))
      return answer(response, 405, { error: `POST /control/${name}` });
    const lever = findLever(control, name);
    if (!lever) return answer(response, 404, { error: `no such lever: ${name}; GET /control/ lists them` });
    try {
      const text = (await readBytes(request)).toString();
      const order: unknown = text === '' ? {} : JSON.parse(text);
      if (!isObject(order)) return answer(response, 400, { error: 'expected a JSON object' });
      answer(response, 200, (await lever(order)) ?? { ok: true });
    } catch (error) {
      // What a lever refuses (an unknown guild, a missing field) is the caller's to mend.
      answer(response, error instanceof RangeError ? 404 : 400, { error: String(error) });
    }
  };
}

type Lever = (order: object) => unknown;

function findLever(control: object, name: string): Lever | undefined {
  let found: unknown = control;
  for (const key of name.split('/'))
    found = isObject(found) && Object.hasOwn(found, key) ? found[key] : undefined;
  return typeof found === 'function' ? (found as Lever) : undefined;
}

function leverNames(control: object): string[] {
  return Object.entries(control).flatMap(([key, value]) =>
    isObject(value) ? leverNames(value).map((name) => `${key}/${name}`) : [key],
  );
}

/** Rows from `since` on, one a line; each has its cursor, so the next `since` is the last one's plus 1. */
function writeTruth(response: ServerResponse, truth: Truth, query: URLSearchParams): void {
  const { rows, next, missed } = truth.since(
    Number(query.get('since') ?? 0),
    Number(query.get('limit') ?? 100_000),
  );
  response.writeHead(200, {
    'content-type': 'application/x-ndjson',
    'x-next-cursor': String(next),
    'x-missed-rows': String(missed),
  });
  response.end(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
