// The HTTP upgrade that opens a WebSocket (RFC 6455, section 4), as pure functions: the request to send, and the
// verdict on the answer. No extension is offered (permessage-deflate would hide the gateway's own compression),
// so none may be accepted. Sends nothing itself.

import { createHash } from 'node:crypto';
import type { Transport } from '../wire/codec.ts';
import { GATEWAY_VERSION } from '../wire/opcode.ts';

/** A longer answer than this is not an answer to an upgrade. */
export const RESPONSE_HEAD_MAX = 16 * 1024;

const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const HEAD_END = Buffer.from('\r\n\r\n');

/** Where to connect. `host` has no brackets around an IPv6 address; `target` is path and query. */
export interface Endpoint {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  readonly target: string;
  /** Value of the Host header. */
  readonly authority: string;
}

/**
 * Reads a gateway base URL (`ws://` or `wss://`, with or without path and query: both forms are handed out) and
 * sets `v`, `encoding` and, for a compressing transport, `compress`. Undefined when it is not such a URL.
 */
export function gatewayEndpoint(url: string, transport: Transport): Endpoint | undefined {
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'ws:' && parsed.protocol !== 'wss:')) return undefined;
  const secure = parsed.protocol === 'wss:';
  parsed.searchParams.set('v', String(GATEWAY_VERSION));
  parsed.searchParams.set('encoding', 'json');
  parsed.searchParams.delete('compress');
  if (transport !== 'none') parsed.searchParams.set('compress', transport);
  return {
    secure,
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port),
    target: parsed.pathname + parsed.search,
    authority: parsed.host,
  };
}

/** The upgrade request. `key` is 16 random bytes in base64. */
export function buildUpgrade(endpoint: Endpoint, key: string): string {
  return [
    `GET ${endpoint.target} HTTP/1.1`,
    `Host: ${endpoint.authority}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    '',
    '',
  ].join('\r\n');
}

/** The proof a server must return for `key`. */
export function acceptFor(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64');
}

/**
 * Looks for a whole response head in `bytes[0, length)`: the offset after it, 0 when more bytes are needed.
 */
export function responseHeadEnd(bytes: Buffer, length: number): number {
  const at = bytes.subarray(0, length).indexOf(HEAD_END);
  return at === -1 ? 0 : at + HEAD_END.length;
}

/** Judges a whole response head. Undefined when the upgrade succeeded, else a readable reason (`http 502`). */
export function refuseUpgrade(head: string, key: string): string | undefined {
  const [statusLine = '', ...lines] = head.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) return 'not an http response';
  if (status !== '101') return `http ${status}`;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  if (headers.get('upgrade')?.toLowerCase() !== 'websocket') return 'bad upgrade: no websocket';
  const connection = (headers.get('connection') ?? '').toLowerCase().split(/\s*,\s*/);
  if (!connection.includes('upgrade')) return 'bad upgrade: connection not upgraded';
  if (headers.get('sec-websocket-accept') !== acceptFor(key)) return 'bad upgrade: wrong accept';
  if (headers.has('sec-websocket-extensions')) return 'bad upgrade: extension not asked for';
  if (headers.has('sec-websocket-protocol')) return 'bad upgrade: protocol not asked for';
  return undefined;
}
