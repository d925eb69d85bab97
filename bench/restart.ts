// Question: 164 shards, kill -9 of the daemon: how long until the last shard is RESUMED, what does it cost, and does it
// depend on how much journal and state lie on disk?

import { waitFor } from '../test/processes.ts';
import { startFleet } from './fleet.ts';
import { median, pin } from './process.ts';
import type { Figure } from './report.ts';

const SHARDS = 164;

/** Measures a fleet with hardly anything on disk, and one with half a gigabyte of journal and as much state. */
export async function measureRestart(kills: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [name, guildsPerShard] of [
    ['small', 1],
    ['large', 100],
  ] as const) {
    await using fleet = await startFleet({ shards: SHARDS, guildsPerShard, guildKb: 30 });
    const { journal } = await fleet.holdfast.status();
    const times: number[] = [];
    for (let kill = 0; kill < kills; kill++) {
      const before = await fleet.counters();
      const pid = await fleet.holdfast.daemonPid();
      const killedAt = Date.now();
      process.kill(pid, 'SIGKILL');
      await waitFor(
        'every session to be resumed',
        async () => (await fleet.counters()).resumes >= before.resumes + SHARDS,
        60_000,
      );
      times.push((await fleet.counters()).lastResumeAt - killedAt);
      pin(await fleet.holdfast.daemonPid(), 0);
      await fleet.live();
    }
    const { identifies } = await fleet.counters();
    figures.push(
      { name: `restart.${name}.journal`, value: journal.bytes / 1e6, unit: 'MB on disk' },
      {
        name: `restart.${name}.until-last-resumed`,
        value: median(times),
        unit: 'ms',
        target: 'under 5000',
        all: times,
      },
      {
        name: `restart.${name}.identifies-spent`,
        value: identifies - SHARDS,
        unit: 'IDENTIFYs',
        target: '0',
      },
    );
  }
  return figures;
}
