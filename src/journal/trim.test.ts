import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EVENT } from '../wire/event-type.ts';
import { type Fixture, openFixture, run } from './fixture.ts';

const nothing = { epoch: 0, s: 0 };
const FAR = { segment: 1_000_000, offset: 0 };

/** Appends and writes events one flush each, so that segments fill to their usual size. */
function fill(fixture: Fixture, shard: number, count: number, size = 400): void {
  for (let i = 0; i < count; i++) {
    fixture.append(shard, size);
    fixture.journal.flush();
  }
}

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
