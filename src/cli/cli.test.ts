// The command line as a person meets it: what is printed where, and the exit status. Commands that start
// processes are tested whole, in test/.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Admin, createAdmin } from '../admin/admin.ts';
import { takeReidentifyRequest } from '../admin/reidentify-request.ts';
import type { Status } from '../admin/status.ts';
import { silentLog } from '../base/log.ts';
import { exampleStatus } from './example-status.ts';
import { main } from './main.ts';

const TOKEN = `${Buffer.from('100000000000000001').toString('base64url')}.Gtest0.not-a-real-token-not-a-real-token-00`;

let folder: string;
let admin: Admin | undefined;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-cli-'));
});
afterEach(async () => {
  await admin?.close();
  admin = undefined;
  fs.rmSync(folder, { recursive: true });
});

async function holdfast(...argv: string[]): Promise<{ exit: number; out: string; error: string }> {
  const out: string[] = [];
  const error: string[] = [];
  const exit = await main(argv, {
    print: (text) => out.push(text),
    printError: (text) => error.push(text),
    paint: (_tone, text) => text,
    environment: { DISCORD_TOKEN: TOKEN, HOLDFAST_STATE_DIR: folder },
    cwd: folder,
    home: folder,
  });
  return { exit, out: out.join('\n'), error: error.join('\n') };
}

async function daemon(status: Status = exampleStatus()): Promise<string[]> {
  const asked: string[] = [];
  admin = await createAdmin({
    stateDir: folder,
    log: silentLog,
    status: () => status,
    actions: {
      reidentify: async () => {
        asked.push('reidentify');
        return { shards: 3 };
      },
    },
  });
  return asked;
}

describe('command line', () => {
  it('shows help with examples for every command', async () => {
    const commands = [
      ['up'],
      ['status'],
      ['reidentify'],
      ['config', 'print'],
      ['config', 'check'],
      ['sim'],
      ['version'],
    ];
    for (const command of [[], ...commands]) {
      const { exit, out } = await holdfast(...command, '--help');
      assert.equal(exit, 0, command.join(' '));
      assert.match(out, /Example/, command.join(' '));
    }
  });

  it('shows help and exits with 64 when no command is given', async () => {
    const { exit, error } = await holdfast();
    assert.equal(exit, 64);
    assert.match(error, /Usage: holdfast/);
    assert.equal((await holdfast('config')).exit, 64);
  });

  it('answers a wrong command or flag with one sentence, a hint, and 64', async () => {
    const command = await holdfast('statsu');
    assert.equal(command.exit, 64);
    assert.match(command.error, /^holdfast: unknown command 'statsu'/);
    const flag = await holdfast('status', '--jsn');
    assert.equal(flag.exit, 64);
    assert.match(
      flag.error,
      /^holdfast: unknown option '--jsn'\n\(Did you mean --json\?\)\n {2}→ see --help$/,
    );
  });

  it('has no --token, and says why without showing what was given', async () => {
    for (const words of [['--token', TOKEN], [`--token=${TOKEN}`]]) {
      const { exit, error } = await holdfast('up', ...words);
      assert.equal(exit, 64);
      assert.match(error, /^holdfast: there is no --token: every user of this machine could read it/);
      assert.ok(!error.includes(TOKEN.slice(30)));
    }
  });

  it('prints its version', async () => {
    assert.match((await holdfast('version')).out, /^holdfast \d+\.\d+\.\d+ \(node \d+\.\d+\.\d+\)$/);
    assert.equal((await holdfast('--version')).exit, 0);
  });
});

describe('holdfast sim', () => {
  it('answers what it cannot take with 64, and says what it expects', async () => {
    const wrong: Array<[words: string[], says: RegExp]> = [
      [['--guilds', 'many'], /Expected a whole number from 0/],
      [['--shards', '0'], /Expected a whole number from 1/],
      [['--session-ttl', '3'], /Expected a duration with its unit/],
      [['--time-scale', '0'], /Expected a number above 0/],
      [['--intents', 'GUILD'], /Expected intent names; no such intent: GUILD;/],
      [['--truth-file', path.join(folder, 'absent', 'truth')], /--truth-file: ENOENT/],
    ];
    for (const [words, says] of wrong) {
      const { exit, error } = await holdfast('sim', '--port', '0', ...words);
      assert.equal(exit, 64, words.join(' '));
      assert.match(error, says);
    }
    const { exit, error } = await holdfast('sim', '--token', 'hunter2');
    assert.equal(exit, 64);
    assert.ok(!error.includes('hunter2'));
  });

  it('says which port is taken, and exits with 76', async () => {
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as net.AddressInfo;
    const { exit, error } = await holdfast('sim', '--port', String(port));
    taken.close();
    assert.equal(exit, 76);
    assert.match(error, new RegExp(`in use 127\\.0\\.0\\.1:${port}; take another --port`));
  });
});

describe('holdfast config', () => {
  it('prints each value and where it came from, as a table or as JSON', async () => {
    const { exit, out } = await holdfast('config', 'print', '--shards', '4');
    assert.equal(exit, 0);
    assert.match(out, /^token +\[secret\] +environment DISCORD_TOKEN$/m);
    assert.match(out, /^shards +4 +flag --shards$/m);
    assert.match(out, /^journal\.max_age +30m +default$/m);
    const json = await holdfast('config', 'print', '--json', '--journal-max-bytes', '4GiB');
    const parsed = JSON.parse(json.out) as Record<string, { value: string; from: string }>;
    assert.deepEqual(parsed['journal.max_bytes'], { value: '4GiB', from: 'flag --journal-max-bytes' });
    assert.ok(!out.includes(TOKEN.slice(30)) && !json.out.includes(TOKEN.slice(30)));
  });

  it('checks: 0 when sound, 78 with every mistake when not', async () => {
    assert.equal((await holdfast('config', 'check')).exit, 0);
    fs.writeFileSync(path.join(folder, 'holdfast.yaml'), 'shards: none\nlisten: here\n');
    const { exit, error } = await holdfast('config', 'check', '--identify-floor', 'x');
    assert.equal(exit, 78);
    assert.match(error, /^holdfast: 3 mistakes in the configuration:/);
    assert.match(error, /\n {2}→ fix the settings named above/);
  });
});

describe('holdfast status', () => {
  it('shows the status of the running daemon, for people and as JSON', async () => {
    await daemon();
    const { exit, out } = await holdfast('status');
    assert.equal(exit, 0);
    assert.match(out, /^holdfast 0\.1\.0, bot Dicey/);
    const json = await holdfast('status', '--json');
    assert.deepEqual(JSON.parse(json.out), exampleStatus());
  });

  it('says that no daemon answers, and exits with 69', async () => {
    const { exit, error } = await holdfast('status');
    assert.equal(exit, 69);
    assert.match(error, /^holdfast: no Holdfast answers at .*\n {2}→ is `holdfast up` running/);
  });

  it('works although another setting is wrong, and without a token', async () => {
    await daemon();
    fs.writeFileSync(path.join(folder, 'holdfast.yaml'), 'shards: none\n');
    assert.equal((await holdfast('status')).exit, 0);
    assert.equal((await holdfast('status', '--config', 'absent.yaml')).exit, 78);
  });
});

describe('holdfast reidentify', () => {
  it('names the price and does nothing without --yes', async () => {
    const asked = await daemon();
    const { exit, error } = await holdfast('reidentify');
    assert.equal(exit, 64);
    assert.match(
      error,
      /costs one IDENTIFY per shard: 3 IDENTIFYs\n {2}812 of 1,000 are left.*\n {2}→ holdfast reidentify --yes$/,
    );
    assert.deepEqual(asked, []);
  });

  it('warns when the price is more than what is left', async () => {
    const status = exampleStatus();
    await daemon({ ...status, ledger: { ...status.ledger, remaining: 11 } });
    assert.match((await holdfast('reidentify')).error, /2 shards would have to wait for the reset/);
  });

  it('asks the daemon with --yes', async () => {
    const asked = await daemon();
    const { exit, out } = await holdfast('reidentify', '--yes');
    assert.equal(exit, 0);
    assert.match(out, /^3 sessions end now/);
    assert.deepEqual(asked, ['reidentify']);
  });

  it('leaves the wish for the next start when no daemon runs', async () => {
    assert.match((await holdfast('reidentify')).error, /no daemon runs/);
    assert.equal((await holdfast('reidentify', '--yes')).exit, 0);
    assert.equal(takeReidentifyRequest(folder), true);
  });
});
