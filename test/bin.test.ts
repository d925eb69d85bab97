// The `holdfast` command as it is installed: run under this Node.js, and under one that claims to be too old.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { describe, it } from 'node:test';

const bin = path.join(import.meta.dirname, '../bin/holdfast.mjs');
/** Makes the first process, and only that, believe that it is Node.js 20. */
const OLD_NODE = [
  '--import',
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.20.2"}})',
];

function run(args: readonly string[], nodeArgs: readonly string[] = [], script = bin) {
  return spawnSync(process.execPath, [...nodeArgs, script, ...args], { encoding: 'utf8', timeout: 30_000 });
}

describe('bin/holdfast.mjs', () => {
  it('runs the command line and hands on its exit status', () => {
    const { status, stdout } = run(['version']);
    assert.equal(status, 0);
    assert.match(stdout, /^holdfast \d/);
    assert.equal(run(['no-such-command']).status, 64);
  });

  it('runs under the installed Node.js when its own is too old', () => {
    const { status, stdout } = run(['version'], OLD_NODE);
    assert.equal(status, 0);
    assert.match(stdout, /\(node 2[4-9]\./);
    assert.equal(run(['no-such-command'], OLD_NODE).status, 64);
  });

  it('says what it needs when there is no suitable Node.js', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-bin-'));
    fs.mkdirSync(path.join(folder, 'bin'));
    const alone = path.join(folder, 'bin/holdfast.mjs');
    fs.copyFileSync(bin, alone);
    const { status, stderr } = run(['version'], OLD_NODE, alone);
    fs.rmSync(folder, { recursive: true });
    assert.equal(status, 69);
    assert.match(stderr, /^holdfast: found Node\.js 20\.20\.2, expected 24 or later\n {2}→ /);
  });

  it('ends quietly when nobody reads its output any more', () => {
    const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${bin}" --help | head -1`], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    assert.equal(status, 0);
    assert.equal(stderr, '');
  });
});
