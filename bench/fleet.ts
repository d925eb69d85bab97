// A Holdfast with many shards on a simulator process, for the benchmarks that need no handler.

import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { Status } from '../src/admin/status.ts';
import { freePort, type HoldfastProcess, startHoldfast, waitFor } from '../test/processes.ts';
import { type Part, pin, startPart } from './process.ts';

/** Whether all that was written is in the state. */
export function isFolded({ state }: Status): boolean {
  return state.backlog === 0 && state.unreadBytes === 0;
}

export interface BenchFleet {
  readonly sim: Part;
  readonly holdfast: HoldfastProcess;
  readonly shards: number;
  counters(): Promise<{ identifies: number; resumes: number; lastResumeAt: number }>;
  /** Waits until every shard is live. */
  live(): Promise<void>;
  /** Waits until all that came is in the state. */
  folded(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts both and waits for the first READYs. */
export async function startFleet(options: {
  shards: number;
  guildsPerShard: number;
  guildKb: number;
}): Promise<BenchFleet> {
  const { shards } = options;
  const sim = startPart(
    path.join(import.meta.dirname, 'sim-process.ts'),
    {
      ...options,
      maxConcurrency: shards,
      identifyIntervalMs: 100,
      sendBufferMaxBytes: 2 ** 30,
      truthRows: 10_000,
      sessionStartTotal: 10_000,
      sessionStartRemaining: 10_000,
    },
    { core: 1 },
  );
  const { port, token } = await sim.message<{ port: number; token: string }>('port');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-bench-'));
  const holdfast = startHoldfast({
    api: `http://127.0.0.1:${port}/api`,
    token,
    stateDir: path.join(folder, 'state'),
    port: await freePort(),
    settings: {
      HOLDFAST_INTENTS: 'UNPRIVILEGED',
      HOLDFAST_SHARDS: String(shards),
      HOLDFAST_IDENTIFY_SPACING: '150ms',
    },
  });
  pin(await holdfast.daemonPid(), 0);
  const fleet: BenchFleet = {
    sim,
    holdfast,
    shards,
    counters() {
      sim.send('counters');
      return sim.message('counters');
    },
    async live() {
      await waitFor(
        'every shard to be live',
        async () => {
          const status = await holdfast.status().catch(() => undefined);
          return status?.shards.filter((shard) => shard.phase === 'live').length === shards;
        },
        120_000,
      );
    },
    async folded() {
      await waitFor('fold to catch up', async () => isFolded(await holdfast.status()), 180_000);
    },
    async [Symbol.asyncDispose]() {
      await holdfast.stop();
      await sim.end();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
  await fleet.live();
  await fleet.folded();
  return fleet;
}
