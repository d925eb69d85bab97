// Processes of a benchmark: started pinned to a core, measured by what the kernel says they used, ended by id.

import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';

/** Clock ticks a second in /proc/<pid>/stat; 100 on every Linux that matters. */
const TICKS_PER_SECOND = 100;

/** CPU time (user and system) of a whole process with all its threads, in microseconds. */
export function cpuUs(pid: number): number {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6;
}

/** CPU time of each thread by name, in microseconds. */
export function threadCpuUs(pid: number): Array<{ name: string; us: number }> {
  return fs.readdirSync(`/proc/${pid}/task`).map((task) => {
    const stat = fs.readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    return { name, us: ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6 };
  });
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  return Number(fs.readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
}

/** Binds a process (all its threads) to a core, where the machine can. */
export function pin(pid: number, core: number): void {
  spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
}

/** A forked benchmark process and the messages it sends. */
export interface Part {
  readonly child: ChildProcess;
  readonly pid: number;
  send(message: string): void;
  /** Resolves with the first message that has this field. */
  message<T extends Record<string, unknown>>(field: string): Promise<T>;
  end(): Promise<void>;
}

/** Forks `file` with `options` as its one JSON argument. */
export function startPart(
  file: string,
  options: unknown,
  settings: { core?: number; node?: string } = {},
): Part {
  const child = fork(file, [JSON.stringify(options)], {
    ...(settings.node ? { execPath: settings.node } : {}),
  });
  const messages: Array<Record<string, unknown>> = [];
  const waiting: Array<{
    field: string;
    resolve: (message: Record<string, unknown>) => void;
    reject: (error: Error) => void;
  }> = [];
  if (settings.core !== undefined && child.pid) pin(child.pid, settings.core);
  child.on('message', (message: Record<string, unknown>) => {
    const at = waiting.findIndex((waiter) => waiter.field in message);
    if (at < 0) messages.push(message);
    else waiting.splice(at, 1)[0]!.resolve(message);
  });
  child.once('exit', (code) => {
    for (const { field, reject } of waiting)
      reject(new Error(`${file} ended with ${code} before it said ${field}`));
  });
  return {
    child,
    pid: child.pid ?? -1,
    send: (message) => void child.send(message),
    message<T extends Record<string, unknown>>(field: string): Promise<T> {
      const at = messages.findIndex((message) => field in message);
      if (at >= 0) return Promise.resolve(messages.splice(at, 1)[0] as T);
      return new Promise((resolve, reject) => {
        waiting.push({ field, resolve: (message) => resolve(message as T), reject });
      });
    },
    async end() {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
