// A disk that takes nothing for a while: the bot goes on getting events live, sessions stay resumable from what is on
// disk, and when the disk is back nothing is missing and nothing doubled. The daemon runs in this process, on the real
// disk behind a switch; Discord is the simulator and the bot a real process.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { startSim } from '../sim/sim.ts';
import { judge } from '../sim/verdict.ts';
import { createLog } from '../src/base/log.ts';
import { loadConfig } from '../src/config/config.ts';
import { startDaemon } from '../src/daemon.ts';
import { type Disk, systemDisk } from '../src/store/disk.ts';
import { createBot, type LogLine, truthOf, waitFor } from './processes.ts';

const SHARDS = 2;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The machine's disk, whose journal takes no writes while `full` is true. */
function createSwitchedDisk(): Disk & { full: boolean } {
  const disk = {
    ...systemDisk,
    full: false,
    open(file: string, options?: { create?: boolean }) {
      const handle = systemDisk.open(file, options);
      if (!file.endsWith('.seg')) return handle;
      return {
        ...handle,
        write(...words: Parameters<typeof handle.write>) {
          if (disk.full) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          return handle.write(...words);
        },
      };
    },
  };
  return disk;
}

test('a full disk loses no event: they are delivered live, and written when there is room again', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-full-'));
  await using sim = await startSim({
    shards: SHARDS,
    guilds: 4,
    maxConcurrency: SHARDS,
    identifyIntervalMs: 300,
    seed: 5,
  });
  const disk = createSwitchedDisk();
  const lines: LogLine[] = [];
  const { config } = loadConfig({
    flags: { stateDir: path.join(folder, 'state'), api: `${sim.restUrl}/api`, identifySpacingMs: '350ms' },
    environment: { DISCORD_TOKEN: sim.token },
    cwd: folder,
    home: folder,
  });
  const daemon = await startDaemon({
    config,
    log: createLog({
      level: 'info',
      now: () => Date.now(),
      write: (line) => void lines.push(JSON.parse(line)),
    }),
    disk,
    onEnd: (error) => assert.ifError(error),
  });
  const port = await daemon.listen({ host: '127.0.0.1', port: 0 });
  const bot = createBot({
    api: `http://127.0.0.1:${port}/api`,
    token: sim.token,
    witnessFile: path.join(folder, 'witness'),
  });
  try {
    bot.start();
    await waitFor('the bot to be ready', () => bot.isReady());
    sim.control.crowd.start({ eventsPerSecond: 200 });
    await pause(1_000);

    disk.full = true;
    await waitFor('the trouble to be told', () => lines.some((line) => line.event === 'journal.failing'));
    const before = bot.witnessed().length;
    await pause(1_500);
    assert.ok(bot.witnessed().length > before + 100, 'events go on live while the disk takes nothing');

    // A cut while nothing can be written: RESUME asks from what is on disk, and what comes again is not doubled.
    sim.control.cut({ shards: [0], how: 'rst' });
    await pause(1_000);
    disk.full = false;
    await waitFor('the journal to be written again', () =>
      lines.some((line) => line.event === 'journal.recovered'),
    );
    await pause(1_000);
    sim.control.crowd.stop();
    await pause(1_000);

    const verdict = judge(truthOf(sim), bot.witnessed(), []);
    assert.deepEqual(verdict.findings, []);
    assert.equal(verdict.lost + verdict.duplicated + verdict.reordered, 0);
    assert.equal(sim.control.state().counters.identifies, SHARDS);
  } finally {
    await bot.kill();
    await daemon.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
