// The daemon as a process: started by the parent, which sends it accepted sockets, or by systemd, which hands it
// a listening descriptor. Turns signals and the loss of the parent into an orderly end, and faults into a death
// that the parent answers with a restart.

import type { Socket } from 'node:net';
import { OperatingError } from './base/errors.ts';
import { createLog } from './base/log.ts';
import type { Config } from './config/config.ts';
import { inheritConfig } from './config/inherit.ts';
import { type Daemon, startDaemon } from './daemon.ts';

/** The first descriptor that systemd passes (sd_listen_fds). */
const FIRST_LISTEN_FD = 3;

/** Runs a daemon until it ends; resolves with its exit status. `listenFd` is for when there is no parent. */
export function runDaemon(config: Config, listenFd: number | undefined): Promise<number> {
  const log = createLog({
    level: config.logLevel,
    now: () => Date.now(),
    write: (line) => process.stdout.write(`${line}\n`),
  });
  // Whoever read the log may go away; that is no reason to end.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  return new Promise((resolve) => {
    // Sockets may come before the daemon is ready; they wait for it here.
    const early: Socket[] = [];
    let daemon: Daemon | undefined;
    const accept = (message: unknown, socket: unknown): void => {
      if (message !== 'socket' || !socket) return;
      if (daemon) daemon.accept(socket as Socket);
      else early.push(socket as Socket);
    };
    const stop = async (): Promise<void> => {
      await daemon?.stop();
      resolve(0);
    };
    process.on('message', accept);
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    process.on('disconnect', () => {
      log.warn(
        'parent.lost',
        {},
        'the parent is gone and with it the listener: the daemon ends, sessions stay resumable',
      );
      void stop();
    });

    startDaemon({ config, log, onEnd: (error) => resolve(error ? error.exit : 0) })
      .then(async (started) => {
        daemon = started;
        if (listenFd !== undefined) await started.listen({ fd: listenFd });
        for (const socket of early.splice(0)) started.accept(socket);
        process.send?.('ready');
      })
      .catch((error: unknown) => {
        if (!(error instanceof OperatingError)) throw error;
        log.error('daemon.failed', { code: error.code }, `${error.message} → ${error.remedy}`);
        resolve(error.exit);
      });
  });
}

/** The descriptor handed over by systemd's socket activation, if this process was started that way. */
export function inheritedListenFd(environment: NodeJS.ProcessEnv): number | undefined {
  const count = Number(environment['LISTEN_FDS'] ?? 0);
  return Number(environment['LISTEN_PID']) === process.pid && count >= 1 ? FIRST_LISTEN_FD : undefined;
}

if (import.meta.main) {
  const config = inheritConfig(process.env);
  if (!config) throw new Error('daemon-main is started by `holdfast up`');
  process.exit(await runDaemon(config, undefined));
}
