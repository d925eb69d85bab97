// Question: what does an event cost on its whole way (zlib-stream in, journal, one handler per shard out), in CPU of
// the whole daemon process, against @discordjs/ws 2 merely receiving the same stream on the same Node in the same run?

import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { UNPRIVILEGED_INTENTS } from '../src/wire/intents.ts';
import { freePort, startHoldfast, waitFor } from '../test/processes.ts';
import { GUILDS_PER_SHARD } from './corpus.ts';
import { isFolded } from './fleet.ts';
import { installPeers, PEERS } from './peers.ts';
import { cpuUs, median, pin, startPart, threadCpuUs } from './process.ts';
import type { Figure } from './report.ts';

const HERE = import.meta.dirname;
const TOKEN = `${Buffer.from('100000000000000001').toString('base64url')}.bench.not-a-real-token-at-all`;

/** What a large bot without privileged intents has; `allIntents` is the dearer case, with members and presences in state. */
const INTENTS = UNPRIVILEGED_INTENTS;

export interface EventPathOptions {
  shards: number;
  eventsPerShard: number;
  /** The first of these are played before the measurement. */
  warmEventsPerShard: number;
  transport: 'zlib-stream' | 'zstd-stream';
  eventsPerSecond: number;
  runs: number;
}

const CLIENT_CORE = 0;
const SERVER_CORE = 1;

/** Measures both, alternating, and gives the medians and their ratio. */
export async function measureEventPath(options: EventPathOptions): Promise<Figure[]> {
  installPeers();
  const holdfast: number[] = [];
  const folding: number[] = [];
  const peer: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    peer.push(await measurePeer(options));
    const measured = await measureHoldfast(options);
    holdfast.push(measured.total);
    folding.push(measured.fold);
  }
  const name = options.eventsPerSecond > 0 ? `paced-${options.eventsPerSecond}` : 'saturated';
  return [
    { name: `event-path.${name}.holdfast`, value: median(holdfast), unit: 'µs CPU/event', all: holdfast },
    { name: `event-path.${name}.holdfast-fold`, value: median(folding), unit: 'µs CPU/event', all: folding },
    { name: `event-path.${name}.discordjs-ws`, value: median(peer), unit: 'µs CPU/event', all: peer },
    {
      name: `event-path.${name}.ratio`,
      value: median(holdfast) / median(peer),
      unit: 'x',
      target: 'at most 0.6',
    },
  ];
}

/** Frames that a client gets until the warm-up is over and until all is over, guilds included, and events measured. */
function countsOf({ shards, eventsPerShard, warmEventsPerShard }: EventPathOptions) {
  return {
    warm: shards * (GUILDS_PER_SHARD + warmEventsPerShard),
    expected: shards * (GUILDS_PER_SHARD + eventsPerShard),
    measured: shards * (eventsPerShard - warmEventsPerShard),
  };
}

async function measurePeer(options: EventPathOptions): Promise<number> {
  const { shards } = options;
  const { warm, expected, measured } = countsOf(options);
  const server = startPart(path.join(HERE, 'replay-gateway.ts'), options, { core: SERVER_CORE });
  const { port } = await server.message<{ port: number }>('port');
  const peer = startPart(
    path.join(PEERS, 'djs-ws.mjs'),
    { port, shards, token: TOKEN, warm, expected },
    { core: CLIENT_CORE },
  );
  try {
    await peer.message('ready');
    server.send('warm');
    await peer.message('warm');
    server.send('go');
    const { cpuUs: used } = await peer.message<{ cpuUs: number }>('done');
    return used / measured;
  } finally {
    await peer.end();
    await server.end();
  }
}

async function measureHoldfast(options: EventPathOptions): Promise<{ total: number; fold: number }> {
  const { shards } = options;
  const { warm, expected, measured } = countsOf(options);
  const server = startPart(path.join(HERE, 'replay-gateway.ts'), options, { core: SERVER_CORE });
  const { port } = await server.message<{ port: number }>('port');
  const stateDir = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-bench-'));
  const holdfast = startHoldfast({
    api: `http://127.0.0.1:${port}/api`,
    token: TOKEN,
    stateDir,
    port: await freePort(),
    settings: {
      HOLDFAST_INTENTS: String(INTENTS),
      HOLDFAST_SHARDS: String(shards),
      HOLDFAST_IDENTIFY_SPACING: '20ms',
      HOLDFAST_COMPRESSION: options.transport,
    },
  });
  /** Fold may lag; its work for these events belongs to their price. */
  const folded = () => waitFor('fold to catch up', async () => isFolded(await holdfast.status()), 90_000);
  let sink: ReturnType<typeof startPart> | undefined;
  try {
    const pid = await holdfast.daemonPid();
    pin(pid, CLIENT_CORE);
    sink = startPart(
      path.join(HERE, 'sink.ts'),
      { port: holdfast.port, shards, token: TOKEN, intents: INTENTS, warm, expected },
      { core: SERVER_CORE },
    );
    await sink.message('ready');
    server.send('warm');
    await sink.message('warm');
    await folded();
    const before = cpuUs(pid);
    const foldBefore = foldUs(pid);
    server.send('go');
    await sink.message('done');
    await folded();
    return { total: (cpuUs(pid) - before) / measured, fold: (foldUs(pid) - foldBefore) / measured };
  } finally {
    await sink?.end();
    await holdfast.stop();
    await server.end();
    fs.rmSync(stateDir, { recursive: true, force: true });
  }
}

/** CPU of the thread that keeps state. */
function foldUs(pid: number): number {
  return threadCpuUs(pid)
    .filter((thread) => thread.name === 'holdfast-state')
    .reduce((sum, thread) => sum + thread.us, 0);
}
