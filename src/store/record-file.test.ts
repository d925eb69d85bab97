import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createLog, silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { createMemoryDisk, type MemoryDisk } from './memory-disk.ts';
import { openRecordFile, type RecordFile } from './record-file.ts';

const FILE = '/state/ledger.log';

interface Row {
  readonly n: number;
  readonly text?: string;
}

function open(disk: MemoryDisk): RecordFile<Row> {
  return openRecordFile<Row>({ disk, path: FILE, log: silentLog });
}

/** A disk whose file holds these rows, synced. */
function diskWith(rows: readonly Row[]): MemoryDisk {
  const disk = createMemoryDisk();
  const file = open(disk);
  for (const row of rows) file.append(row);
  file.syncNow();
  file.close();
  return disk;
}

function rowsOf(disk: MemoryDisk): readonly Row[] {
  const file = open(disk);
  file.close();
  return file.records;
}

const ROWS: readonly Row[] = [{ n: 1 }, { n: 2, text: 'zwölf Boxkämpfer \n\t" \\ 🦄' }, { n: 3, text: '' }];

describe('record file', () => {
  test('what was appended is read again, oldest first', () => {
    const disk = diskWith(ROWS);
    assert.deepEqual(rowsOf(disk), ROWS);
    assert.equal(disk.openFiles(), 0);
  });

  test('a tail torn at any byte is cut, and the next record takes its place', () => {
    const disk = diskWith(ROWS);
    const whole = disk.contents(FILE);
    const ends = [0];
    for (let at = 0; at < whole.length; at++) if (whole[at] === 0x0a) ends.push(at + 1);
    for (let size = 0; size < whole.length; size++) {
      disk.plant(FILE, whole.subarray(0, size));
      const kept = ends.filter((end) => end > 0 && end <= size).length;
      const file = open(disk);
      assert.deepEqual(file.records, ROWS.slice(0, kept), `cut at ${size}`);
      assert.equal(file.setAside, undefined);
      file.append({ n: 4 });
      file.close();
      assert.deepEqual(rowsOf(disk), [...ROWS.slice(0, kept), { n: 4 }], `cut at ${size}`);
    }
  });

  test('a tail of zeros, as lost power leaves it, is cut', () => {
    const disk = diskWith(ROWS);
    disk.plant(FILE, Buffer.concat([disk.contents(FILE), Buffer.alloc(5000)]));
    assert.deepEqual(rowsOf(disk), ROWS);
    assert.deepEqual(disk.list('/state'), ['ledger.log']);
  });

  test('a flipped byte anywhere costs its line only, and the damaged file is set aside whole', () => {
    const whole = diskWith(ROWS).contents(FILE);
    for (let at = 0; at < whole.length; at++) {
      const disk = createMemoryDisk();
      const damaged = Buffer.from(whole);
      damaged[at] = damaged[at]! ^ 0x11;
      disk.plant(FILE, damaged);
      const file = open(disk);
      file.close();
      const line = whole.subarray(0, at).filter((byte) => byte === 0x0a).length;
      if (whole[at] === 0x0a) {
        // The newline itself: its line and the next are one, or its line is a torn tail.
        const isLast = line === ROWS.length - 1;
        assert.deepEqual(
          file.records,
          ROWS.filter((_, i) => i !== line && (isLast || i !== line + 1)),
        );
        continue;
      }
      assert.deepEqual(
        file.records,
        ROWS.filter((_, i) => i !== line),
        `byte ${at}`,
      );
      assert.ok(file.setAside);
      assert.deepEqual(disk.contents(file.setAside), damaged);
      assert.deepEqual(rowsOf(disk), file.records, 'the second open meets no damage');
    }
  });

  test('whoever dies while a damaged file is set aside finds the whole lines again', () => {
    const damaged = diskWith(ROWS).contents(FILE);
    damaged[3] = 0x78;
    for (const call of ['open', 'write', 'sync', 'rename'] as const) {
      for (let after = 0; after < 4; after++) {
        const disk = createMemoryDisk();
        disk.plant(FILE, damaged);
        disk.fail({ call, after, code: 'EIO' });
        try {
          open(disk);
        } catch {}
        disk.heal();
        disk.crash({ keep: seededRandom(after) });
        assert.deepEqual(rowsOf(disk), ROWS.slice(1), `${call} ${after}`);
      }
    }
  });

  test('a failed append throws and leaves the file unchanged', () => {
    for (const bytes of [0, 1, 5, 17]) {
      const disk = diskWith(ROWS);
      const before = disk.contents(FILE);
      const file = open(disk);
      disk.fail({ call: 'write', bytes, code: 'ENOSPC' });
      assert.throws(() => file.append({ n: 4, text: 'does not fit' }), { code: 'ENOSPC' });
      assert.deepEqual(disk.contents(FILE), before);
      file.append({ n: 5 });
      assert.deepEqual(rowsOf(disk), [...ROWS, { n: 5 }]);
    }
  });

  test('a torn append that could not be cut off is cut before the next one', () => {
    const disk = diskWith(ROWS);
    const file = open(disk);
    disk.fail({ call: 'write', bytes: 40, code: 'EIO' });
    disk.fail({ call: 'truncate', times: 2, code: 'EIO' });
    assert.throws(() => file.append({ n: 4, text: 'x'.repeat(100) }), { code: 'EIO' });
    assert.throws(() => file.append({ n: 5 }), { code: 'EIO' });
    file.append({ n: 6 });
    assert.deepEqual(rowsOf(disk), [...ROWS, { n: 6 }]);
  });

  test('short writes are continued', () => {
    const disk = diskWith([]);
    const file = open(disk);
    disk.fail({ call: 'write', bytes: 3, times: 5 });
    for (const row of ROWS) file.append(row);
    assert.deepEqual(rowsOf(disk), ROWS);
  });

  test('a disk that takes no bytes and gives no error counts as failed', () => {
    const disk = diskWith(ROWS);
    const file = open(disk);
    disk.fail({ call: 'write', bytes: 0 });
    assert.throws(() => file.append({ n: 4 }), { code: 'EIO' });
    assert.deepEqual(rowsOf(disk), ROWS);
  });

  test('a record that was synced survives lost power, the very first one too', () => {
    const disk = createMemoryDisk();
    const file = open(disk);
    file.append({ n: 1 });
    file.syncNow();
    file.append({ n: 2 });
    disk.crash();
    assert.deepEqual(rowsOf(disk), [{ n: 1 }]);
  });

  test('rewrite replaces everything at once: a crash leaves the old content or the new', () => {
    const next: Row[] = [{ n: 7 }, { n: 8 }];
    for (const call of ['open', 'write', 'sync', 'rename', 'syncFolder', 'remove'] as const) {
      for (let seed = 0; seed < 20; seed++) {
        const disk = diskWith(ROWS);
        const file = open(disk);
        disk.fail({ call, bytes: 5, code: 'EIO' });
        let failed = false;
        try {
          file.rewrite(next);
        } catch {
          failed = true;
        }
        disk.heal();
        assert.deepEqual(rowsOf(disk), failed ? ROWS : next, call);
        disk.crash({ keep: seededRandom(seed) });
        const left = rowsOf(disk);
        assert.ok(
          [ROWS, next].some((rows) => JSON.stringify(rows) === JSON.stringify(left)),
          `${call}: ${JSON.stringify(left)}`,
        );
      }
    }
  });

  test('a failed rewrite throws, leaves no file open, and appends go on to the old file', () => {
    const disk = diskWith(ROWS);
    const file = open(disk);
    disk.fail({ call: 'write', code: 'ENOSPC' });
    assert.throws(() => file.rewrite([{ n: 9 }]), { code: 'ENOSPC' });
    assert.equal(disk.openFiles(), 1);
    file.append({ n: 4 });
    assert.deepEqual(rowsOf(disk), [...ROWS, { n: 4 }]);
    file.rewrite([{ n: 9 }]);
    file.append({ n: 10 });
    assert.deepEqual(rowsOf(disk), [{ n: 9 }, { n: 10 }]);
  });

  test('after a rewrite whose folder could not be synced, a synced append is safe all the same', () => {
    const disk = diskWith(ROWS);
    const file = open(disk);
    disk.fail({ call: 'syncFolder', times: 2, code: 'EIO' });
    file.rewrite([{ n: 9 }]);
    file.append({ n: 10 });
    assert.throws(() => file.syncNow(), { code: 'EIO' });
    file.syncNow();
    disk.crash();
    assert.deepEqual(rowsOf(disk), [{ n: 9 }, { n: 10 }]);
  });

  test('damage is told with what was kept and where the rest is', () => {
    const disk = diskWith(ROWS);
    const damaged = disk.contents(FILE);
    damaged[3] = 0x78;
    disk.plant(FILE, damaged);
    const lines: string[] = [];
    const log = createLog({ level: 'info', now: () => 0, write: (line) => lines.push(line) });
    openRecordFile<Row>({ disk, path: FILE, log });
    const line = JSON.parse(lines[0]!) as Record<string, unknown>;
    assert.equal(line['event'], 'record-file.damaged');
    assert.equal(line['kept'], 2);
    assert.equal(line['setAside'], `${FILE}.damaged-${damaged.length}`);
  });

  test('whatever happens to a file and its disk, synced records are never lost and nothing is made up', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant('append' as const) },
      { weight: 3, arbitrary: fc.constant('sync' as const) },
      { weight: 1, arbitrary: fc.constant('rewrite' as const) },
      { weight: 1, arbitrary: fc.constant('reopen' as const) },
      { weight: 1, arbitrary: fc.constant('fail' as const) },
      { weight: 1, arbitrary: fc.constant('crash' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, seed) => {
        const random = seededRandom(seed);
        const disk = createMemoryDisk();
        let file = open(disk);
        let expected: Row[] = [];
        let synced = 0;
        let n = 0;
        const tryTo = (run: () => void): boolean => {
          try {
            run();
            return true;
          } catch {
            return false;
          }
        };
        const check = (): void => {
          file = open(disk);
          const kept = file.records;
          // Of what was not synced, any part may be left: pages are lost one by one.
          const numbers = kept.map((row) => row.n);
          const before = expected.map((row) => row.n);
          assert.deepEqual(numbers.slice(0, synced), before.slice(0, synced));
          assert.deepEqual(
            numbers,
            before.filter((number) => numbers.includes(number)),
          );
          expected = [...kept];
        };
        for (const action of steps) {
          if (action === 'append') {
            const row = { n: n++, text: 'x'.repeat(Math.floor(random.next() * 9000)) };
            if (tryTo(() => file.append(row))) expected.push(row);
          } else if (action === 'sync') {
            if (tryTo(() => file.syncNow())) synced = expected.length;
          } else if (action === 'rewrite') {
            // The same content: what its users do when they compact.
            tryTo(() => file.rewrite(expected));
          } else if (action === 'fail') {
            const calls = ['write', 'sync', 'rename', 'truncate'] as const;
            const call = calls[Math.floor(random.next() * calls.length)]!;
            disk.fail({
              call,
              after: Math.floor(random.next() * 2),
              code: 'EIO',
              bytes: Math.floor(random.next() * 20),
            });
          } else {
            disk.heal();
            if (action === 'crash') disk.crash(random.next() < 0.5 ? { keep: random } : {});
            else file.close();
            check();
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
