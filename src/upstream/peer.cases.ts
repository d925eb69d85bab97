// For tests: peers on 127.0.0.1 for an upstream socket (a `ws` server, and a raw one that may misbehave), and a
// dialled socket that remembers all it was told.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { acceptFor } from './handshake.ts';
import { type DialOptions, dialUpstream, type UpstreamClosed, type UpstreamSocket } from './socket.ts';

/** A dialled socket and what it told. `closed` resolves a turn after the end, so that a second end would show. */
export interface Dialled {
  readonly socket: UpstreamSocket;
  readonly told: string[];
  readonly opened: Promise<void>;
  readonly closed: Promise<UpstreamClosed>;
  /** Resolves when `count` messages have been told. */
  messages(count: number): Promise<string[]>;
}

/** Dials; `onMessage` is called after each message was remembered. */
export function dial(
  url: string,
  options: Partial<DialOptions> = {},
  onMessage: (socket: UpstreamSocket) => void = () => {},
): Dialled {
  const told: string[] = [];
  const texts: string[] = [];
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<UpstreamClosed>();
  const waiting: { count: number; resolve: (texts: string[]) => void }[] = [];
  let ends = 0;
  const socket = dialUpstream({
    url,
    transport: 'none',
    connectTimeoutMs: 10_000,
    clock: systemClock,
    random: systemRandom,
    events: {
      onOpen() {
        told.push('open');
        opened.resolve();
      },
      onMessage(bytes, start, end) {
        const text = bytes.toString('utf8', start, end);
        told.push(`message ${text.length > 60 ? text.length : text}`);
        texts.push(text);
        for (const { count, resolve } of waiting) if (texts.length === count) resolve([...texts]);
        onMessage(socket);
      },
      onClosed(info) {
        told.push('closed');
        if (++ends > 1) closed.reject(new Error('closed twice'));
        else setTimeout(() => closed.resolve(info), 5);
      },
    },
    ...options,
  });
  return {
    socket,
    told,
    opened: opened.promise,
    closed: closed.promise,
    messages: (count) =>
      texts.length >= count
        ? Promise.resolve([...texts])
        : new Promise((resolve) => waiting.push({ count, resolve })),
  };
}

export interface Peer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

function urlOf(
  server: { address(): AddressInfo | string | null },
  scheme = 'ws',
): { url: string; port: number } {
  const { port } = server.address() as AddressInfo;
  return { url: `${scheme}://127.0.0.1:${port}`, port };
}

/** A `ws` server; `onSocket` gets each connection and the request's path. */
export async function openPeer(onSocket: (socket: WebSocket, target: string) => void): Promise<Peer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket, request) => onSocket(socket, request.url ?? ''));
  await once(server, 'listening');
  return {
    ...urlOf(server),
    async [Symbol.asyncDispose]() {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The same over TLS, with a certificate for 127.0.0.1. */
export async function openSecurePeer(
  certificate: Certificate,
  onSocket: (socket: WebSocket) => void,
): Promise<Peer> {
  const https = createHttpsServer({ key: certificate.key, cert: certificate.cert });
  const server = new WebSocketServer({ server: https });
  server.on('connection', onSocket);
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  return {
    ...urlOf(https, 'wss'),
    async [Symbol.asyncDispose]() {
      for (const client of server.clients) client.terminate();
      https.closeAllConnections();
      await new Promise((resolve) => https.close(resolve));
    },
  };
}

async function listen(server: Server): Promise<Peer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...urlOf(server),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A TCP server that says nothing by itself. */
export function openSilentPeer(onSocket: (socket: Socket) => void = () => {}): Promise<Peer> {
  return listen(createServer({ allowHalfOpen: true }, onSocket));
}

/** A TCP server that reads the upgrade and hands over the socket and the answer that would be right. */
export function openRawPeer(onRequest: (socket: Socket, answer: Buffer) => void): Promise<Peer> {
  return openSilentPeer((socket) => {
    let request = '';
    const onData = (bytes: Buffer): void => {
      request += bytes.toString('latin1');
      if (!request.endsWith('\r\n\r\n')) return;
      socket.off('data', onData);
      const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(request)?.[1] ?? '';
      onRequest(
        socket,
        Buffer.from(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
            `Sec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`,
        ),
      );
    };
    socket.on('data', onData);
  });
}

/** Waits until `holds`, for at most a second of turns. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 1000;
  while (!holds() && performance.now() < deadline) await turn();
  assert.ok(holds(), 'waited in vain');
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** A self-signed certificate for 127.0.0.1, or undefined where there is no openssl. */
export function makeCertificate(): Certificate | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'));
  const key = join(folder, 'key.pem');
  const cert = join(folder, 'cert.pem');
  try {
    execFileSync(
      'openssl',
      // biome-ignore format: one option and its value after another
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-subj', '/CN=holdfast-test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
      { stdio: 'ignore' },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
