// One port for everything: the gateway by WebSocket upgrade on any path, REST under /api, levers under /control. It can
// stop listening for a while, as a host that is down does.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { carry, gatewayQuery } from './gateway-socket.ts';
import { readBody } from './http-body.ts';
import type { Discord } from './rules/discord.ts';

export interface Listener {
  /** The port it listens on. */
  readonly port: number;
  /**
   * Refuses connections for `ms`: `close` really closes the listening socket (clients see ECONNREFUSED), `rst` accepts
   * and resets. Open connections stay. The levers over HTTP are refused too.
   */
  refuse(ms: number, how: 'close' | 'rst'): Promise<void>;
  /** Drops every connection and stops listening. */
  close(): Promise<void>;
}

type ControlHandler = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>;

/** More than any message the rules accept; `ws` would answer a larger one with 1009 instead of 4002. */
const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;

export async function openListener(context: {
  discord: Discord;
  control: ControlHandler;
  host: string;
  port: number;
}): Promise<Listener> {
  const { discord, control, host } = context;
  const sockets = new Set<Socket>();
  let refusing: 'rst' | undefined;
  let reopening: NodeJS.Timeout | undefined;

  const server = createServer((request, response) => {
    serve(discord, control, request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 65_000;
  server.prependListener('connection', (socket: Socket) => {
    socket.setNoDelay(true);
    if (refusing === 'rst') return void socket.resetAndDestroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    clientTracking: false,
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    if (discord.faults.strike('http-502')) {
      return void socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    }
    const query = gatewayQuery(request.url ?? '/');
    webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) =>
      carry(discord, webSocket, socket, query),
    );
  });

  await listen(server, host, context.port);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async refuse(ms, how) {
      clearTimeout(reopening);
      if (how === 'rst') {
        refusing = 'rst';
        reopening = setTimeout(() => {
          refusing = undefined;
        }, ms);
        return;
      }
      server.close();
      reopening = setTimeout(() => {
        listen(server, host, port).catch(() => {});
      }, ms);
    },
    async close() {
      clearTimeout(reopening);
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function serve(
  discord: Discord,
  control: ControlHandler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://discord.invalid');
  if (url.pathname.startsWith('/control/')) return control(request, response, url);
  const api = /^\/api(?:\/v(\d+))?(\/.*)?$/.exec(url.pathname);
  if (!api) {
    response.writeHead(404, { 'content-type': 'text/plain' });
    return void response.end(
      'Discord in a box: REST is under /api, the gateway is a WebSocket, levers are under /control/.\n',
    );
  }
  const body = await readBody(request);
  const answer = discord.rest({
    method: request.method ?? 'GET',
    path: api[2] ?? '/',
    version: api[1] === undefined ? 10 : Number(api[1]),
    query: url.searchParams,
    authorization: request.headers.authorization ?? null,
    ...body,
  });
  if (answer.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, answer.delayMs));
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body ?? undefined);
}
