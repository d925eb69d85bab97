// `npm test`: types, lint and format, then every test file under Node's own runner. All three run even when an
// earlier one fails, and the exit status says whether all passed. `npm test -- PATTERN...` takes only the test
// files whose path contains one of the patterns, and leaves out the checks of the whole.

import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const TEST_FOLDERS = ['src', 'sim', 'test'];
/** Whole-process tests start several processes each; more files at once only make them wait for each other. */
const CONCURRENCY = 2;

interface Step {
  readonly name: string;
  readonly arguments: readonly string[];
}

const patterns = process.argv.slice(2);
const files = testFiles(patterns);
if (files.length === 0) {
  console.error(`no test file's path contains ${patterns.join(' or ')}`);
  process.exit(64);
}
const checks: Step[] = [
  { name: 'types', arguments: ['node_modules/typescript/bin/tsc', '--noEmit'] },
  { name: 'lint and format', arguments: ['node_modules/@biomejs/biome/bin/biome', 'check', '.'] },
];
const tests: Step = {
  name: 'tests',
  arguments: [
    '--test',
    '--test-reporter=spec',
    '--test-timeout=300000',
    `--test-concurrency=${CONCURRENCY}`,
    ...files,
  ],
};

const failed: string[] = [];
for (const step of [...(patterns.length === 0 ? checks : []), tests]) {
  console.log(`\n── ${step.name}`);
  if ((await run(step)) !== 0) failed.push(step.name);
}
console.log(failed.length === 0 ? '\nall passed' : `\nfailed: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);

function testFiles(wanted: readonly string[]): string[] {
  return TEST_FOLDERS.flatMap((folder) =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((file) => path.join(folder, file))
      .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
      .filter((file) => wanted.length === 0 || wanted.some((pattern) => file.includes(pattern)))
      .toSorted(),
  );
}

function run(step: Step): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, step.arguments, { cwd: root, stdio: 'inherit' });
    child.on('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
