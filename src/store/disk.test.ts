import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, describe, test } from 'node:test';
import { runDiskCases } from './disk.cases.ts';
import { isDiskError, systemDisk } from './disk.ts';

const root = fs.mkdtempSync(path.join(tmpdir(), 'holdfast-disk-'));
after(() => fs.rmSync(root, { recursive: true }));

runDiskCases('the machine’s own', () => ({
  disk: systemDisk,
  folder: fs.mkdtempSync(path.join(root, 'case-')),
}));

describe('disk', () => {
  test('its errors are told from bugs, also from those that have a code', () => {
    const thrown = (run: () => void): unknown => {
      try {
        run();
      } catch (error) {
        return error;
      }
      return undefined;
    };
    assert.equal(isDiskError(thrown(() => systemDisk.open(path.join(root, 'none')))), true);
    assert.equal(isDiskError(thrown(() => Buffer.alloc(1).writeUInt32LE(0, 9))), false);
    assert.equal(isDiskError(new TypeError('not a function')), false);
    assert.equal(isDiskError(undefined), false);
  });

  test('what it makes is for its owner only', () => {
    const folder = path.join(root, 'private');
    systemDisk.mkdir(folder);
    systemDisk.open(path.join(folder, 'file'), { create: true }).close();
    assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
    assert.equal(fs.statSync(path.join(folder, 'file')).mode & 0o777, 0o600);
  });
});
