// Figures of a benchmark run, as a table for people or a line each for machines, and as a file to keep.

import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the value should be. */
  readonly target?: string;
  /** The single runs of which `value` is the median. */
  readonly all?: readonly number[];
}

const RESULTS = path.join(import.meta.dirname, 'results');

/** Prints figures. */
export function printFigures(figures: readonly Figure[], json: boolean): void {
  if (json) {
    for (const figure of figures) console.log(JSON.stringify(figure));
    return;
  }
  const width = Math.max(...figures.map((figure) => figure.name.length));
  for (const { name, value, unit, target, all } of figures) {
    const spread = all && all.length > 1 ? `  (${all.map((one) => one.toFixed(2)).join(', ')})` : '';
    console.log(
      `${name.padEnd(width)}  ${value.toFixed(2).padStart(9)} ${unit}${target ? `  [${target}]` : ''}${spread}`,
    );
  }
}

/** Keeps figures with the machine and versions they were taken on, as bench/results/<question>.json. */
export function keepFigures(question: string, command: string, figures: readonly Figure[]): void {
  fs.mkdirSync(RESULTS, { recursive: true });
  const result = {
    question,
    command,
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    machine: `${os.cpus().length} x ${os.cpus()[0]?.model.trim()}, ${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    figures,
  };
  fs.writeFileSync(path.join(RESULTS, `${question}.json`), `${JSON.stringify(result, null, 2)}\n`);
}
