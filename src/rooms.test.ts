// The house rules that a program can check: which room may import which, how long a file may be, and no
// unfinished marks. A room's order and reasons are in ARCHITECTURE.md; here they are a table.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';

const root = path.join(import.meta.dirname, '..');

/** The river, in its order: a room imports its own files and earlier rooms. */
const ROOMS = [
  'base',
  'wire',
  'config',
  'store',
  'upstream',
  'session',
  'ledger',
  'journal',
  'state',
  'downstream',
  'rest',
  'cluster',
  'admin',
  'cli',
] as const;
type Room = (typeof ROOMS)[number];

/** Earlier rooms that a room knows nothing of all the same. */
const STRANGERS: Partial<Record<Room, { rooms: readonly Room[]; because: string }>> = {
  store: { rooms: ['wire'], because: 'files and databases know nothing of Discord' },
  ledger: { rooms: ['upstream'], because: 'who may identify is decided without sockets' },
  journal: { rooms: ['upstream'], because: 'the journal takes bytes from whoever hands them in' },
  state: { rooms: ['upstream'], because: 'state is made from the journal, never from a socket' },
  downstream: {
    rooms: ['upstream'],
    because: 'handlers never reach a socket to Discord; daemon.ts hands functions in',
  },
  rest: { rooms: ['upstream', 'downstream'], because: 'the REST egress knows nothing of the gateway' },
};

/** The rooms that see the whole configuration; all others get plain options. */
const CONFIG_READERS: readonly Room[] = ['config', 'admin', 'cli'];
/** The command line talks to a daemon, it does not reach into one. */
const CLI_ROOMS: readonly Room[] = ['base', 'config', 'admin', 'cli'];
/** What the command line may load when a command needs it, by `import()` only. */
const CLI_LAZY: readonly string[] = ['src/parent.ts', 'src/daemon-main.ts', 'sim/sim.ts'];
/** Root files without imports of rooms, which everyone may use. */
const LEAVES: readonly string[] = ['src/version.ts', 'package.json'];
/** The simulator shares Discord's language with us and nothing else, or it would agree with our mistakes. */
const SIM_ROOMS: readonly Room[] = ['base', 'wire'];

const LINES_MAX = 600;
/** Spelled apart, so that this file does not find itself. */
const UNFINISHED = new RegExp(`\\b(?:${['FIX', 'ME'].join('')}|${['X', 'XX'].join('')})\\b`);

interface Import {
  /** Both relative to the root, with forward slashes. */
  readonly from: string;
  readonly to: string;
  readonly lazy: boolean;
}

describe('rooms', () => {
  it('import only their own files and the rooms they may know', () => {
    const wrong = ['src', 'sim'].flatMap(sourceFiles).flatMap(importsOf).flatMap(judge);
    assert.deepEqual(wrong, [], `\n${wrong.join('\n')}`);
  });

  it('are judged by rules that hold', () => {
    const cases: Array<[from: string, to: string, lazy: boolean, allowed: boolean]> = [
      ['src/session/step.ts', 'src/wire/opcode.ts', false, true],
      ['src/session/step.ts', 'src/session/state.ts', false, true],
      ['src/session/step.ts', 'src/journal/journal.ts', false, false],
      ['src/upstream/socket.ts', 'src/session/step.ts', false, false],
      ['src/downstream/link.ts', 'src/upstream/socket.ts', false, false],
      ['src/downstream/link.ts', 'src/journal/journal.ts', false, true],
      ['src/journal/journal.ts', 'src/config/config.ts', false, false],
      ['src/journal/journal.ts', 'src/daemon.ts', false, false],
      ['src/rest/rest.ts', 'src/version.ts', false, true],
      ['src/daemon.ts', 'src/downstream/link.ts', false, true],
      ['src/daemon.ts', 'src/cli/main.ts', false, false],
      ['src/admin/admin.ts', 'src/cli/main.ts', false, false],
      ['src/cli/up.ts', 'src/parent.ts', true, true],
      ['src/cli/up.ts', 'src/parent.ts', false, false],
      ['src/cli/status.ts', 'src/journal/journal.ts', false, false],
      ['sim/sim.ts', 'src/wire/opcode.ts', false, true],
      ['sim/sim.ts', 'src/session/step.ts', false, false],
      ['src/journal/journal.ts', 'sim/sim.ts', false, false],
    ];
    for (const [from, to, lazy, allowed] of cases) {
      assert.equal(judge({ from, to, lazy }).length === 0, allowed, `${from} → ${to}`);
    }
  });
});

describe('source files', () => {
  const files = ['src', 'sim', 'test', 'bench', 'bin'].flatMap(sourceFiles);

  it(`have at most ${LINES_MAX} lines`, () => {
    const long = files
      .map((file) => ({ file, lines: read(file).split('\n').length }))
      .filter(({ lines }) => lines > LINES_MAX);
    assert.deepEqual(long, []);
  });

  it('hold no unfinished marks', () => {
    const marked = files.filter((file) => UNFINISHED.test(read(file)));
    assert.deepEqual(marked, []);
  });

  it('open by saying what they are', () => {
    const silent = files.filter(
      (file) => !file.endsWith('.test.ts') && !/^(?:#!.*\n)?\/[/*]/.test(read(file)),
    );
    assert.deepEqual(silent, []);
  });
});

/** Says what is wrong with one import, or nothing. */
function judge({ from, to, lazy }: Import): string[] {
  const isTest = from.endsWith('.test.ts') || from.endsWith('.cases.ts');
  const room = roomOf(to);
  const own = roomOf(from);
  const refuse = (because: string): string[] => [`${from} imports ${to}: ${because}`];

  if (LEAVES.includes(to)) return [];
  if (from.startsWith('sim/')) {
    if (to.startsWith('sim/') || isTest) return [];
    return room && SIM_ROOMS.includes(room)
      ? []
      : refuse(`sim may import only ${SIM_ROOMS.join(' and ')} of src`);
  }
  if (room === 'cli' && own !== 'cli') return refuse('nobody but bin imports the command line');
  if (own === 'cli') {
    if (room && CLI_ROOMS.includes(room)) return [];
    if (lazy && CLI_LAZY.includes(to)) return [];
    return refuse(`cli may import only ${CLI_ROOMS.join(', ')}, and with import() ${CLI_LAZY.join(', ')}`);
  }
  if (!to.startsWith('src/')) {
    return isTest ? [] : refuse('src does not know what lies beside it');
  }
  // Files at the root of src put the rooms together.
  if (!own) return [];
  if (!room) return refuse('a room does not import what puts the rooms together');
  if (room === own) return [];
  if (ROOMS.indexOf(room) > ROOMS.indexOf(own)) {
    return refuse(`${room} comes after ${own} in the river; have daemon.ts hand in a function`);
  }
  if (room === 'config' && !CONFIG_READERS.includes(own)) {
    return refuse('rooms get plain options, not the configuration');
  }
  const strangers = STRANGERS[own];
  return strangers?.rooms.includes(room) ? refuse(strangers.because) : [];
}

function roomOf(file: string): Room | undefined {
  const parts = file.split('/');
  if (parts[0] !== 'src' || parts.length < 3) return undefined;
  const room = parts[1]!;
  assert.ok(
    (ROOMS as readonly string[]).includes(room),
    `src/${room} is no room; the rooms are ${ROOMS.join(', ')}`,
  );
  return room as Room;
}

/** Relative imports of a file, of any form: static, re-exported, type-only, dynamic. */
function importsOf(file: string): Import[] {
  const text = read(file).replace(/^\s*(?:\/\/.*|\*.*)$/gm, '');
  const found: Import[] = [];
  const add = (specifier: string, lazy: boolean): void => {
    if (!specifier.startsWith('.')) return;
    const to = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
    found.push({ from: file, to, lazy });
  };
  for (const [, specifier] of text.matchAll(/^(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm))
    add(specifier!, false);
  for (const [, specifier] of text.matchAll(/^import\s*['"]([^'"]+)['"]/gm)) add(specifier!, false);
  for (const [, specifier] of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)) add(specifier!, true);
  for (const [, specifier] of text.matchAll(/\bnew URL\(\s*['"](\.[^'"]+\.ts)['"]/g)) add(specifier!, true);
  return found;
}

function sourceFiles(folder: string): string[] {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => path.posix.join(folder, file.split(path.sep).join('/')))
    .filter((file) => /\.(?:ts|mjs)$/.test(file) && !file.includes('node_modules/'))
    .toSorted();
}

function read(file: string): string {
  return fs.readFileSync(path.join(root, file), 'utf8');
}
