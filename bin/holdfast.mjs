#!/usr/bin/env node
// The `holdfast` command. Plain JavaScript, so that even a Node.js that is too old can run it and say so: with
// Node.js 24 or later it runs the command line, otherwise it runs itself again under the Node.js that is
// installed beside it, if there is one.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  await runHere();
} else {
  runUnderInstalledNode();
}

async function runHere() {
  // `holdfast status | head` is no error; and a daemon goes on when whoever read its log is gone.
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    if (process.argv[2] !== 'up') process.exit(0);
  });
  // In a clone the sources run as they are; an installed package holds them without types.
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const built = new URL('../dist/src/cli/main.js', import.meta.url);
  const { main } = await import(existsSync(source) ? source : built);
  process.exit(await main(process.argv.slice(2)));
}

function runUnderInstalledNode() {
  const node = ['../node_modules/node/bin/node', '../node_modules/.bin/node']
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((place) => existsSync(place));
  if (node === undefined || process.env.HOLDFAST_INHERITED_NODE === node) {
    console.error(
      `holdfast: found Node.js ${process.versions.node}, expected ${NODE_MAJOR_MIN} or later\n  → install Node.js ${NODE_MAJOR_MIN}, or run \`npm install\` in Holdfast's folder, which brings one`,
    );
    process.exit(69);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    // Should the file not be a later Node.js after all, it must not start itself for ever.
    env: { ...process.env, HOLDFAST_INHERITED_NODE: node },
  });
  // A terminal sends Ctrl-C to both processes; the child decides when to end, and this one waits for it.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`holdfast: cannot run ${node}: ${error.message}`);
    process.exit(69);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
