// What a command may do to the outside: write, in colour or not, and know where it was started. Handed in, so
// that a test can read what a person would see.

import * as os from 'node:os';
import { styleText } from 'node:util';

export type Tone = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

export interface Terminal {
  /** Writes lines to standard output; the newline is added. */
  print(text: string): void;
  /** Writes lines to standard error; the newline is added. */
  printError(text: string): void;
  /** Colours text for standard output, if that is a terminal that wants colour. */
  paint(tone: Tone, text: string): string;
  readonly environment: Record<string, string | undefined>;
  readonly cwd: string;
  readonly home: string;
}

/** This process's own terminal. Colour only on a terminal, and never against NO_COLOR (no-color.org). */
export function processTerminal(): Terminal {
  const colourful = process.stdout.isTTY && !process.env['NO_COLOR'] && process.stdout.hasColors();
  return {
    print: (text) => void process.stdout.write(`${text}\n`),
    printError: (text) => void process.stderr.write(`${text}\n`),
    paint: (tone, text) => (colourful ? styleText(tone, text, { validateStream: false }) : text),
    environment: process.env,
    cwd: process.cwd(),
    home: os.homedir(),
  };
}
