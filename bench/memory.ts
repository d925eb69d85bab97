// Question: how much memory does the daemon take with 164 idle shards, and how much more when each shard has 100 guilds
// of 30 KB?

import { startFleet } from './fleet.ts';
import { residentBytes } from './process.ts';
import type { Figure } from './report.ts';

const SHARDS = 164;
const MIB = 1024 * 1024;

/** Resident memory after things have settled. */
export async function measureMemory(): Promise<Figure[]> {
  const empty = await measure(0);
  const full = await measure(100);
  return [
    { name: 'memory.164-shards-idle', value: empty / MIB, unit: 'MiB resident', target: 'under 110' },
    { name: 'memory.164-shards-16400-guilds', value: full / MIB, unit: 'MiB resident' },
    { name: 'memory.difference', value: (full - empty) / MIB, unit: 'MiB', target: 'at most 60' },
  ];
}

async function measure(guildsPerShard: number): Promise<number> {
  await using fleet = await startFleet({ shards: SHARDS, guildsPerShard, guildKb: 30 });
  const { pid } = await fleet.holdfast.status();
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  return residentBytes(pid);
}
