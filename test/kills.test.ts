// The promise, whole: real processes, real sockets, a real discord.js, and kill -9. After every shard's first READY the
// daemon is killed 20 times at random moments, the parent 3 times, the bot 10 times, while people talk throughout.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { startSim } from '../sim/sim.ts';
import { judge } from '../sim/verdict.ts';
import { seededRandom } from '../src/base/random.ts';
import { createBot, freePort, startHoldfast, truthOf, waitFor } from './processes.ts';

const SHARDS = 4;
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('20 kills of the daemon, 3 of the parent and 10 of the bot lose, double and reorder nothing', {
  timeout: 300_000,
}, async (context) => {
  context.diagnostic(`seed ${SEED} (SEED=${SEED} repeats the order and the pauses)`);
  const random = seededRandom(SEED);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-kills-'));
  await using sim = await startSim({
    shards: SHARDS,
    guilds: 12,
    maxConcurrency: SHARDS,
    identifyIntervalMs: 500,
    seed: SEED,
  });
  const holdfast = startHoldfast({
    api: `${sim.restUrl}/api`,
    token: sim.token,
    stateDir: path.join(folder, 'state'),
    port: await freePort(),
    settings: { HOLDFAST_IDENTIFY_SPACING: '600ms' },
  });
  const bot = createBot({ api: holdfast.api, token: sim.token, witnessFile: path.join(folder, 'witness') });
  try {
    await holdfast.daemonPid();
    bot.start();
    await waitFor('the bot to be ready', () => bot.isReady());
    assert.equal(
      sim.control.state().counters.identifies,
      SHARDS,
      'the first start costs one IDENTIFY per shard',
    );
    sim.control.crowd.start({ eventsPerSecond: 100 });

    const acts: Array<() => Promise<void>> = [
      ...Array.from({ length: 20 }, () => () => holdfast.killDaemon()),
      ...Array.from({ length: 3 }, () => () => holdfast.replaceParent()),
      ...Array.from({ length: 10 }, () => async () => {
        await bot.kill('SIGKILL');
        await pause(random.next() * 400);
        bot.start();
      }),
    ];
    while (acts.length > 0) {
      await pause(300 + random.next() * 1_700);
      await acts.splice(Math.floor(random.next() * acts.length), 1)[0]!();
      // Mostly the next blow waits until the last is over; sometimes it falls into the recovery.
      if (random.next() < 0.7) await waitFor('the bot to be ready', () => bot.isReady());
    }
    await waitFor('the bot to be ready', () => bot.isReady());
    await pause(2_000);
    sim.control.crowd.stop();
    await waitFor('the bot to have everything', async () => {
      const status = await holdfast.status().catch(() => undefined);
      return (
        status?.handlers.filter((handler) => handler.state === 'live' && handler.lag === 0).length === SHARDS
      );
    });
    await pause(500);

    const verdict = judge(truthOf(sim), bot.witnessed(), holdfast.redelivered());
    context.diagnostic(
      JSON.stringify({ ...verdict, findings: undefined, resumes: sim.control.state().counters.resumes.ok }),
    );
    assert.deepEqual(verdict.findings, []);
    assert.equal(verdict.lost, 0);
    assert.equal(verdict.duplicated, 0);
    assert.equal(verdict.reordered, 0);
    assert.ok(
      verdict.delivered > 1_000,
      `a run that proves something delivers more than ${verdict.delivered} events`,
    );
    assert.ok(verdict.in_doubt <= 8 * 33, `${verdict.in_doubt} events in doubt are too many for 33 kills`);
    assert.equal(sim.control.state().counters.identifies, SHARDS, 'no IDENTIFY beyond the first start');
  } catch (error) {
    console.error(holdfast.parent().output().slice(-6_000), bot.running()?.output().slice(-2_000));
    throw error;
  } finally {
    await bot.kill();
    await holdfast.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
