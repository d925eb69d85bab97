// The tiny parent: it owns the listening socket, so that the listener never closes, and starts the daemon again
// when it dies. It accepts paused sockets and sends them to the daemon; while there is none, they wait here.
// It reads no protocol, holds no state, and has nothing that could crash it.

import { type ChildProcess, fork } from 'node:child_process';
import * as net from 'node:net';
import * as path from 'node:path';
import { ERRORS } from './base/errors.ts';
import type { Log } from './base/log.ts';

export interface ParentOptions {
  /** Where to listen. */
  host: string;
  port: number;
  /** Arguments and environment for the daemon process. */
  arguments: readonly string[];
  environment: NodeJS.ProcessEnv;
  log: Log;
}

/** Sockets that wait for a daemon, and for how long. */
const WAITING_MAX = 2_000;
const WAITING_MS = 25_000;
/** A socket that was sent is taken within this time, or its daemon is dead. */
const HANDING_MS = 10_000;
/** A daemon that lived less than this died young: the pause before the next start grows. */
const YOUNG_MS = 30_000;
const PAUSE_MAX_MS = 3_000;
/** How long the daemon gets to end after SIGTERM before it is killed. */
const STOP_MS = 5_000;

const DAEMON = path.join(import.meta.dirname, `daemon-main${path.extname(import.meta.filename)}`);

/** Exit statuses after which a restart can't help: a person must act. */
const FINAL_EXITS: ReadonlySet<number> = new Set(
  Object.values(ERRORS)
    .filter((row) => !row.restart)
    .map((row) => row.exit),
);

/** How long to wait before the daemon is started again, after `deaths` young deaths in a row. */
export function restartPauseMs(deaths: number): number {
  return deaths <= 1 ? 0 : Math.min(PAUSE_MAX_MS, 250 * 2 ** (deaths - 2));
}

/** Listens and keeps a daemon running. Resolves with the exit status once both have ended for good. */
export async function runParent(options: ParentOptions): Promise<number> {
  const { log } = options;
  const waiting: Array<{ socket: net.Socket; since: number }> = [];
  let daemon: ChildProcess | undefined;
  let ready = false;
  let stopping = false;
  let deaths = 0;

  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    if (ready && daemon?.connected) return hand(socket);
    if (waiting.length >= WAITING_MAX) return void socket.destroy();
    waiting.push({ socket, since: performance.now() });
  });

  /** Sockets that were sent lately: a daemon that dies before it has taken one leaves it with us. */
  const handed = new Set<net.Socket>();

  const hand = (socket: net.Socket): void => {
    handed.add(socket);
    setTimeout(() => handed.delete(socket), HANDING_MS).unref();
    daemon!.send('socket', socket, { keepOpen: false }, (error) => {
      if (error) socket.destroy();
    });
  };

  /** The daemon died: a socket that still has a peer here never left, and waits for the next daemon. */
  const takeBack = (): void => {
    for (const socket of handed) {
      if (socket.remoteAddress === undefined || socket.destroyed) socket.destroy();
      else waiting.push({ socket, since: performance.now() });
    }
    handed.clear();
  };

  const handWaiting = (): void => {
    for (const { socket } of waiting.splice(0)) if (!socket.destroyed) hand(socket);
  };

  const sweep = setInterval(() => {
    const oldest = performance.now() - WAITING_MS;
    while (waiting[0] && waiting[0].since < oldest) waiting.shift()!.socket.destroy();
  }, 1_000);

  try {
    await listen(server, options);
  } catch (error) {
    clearInterval(sweep);
    log.error('parent.listen-failed', {
      host: options.host,
      port: options.port,
      code: (error as NodeJS.ErrnoException).code,
    });
    process.stderr.write(
      `holdfast: cannot listen on ${options.host}:${options.port}: ${(error as Error).message}\n  → ${ERRORS.LISTEN_FAILED.remedy}\n`,
    );
    return ERRORS.LISTEN_FAILED.exit;
  }

  process.stdout.on('error', () => undefined);
  const address = server.address();
  log.info(
    'parent.listening',
    typeof address === 'object' && address ? { host: address.address, port: address.port } : {},
  );
  return new Promise((resolve) => {
    let pause: NodeJS.Timeout | undefined;
    const finish = (status: number): void => {
      clearInterval(sweep);
      clearTimeout(pause);
      for (const { socket } of waiting.splice(0)) socket.destroy();
      server.close();
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
      resolve(status);
    };

    const start = (): void => {
      const startedAt = performance.now();
      ready = false;
      daemon = fork(DAEMON, options.arguments, {
        // glibc gives every thread arenas of its own and keeps what they held: two are enough (bench memory).
        env: { MALLOC_ARENA_MAX: '2', ...options.environment },
        execArgv: [...process.execArgv, '--max-semi-space-size=4'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      daemon.on('message', (message) => {
        if (message !== 'ready') return;
        ready = true;
        handWaiting();
      });
      daemon.on('error', (error) => log.error('parent.daemon-error', { message: error.message }));
      daemon.on('exit', (code, signal) => {
        ready = false;
        daemon = undefined;
        takeBack();
        const livedMs = performance.now() - startedAt;
        deaths = livedMs < YOUNG_MS ? deaths + 1 : 1;
        if (stopping) return finish(code ?? 0);
        if (code !== null && FINAL_EXITS.has(code)) return finish(code);
        const pauseMs = restartPauseMs(deaths);
        if (code === 0) {
          log.info('daemon.restarts', {}, 'the daemon ended as it was asked to, and is started again');
          pause = setTimeout(start, pauseMs);
          return;
        }
        log.warn(
          'daemon.died',
          { code, signal, livedMs: Math.round(livedMs), pauseMs },
          'the daemon ended and is started again; sessions are resumed, handlers wait',
        );
        pause = setTimeout(start, pauseMs);
      });
    };

    const stop = (): void => {
      if (stopping) return;
      stopping = true;
      if (!daemon) return finish(0);
      const child = daemon;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), STOP_MS).unref();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    start();
  });
}

function listen(server: net.Server, where: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: where.host, port: where.port, backlog: 2_048 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
