import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../base/random.ts';
import { runDiskCases } from './disk.cases.ts';
import { writeFully } from './disk.ts';
import { createMemoryDisk, type MemoryDisk } from './memory-disk.ts';

runDiskCases('in memory', () => {
  const disk = createMemoryDisk();
  disk.mkdir('/state');
  return { disk, folder: '/state' };
});

function diskWithFile(content = '', name = '/state/a'): MemoryDisk {
  const disk = createMemoryDisk();
  disk.plant(name, Buffer.from(content));
  return disk;
}

const bytes = (text: string): Buffer => Buffer.from(text);

describe('memory disk › faults', () => {
  test('a fault hits the call it names, after as many as it lets pass, as often as it says', () => {
    const disk = diskWithFile();
    const file = disk.open('/state/a');
    disk.fail({ call: 'write', after: 1, times: 2, code: 'EIO' });
    assert.equal(file.write(bytes('a'), 0, 1, 0), 1);
    assert.throws(() => file.write(bytes('b'), 0, 1, 1), { code: 'EIO' });
    assert.throws(() => file.write(bytes('b'), 0, 1, 1), { code: 'EIO' });
    assert.equal(file.write(bytes('b'), 0, 1, 1), 1);
    assert.equal(disk.contents('/state/a').toString(), 'ab');
  });

  test('a fault may be for one path only, and be taken back', () => {
    const disk = diskWithFile();
    disk.plant('/state/b', bytes(''));
    const clear = disk.fail({ call: 'sync', path: '/b', times: Number.POSITIVE_INFINITY, code: 'EIO' });
    const [a, b] = [disk.open('/state/a'), disk.open('/state/b')];
    a.syncNow();
    assert.throws(() => b.syncNow(), { code: 'EIO' });
    assert.throws(() => b.syncNow(), { code: 'EIO' });
    clear();
    b.syncNow();
  });

  test('every kind of call can fail', async () => {
    const disk = diskWithFile('x');
    const file = disk.open('/state/a');
    const calls: Array<[call: Parameters<MemoryDisk['fail']>[0]['call'], run: () => unknown]> = [
      ['mkdir', () => disk.mkdir('/x')],
      ['list', () => disk.list('/state')],
      ['open', () => disk.open('/state/a')],
      ['write', () => file.write(bytes('a'), 0, 1, 0)],
      ['read', () => file.read(Buffer.alloc(1), 0, 1, 0)],
      ['truncate', () => file.truncate(0)],
      ['sync', () => file.syncNow()],
      ['rename', () => disk.rename('/state/a', '/state/b')],
      ['remove', () => disk.remove('/state/a')],
      ['syncFolder', () => disk.syncFolder('/state')],
    ];
    for (const [call, run] of calls) {
      disk.fail({ call, code: 'EIO' });
      assert.throws(run, { code: 'EIO' }, call);
    }
    disk.fail({ call: 'sync', code: 'EIO' });
    await assert.rejects(file.sync(), { code: 'EIO' });
    assert.equal(disk.contents('/state/a').toString(), 'x');
  });

  test('a write may fall short, with and without an error', () => {
    const disk = diskWithFile();
    const file = disk.open('/state/a');
    disk.fail({ call: 'write', bytes: 2 });
    assert.equal(file.write(bytes('abcd'), 0, 4, 0), 2);
    disk.fail({ call: 'write', bytes: 1, code: 'ENOSPC' });
    assert.throws(() => file.write(bytes('cd'), 0, 2, 2), { code: 'ENOSPC' });
    assert.equal(disk.contents('/state/a').toString(), 'abc');
    disk.fail({ call: 'read', bytes: 1 });
    assert.equal(file.read(Buffer.alloc(3), 0, 3, 0), 1);
  });

  test('a disk that is full takes what fits, then nothing, and still lets old bytes be overwritten', () => {
    const disk = diskWithFile('abc');
    disk.capacity = 5;
    const file = disk.open('/state/a');
    assert.equal(file.write(bytes('defg'), 0, 4, 3), 2);
    assert.throws(() => file.write(bytes('g'), 0, 1, 5), { code: 'ENOSPC' });
    assert.equal(file.write(bytes('X'), 0, 1, 0), 1);
    assert.equal(disk.contents('/state/a').toString(), 'Xbcde');
    disk.plant('/state/b', bytes(''));
    assert.throws(() => disk.open('/state/b').write(bytes('x'), 0, 1, 0), { code: 'ENOSPC' });
    file.truncate(1);
    assert.equal(disk.open('/state/b').write(bytes('x'), 0, 1, 0), 1);
  });
});

describe('memory disk › crash', () => {
  test('only what was synced is left, and open files are dead', () => {
    const disk = diskWithFile();
    const file = disk.open('/state/a');
    file.write(bytes('safe'), 0, 4, 0);
    file.syncNow();
    file.write(bytes('lost'), 0, 4, 2);
    file.truncate(1);
    disk.crash();
    assert.equal(disk.contents('/state/a').toString(), 'safe');
    assert.throws(() => file.size(), { code: 'EBADF' });
    assert.equal(disk.openFiles(), 0);
  });

  test('a new file, a rename and a removal are lost unless the folder was synced', () => {
    const disk = diskWithFile('old');
    disk.open('/state/new', { create: true }).syncNow();
    disk.rename('/state/a', '/state/b');
    disk.crash();
    assert.deepEqual(disk.list('/state'), ['a']);
    disk.rename('/state/a', '/state/b');
    disk.syncFolder('/state');
    disk.remove('/state/b');
    disk.crash();
    assert.deepEqual(disk.list('/state'), ['b']);
    assert.equal(disk.contents('/state/b').toString(), 'old');
  });

  test('an asynchronous sync saves what was written before it was called, once it resolves', async () => {
    const disk = diskWithFile();
    const file = disk.open('/state/a');
    file.write(bytes('ab'), 0, 2, 0);
    const syncing = file.sync();
    file.write(bytes('cd'), 0, 2, 2);
    await syncing;
    disk.crash();
    assert.equal(disk.contents('/state/a').toString(), 'ab');
    const dying = disk.open('/state/a');
    dying.write(bytes('xy'), 0, 2, 0);
    const never = dying.sync();
    disk.crash();
    await assert.rejects(never, { code: 'EBADF' });
    assert.equal(disk.contents('/state/a').toString(), 'ab');
  });

  test('with `keep`, every page that was written since the sync is either old or new', () => {
    const page = 4096;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const disk = diskWithFile('a'.repeat(4 * page));
        const file = disk.open('/state/a');
        file.write(Buffer.alloc(4 * page, 'b'), 0, 4 * page, 0);
        disk.crash({ keep: seededRandom(seed) });
        const content = disk.contents('/state/a').toString();
        assert.match(content, /^(a{4096}|b{4096}){4}$/);
      }),
      { numRuns: 50 },
    );
  });

  test('with `keep`, different seeds keep different parts, and the same seed the same', () => {
    const after = (seed: number): string => {
      const disk = diskWithFile();
      const file = disk.open('/state/a');
      for (let at = 0; at < 64; at++) writeFully(file, bytes('x'), 1, at);
      disk.crash({ keep: seededRandom(seed) });
      return disk.contents('/state/a').toString();
    };
    assert.equal(after(1), after(1));
    assert.ok(new Set(Array.from({ length: 8 }, (_, seed) => after(seed))).size > 4);
  });

  test('with `keep`, changes to folders survive in their order', () => {
    for (let seed = 0; seed < 50; seed++) {
      const disk = diskWithFile();
      for (const name of ['b', 'c', 'd']) disk.open(`/state/${name}`, { create: true }).close();
      disk.crash({ keep: seededRandom(seed) });
      const names = disk.list('/state').join('');
      assert.ok('abcd'.startsWith(names), names);
    }
  });
});
