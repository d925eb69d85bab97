// Which headers pass in each direction, and how an answer of Discord's reaches the handler: byte for byte, so
// that its library sees what it would see without us.

import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import type { AnswerHeaders } from './egress.ts';

/** What a handler may say to Discord. Everything else (Host, cookies, its User-Agent) is ours to say. */
const REQUEST_HEADERS = [
  'accept',
  'accept-encoding',
  'accept-language',
  'content-type',
  'x-audit-log-reason',
  'x-ratelimit-precision',
] as const;

/**
 * What Discord says and a handler must not hear: what concerns one connection only, and what would make a
 * client believe things about our address (HTTP/3 there, TLS only, cookies).
 */
const ANSWER_HEADERS_DROPPED = new Set([
  'alt-svc',
  'connection',
  'keep-alive',
  'nel',
  'proxy-authenticate',
  'proxy-connection',
  'report-to',
  'set-cookie',
  'strict-transport-security',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The handler's headers that go on to Discord. */
export function requestHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of REQUEST_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string') passed[name] = value;
  }
  return passed;
}

/** Sends Discord's answer on. A body that breaks off breaks off for the handler too. */
export function relayAnswer(
  response: ServerResponse,
  answer: { status: number; headers: AnswerHeaders; body: Readable | Buffer },
): void {
  const { body } = answer;
  if (response.destroyed) {
    if (!Buffer.isBuffer(body)) body.destroy();
    return;
  }
  for (const [name, value] of answer.headers) {
    if (!ANSWER_HEADERS_DROPPED.has(name)) response.setHeader(name, value);
  }
  // A collected body may have been cut at its bound, so Discord's count may not be ours.
  if (Buffer.isBuffer(body)) response.setHeader('content-length', body.length);
  response.writeHead(answer.status);
  if (Buffer.isBuffer(body)) response.end(body);
  else pipeline(body, response, () => {});
}
