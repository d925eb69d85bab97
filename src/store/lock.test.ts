import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { OperatingError } from '../base/errors.ts';
import { lockFolder } from './lock.ts';

const root = fs.mkdtempSync(path.join(tmpdir(), 'holdfast-lock-'));
after(() => fs.rmSync(root, { recursive: true }));

const us = { pid: process.pid, since: '2026-01-02T03:04:05.000Z' };
const newFolder = (): string => fs.mkdtempSync(path.join(root, 'state-'));

/** Another process that takes the lock, says how it went, and lives until it is killed. */
async function startHolder(folder: string) {
  const script = `
    const { lockFolder } = await import(${JSON.stringify(pathToFileURL(path.join(import.meta.dirname, 'lock.ts')).href)});
    try {
      lockFolder(${JSON.stringify(folder)}, { pid: process.pid, since: 'then' });
      console.log('held');
    } catch (error) {
      console.log(error.code + ' ' + error.message);
    }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // A test that fails must not wait for ever for a process that it did not come to end.
  after(() => child.kill('SIGKILL'));
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    pid: child.pid!,
    said: said.toString().trim(),
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

const isLocked = (text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof OperatingError);
  assert.equal(error.code, 'STATE_LOCKED');
  assert.match(error.message, text);
  return true;
};

describe('lock', () => {
  test('a second process is refused and told who holds the folder', async () => {
    const folder = newFolder();
    const lock = lockFolder(folder, us);
    const other = await startHolder(folder);
    assert.match(other.said, new RegExp(`^STATE_LOCKED .*pid ${us.pid}, since ${us.since}`));
    await other.kill();
    lock.release();
  });

  test('the lock of a process that was killed is free, whatever it left behind', async () => {
    const folder = newFolder();
    const other = await startHolder(folder);
    assert.equal(other.said, 'held');
    assert.throws(() => lockFolder(folder, us), isLocked(new RegExp(`pid ${other.pid}, since then`)));
    await other.kill();
    assert.ok(fs.existsSync(path.join(folder, 'lock.json')));
    lockFolder(folder, us).release();
  });

  test('the same process is refused, too, until it releases', () => {
    const folder = newFolder();
    const lock = lockFolder(folder, us);
    assert.throws(() => lockFolder(folder, us), isLocked(/held by another/));
    lock.release();
    lock.release();
    lockFolder(folder, us).release();
  });

  test('a refused attempt and a look at the file leave the lock held', async () => {
    const folder = newFolder();
    const lock = lockFolder(folder, us);
    assert.throws(() => lockFolder(folder, us), isLocked(/held/));
    assert.equal(lock.inPlace(), true);
    const other = await startHolder(folder);
    assert.match(other.said, /^STATE_LOCKED/);
    await other.kill();
    lock.release();
  });

  test('it is no longer in place once the folder was removed, even when it was made again', () => {
    const folder = newFolder();
    const lock = lockFolder(folder, us);
    fs.rmSync(folder, { recursive: true });
    assert.equal(lock.inPlace(), false);
    fs.mkdirSync(folder);
    assert.equal(lock.inPlace(), false);
    const again = lockFolder(folder, us);
    assert.equal(again.inPlace(), true);
    assert.equal(lock.inPlace(), false);
    lock.release();
    again.release();
  });

  test('a folder that does not exist is unusable, not locked', () => {
    assert.throws(
      () => lockFolder(path.join(root, 'none'), us),
      (error) => error instanceof OperatingError && error.code === 'STATE_UNUSABLE',
    );
  });

  test('a holder file that cannot be written or read does not keep anyone from the lock', () => {
    const folder = newFolder();
    fs.mkdirSync(path.join(folder, 'lock.json'));
    const lock = lockFolder(folder, us);
    assert.throws(() => lockFolder(folder, us), isLocked(/holder unknown/));
    lock.release();
  });
});
