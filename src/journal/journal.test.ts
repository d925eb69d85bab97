import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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

  test('an event without a position is refused at once', () => {
    const fixture = openFixture();
    for (const at of [
      { shard: 0, epoch: 1, s: -1 },
      { shard: -1, epoch: 1, s: 1 },
      { shard: 65_536, epoch: 1, s: 1 },
    ])
      assert.throws(() => fixture.put(at), /an event has a position/);
    fixture.put({ shard: 65_535, epoch: 1, s: 0xffffffff });
    fixture.journal.flush();
    assert.deepEqual(fixture.journal.tip(65_535), { epoch: 1, s: 0xffffffff });
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
