import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { DIRECTORY, type Fixture, openFixture, run, type Seen } from './fixture.ts';
import { createRecordHeader, KIND, RECORD_HEADER_BYTES, readRecord } from './record.ts';

const nothing = { epoch: 0, s: 0 };
const FAR = { segment: 1_000_000, offset: 0 };

function write(fixture: Fixture, shard: number, count: number, size = 400): void {
  for (let i = 0; i < count; i++) {
    fixture.append(shard, size);
    fixture.journal.flush();
  }
}

const fileOf = (name: string): string => `${DIRECTORY}/${name}`;

/** Where each dispatch of a file lies. */
function recordsOf(bytes: Buffer): Array<Seen & { start: number; end: number }> {
  const header = createRecordHeader();
  const found: Array<Seen & { start: number; end: number }> = [];
  for (let at = 0; at < bytes.length; ) {
    const end = readRecord(bytes, at, bytes.length, header);
    assert.ok(end > 0);
    const { shard, epoch, s } = header;
    if (header.kind === KIND.DISPATCH) found.push({ shard, epoch, s, start: at, end });
    at = end;
  }
  return found;
}

/** Keeps the folder as it is; returns how to bring it back. */
function keepFolder(fixture: Fixture): () => void {
  const files = fixture
    .segments()
    .map((name) => [fileOf(name), fixture.disk.contents(fileOf(name))] as const);
  return () => {
    fixture.disk.remove(DIRECTORY);
    for (const [file, bytes] of files) fixture.disk.plant(file, bytes);
  };
}

/** Changes some bytes of a file behind the journal's back. */
function damage(fixture: Fixture, name: string, from: number, to: number): void {
  const bytes = fixture.disk.contents(fileOf(name));
  for (let at = from; at < to; at++) bytes[at] = bytes[at]! ^ 0x5a;
  fixture.disk.plant(fileOf(name), bytes);
}

describe('journal › a process that died', () => {
  test('a log cut at any byte: the tips are those of the last whole record, and it goes on from there', () => {
    const fixture = openFixture();
    for (let i = 0; i < 6; i++) fixture.append(i % 2, 20 + i);
    fixture.journal.flush();
    fixture.journal.close();
    const name = fileOf('00000001.seg');
    const whole = fixture.disk.contents(name);
    const records = recordsOf(whole);
    const restore = keepFolder(fixture);
    for (let size = 0; size <= whole.length; size++) {
      restore();
      fixture.disk.plant(name, whole.subarray(0, size));
      fixture.start();
      const kept = records.filter(({ end }) => end <= size);
      for (const shard of [0, 1]) {
        const last = kept.findLast((record) => record.shard === shard);
        assert.deepEqual(
          fixture.journal.tip(shard),
          last ? { epoch: 1, s: last.s } : nothing,
          `cut at ${size}`,
        );
      }
      const more = fixture.append(0, 50);
      fixture.journal.flush();
      fixture.reopen();
      const expected = [...run(0, 1, more.s)];
      assert.deepEqual(fixture.readAll(0), expected, `cut at ${size}`);
      assert.equal(fixture.journal.stats().damaged, 0);
      fixture.journal.close();
    }
  });

  test('the same over a boundary of segments: a torn head, a torn first record', () => {
    const fixture = openFixture({ cursors: () => ['cursors'] });
    write(fixture, 0, 10);
    write(fixture, 1, 1);
    fixture.journal.close();
    const [first, second] = fixture.segments();
    const restore = keepFolder(fixture);
    const before = fixture.disk.contents(fileOf(first!));
    const whole = fixture.disk.contents(fileOf(second!));
    const records = [
      ...recordsOf(before),
      ...recordsOf(whole).map((record) => ({ ...record, end: record.end + 1e9 })),
    ];
    for (let size = 0; size <= whole.length; size++) {
      restore();
      fixture.disk.plant(fileOf(second!), whole.subarray(0, size));
      fixture.start();
      for (const shard of [0, 1]) {
        const last = records.findLast((record) => record.shard === shard && record.end <= size + 1e9);
        assert.deepEqual(
          fixture.journal.tip(shard),
          last ? { epoch: 1, s: last.s } : nothing,
          `cut at ${size}`,
        );
      }
      fixture.append(1, 50);
      fixture.journal.flush();
      assert.deepEqual(fixture.readAll(0), run(0, 1, fixture.journal.tip(0).s));
      assert.deepEqual(fixture.readAll(1), run(1, 1, fixture.journal.tip(1).s));
      fixture.journal.close();
    }
  });

  test('zeros behind the last record, as a file that had grown has them, are cut', () => {
    const fixture = openFixture();
    write(fixture, 0, 3);
    fixture.journal.close();
    const bytes = fixture.disk.contents(fileOf('00000001.seg'));
    fixture.disk.plant(fileOf('00000001.seg'), Buffer.concat([bytes, Buffer.alloc(10_000)]));
    fixture.start();
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 3 });
    assert.equal(fixture.disk.contents(fileOf('00000001.seg')).length, bytes.length);
    assert.ok(fixture.events().includes('journal.torn'));
  });

  test('a folder with other files in it, empty segments and no segment at all opens', () => {
    const fixture = openFixture();
    fixture.journal.close();
    for (const name of ['readme.txt', '00000004.seg', '00000009.seg.tmp'])
      fixture.disk.plant(fileOf(name), Buffer.alloc(0));
    fixture.start();
    write(fixture, 0, 1);
    assert.deepEqual(fixture.segments(), ['00000005.seg', '00000009.seg.tmp', 'readme.txt']);
  });
});

describe('journal › damage', () => {
  /** A log of several segments of shard 0 (and 1), all of it synced but the last record. */
  async function synced(): Promise<Fixture> {
    const fixture = openFixture();
    for (let i = 0; i < 40; i++) write(fixture, i % 2, 1);
    await fixture.journal.sync();
    write(fixture, 0, 1);
    fixture.journal.close();
    return fixture;
  }

  test('a damaged record in mid-log costs itself; what follows survives, and a reader sees the jump', async () => {
    const fixture = await synced();
    const names = fixture.segments();
    for (const name of [names[1]!, names.at(-1)!]) {
      const good = fixture.disk.contents(fileOf(name));
      for (const { start, end, ...record } of recordsOf(good).slice(0, 2)) {
        for (const [from, to] of [
          [start, start + 1],
          [start + 5, start + 6],
          [start + 14, start + 16],
          [start + 20, start + 21],
          [start + RECORD_HEADER_BYTES, end],
          [end - 1, end],
        ] as const) {
          damage(fixture, name, from, to);
          fixture.start();
          assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 21 });
          assert.deepEqual(fixture.journal.tip(1), { epoch: 1, s: 20 });
          const expected = run(record.shard, 1, record.shard === 0 ? 21 : 20).filter(
            ({ s }) => s !== record.s,
          );
          assert.deepEqual(fixture.readAll(record.shard), expected);
          assert.equal(fixture.journal.stats().damaged, 1);
          fixture.journal.close();
          fixture.disk.plant(fileOf(name), good);
        }
      }
    }
  });

  test('a record that rots while it is indexed is not shown to a reader', async () => {
    const fixture = await synced();
    fixture.start();
    assert.equal(fixture.readAll(0).length, 21);
    const name = fixture.segments()[1]!;
    const [record] = recordsOf(fixture.disk.contents(fileOf(name)));
    fixture.reopen();
    fixture.journal.reader(record!.shard, { epoch: 1, s: record!.s }).place();
    damage(fixture, name, record!.start + 45, record!.start + 46);
    const expected = run(record!.shard, 1, record!.shard === 0 ? 21 : 20).filter(({ s }) => s !== record!.s);
    assert.deepEqual(fixture.readAll(record!.shard), expected);
  });

  test('a record that rots alone, far from its next, is not shown either', () => {
    const fixture = openFixture({ segmentBytes: 1024 * 1024 });
    for (let i = 0; i < 5; i++) {
      write(fixture, 1, 1);
      write(fixture, 0, 1, 30_000);
    }
    const third = recordsOf(fixture.disk.contents(fileOf('00000001.seg'))).find(
      ({ shard, s }) => shard === 1 && s === 3,
    )!;
    damage(fixture, '00000001.seg', third.end - 1, third.end);
    assert.deepEqual(
      fixture.readAll(1),
      run(1, 1, 5).filter(({ s }) => s !== 3),
    );
  });

  test('a damaged head: readers find their place, the tips hold, and a floor is still told', async () => {
    const fixture = await synced();
    const restore = keepFolder(fixture);
    for (const name of fixture.segments()) {
      restore();
      damage(fixture, name, 50, 51);
      fixture.start();
      assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 21 });
      for (const shard of [0, 1]) {
        const last = shard === 0 ? 21 : 20;
        for (let s = 0; s <= last; s++)
          assert.deepEqual(
            fixture.readAll(shard, { epoch: 1, s }),
            run(shard, s + 1, last),
            `${name} ${shard}/${s}`,
          );
        assert.deepEqual(fixture.readAll(shard), run(shard, 1, last));
      }
      assert.deepEqual(fixture.journal.floor(0), nothing);
      write(fixture, 1, 1);
      assert.deepEqual(fixture.readAll(1), run(1, 1, 21));
      fixture.journal.close();
    }
  });

  test('all heads damaged: everything is read, nothing is lost', async () => {
    const fixture = await synced();
    for (const name of fixture.segments()) damage(fixture, name, 50, 51);
    fixture.start();
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 21 });
    assert.deepEqual(fixture.readAll(0), run(0, 1, 21));
    fixture.journal.trim(FAR, FAR);
  });

  test('a segment that cannot be read is left out: its events are a jump, the rest goes on', async () => {
    const fixture = await synced();
    const names = fixture.segments();
    const lost = new Set(
      recordsOf(fixture.disk.contents(fileOf(names[1]!))).map(({ shard, s }) => `${shard}/${s}`),
    );
    const left = (shard: number, last: number) =>
      run(shard, 1, last).filter(({ s }) => !lost.has(`${shard}/${s}`));
    fixture.start();
    fixture.disk.fail({ call: 'read', path: names[1]!, times: Number.POSITIVE_INFINITY, code: 'EIO' });
    assert.deepEqual(fixture.readAll(0), left(0, 21));
    assert.deepEqual(fixture.readAll(1), left(1, 20));
    assert.equal(fixture.journal.stats().damaged, 1);
    assert.equal(fixture.events().filter((event) => event === 'journal.segment-lost').length, 1);
    assert.ok(fixture.segments().includes(names[1]!), 'the file itself is left to whoever can read it');
    write(fixture, 0, 1);
    fixture.reopen();
    assert.deepEqual(fixture.readAll(0), left(0, 22));
  });

  test('the segment that is being written cannot be read: writing goes on in a new one', async () => {
    const fixture = openFixture();
    write(fixture, 0, 12);
    const lost = fixture.segments().at(-1)!;
    fixture.disk.fail({ call: 'read', path: lost, times: Number.POSITIVE_INFINITY, code: 'EIO' });
    assert.deepEqual(fixture.readAll(0), run(0, 1, 9));
    write(fixture, 0, 3);
    assert.deepEqual(fixture.readAll(0), [...run(0, 1, 9), ...run(0, 13, 15)]);
    fixture.disk.fail({ call: 'write', code: 'EIO' });
    write(fixture, 0, 3);
    assert.deepEqual(fixture.conditions, []);
    assert.deepEqual(fixture.readAll(0), [...run(0, 1, 9), ...run(0, 13, 18)]);
    fixture.disk.heal();
    fixture.reopen();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 18), 'what is on the disk is found again');
  });

  test('the oldest segment deleted by hand: readers of it are told that it is gone', async () => {
    const fixture = await synced();
    fixture.start();
    fixture.disk.remove(fileOf(fixture.segments()[0]!));
    assert.deepEqual(fixture.readUntil(0, nothing), { seen: [], outcome: 'trimmed' });
    const floor = fixture.journal.floor(0);
    assert.ok(floor.s > 0);
    assert.deepEqual(fixture.readAll(0, floor), run(0, floor.s + 1, 21));
  });

  test('an error that says nothing about the file is not taken for a loss', async () => {
    const fixture = await synced();
    fixture.start();
    fixture.disk.fail({ call: 'open', path: fixture.segments()[0]!, code: 'EMFILE' });
    assert.throws(() => fixture.readAll(0), { code: 'EMFILE' });
    assert.deepEqual(fixture.readAll(0), run(0, 1, 21));
  });
});

describe('journal › lost power', () => {
  test('what an earlier process had only written is safe after a sync of this one', async () => {
    const fixture = openFixture();
    write(fixture, 0, 30);
    fixture.reopen();
    await fixture.journal.sync();
    fixture.crash();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 30));
  });

  test('what is written while a sync runs does not count as synced by it', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const fixture = openFixture({ segmentBytes: 1024 * 1024 });
      write(fixture, 0, 5);
      const syncing = fixture.journal.sync();
      await Promise.resolve(); // it has begun
      write(fixture, 0, 40, 5000);
      await syncing;
      write(fixture, 0, 5);
      fixture.crash(seededRandom(seed));
      const tip = fixture.journal.tip(0);
      assert.deepEqual(fixture.readAll(0), run(0, 1, tip.s));
      assert.ok(tip.s >= 5);
      assert.equal(fixture.journal.stats().damaged, 0);
    }
  });

  test('without any sync at all, the next start finds nothing and begins anew', () => {
    const fixture = openFixture();
    write(fixture, 0, 30);
    fixture.crash();
    assert.deepEqual(fixture.journal.tip(0), nothing);
    write(fixture, 0, 3);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 3));
  });

  test('what was synced stays, and from the first hole on the log is cut, over segments too', async () => {
    let cut = 0;
    for (let seed = 0; seed < 60; seed++) {
      const fixture = openFixture({ segmentBytes: 16 * 1024 });
      write(fixture, 0, seed % 40, 700);
      await fixture.journal.sync();
      const syncedTip = fixture.journal.tip(0);
      write(fixture, 0, 40, 700);
      const written = fixture.journal.tip(0).s;
      fixture.crash(seededRandom(seed));
      const tip = fixture.journal.tip(0);
      assert.ok(tip.s >= syncedTip.s, `seed ${seed}: ${tip.s} of ${syncedTip.s} synced`);
      if (tip.s < written) cut++;
      assert.deepEqual(fixture.readAll(0), run(0, 1, tip.s), `seed ${seed}`);
      assert.equal(fixture.journal.stats().damaged, 0, `seed ${seed}`);
      // Discord sends the rest again.
      write(fixture, 0, 10, 700);
      assert.deepEqual(fixture.readAll(0), run(0, 1, tip.s + 10), `seed ${seed}`);
      fixture.reopen();
      assert.deepEqual(fixture.readAll(0), run(0, 1, tip.s + 10), `seed ${seed}`);
    }
    assert.ok(cut > 40, `${cut} of 60 crashes lost something`);
  });

  test('a hole before the last sync is damage: it does not cut what follows', async () => {
    const fixture = openFixture({ segmentBytes: 64 * 1024 });
    write(fixture, 0, 10);
    await fixture.journal.sync();
    write(fixture, 0, 10);
    await fixture.journal.sync();
    write(fixture, 0, 2);
    fixture.journal.close();
    const [, , third] = recordsOf(fixture.disk.contents(fileOf('00000001.seg')));
    damage(fixture, '00000001.seg', third!.start, third!.end);
    fixture.start();
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 22 });
    assert.deepEqual(
      fixture.readAll(0),
      run(0, 1, 22).filter(({ s }) => s !== 3),
    );
  });
});
