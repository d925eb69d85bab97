// Real processes for whole-process tests and the demo: Holdfast as a person starts it, and the example bot. Every
// process that is started here is ended here, by its id.

import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import type { Sim } from '../sim/sim.ts';
import type { Dispatched, Redelivered, Witnessed } from '../sim/verdict.ts';
import { callAdmin } from '../src/admin/client.ts';
import type { Status } from '../src/admin/status.ts';

const ROOT = path.join(import.meta.dirname, '..');

/** A line of Holdfast's log. */
export type LogLine = Record<string, unknown> & { event: string; level: string };

/** A running process with its output. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Everything it wrote, both streams. */
  output(): string;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal?: NodeJS.Signals): void;
}

function run(
  file: string,
  arguments_: string[],
  environment: NodeJS.ProcessEnv,
  onLine?: (line: string) => void,
): Running {
  const child = spawn(file, arguments_, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let rest = '';
  const take = (chunk: Buffer): void => {
    output += chunk;
    if (output.length > 4_000_000) output = output.slice(-2_000_000);
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine?.(line);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return {
    child,
    pid: child.pid ?? -1,
    output: () => output,
    ended: new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal ?? 0))),
    kill: (signal = 'SIGKILL') => void child.kill(signal),
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A Holdfast with its own state folder: its parent process, and whichever daemon that runs at the moment. */
export interface HoldfastProcess {
  readonly port: number;
  readonly api: string;
  readonly stateDir: string;
  readonly parent: () => Running;
  readonly lines: LogLine[];
  /** Ranges that the daemons said they deliver once more. */
  redelivered(): Redelivered[];
  status(): Promise<Status>;
  /** The pid of the running daemon; waits for one. */
  daemonPid(): Promise<number>;
  killDaemon(): Promise<void>;
  /** Kills the parent and starts another in its place. */
  replaceParent(): Promise<void>;
  stop(): Promise<number | NodeJS.Signals>;
}

export interface HoldfastSetup {
  api: string;
  token: string;
  stateDir: string;
  port: number;
  settings?: Record<string, string>;
}

/** Starts `holdfast up` on `port`, as a person would. */
export function startHoldfast(setup: HoldfastSetup): HoldfastProcess {
  const lines: LogLine[] = [];
  const environment: NodeJS.ProcessEnv = {
    DISCORD_TOKEN: setup.token,
    HOLDFAST_API: setup.api,
    HOLDFAST_STATE_DIR: setup.stateDir,
    HOLDFAST_LISTEN: `127.0.0.1:${setup.port}`,
    ...setup.settings,
  };
  const start = (): Running =>
    run(process.execPath, [path.join(ROOT, 'bin/holdfast.mjs'), 'up'], environment, (line) => {
      if (!line.startsWith('{')) return;
      lines.push(JSON.parse(line) as LogLine);
    });
  let parent = start();
  const status = async (): Promise<Status> => (await callAdmin(setup.stateDir, 'GET', '/status')) as Status;
  const holdfast: HoldfastProcess = {
    port: setup.port,
    api: `http://127.0.0.1:${setup.port}/api`,
    stateDir: setup.stateDir,
    parent: () => parent,
    lines,
    redelivered: () =>
      lines
        .filter((line) => line.event === 'handler.redelivered')
        .map((line) => ({
          shard: line['shard'] as number,
          after: line['after'] as number,
          upTo: line['upTo'] as number,
        })),
    status,
    async daemonPid() {
      return (await waitFor(
        'a daemon that answers',
        async () => (await status().catch(() => undefined))?.pid,
      )) as number;
    },
    async killDaemon() {
      process.kill(await holdfast.daemonPid(), 'SIGKILL');
    },
    async replaceParent() {
      parent.kill('SIGKILL');
      await parent.ended;
      parent = start();
    },
    stop() {
      parent.kill('SIGTERM');
      return parent.ended;
    },
  };
  return holdfast;
}

/**
 * The example bot, witnessed: each start is another process that appends to the same file. A bot that dies by itself
 * is started again, as a process manager would (discord.js 14 throws when a connection is cut in mid-handshake).
 */
export interface BotProcess {
  start(): void;
  running(): Running | undefined;
  /** Kills the bot as it stands. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  witnessed(): Witnessed[];
  /** Whether the running process has said that it is ready. */
  isReady(): boolean;
}

/** Prepares the example bot against `api`. */
export function createBot(options: { api: string; token: string; witnessFile: string }): BotProcess {
  let running: Running | undefined;
  let wanted = false;
  const bot: BotProcess = {
    start() {
      wanted = true;
      const started = run(
        process.execPath,
        ['--import', path.join(ROOT, 'sim/witness.mjs'), path.join(ROOT, 'examples/discord.js/bot.js')],
        { DISCORD_API: options.api, DISCORD_TOKEN: options.token, WITNESS_FILE: options.witnessFile },
      );
      running = started;
      void started.ended.then(() => {
        setTimeout(() => {
          if (wanted && running === started) bot.start();
        }, 200);
      });
    },
    running: () => running,
    async kill(signal = 'SIGKILL') {
      wanted = false;
      running?.kill(signal);
      await running?.ended;
    },
    witnessed() {
      if (!fs.existsSync(options.witnessFile)) return [];
      return fs
        .readFileSync(options.witnessFile, 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => JSON.parse(line) as Witnessed);
    },
    isReady: () => running?.output().includes('ready as') ?? false,
  };
  return bot;
}

/** What the simulator dispatched, for the judge. */
export function truthOf(sim: Sim): Dispatched[] {
  return sim.truth.since(0).rows.filter((row) => row.kind === 'dispatch') as Dispatched[];
}

/** Polls until `attempt` gives a truthy value; throws naming what was waited for. */
export async function waitFor<T>(
  what: string,
  attempt: () => T | Promise<T>,
  timeoutMs = 30_000,
): Promise<NonNullable<T>> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const value = await attempt();
    if (value) return value;
    if (Date.now() > until) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
