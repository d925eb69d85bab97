import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EVENT } from '../wire/event-type.ts';
import { DIRECTORY, type Fixture, openFixture, run } from './fixture.ts';
import { createRecordHeader, KIND, readRecord } from './record.ts';

const nothing = { epoch: 0, s: 0 };
const FAR = { segment: 1_000_000, offset: 0 };
const nextTick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Appends and writes events one flush each, so that segments fill to their usual size. */
function fill(fixture: Fixture, shard: number, count: number, size = 400): void {
  for (let i = 0; i < count; i++) {
    fixture.append(shard, size);
    fixture.journal.flush();
  }
}

describe('journal', () => {
  test('an event is neither delivered nor part of the tip before it is written', () => {
    const fixture = openFixture();
    fixture.append(3);
    assert.deepEqual(fixture.journal.tip(3), nothing);
    assert.deepEqual(fixture.delivered, []);
    fixture.journal.flush();
    assert.deepEqual(fixture.journal.tip(3), { epoch: 1, s: 1 });
    assert.deepEqual(fixture.delivered, run(3, 1, 1));
  });

  test('a tick’s events leave together, by themselves, in one write and in order', async () => {
    let calls = 0;
    const fixture = openFixture({ onAppended: () => calls++ });
    fixture.append(0);
    fixture.append(1);
    fixture.append(0);
    await nextTick();
    assert.equal(calls, 1);
    assert.deepEqual(fixture.delivered, [...run(0, 1, 1), ...run(1, 1, 1), ...run(0, 2, 2)]);
    fixture.journal.flush();
    assert.equal(calls, 1, 'nothing to write, nothing to deliver');
  });

  test('half a mebibyte does not wait for the end of the tick', () => {
    const fixture = openFixture({ segmentBytes: 16 * 1024 * 1024 });
    for (let i = 0; i < 6; i++) fixture.append(0, 100_000);
    assert.deepEqual(fixture.delivered, run(0, 1, 6));
  });

  test('a record larger than the buffer is written and read like any other', () => {
    const fixture = openFixture({ segmentBytes: 1024 * 1024 });
    const sizes = [10, 3_000_000, 10, 700_000, 900_000, 20, 1_048_576];
    for (const size of sizes) fixture.append(0, size);
    fixture.journal.flush();
    assert.deepEqual(fixture.delivered, run(0, 1, sizes.length));
    assert.deepEqual(fixture.readAll(0), run(0, 1, sizes.length));
    fixture.reopen();
    assert.deepEqual(fixture.readAll(0), run(0, 1, sizes.length));
  });

  test('what is appended from inside a delivery waits for the next flush, however much it is', async () => {
    const fixture = openFixture({
      segmentBytes: 64 * 1024 * 1024,
      onAppended() {
        if (fixture.last(0).s > 1) return;
        for (let i = 0; i < 30; i++) fixture.append(0, 100_000);
        fixture.journal.flush();
        assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 1 });
      },
    });
    fixture.append(0);
    fixture.journal.flush();
    assert.deepEqual(fixture.delivered, run(0, 1, 1));
    await nextTick();
    assert.deepEqual(fixture.delivered, run(0, 1, 31));
    assert.deepEqual(fixture.readAll(0), run(0, 1, 31));
  });

  test('a delivered batch is intact until its delivery ends, whatever is appended meanwhile', () => {
    const fixture = openFixture({
      onAppended(buffer, end) {
        const before = Buffer.from(buffer.subarray(0, end));
        for (let i = 0; i < 50 && fixture.last(0).s < 100; i++) fixture.append(0, 50_000);
        assert.ok(before.equals(buffer.subarray(0, end)));
      },
    });
    fixture.append(0);
    while (fixture.journal.tip(0).s < 100) fixture.journal.flush();
    assert.deepEqual(fixture.delivered, run(0, 1, fixture.last(0).s));
  });

  test('a delivery that throws throws out of the flush, and the journal goes on', () => {
    let broken = true;
    const fixture = openFixture({
      onAppended() {
        if (broken) throw new Error('a bug in delivery');
      },
    });
    fixture.append(0);
    assert.throws(() => fixture.journal.flush(), /a bug in delivery/);
    broken = false;
    fixture.append(0);
    fixture.journal.flush();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 2));
  });

  test('shards and epochs have tips of their own, also shards of high numbers', () => {
    const fixture = openFixture();
    fill(fixture, 0, 3);
    fixture.appendReady(0);
    fixture.append(0);
    fixture.append(5_000);
    fixture.journal.flush();
    assert.deepEqual(fixture.journal.tip(0), { epoch: 2, s: 2 });
    assert.deepEqual(fixture.journal.tip(5_000), { epoch: 1, s: 1 });
    assert.deepEqual(fixture.journal.tip(4_999), nothing);
    assert.deepEqual(fixture.journal.tip(70_000), nothing);
  });

  test('cursors ride in a batch and are handed to the next start, after those of the head', () => {
    const fixture = openFixture({ cursors: () => ['at the head'] });
    fixture.append(0);
    fixture.journal.appendCursors(['first']);
    fixture.journal.appendCursors({ any: 'value' });
    fixture.journal.flush();
    fixture.reopen();
    assert.deepEqual(fixture.journal.recoveredCursors, [['at the head'], ['first'], { any: 'value' }]);
  });
});

describe('journal › segments', () => {
  test('a new one begins when the next batch would not fit, and begins with every tip and cursor', () => {
    let cursors = ['one'];
    const fixture = openFixture({ cursors: () => cursors });
    fill(fixture, 0, 9);
    assert.deepEqual(fixture.segments(), ['00000001.seg']);
    cursors = ['two'];
    fill(fixture, 7, 1);
    assert.deepEqual(fixture.segments(), ['00000001.seg', '00000002.seg']);
    const header = createRecordHeader();
    const bytes = fixture.disk.contents(`${DIRECTORY}/00000002.seg`);
    readRecord(bytes, 0, bytes.length, header);
    assert.equal(header.kind, KIND.HEAD);
    const head = JSON.parse(bytes.toString('utf8', header.payloadStart, header.payloadEnd)) as object;
    assert.deepEqual(head, {
      version: 1,
      tips: [[0, 1, 9]],
      cursors: ['two'],
      synced: { segment: 0, offset: 0 },
    });
    assert.ok(fixture.disk.contents(`${DIRECTORY}/00000001.seg`).length <= 4096);
  });

  test('a start reads one segment when all before it was synced', async () => {
    const fixture = openFixture();
    fill(fixture, 0, 40);
    await fixture.journal.sync();
    fill(fixture, 0, 1);
    fixture.journal.close();
    for (const name of fixture.segments().slice(0, -1))
      fixture.disk.fail({ call: 'read', path: name, code: 'EACCES' });
    fixture.start();
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 41 });
  });

  test('a batch larger than a segment gets one of its own', () => {
    const fixture = openFixture();
    fill(fixture, 0, 1);
    for (let i = 0; i < 50; i++) fixture.append(0, 400);
    fixture.journal.flush();
    fill(fixture, 0, 1);
    assert.equal(fixture.segments().length, 3);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 52));
  });

  test('`end` is where the next record will be', () => {
    const fixture = openFixture();
    assert.deepEqual(fixture.journal.end(), { segment: 0, offset: 0 });
    fill(fixture, 0, 1);
    const { segment, offset } = fixture.journal.end();
    assert.equal(segment, 1);
    assert.equal(offset, fixture.disk.contents(`${DIRECTORY}/00000001.seg`).length);
    fixture.reopen();
    assert.deepEqual(fixture.journal.end(), { segment, offset });
  });
});

describe('journal › reader', () => {
  /** Three shards mixed, two epochs of shard 0, over several segments. */
  function mixed(): Fixture {
    const fixture = openFixture();
    for (let i = 0; i < 60; i++) {
      fixture.append(i % 3, 100 + (i % 7) * 60);
      if (i % 4 === 0) fixture.journal.flush();
      if (i === 30) fixture.appendReady(0);
    }
    fixture.journal.flush();
    assert.ok(fixture.segments().length >= 4);
    return fixture;
  }

  test('from every position it shows exactly what comes after it, in order', () => {
    const fixture = mixed();
    const check = (): void => {
      for (const shard of [0, 1, 2]) {
        const all = fixture.readAll(shard);
        const written = fixture.delivered.filter((seen) => seen.shard === shard);
        assert.deepEqual(all, written);
        for (const [at, { epoch, s }] of all.entries())
          for (const turnBytes of [1, 300, 100_000])
            assert.deepEqual(fixture.readAll(shard, { epoch, s }, turnBytes), all.slice(at + 1));
      }
      assert.deepEqual(fixture.readAll(9), []);
    };
    check();
    fixture.reopen();
    check();
  });

  test('a position between two records leads to the later one', () => {
    const fixture = openFixture();
    fixture.put({ shard: 0, epoch: 1, s: 10 });
    fixture.put({ shard: 0, epoch: 3, s: 5 });
    fixture.journal.flush();
    assert.deepEqual(fixture.readAll(0, { epoch: 1, s: 4 }).length, 2);
    assert.deepEqual(fixture.readAll(0, { epoch: 1, s: 99 }), run(0, 5, 5, 3));
    assert.deepEqual(fixture.readAll(0, { epoch: 2, s: 7 }), run(0, 5, 5, 3));
    assert.deepEqual(fixture.readAll(0, { epoch: 3, s: 5 }), []);
    assert.deepEqual(fixture.readAll(0, { epoch: 4, s: 0 }), []);
  });

  test('a visitor that says stop is shown the same record again', () => {
    const fixture = openFixture();
    fill(fixture, 0, 3);
    const reader = fixture.journal.reader(0, { epoch: 1, s: 1 });
    const seen: number[] = [];
    const visit = (stopAt: number) => (header: { s: number }) => {
      seen.push(header.s);
      return header.s !== stopAt;
    };
    assert.equal(reader.read(10_000, visit(2)), 'stop');
    assert.deepEqual(reader.position(), { epoch: 1, s: 1 });
    assert.equal(reader.read(10_000, visit(3)), 'stop');
    assert.deepEqual(reader.position(), { epoch: 1, s: 2 });
    assert.equal(reader.read(10_000, visit(0)), 'end');
    assert.deepEqual(seen, [2, 2, 3, 3]);
  });

  test('one that has reached the end goes on when there is more, across segments', () => {
    const fixture = openFixture();
    const reader = fixture.journal.reader(0, nothing);
    const seen: number[] = [];
    const visit = (header: { s: number }): boolean => seen.push(header.s) > 0;
    assert.equal(reader.read(1000, visit), 'end');
    for (let round = 0; round < 30; round++) {
      fill(fixture, 0, 1);
      fill(fixture, 1, 1);
      while (reader.read(1000, visit) === 'more');
      assert.equal(seen.length, round + 1);
    }
    assert.deepEqual(reader.position(), fixture.journal.tip(0));
    assert.ok(fixture.segments().length > 5);
  });

  test('many readers at different places do not disturb each other', () => {
    const fixture = openFixture({ segmentBytes: 2 * 1024 * 1024 });
    for (let i = 0; i < 4_000; i++) {
      fixture.append(0, 1500);
      if (i % 50 === 0) fixture.journal.flush();
    }
    fixture.journal.flush();
    const readers = Array.from({ length: 30 }, (_, i) => {
      const from = i * 130;
      return { reader: fixture.journal.reader(0, { epoch: 1, s: from }), next: from + 1 };
    });
    for (let open = readers.length; open > 0; ) {
      open = 0;
      for (const state of readers) {
        const outcome = state.reader.read(20_000, (header, buffer) => {
          assert.equal(header.s, state.next++);
          assert.ok(
            buffer.toString('utf8', header.payloadStart, header.payloadEnd).startsWith(`0/1/${header.s}/`),
          );
          return true;
        });
        if (outcome === 'more') open++;
        else assert.equal(outcome, 'end');
      }
    }
    for (const { next } of readers) assert.equal(next, 4_001);
  });

  test('`place` is where the next record lies', () => {
    const fixture = openFixture();
    fill(fixture, 0, 12);
    const reader = fixture.journal.reader(0, nothing);
    assert.equal(reader.place().segment, 1);
    while (reader.position().s < 9) reader.read(1, () => true);
    assert.equal(reader.place().segment, 2);
    while (reader.read(10_000, () => true) !== 'end');
    assert.deepEqual(reader.place(), fixture.journal.end());
    assert.deepEqual(fixture.journal.reader(5, nothing).place(), fixture.journal.end());
  });
});

describe('journal › trim', () => {
  test('the oldest segments go until the rest is within the bytes, and readers of them are told', () => {
    const fixture = openFixture({ maxBytes: 3 * 4096 });
    fill(fixture, 0, 60);
    const before = fixture.segments();
    fixture.journal.trim(FAR, FAR);
    const after = fixture.segments();
    assert.ok(after.length < before.length);
    assert.deepEqual(after, before.slice(-after.length));
    const { bytes } = fixture.journal.stats();
    assert.ok(bytes <= 3 * 4096 && bytes > 2 * 4096, String(bytes));
    const floor = fixture.journal.floor(0);
    assert.ok(floor.s > 0);
    assert.deepEqual(fixture.readAll(0, floor), run(0, floor.s + 1, 60));
    for (const from of [nothing, { epoch: 1, s: floor.s - 1 }])
      assert.deepEqual(fixture.readUntil(0, from), { seen: [], outcome: 'trimmed' });
    fixture.reopen();
    assert.deepEqual(fixture.journal.floor(0), floor);
    assert.deepEqual(fixture.journal.stats().bytes, bytes);
    assert.deepEqual(fixture.readUntil(0, nothing).outcome, 'trimmed');
  });

  test('what is older than the age goes, measured from when the segment behind it began', () => {
    const fixture = openFixture({ maxAgeMs: 60_000 });
    fill(fixture, 0, 10);
    fixture.clock.advance(30_000);
    fill(fixture, 0, 10);
    fixture.clock.advance(30_000);
    fixture.journal.trim(FAR, FAR);
    assert.deepEqual(fixture.journal.floor(0), nothing);
    fixture.clock.advance(30_001);
    fixture.journal.trim(FAR, FAR);
    assert.ok(fixture.journal.floor(0).s > 0);
    const kept = fixture.segments().length;
    fixture.clock.advance(3_600_000);
    fixture.journal.trim(FAR, FAR);
    assert.equal(fixture.segments().length, 1, `of ${kept}: the newest always stays`);
  });

  test('a wall clock that is put right makes nothing old', () => {
    const fixture = openFixture({ maxAgeMs: 60_000 });
    let jump = 0;
    const wall = fixture.clock.now;
    fixture.clock.now = () => wall() + jump;
    fill(fixture, 0, 30);
    const before = fixture.segments();
    jump = 365 * 86_400_000;
    fixture.journal.trim(FAR, FAR);
    assert.deepEqual(fixture.segments(), before);
  });

  test('nothing at or behind the frontier goes, however much there is', () => {
    const fixture = openFixture({ maxBytes: 1, maxAgeMs: 0 });
    fill(fixture, 0, 60);
    fixture.clock.advance(1000);
    fixture.journal.trim({ segment: 0, offset: 0 }, FAR);
    assert.deepEqual(fixture.journal.floor(0), nothing);
    fixture.journal.trim({ segment: 3, offset: 17 }, FAR);
    assert.equal(fixture.segments()[0], '00000003.seg');
  });

  test('backfill counts only where every link has passed it, also after a restart', () => {
    const fixture = openFixture({ maxBytes: 8 * 1024 });
    for (let i = 0; i < 40; i++) {
      fixture.append(0, 400, EVENT.GUILD_CREATE);
      fixture.journal.flush();
    }
    const all = fixture.segments().length;
    fixture.journal.trim(FAR, { segment: 0, offset: 0 });
    assert.equal(fixture.segments().length, all);
    fixture.reopen();
    fixture.journal.trim(FAR, FAR);
    assert.ok(fixture.segments().length < all);
    assert.ok(fixture.segments().length >= 2);
  });

  test('a reader whose segment is trimmed under it goes on when it had read it all, and is told when not', () => {
    const fixture = openFixture({ maxBytes: 1 });
    fill(fixture, 0, 20);
    const behind = fixture.journal.reader(0, nothing);
    behind.read(1, () => true);
    const done = fixture.journal.reader(0, nothing);
    while (done.read(1000, () => true) === 'more');
    const between = fixture.journal.reader(0, { epoch: 1, s: 18 });
    between.read(1, () => true);
    fill(fixture, 1, 20);
    fixture.journal.trim({ segment: fixture.journal.end().segment, offset: 0 }, FAR);
    fill(fixture, 0, 1);
    const seen: number[] = [];
    const visit = (header: { s: number }): boolean => seen.push(header.s) > 0;
    assert.equal(behind.read(1000, visit), 'trimmed');
    assert.equal(between.read(1000, visit), 'trimmed');
    assert.equal(done.read(1000, visit), 'end');
    assert.deepEqual(seen, [21]);
  });

  test('files of segments that nobody reads are not kept open', async () => {
    const fixture = openFixture();
    fill(fixture, 0, 100);
    await fixture.journal.sync();
    assert.equal(fixture.disk.openFiles(), 1);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 100));
    fill(fixture, 0, 1);
    await fixture.journal.sync();
    fixture.reopen();
    fixture.journal.trim(FAR, FAR);
    fixture.journal.stats();
    assert.ok(fixture.disk.openFiles() <= 3, String(fixture.disk.openFiles()));
    fixture.journal.close();
    assert.equal(fixture.disk.openFiles(), 0);
  });
});

describe('journal › sync', () => {
  test('everything written before it is safe when it resolves, also in segments that have ended', async () => {
    const fixture = openFixture();
    fill(fixture, 0, 30);
    const place = await fixture.journal.sync();
    assert.deepEqual(place, fixture.journal.end());
    fixture.crash();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 30));
  });

  test('two at once: neither resolves before the disk has done it, nor disturbs the other', async () => {
    const fixture = openFixture();
    fill(fixture, 0, 30);
    const first = fixture.journal.sync();
    await fixture.journal.sync();
    fixture.crash();
    await first;
    assert.deepEqual(fixture.readAll(0), run(0, 1, 30));
  });

  test('a failed one rejects, and the next makes up for it', async () => {
    const fixture = openFixture();
    fill(fixture, 0, 15);
    fixture.disk.fail({ call: 'sync', code: 'EIO' });
    await assert.rejects(fixture.journal.sync(), { code: 'EIO' });
    await fixture.journal.sync();
    fixture.crash();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 15));
  });

  test('syncNow writes what is queued and makes it safe', () => {
    const fixture = openFixture();
    fill(fixture, 0, 12);
    fixture.append(0);
    fixture.journal.syncNow();
    fixture.crash();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 13));
  });

  test('it survives that what it syncs is dropped', async () => {
    const fixture = openFixture();
    fill(fixture, 0, 30);
    const syncing = fixture.journal.sync();
    fixture.journal.recreate();
    await syncing;
    fill(fixture, 0, 1);
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 31 });
  });

  test('an idle journal that is synced again and again does not grow', async () => {
    const fixture = openFixture();
    fill(fixture, 0, 3);
    await fixture.journal.sync();
    const before = fixture.journal.end();
    for (let i = 0; i < 10; i++) {
      await fixture.journal.sync();
      fixture.journal.flush();
    }
    assert.deepEqual(fixture.journal.end(), before);
  });
});

describe('journal › recreate and seed', () => {
  test('after the folder vanished it goes on: tips, cursors and segment numbers, but not the old events', () => {
    const fixture = openFixture({ cursors: () => ['cursor'] });
    fill(fixture, 0, 30);
    const { segment } = fixture.journal.end();
    fixture.disk.remove('/state');
    fixture.append(0);
    fixture.journal.flush();
    fixture.journal.recreate();
    assert.ok(fixture.journal.end().segment > segment, 'a place in the log never means another one later');
    fill(fixture, 0, 1);
    assert.deepEqual(fixture.journal.floor(0), { epoch: 1, s: 31 });
    assert.equal(fixture.readUntil(0, { epoch: 1, s: 30 }).outcome, 'trimmed');
    assert.deepEqual(fixture.readAll(0, { epoch: 1, s: 31 }), run(0, 32, 32));
    fixture.reopen();
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 32 });
    assert.deepEqual(fixture.journal.recoveredCursors, [['cursor']]);
  });

  test('reading on while the folder is gone is a gap, not a crash', async () => {
    const fixture = openFixture({ maxBytes: 1 });
    fill(fixture, 0, 29);
    await fixture.journal.sync();
    fill(fixture, 0, 1);
    fixture.reopen();
    const reader = fixture.journal.reader(0, nothing);
    fixture.disk.remove('/state');
    assert.deepEqual(fixture.readUntil(0, { epoch: 1, s: 3 }).outcome, 'trimmed');
    while (reader.read(1000, () => true) === 'more');
    fixture.journal.floor(0);
    fixture.journal.stats();
    fixture.journal.trim(FAR, FAR);
    fixture.journal.recreate();
    fill(fixture, 0, 1);
    assert.deepEqual(fixture.readAll(0, { epoch: 1, s: 30 }), run(0, 31, 31));
  });

  test('a seeded shard goes on from there, and a new segment remembers it', () => {
    const fixture = openFixture();
    fixture.journal.seed(2, { epoch: 4, s: 500 });
    assert.deepEqual(fixture.journal.tip(2), { epoch: 4, s: 500 });
    fill(fixture, 0, 1);
    assert.deepEqual(fixture.journal.floor(2), { epoch: 4, s: 500 });
    fixture.put({ shard: 2, epoch: 4, s: 501 });
    fixture.journal.flush();
    assert.equal(fixture.readUntil(2, { epoch: 4, s: 499 }).outcome, 'trimmed');
    assert.deepEqual(fixture.readAll(2, { epoch: 4, s: 500 }), run(2, 501, 501, 4));
    fixture.reopen();
    assert.deepEqual(fixture.journal.tip(2), { epoch: 4, s: 501 });
  });
});
