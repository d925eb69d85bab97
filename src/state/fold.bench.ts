// Measures what keeping state costs: CPU per journal event for the traffic mix of perf-baselines.md, for state
// events alone, for a backfill, and for a snapshot. Run it: node src/state/fold.bench.ts [events shards guilds]

import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemDisk } from '../store/disk.ts';
import { type Keeper, openKeeper } from './keeper.ts';
import { type TrafficBatch, writeTraffic } from './traffic-fixture.ts';

const [first, ...rest] = process.argv.slice(2);
if (first === 'write') write(rest[0]!, rest.slice(1).map(Number));
else bench([first ?? '900000', rest[0] ?? '16', rest[1] ?? '200']);

function write(directory: string, [events = 0, shards = 0, guildsPerShard = 0]: number[]): void {
  fs.mkdirSync(path.join(directory, 'journal'));
  const batches = writeTraffic(path.join(directory, 'journal'), { events, shards, guildsPerShard });
  fs.writeFileSync(path.join(directory, 'batches.json'), JSON.stringify(batches));
}

function bench(size: string[]): void {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-fold-bench-'));
  // In a process of its own: its garbage must not be collected on the account of what is measured.
  execFileSync(process.execPath, [import.meta.filename, 'write', directory, ...size], { stdio: 'inherit' });
  const batches = JSON.parse(fs.readFileSync(path.join(directory, 'batches.json'), 'utf8')) as TrafficBatch[];
  const keeper = openKeeper({
    databaseFile: path.join(directory, 'state.db'),
    journalDirectory: path.join(directory, 'journal'),
    disk: systemDisk,
    clock: systemClock,
    log: silentLog,
    keepMembers: false,
    keepPresences: false,
  });
  for (const batch of batches) foldBatch(keeper, batch);
  for (let round = 0; round < 3; round++) takeSnapshot(keeper, batches.at(-1)!);
  const { stats } = keeper.status();
  console.log(`${stats.folded} folded, ${stats.commits} commits, ${stats.aside} aside`);
  console.log(
    `database ${mebibytes(fs.statSync(path.join(directory, 'state.db')).size)}, memory ${mebibytes(process.memoryUsage().rss)}`,
  );
  keeper.close();
  fs.rmSync(directory, { recursive: true, force: true });
}

function foldBatch(keeper: Keeper, { name, events, bytes, segment, offset, sequences }: TrafficBatch): void {
  const start = process.cpuUsage();
  const startedAt = performance.now();
  keeper.appended({ segment, offset });
  keeper.setLimits(
    sequences.map((s, shard) => ({ shard, epoch: 1, s })),
    { segment, offset },
  );
  keeper.fold({ durable: true });
  const { user, system } = process.cpuUsage(start);
  const wallUs = (performance.now() - startedAt) * 1000;
  const each = (us: number): string => `${(us / events).toFixed(2)} µs`;
  console.log(
    `${name}: ${events} events of ${(bytes / events).toFixed(0)} bytes: ${each(user + system)} CPU an event (user ${each(user)}), ${each(wallUs)} wall`,
  );
}

function takeSnapshot(keeper: Keeper, { sequences }: TrafficBatch): void {
  let bytes = 0;
  let guilds = 0;
  const start = process.cpuUsage();
  keeper.snapshot(
    { shard: 1, shardCount: 16, sessionId: 'x', resumeUrl: 'y', credit: 1e12, epoch: 1, s: sequences[1]! },
    {
      head(head) {
        guilds = head.guilds;
      },
      chunk(chunk) {
        bytes += chunk.length;
      },
      end() {},
    },
  );
  while (keeper.pump());
  const { user, system } = process.cpuUsage(start);
  console.log(
    `snapshot: ${guilds} guilds, ${mebibytes(bytes)}: ${((user + system) / 1000).toFixed(1)} ms CPU`,
  );
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
