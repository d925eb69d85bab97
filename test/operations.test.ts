// What an operator may do to a running Holdfast, with real processes: stop it, start it twice, lose or damage its
// files, run it under systemd's socket activation. In every case sessions are kept and a clear word is said.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { type Sim, type SimOptions, startSim } from '../sim/sim.ts';
import { callAdmin } from '../src/admin/client.ts';
import type { Status } from '../src/admin/status.ts';
import {
  type BotProcess,
  createBot,
  freePort,
  type HoldfastProcess,
  startHoldfast,
  waitFor,
} from './processes.ts';

const SHARDS = 2;
const ROOT = path.join(import.meta.dirname, '..');

/** A simulator, a Holdfast that is up with its sessions, and a bot that is not started. */
async function setUp(settings: Record<string, string> = {}, rules: SimOptions = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-operations-'));
  const sim = await startSim({
    shards: SHARDS,
    guilds: 4,
    maxConcurrency: SHARDS,
    identifyIntervalMs: 300,
    seed: 3,
    ...rules,
  });
  const setup = {
    api: `${sim.restUrl}/api`,
    token: sim.token,
    stateDir: path.join(folder, 'state'),
    port: await freePort(),
    settings: { HOLDFAST_IDENTIFY_SPACING: '350ms', HOLDFAST_INTENTS: 'UNPRIVILEGED', ...settings },
  };
  const running: HoldfastProcess[] = [];
  const bot = createBot({
    api: `http://127.0.0.1:${setup.port}/api`,
    token: sim.token,
    witnessFile: path.join(folder, 'witness'),
  });
  const world = {
    sim,
    setup,
    bot,
    /** Starts a Holdfast on the folder and waits until every session is live. */
    async start(): Promise<HoldfastProcess> {
      const holdfast = startHoldfast(setup);
      running.push(holdfast);
      await allLive(holdfast);
      return holdfast;
    },
    identifies: () => sim.control.state().counters.identifies,
    async [Symbol.asyncDispose]() {
      await bot.kill();
      for (const holdfast of running) await holdfast.stop();
      await sim.close();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
  return world;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function allLive(holdfast: HoldfastProcess): Promise<void> {
  await waitFor('every shard to be live', async () => {
    const status = await holdfast.status().catch(() => undefined);
    return status?.shards.length === SHARDS && status.shards.every((shard) => shard.phase === 'live');
  }).catch((error) => {
    console.error(holdfast.parent().output().slice(-3_000));
    throw error;
  });
}

async function botReady(sim: Sim, bot: BotProcess): Promise<void> {
  if (!bot.running()) bot.start();
  await waitFor('the bot to be ready', () => bot.isReady()).catch((error) => {
    console.error(bot.running()?.output(), JSON.stringify(sim.control.state().counters));
    throw error;
  });
}

const sees = (holdfast: HoldfastProcess, event: string) =>
  waitFor(`the log to say ${event}`, () => holdfast.lines.find((line) => line.event === event), 10_000);

describe('operations', () => {
  it('ends in under two seconds on SIGTERM and resumes everything at the next start', async () => {
    await using world = await setUp();
    const first = await world.start();
    const startedAt = Date.now();
    assert.equal(await first.stop(), 0);
    assert.ok(Date.now() - startedAt < 2_000, `took ${Date.now() - startedAt} ms`);
    await world.start();
    assert.equal(world.identifies(), SHARDS);
    assert.equal(world.sim.control.state().counters.resumes.ok, SHARDS);
  });

  it('refuses a second daemon on the same folder with exit 75, naming the holder', async () => {
    await using world = await setUp();
    const holdfast = await world.start();
    const second = startHoldfast({ ...world.setup, port: await freePort() });
    assert.equal(await second.parent().ended, 75);
    assert.match(second.parent().output(), new RegExp(`pid ${await holdfast.daemonPid()}`));
    await allLive(holdfast);
  });

  it('refuses an address that is taken with exit 76', async () => {
    await using world = await setUp();
    await world.start();
    const second = startHoldfast({ ...world.setup, stateDir: `${world.setup.stateDir}-2` });
    assert.equal(await second.parent().ended, 76);
  });

  it('names every mistake of a configuration at once and exits with 78', () => {
    const result = spawnSync(process.execPath, [path.join(ROOT, 'bin/holdfast.mjs'), 'up'], {
      encoding: 'utf8',
      env: {
        ...process.env,
        HOLDFAST_SHARDS: 'many',
        HOLDFAST_JOURNAL_MAX_AGE: 'soon',
        DISCORD_TOKEN: 'no.token.x',
      },
    });
    assert.equal(result.status, 78);
    for (const word of ['HOLDFAST_SHARDS', 'HOLDFAST_JOURNAL_MAX_AGE', 'DISCORD_TOKEN'])
      assert.match(result.stderr, new RegExp(word));
    assert.doesNotMatch(result.stderr, /no\.token\.x/);
  });

  it('never shows the token in a log, in status, or in the state folder', async () => {
    await using world = await setUp({ HOLDFAST_LOG_LEVEL: 'debug' });
    const holdfast = await world.start();
    await botReady(world.sim, world.bot);
    const secret = world.sim.token.split('.').slice(1).join('.');
    assert.ok(!holdfast.parent().output().includes(secret));
    assert.ok(!JSON.stringify(await holdfast.status()).includes(secret));
    await holdfast.stop();
    const found = spawnSync('grep', ['-rl', secret, world.setup.stateDir], { encoding: 'utf8' });
    assert.equal(found.stdout, '');
  });

  it('makes a vanished state folder again, says so, and keeps the sessions through a kill', async () => {
    await using world = await setUp();
    const holdfast = await world.start();
    fs.rmSync(world.setup.stateDir, { recursive: true });
    await sees(holdfast, 'state-folder.vanished');
    await allLive(holdfast);
    const resumed = world.sim.control.state().counters.resumes.ok;
    process.kill((await holdfast.status()).pid, 'SIGKILL');
    await waitFor(
      'every session to be resumed',
      () => world.sim.control.state().counters.resumes.ok === resumed + SHARDS,
    );
    assert.equal(world.identifies(), SHARDS);
  });

  it('keeps sessions when the journal is damaged', async () => {
    await using world = await setUp();
    const first = await world.start();
    world.sim.control.crowd.start({ eventsPerSecond: 100 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await first.stop();
    world.sim.control.crowd.stop();
    const journal = path.join(world.setup.stateDir, 'journal');
    for (const name of fs.readdirSync(journal)) {
      const file = path.join(journal, name);
      const size = fs.statSync(file).size;
      const handle = fs.openSync(file, 'r+');
      fs.writeSync(
        handle,
        Buffer.alloc(Math.min(4_096, size), 0x5a),
        0,
        Math.min(4_096, size),
        Math.floor(size / 3),
      );
      fs.closeSync(handle);
    }
    const second = await world.start();
    // Behind the last sync it is cut and sent again by Discord; before it, it is a counted gap.
    await waitFor('the damage to be told', () =>
      second.lines.some((line) => line.event === 'journal.damaged' || line.event === 'journal.cut'),
    );
    assert.equal(world.identifies(), SHARDS);
  });

  it('keeps sessions when the journal is gone', async () => {
    await using world = await setUp();
    const first = await world.start();
    await first.stop();
    fs.rmSync(path.join(world.setup.stateDir, 'journal'), { recursive: true });
    await world.start();
    assert.equal(world.identifies(), SHARDS);
  });

  it('sets a damaged state database aside, and serves a fresh bot all the same', async () => {
    await using world = await setUp();
    const first = await world.start();
    await first.stop();
    for (const name of fs.readdirSync(world.setup.stateDir)) {
      if (name.startsWith('state.db'))
        fs.writeFileSync(path.join(world.setup.stateDir, name), 'this is no database'.repeat(500));
    }
    await world.start();
    await botReady(world.sim, world.bot);
    assert.ok(world.identifies() <= 2 * SHARDS, 'at most one IDENTIFY per shard is paid for the lost state');
  });

  it('runs on a listening socket of systemd, without a parent', async () => {
    await using world = await setUp();
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const environment = {
      ...process.env,
      ...world.setup.settings,
      DISCORD_TOKEN: world.setup.token,
      HOLDFAST_API: world.setup.api,
      HOLDFAST_STATE_DIR: world.setup.stateDir,
      LISTEN_FDS: '1',
    };
    // A shell in systemd's place: it holds the socket and starts the daemon again whenever it ends.
    const command = `while :; do sh -c 'LISTEN_PID=$$ exec "${process.execPath}" "${path.join(ROOT, 'bin/holdfast.mjs')}" up'; done`;
    const manager = spawn('sh', ['-c', command], {
      stdio: ['ignore', 'ignore', 'inherit', fd],
      env: environment,
    });
    // Ours must not accept what is meant for the daemon.
    server.close();
    const daemonPid = async (): Promise<number> =>
      (
        (await waitFor('the daemon', () =>
          callAdmin(world.setup.stateDir, 'GET', '/status').catch(() => undefined),
        )) as Status
      ).pid;
    const bot = createBot({
      api: `http://127.0.0.1:${port}/api`,
      token: world.sim.token,
      witnessFile: `${world.setup.stateDir}.witness`,
    });
    try {
      await daemonPid();
      bot.start();
      await waitFor('the bot to be ready', () => bot.isReady());
      process.kill(await daemonPid(), 'SIGKILL');
      await waitFor('the bot to resume', () => bot.running()?.output().includes('resumed'));
      assert.equal(world.identifies(), SHARDS);
    } finally {
      await bot.kill();
      manager.kill('SIGKILL');
      const pid = await daemonPid();
      process.kill(pid, 'SIGTERM');
      await waitFor('the daemon to end', () => !isRunning(pid));
    }
  });

  it('ends with 77 when Discord refuses the token, and says who must do what', async () => {
    await using world = await setUp();
    const holdfast = await world.start();
    world.sim.control.resetToken();
    assert.equal(await holdfast.parent().ended, 77);
    assert.match(holdfast.parent().output(), /Developer Portal/);
  });

  it('ends with 79 when the intents are not allowed, having spent one IDENTIFY per shard at most', async () => {
    await using world = await setUp({ HOLDFAST_INTENTS: 'ALL' }, { allowedIntents: 1 });
    const holdfast = startHoldfast(world.setup);
    assert.equal(await holdfast.parent().ended, 79);
    assert.ok(world.identifies() <= SHARDS);
  });

  for (const compression of ['zstd-stream', 'none']) {
    it(`holds a bot with compression ${compression}`, async () => {
      await using world = await setUp({ HOLDFAST_COMPRESSION: compression });
      await world.start();
      await botReady(world.sim, world.bot);
      world.sim.control.cut({ shards: 'all', how: 'fin' });
      await waitFor(
        'every session to be resumed',
        () => world.sim.control.state().counters.resumes.ok === SHARDS,
      );
      assert.equal(world.identifies(), SHARDS);
    });
  }

  it('changes shard count and intents only on the operator’s word', async () => {
    await using world = await setUp();
    const holdfast = await world.start();
    const command = (...words: string[]) =>
      spawnSync(
        process.execPath,
        [path.join(ROOT, 'bin/holdfast.mjs'), ...words, '--state-dir', world.setup.stateDir],
        { encoding: 'utf8' },
      );
    const price = command('reidentify');
    assert.notEqual(price.status, 0);
    assert.match(price.stdout + price.stderr, new RegExp(`${SHARDS}`));
    assert.equal(world.identifies(), SHARDS);
    const done = command('reidentify', '--yes');
    assert.equal(done.status, 0, done.stderr);
    await waitFor('new sessions', () => world.identifies() === 2 * SHARDS);
    await allLive(holdfast);
  });
});
