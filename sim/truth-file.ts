// Appends truth rows to a file, one JSON object a line, written in batches so that it costs the event path little.

import { closeSync, openSync, writeSync } from 'node:fs';
import type { TruthRow } from './rules/truth.ts';

export interface TruthFile {
  write(row: TruthRow): void;
  close(): void;
}

const FLUSH_MS = 100;

export function openTruthFile(path: string): TruthFile {
  const file = openSync(path, 'a');
  let lines: string[] = [];
  const flush = (): void => {
    if (lines.length === 0) return;
    writeSync(file, lines.join(''));
    lines = [];
  };
  const timer = setInterval(flush, FLUSH_MS);
  return {
    write: (row) => void lines.push(`${JSON.stringify(row)}\n`),
    close() {
      clearInterval(timer);
      flush();
      closeSync(file);
    },
  };
}
