import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Fixture, openFixture, run } from './fixture.ts';

const nothing = { epoch: 0, s: 0 };

/** Appends and writes events one flush each, so that segments fill to their usual size. */
function fill(fixture: Fixture, shard: number, count: number, size = 400): void {
  for (let i = 0; i < count; i++) {
    fixture.append(shard, size);
    fixture.journal.flush();
  }
}

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

  test('records far apart and of any size are read as well as those that lie together', () => {
    const fixture = openFixture({ segmentBytes: 2 * 1024 * 1024 });
    const sizes = [50, 1_300, 4_055, 4_056, 4_057, 9_000, 40_000, 300_000];
    const shards = 40;
    for (let i = 0; i < 600; i++) fixture.append(i % shards, sizes[(i * 7) % sizes.length]! - (i % 3));
    // Behind them one shard alone, so that its records lie close.
    for (let i = 0; i < 600; i++) fixture.append(shards, sizes[i % 5]);
    fixture.journal.flush();
    for (let shard = 0; shard <= shards; shard++)
      assert.deepEqual(fixture.readAll(shard), run(shard, 1, fixture.journal.tip(shard).s));
    assert.equal(fixture.journal.tip(0).s, 15);
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
