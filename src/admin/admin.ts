// The operator's way into a running daemon: HTTP on a Unix socket that only the daemon's own user can open.
// It shows the status and runs named actions, both handed in; it knows nothing of how they work. It is not
// for handlers, and nothing on it is needed for the bot to run: if it cannot be opened, the daemon goes on.

import * as fs from 'node:fs';
import * as http from 'node:http';
import { OperatingError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { prepareSocketPath } from './socket-path.ts';

export { callAdmin } from './client.ts';

export interface AdminOptions {
  readonly stateDir: string;
  /** What GET /status answers; called for each request. */
  status(): unknown;
  /** What POST /actions/<name> runs, with the request's JSON body, or undefined without one. */
  readonly actions: Readonly<Record<string, (body: unknown) => Promise<unknown>>>;
  readonly log: Log;
}

export interface Admin {
  /** Where it listens; undefined while it could not be opened. */
  path(): string | undefined;
  /** Opens the socket anew, after the state folder was lost and made again. */
  reopen(): Promise<void>;
  /** Call it before the state folder's lock is released: closing removes the socket from the folder. */
  close(): Promise<void>;
}

const BODY_BYTES_MAX = 1024 * 1024;

/** Opens the admin socket of a state folder whose lock is held. */
export async function createAdmin(options: AdminOptions): Promise<Admin> {
  const { log } = options;
  let server: http.Server | undefined;
  let socketPath: string | undefined;

  const open = async (): Promise<void> => {
    try {
      socketPath = prepareSocketPath(options.stateDir);
      // The lock is held, so whatever lies here was left by a process that is gone.
      fs.rmSync(socketPath, { force: true });
      server = http.createServer((request, response) => void answer(request, response, options));
      await listenPrivately(server, socketPath);
    } catch (error) {
      log.error('admin.failed', { error: (error as Error).message }, 'holdfast status will not work');
      server = undefined;
      socketPath = undefined;
    }
  };
  const close = (): Promise<void> => {
    const closing = server;
    server = undefined;
    if (!closing) return Promise.resolve();
    return new Promise((resolve) => {
      closing.close(() => resolve());
      closing.closeIdleConnections();
      // An action's own answer may still be on its way; nothing else is worth waiting for.
      setTimeout(() => closing.closeAllConnections(), CLOSE_MS).unref();
    });
  };

  await open();
  return {
    path: () => socketPath,
    async reopen() {
      await close();
      await open();
    },
    close,
  };
}

const CLOSE_MS = 500;

/** Binds with a umask under which nobody else can open the socket, not even for a moment. */
function listenPrivately(server: http.Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const umask = process.umask(0o177);
    try {
      server.listen(socketPath, resolve);
    } finally {
      process.umask(umask);
    }
  });
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  options: AdminOptions,
): Promise<void> {
  const { method, url = '/' } = request;
  const send = (status: number, body: unknown): void => {
    const bytes = Buffer.from(JSON.stringify(body ?? null));
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
    response.end(bytes);
  };
  try {
    if (method === 'GET' && url === '/healthz') return send(200, { ok: true });
    if (method === 'GET' && url === '/status') return send(200, await options.status());
    const name = /^\/actions\/([a-z-]+)$/.exec(url)?.[1];
    if (method === 'POST' && name !== undefined && Object.hasOwn(options.actions, name)) {
      const body = await readJson(request);
      options.log.info('admin.asked', { action: name });
      return send(200, await options.actions[name]!(body));
    }
    const known = Object.keys(options.actions).map((action) => `POST /actions/${action}`);
    const expected = ['GET /healthz', 'GET /status', ...known].join(', ');
    send(404, { error: { code: 'USAGE', message: `found ${method} ${url}, expected one of ${expected}` } });
  } catch (error) {
    const code = error instanceof OperatingError ? error.code : undefined;
    if (code === undefined)
      options.log.error('admin.action-failed', { url, error: (error as Error).message });
    send(code === undefined ? 500 : 409, { error: { code, message: (error as Error).message } });
  }
}

async function readJson(request: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw new OperatingError('USAGE', `the body is over ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    throw new OperatingError('USAGE', `the body is not JSON: ${(error as Error).message}`);
  }
}
