// `npm run demo`: a simulated Discord, Holdfast, and an ordinary discord.js bot, through a bot restart, a kill -9 of the
// daemon, a cut of every socket, and another bot restart while people talk. Tells it live, ends with a verdict.

import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { type Sim, startSim } from '../sim/sim.ts';
import { judge, type Verdict } from '../sim/verdict.ts';
import {
  type BotProcess,
  createBot,
  freePort,
  type HoldfastProcess,
  startHoldfast,
  truthOf,
  waitFor,
} from '../test/processes.ts';

const SHARDS = 2;
const GUILDS = 6;
const EVENTS_PER_SECOND = 60;
const DEMO_MS_MAX = 58_000;

const json = process.argv.includes('--json');
const colour = process.stdout.isTTY && !process.env['NO_COLOR'];
const startedAt = Date.now();

function tell(text: string, mark = ' '): void {
  if (json) return;
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1).padStart(5);
  console.log(`${colour ? '\x1b[2m' : ''}${seconds}s${colour ? '\x1b[0m' : ''} ${mark} ${text}`);
}

function strike(text: string): void {
  if (!json) console.log('');
  tell(colour ? `\x1b[1m${text}\x1b[0m` : text, '▶');
}

interface Counts {
  identifies: number;
  resumes: number;
  dispatched: number;
}

function counts(sim: Sim): Counts {
  const { identifies, resumes, dispatched } = sim.control.state().counters;
  return { identifies, resumes: resumes.ok, dispatched };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the handler has proven everything there is. */
async function settled(holdfast: HoldfastProcess): Promise<void> {
  await waitFor('the bot to have everything', async () => {
    const status = await holdfast.status().catch(() => undefined);
    const mine = status?.handlers.filter((handler) => handler.state === 'live' && handler.lag === 0) ?? [];
    return mine.length === SHARDS;
  });
}

async function restartBot(bot: BotProcess, how: NodeJS.Signals): Promise<void> {
  await bot.kill(how);
  tell(`the bot is gone (${how}); Holdfast keeps its sessions and writes down what it misses`);
  await pause(1_500);
  bot.start();
  await waitFor('the bot to be ready again', () => bot.isReady());
  tell('a new bot process is ready: it got its guilds as of where the old one left, then what it missed');
}

async function play(sim: Sim, holdfast: HoldfastProcess, bot: BotProcess): Promise<number> {
  let kills = 0;
  bot.start();
  await waitFor('the bot to be ready', () => bot.isReady());
  tell(
    `the bot is ready: ${GUILDS} guilds on ${SHARDS} shards, ${counts(sim).identifies} IDENTIFYs spent. These must be the last.`,
  );
  sim.control.crowd.start({ eventsPerSecond: EVENTS_PER_SECOND });
  tell(`people begin to talk, react ✂, and roll dice: ${EVENTS_PER_SECOND} events a second`);
  await pause(3_000);

  strike('the bot is restarted');
  await restartBot(bot, 'SIGTERM');
  kills++;
  await pause(2_000);

  strike('the daemon is killed with kill -9');
  const before = counts(sim).resumes;
  const killedAt = Date.now();
  await holdfast.killDaemon();
  await waitFor('every session to be resumed', () => counts(sim).resumes >= before + SHARDS);
  tell(
    `every session was resumed ${((Date.now() - killedAt) / 1000).toFixed(1)} s later; the bot's own connections waited at the listener`,
  );
  await pause(3_000);

  strike('Discord cuts every socket');
  const cutAt = Date.now();
  const resumed = counts(sim).resumes;
  sim.control.cut({ shards: 'all', how: 'rst' });
  await waitFor('every session to be resumed', () => counts(sim).resumes >= resumed + SHARDS);
  tell(`resumed ${((Date.now() - cutAt) / 1000).toFixed(1)} s later; the bot noticed nothing`);
  await pause(2_000);

  strike('the bot is killed in mid-sentence, and started again');
  await restartBot(bot, 'SIGKILL');
  kills++;
  await pause(2_500);

  sim.control.crowd.stop();
  await pause(500);
  await settled(holdfast);
  return kills;
}

function report(sim: Sim, verdict: Verdict, kills: number): boolean {
  const { identifies, resumes } = counts(sim);
  const clean = verdict.lost === 0 && verdict.duplicated === 0 && verdict.reordered === 0;
  const good = clean && identifies === SHARDS && verdict.in_doubt <= 8 * kills;
  const { findings, ...numbers } = verdict;
  if (json) {
    for (const finding of findings) console.error(finding);
    console.log(
      JSON.stringify({
        ok: good,
        identifies,
        resumes,
        ...numbers,
        seconds: Math.round((Date.now() - startedAt) / 100) / 10,
      }),
    );
    return good;
  }
  console.log(`
  Discord dispatched       ${verdict.dispatched} events to this bot
  the bot received         ${verdict.delivered} of them
  too old when it was back ${verdict.expired} (typing, and interactions nobody could answer any more)
  received twice           ${verdict.in_doubt} that the killed bot may not have seen
  lost                     ${verdict.lost}
  doubled                  ${verdict.duplicated}
  out of order             ${verdict.reordered}
  RESUMEs                  ${resumes}
  IDENTIFYs                ${identifies} (${SHARDS} shards started once)
`);
  for (const finding of findings) console.log(`  ! ${finding}`);
  console.log(
    good
      ? '  Nothing was lost, nothing doubled, and no IDENTIFY spent beyond the first start.\n'
      : '  This is not what Holdfast promises. Please report it with the output above.\n',
  );
  return good;
}

async function main(): Promise<boolean> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-demo-'));
  const sim = await startSim({
    shards: SHARDS,
    guilds: GUILDS,
    maxConcurrency: SHARDS,
    identifyIntervalMs: 500,
    seed: 7,
  });
  tell(`a simulated Discord runs on port ${sim.port}`);
  const holdfast = startHoldfast({
    api: `${sim.restUrl}/api`,
    token: sim.token,
    stateDir: path.join(folder, 'state'),
    port: await freePort(),
    settings: { HOLDFAST_IDENTIFY_SPACING: '600ms' },
  });
  const bot = createBot({ api: holdfast.api, token: sim.token, witnessFile: path.join(folder, 'witness') });
  const alarm = setTimeout(() => {
    console.error(
      'the demo took too long; what Holdfast said last:\n',
      holdfast.parent().output().slice(-4_000),
      '\nand the bot:\n',
      bot.running()?.output().slice(-2_000),
    );
    process.exit(1);
  }, DEMO_MS_MAX);
  try {
    await holdfast.daemonPid();
    tell(`Holdfast listens on 127.0.0.1:${holdfast.port}; it identifies when the first handler does`);
    const kills = await play(sim, holdfast, bot);
    await bot.kill('SIGTERM');
    return report(sim, judge(truthOf(sim), bot.witnessed(), holdfast.redelivered()), kills);
  } catch (error) {
    console.error(
      'what Holdfast said last:\n',
      holdfast.parent().output().slice(-4_000),
      '\nand the bot:\n',
      bot.running()?.output().slice(-2_000),
    );
    throw error;
  } finally {
    clearTimeout(alarm);
    await bot.kill();
    await holdfast.stop();
    await sim[Symbol.asyncDispose]();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

process.exit((await main()) ? 0 : 1);
