// What every Disk does, whatever it is made of: run for the machine's own and for the one in memory.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Disk, type DiskFile, readFully, writeFully } from './disk.ts';

/** Registers the cases. `open` gives a disk and an empty folder on it. */
export function runDiskCases(name: string, open: () => { disk: Disk; folder: string }): void {
  const text = (file: DiskFile): string => {
    const bytes = Buffer.alloc(file.size());
    assert.equal(readFully(file, bytes, 0), bytes.length);
    return bytes.toString();
  };
  const write = (file: DiskFile, at: number, content: string): void =>
    writeFully(file, Buffer.from(content), content.length, at);

  describe(`disk: ${name}`, () => {
    test('a file keeps what was written to it, also for a second handle', () => {
      const { disk, folder } = open();
      const file = disk.open(`${folder}/a`, { create: true });
      write(file, 0, 'hello world');
      write(file, 6, 'there');
      assert.equal(text(file), 'hello there');
      const second = disk.open(`${folder}/a`);
      assert.equal(text(second), 'hello there');
      file.close();
      second.close();
    });

    test('a write beyond the end leaves zeros between', () => {
      const { disk, folder } = open();
      const file = disk.open(`${folder}/a`, { create: true });
      write(file, 3, 'x');
      assert.equal(text(file), '\0\0\0x');
      file.close();
    });

    test('a read at the end returns 0, and one across it returns what is there', () => {
      const { disk, folder } = open();
      const file = disk.open(`${folder}/a`, { create: true });
      write(file, 0, 'abc');
      const into = Buffer.alloc(8, '.');
      assert.equal(file.read(into, 2, 6, 1), 2);
      assert.equal(into.toString(), '..bc....');
      assert.equal(file.read(into, 0, 8, 3), 0);
      assert.equal(file.read(into, 0, 8, 100), 0);
      file.close();
    });

    test('truncate cuts, and extends with zeros', () => {
      const { disk, folder } = open();
      const file = disk.open(`${folder}/a`, { create: true });
      write(file, 0, 'abcdef');
      file.truncate(2);
      file.truncate(4);
      assert.equal(text(file), 'ab\0\0');
      assert.equal(file.size(), 4);
      file.close();
    });

    test('opening a file that does not exist throws ENOENT', () => {
      const { disk, folder } = open();
      assert.throws(() => disk.open(`${folder}/none`), { code: 'ENOENT' });
      assert.throws(() => disk.open(`${folder}/none/a`, { create: true }), { code: 'ENOENT' });
      assert.equal(disk.exists(`${folder}/none`), false);
    });

    test('a folder is made with its parents and lists its names in order', () => {
      const { disk, folder } = open();
      disk.mkdir(`${folder}/x/y`);
      disk.mkdir(`${folder}/x/y`);
      for (const name of ['c', 'a', 'b']) disk.open(`${folder}/x/${name}`, { create: true }).close();
      assert.deepEqual(disk.list(`${folder}/x`), ['a', 'b', 'c', 'y']);
      assert.deepEqual(disk.list(`${folder}/none`), []);
    });

    test('a rename replaces the file that was there', () => {
      const { disk, folder } = open();
      for (const name of ['a', 'b']) {
        const file = disk.open(`${folder}/${name}`, { create: true });
        write(file, 0, name);
        file.close();
      }
      disk.rename(`${folder}/a`, `${folder}/b`);
      assert.deepEqual(disk.list(folder), ['b']);
      const file = disk.open(`${folder}/b`);
      assert.equal(text(file), 'a');
      file.close();
      assert.throws(() => disk.rename(`${folder}/a`, `${folder}/c`), { code: 'ENOENT' });
    });

    test('a file that is removed while open can still be used', () => {
      const { disk, folder } = open();
      const file = disk.open(`${folder}/a`, { create: true });
      disk.remove(folder);
      disk.remove(folder);
      assert.equal(disk.exists(`${folder}/a`), false);
      write(file, 0, 'still');
      assert.equal(text(file), 'still');
      file.close();
      assert.throws(() => disk.syncFolder(folder), { code: 'ENOENT' });
    });

    test('files and folders can be synced', async () => {
      const { disk, folder } = open();
      const file = disk.open(`${folder}/a`, { create: true });
      write(file, 0, 'abc');
      file.syncNow();
      await file.sync();
      disk.syncFolder(folder);
      file.close();
    });

    test('a closed file can no longer be used', () => {
      const { disk, folder } = open();
      const file = disk.open(`${folder}/a`, { create: true });
      file.close();
      assert.throws(() => file.size(), { code: 'EBADF' });
    });
  });
}
