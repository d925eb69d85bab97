// Holds the documents to the code: names that an operator or a bot developer would look for must be those that the
// code really uses. Settings have their own test (src/config/document.test.ts).

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { COUNTED_FAULTS, DELAYED_MOMENTS } from '../sim/rules/faults.ts';
import { CROWD_MIX } from '../sim/rules/habits.ts';
import { startSim } from '../sim/sim.ts';
import { ERRORS } from '../src/base/errors.ts';

const ROOT = path.join(import.meta.dirname, '..');
const read = (file: string): string => fs.readFileSync(path.join(ROOT, file), 'utf8');

/** Everything in backquotes in the first column of a text's tables. */
function firstColumn(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...line.split(' | ')[0]!.matchAll(/`([^`]+)`/g)].map(([, word]) => word!));
}

function section(text: string, from: string, to: string): string {
  const start = text.indexOf(from);
  const end = text.indexOf(to, start);
  assert.ok(start >= 0 && end > start, `${from} … ${to}`);
  return text.slice(start, end);
}

describe('docs/operating.md', () => {
  const text = read('docs/operating.md');

  it('names log events that are logged', () => {
    const code = fs
      .readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => read(path.join('src', file)))
      .join('\n');
    const events = firstColumn(section(text, '| the log says', '## Exit codes'));
    assert.ok(events.length > 10);
    assert.deepEqual(
      events.filter((event) => !code.includes(`'${event}'`)),
      [],
    );
  });

  it('names phases that a shard has', () => {
    const phases = new Set(
      [...read('src/session/state.ts').matchAll(/readonly phase: '(\w+)'/g)].map(([, phase]) => phase),
    );
    const named = [...section(text, 'A shard goes through', '| `status` shows').matchAll(/`(\w+)`/g)].map(
      ([, word]) => word,
    );
    const inTable = [...text.matchAll(/^\| a shard in (.*?) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`(\w+)`/g)].map(([, word]) => word),
    );
    for (const phase of [...named, ...inTable]) assert.ok(phases.has(phase), `${phase} is no phase`);
    assert.ok(named.length > 5 && inTable.length > 3);
  });

  it('has every exit code', () => {
    const table = section(text, '## Exit codes', 'a restart cannot help');
    for (const [code, { exit }] of Object.entries(ERRORS)) {
      if (exit !== 0) assert.match(table, new RegExp(`^\\| ${exit} \\|.*\\b${code}\\b`, 'm'));
    }
  });
});

describe('docs/simulator.md', () => {
  const text = read('docs/simulator.md');
  const levers = section(text, '## Levers', '## The truth log');

  it('names every lever, and none besides', async () => {
    await using sim = await startSim();
    const response = await fetch(`${sim.url}/control/`);
    const { levers: known } = (await response.json()) as { levers: string[] };
    const faults: readonly string[] = COUNTED_FAULTS;
    const named = firstColumn(levers).filter((word) => !faults.includes(word));
    assert.deepEqual([...named, 'state'].toSorted(), known.toSorted());
  });

  it('names every fault, every moment and every act of the crowd', () => {
    for (const word of [...COUNTED_FAULTS, ...DELAYED_MOMENTS, ...Object.keys(CROWD_MIX)])
      assert.ok(levers.includes(`\`${word}\``), word);
  });
});
