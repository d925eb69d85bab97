// `npm run bench -- QUESTION`: measures one question and prints its figures. `--list` shows the questions, `--json` prints
// one line a figure, `--keep` writes bench/results/QUESTION.json.

import { measureEventPath } from './event-path.ts';
import { measureMemory } from './memory.ts';
import { type Figure, keepFigures, printFigures } from './report.ts';
import { measureRestart } from './restart.ts';

interface Question {
  readonly asks: string;
  readonly answer: () => Promise<Figure[]>;
}

const QUESTIONS: Readonly<Record<string, Question>> = {
  'event-path': {
    asks: 'CPU per event through the whole daemon, saturated, against @discordjs/ws 2 receiving the same',
    answer: () =>
      measureEventPath({
        shards: 16,
        eventsPerShard: 35_000,
        warmEventsPerShard: 10_000,
        transport: 'zlib-stream',
        eventsPerSecond: 0,
        runs: 3,
      }),
  },
  'event-path-paced': {
    asks: 'the same at 10,000 events a second over 164 shards',
    answer: () =>
      measureEventPath({
        shards: 164,
        eventsPerShard: 1_200,
        warmEventsPerShard: 300,
        transport: 'zlib-stream',
        eventsPerSecond: 10_000,
        runs: 3,
      }),
  },
  restart: {
    asks: 'kill -9 of a daemon with 164 shards until the last is resumed, with little and with much on disk',
    answer: () => measureRestart(3),
  },
  memory: {
    asks: 'resident memory of 164 shards, idle and with 16,400 guilds of 30 KB',
    answer: measureMemory,
  },
};

const words = process.argv.slice(2);
const name = words.find((word) => !word.startsWith('-'));
const question = name === undefined ? undefined : QUESTIONS[name];
if (words.includes('--list') || !question || name === undefined) {
  for (const [key, { asks }] of Object.entries(QUESTIONS)) console.log(`${key.padEnd(18)} ${asks}`);
  if (name !== undefined) console.error(`\nno such question: ${name}`);
  process.exit(words.includes('--list') ? 0 : 64);
}
const figures = await question.answer();
printFigures(figures, words.includes('--json'));
if (words.includes('--keep')) keepFigures(name, `npm run bench -- ${name}`, figures);
process.exit(0);
