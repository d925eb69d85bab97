// The simulator as a program of its own: `node sim/main.ts --guilds 100`. `holdfast sim` starts it by startSim instead.

import { parseArgs } from 'node:util';
import { type Sim, startSim } from './sim.ts';

/** Flags that are whole numbers, and the option of `startSim` each one sets. */
const NUMBERS = {
  port: 'port',
  guilds: 'guilds',
  'guilds-per-shard': 'guildsPerShard',
  shards: 'shards',
  'max-concurrency': 'maxConcurrency',
  'guild-kb': 'guildKb',
  members: 'membersPerGuild',
  seed: 'seed',
  crowd: 'crowd',
  'identify-interval-ms': 'identifyIntervalMs',
  'heartbeat-interval-ms': 'heartbeatIntervalMs',
  'session-ttl-ms': 'sessionTtlMs',
  'session-starts': 'sessionStartTotal',
  'time-scale': 'timeScale',
} as const;

/** Flags that are texts. */
const TEXTS = { host: 'host', token: 'token', 'truth-file': 'truthFile' } as const;

/** Starts a simulator by command line flags. Throws a TypeError naming a flag that is not known or no number. */
export async function runSim(argv: readonly string[]): Promise<Sim> {
  const names = [...Object.keys(NUMBERS), ...Object.keys(TEXTS)];
  const { values } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
  });
  const options: Record<string, string | number> = {};
  for (const [flag, value] of Object.entries(values)) {
    if (typeof value !== 'string') continue;
    if (Object.hasOwn(TEXTS, flag)) {
      options[TEXTS[flag as keyof typeof TEXTS]] = value;
      continue;
    }
    const number = Number(value);
    if (!Number.isFinite(number)) throw new TypeError(`--${flag} expects a number, not ${value}`);
    options[NUMBERS[flag as keyof typeof NUMBERS]] = number;
  }
  return startSim(options);
}

if (import.meta.main) {
  const sim = await runSim(process.argv.slice(2));
  console.log(
    JSON.stringify({ url: sim.url, api: `${sim.restUrl}/api`, gateway: sim.gatewayUrl, token: sim.token }),
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void sim.close());
}
