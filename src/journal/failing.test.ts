import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DIRECTORY, type Fixture, openFixture, run } from './fixture.ts';

const nothing = { epoch: 0, s: 0 };
const FAR = { segment: 1_000_000, offset: 0 };
const ALWAYS = Number.POSITIVE_INFINITY;
const RETRY_MS = 500;

function write(fixture: Fixture, shard: number, count: number, size = 400): void {
  for (let i = 0; i < count; i++) {
    fixture.append(shard, size);
    fixture.journal.flush();
  }
}

describe('journal › a disk that refuses', () => {
  test('events go on live, the tip stands still, and afterwards nothing is lost and all is in order', () => {
    const fixture = openFixture();
    write(fixture, 0, 5);
    const heal = fixture.disk.fail({ call: 'write', times: ALWAYS, code: 'EIO' });
    write(fixture, 0, 5);
    fixture.append(1);
    fixture.append(0);
    fixture.journal.flush();
    assert.deepEqual(fixture.conditions, ['failing']);
    assert.deepEqual(fixture.delivered, [...run(0, 1, 10), ...run(1, 1, 1), ...run(0, 11, 11)]);
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 5 });
    assert.deepEqual(fixture.journal.tip(1), nothing);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 5));
    assert.ok(fixture.journal.stats().pendingBytes > 5 * 400);
    fixture.clock.advance(10 * RETRY_MS);
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 5 });
    heal();
    // Queued, but not flushed when the disk comes back: it is not written yet, and the tip does not claim so.
    fixture.append(0);
    fixture.clock.advance(RETRY_MS);
    assert.deepEqual(fixture.conditions, ['failing', 'sound']);
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 11 });
    assert.equal(fixture.journal.stats().pendingBytes, 0);
    fixture.journal.flush();
    assert.equal(fixture.delivered.length, 13);
    for (const reopened of [false, true]) {
      if (reopened) fixture.reopen();
      assert.deepEqual(fixture.readAll(0), run(0, 1, 12));
      assert.deepEqual(fixture.readAll(1), run(1, 1, 1));
    }
  });

  test('what was only live is not on the disk for the next process: Discord sends it again', () => {
    const fixture = openFixture();
    write(fixture, 0, 5);
    fixture.disk.fail({ call: 'write', times: ALWAYS, code: 'EIO' });
    write(fixture, 0, 5);
    fixture.journal.close();
    fixture.disk.heal();
    fixture.start();
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 5 });
    assert.deepEqual(fixture.readAll(0), run(0, 1, 5));
  });

  test('a failure half through a batch leaves none of it, for readers and for the next process', () => {
    for (const bytes of [1, 39, 40, 100, 440, 441, 900]) {
      const fixture = openFixture({ segmentBytes: 1024 * 1024 });
      write(fixture, 0, 2);
      fixture.disk.fail({ call: 'write', bytes, code: 'EIO' });
      fixture.disk.fail({ call: 'open', times: ALWAYS, code: 'EIO' });
      for (let i = 0; i < 3; i++) fixture.append(0, 400);
      fixture.journal.flush();
      assert.deepEqual(fixture.conditions, ['failing'], String(bytes));
      assert.deepEqual(fixture.readAll(0), run(0, 1, 2));
      fixture.disk.heal();
      fixture.clock.advance(RETRY_MS);
      assert.deepEqual(fixture.readAll(0), run(0, 1, 5));
      fixture.reopen();
      assert.deepEqual(fixture.readAll(0), run(0, 1, 5));
      assert.equal(fixture.journal.stats().damaged, 0);
    }
  });

  test('one bad file is left for a new one, at once and unnoticed', () => {
    const fixture = openFixture();
    write(fixture, 0, 5);
    fixture.disk.fail({ call: 'write', path: '00000001.seg', bytes: 200, times: ALWAYS, code: 'EIO' });
    fixture.disk.fail({ call: 'truncate', path: '00000001.seg', times: ALWAYS, code: 'EIO' });
    write(fixture, 0, 5);
    assert.deepEqual(fixture.conditions, []);
    assert.equal(fixture.segments().length, 2);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 10));
    fixture.disk.heal();
    fixture.reopen();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 10));
  });

  test('a torn write that could not be cut back, with whole records in it, doubles nothing', () => {
    const fixture = openFixture({ segmentBytes: 1024 * 1024 });
    write(fixture, 0, 2);
    for (let i = 0; i < 4; i++) fixture.append(0, 400);
    fixture.disk.fail({ call: 'write', path: '00000001.seg', bytes: 1000, code: 'EIO' });
    fixture.disk.fail({ call: 'truncate', path: '00000001.seg', code: 'EIO' });
    fixture.journal.flush();
    write(fixture, 0, 1);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 7));
    fixture.reopen();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 7));
    assert.deepEqual(fixture.readAll(0, { epoch: 1, s: 3 }), run(0, 4, 7));
    assert.equal(fixture.journal.stats().damaged, 0);
  });

  test('a disk that fails for a week leaves no litter and no open files', () => {
    const fixture = openFixture();
    write(fixture, 0, 2);
    // The head of a new segment still gets through, an event does not.
    fixture.disk.fail({ call: 'write', path: '00000001.seg', times: ALWAYS, code: 'EIO' });
    let others = 0;
    const { open } = fixture.disk;
    fixture.disk.open = (path, options) => {
      const file = open(path, options);
      if (path.endsWith('00000001.seg')) return file;
      others++;
      let writes = 0;
      return {
        ...file,
        write(...args) {
          if (writes++ > 0) throw Object.assign(new Error('EIO'), { code: 'EIO' });
          return file.write(...args);
        },
      };
    };
    write(fixture, 0, 2);
    fixture.clock.advance(100 * RETRY_MS);
    assert.ok(others > 90);
    assert.ok(fixture.segments().length <= 2, fixture.segments().join());
    assert.ok(fixture.disk.openFiles() <= 2);
    fixture.disk.heal();
    fixture.disk.open = open;
    fixture.clock.advance(2 * RETRY_MS);
    assert.deepEqual(fixture.conditions, ['failing', 'sound']);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 4));
    fixture.reopen();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 4));
  });

  test('short writes are continued, also over many calls', () => {
    const fixture = openFixture();
    fixture.disk.fail({ call: 'write', bytes: 7, times: 500 });
    write(fixture, 0, 5);
    assert.deepEqual(fixture.conditions, []);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 5));
  });

  test('a disk that takes no bytes and gives no error counts as failing', () => {
    const fixture = openFixture();
    write(fixture, 0, 1);
    fixture.disk.fail({ call: 'write', bytes: 0, times: ALWAYS });
    write(fixture, 0, 1);
    assert.deepEqual(fixture.conditions, ['failing']);
    fixture.disk.heal();
    fixture.clock.advance(RETRY_MS);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 2));
  });

  test('a new segment that cannot be begun is no segment', () => {
    for (const call of ['open', 'truncate', 'write', 'syncFolder', 'mkdir'] as const) {
      const fixture = openFixture();
      write(fixture, 0, 9);
      fixture.disk.fail({
        call,
        path: call === 'syncFolder' || call === 'mkdir' ? '' : '00000002.seg',
        times: 2,
        code: 'EIO',
      });
      write(fixture, 0, 3);
      assert.deepEqual(fixture.conditions, ['failing'], call);
      assert.deepEqual(fixture.segments(), ['00000001.seg']);
      fixture.clock.advance(2 * RETRY_MS);
      assert.deepEqual(fixture.conditions, ['failing', 'sound'], call);
      assert.deepEqual(fixture.readAll(0), run(0, 1, 12));
      fixture.reopen();
      assert.deepEqual(fixture.readAll(0), run(0, 1, 12));
    }
  });

  test('the heads of segments begun while memory is emptied tell no more than was written before', () => {
    const fixture = openFixture();
    write(fixture, 0, 3);
    fixture.disk.fail({ call: 'write', times: ALWAYS, code: 'EIO' });
    write(fixture, 0, 60);
    fixture.disk.heal();
    fixture.clock.advance(RETRY_MS);
    assert.ok(fixture.segments().length > 5);
    for (let s = 0; s <= 63; s++) assert.deepEqual(fixture.readAll(0, { epoch: 1, s }), run(0, s + 1, 63));
    fixture.journal.trim({ segment: 5, offset: 0 }, FAR);
  });

  test('when 64 MiB wait the condition is full; it is told once, and all is written afterwards', () => {
    const fixture = openFixture({ segmentBytes: 16 * 1024 * 1024 });
    write(fixture, 0, 1);
    fixture.disk.fail({ call: 'write', times: ALWAYS, code: 'EIO' });
    const size = 1_000_000;
    for (let i = 0; i < 67; i++) write(fixture, 0, 1, size);
    assert.deepEqual(fixture.conditions, ['failing']);
    write(fixture, 0, 2, size);
    assert.deepEqual(fixture.conditions, ['failing', 'full']);
    fixture.disk.heal();
    fixture.clock.advance(RETRY_MS);
    assert.deepEqual(fixture.conditions, ['failing', 'full', 'sound']);
    assert.deepEqual(fixture.journal.tip(0), { epoch: 1, s: 70 });
    assert.deepEqual(fixture.readAll(0), run(0, 1, 70));
  });

  test('a bug of ours while writing is not taken for a bad disk', () => {
    const fixture = openFixture({
      cursors: () => {
        throw Object.assign(new RangeError('out of range'), { code: 'ERR_OUT_OF_RANGE' });
      },
    });
    fixture.append(0);
    assert.throws(() => fixture.journal.flush(), RangeError);
    assert.deepEqual(fixture.conditions, []);
  });

  test('what a change of condition appends is not lost', () => {
    const fixture = openFixture();
    write(fixture, 0, 1);
    const push = fixture.conditions.push.bind(fixture.conditions);
    fixture.conditions.push = (...conditions) => {
      fixture.append(1);
      fixture.journal.flush();
      return push(...conditions);
    };
    fixture.disk.fail({ call: 'write', times: 2, code: 'EIO' });
    write(fixture, 0, 1);
    fixture.journal.flush();
    fixture.clock.advance(2 * RETRY_MS);
    fixture.journal.flush();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 2));
    assert.deepEqual(fixture.readAll(1), run(1, 1, 2));
    assert.deepEqual(fixture.delivered.length, 4);
  });
});

describe('journal › a full disk', () => {
  test('the oldest segments make room, one by one, and nothing stops', () => {
    const fixture = openFixture();
    write(fixture, 0, 40);
    fixture.journal.trim(FAR, FAR);
    const before = fixture.segments();
    fixture.disk.capacity = before.length * 4096;
    write(fixture, 0, 200);
    assert.deepEqual(fixture.conditions, []);
    const floor = fixture.journal.floor(0);
    assert.ok(floor.s > 100);
    assert.ok(fixture.segments().length > 2);
    assert.deepEqual(fixture.readAll(0, floor), run(0, floor.s + 1, 240));
    assert.deepEqual(fixture.delivered, run(0, 1, 240));
  });

  test('never beyond the frontier, and never the last two; then events wait in memory', () => {
    for (const frontier of [{ segment: 3, offset: 0 }, FAR]) {
      const fixture = openFixture();
      write(fixture, 0, 40);
      fixture.journal.trim(frontier, FAR);
      fixture.disk.capacity = 1;
      write(fixture, 0, 20);
      assert.deepEqual(fixture.conditions, ['failing']);
      const kept = fixture.segments();
      if (frontier === FAR) assert.equal(kept.length, 2);
      else assert.equal(kept[0], '00000003.seg');
      assert.equal(fixture.delivered.length, 60);
      assert.ok(fixture.events().includes('journal.room-made'));
      fixture.disk.capacity = ALWAYS;
      fixture.clock.advance(RETRY_MS);
      const floor = fixture.journal.floor(0);
      assert.deepEqual(fixture.readAll(0, floor), run(0, floor.s + 1, 60));
    }
  });

  test('a frontier that moves on while the disk is full lets the log go on', () => {
    const fixture = openFixture();
    write(fixture, 0, 40);
    const { segment } = fixture.journal.end();
    fixture.disk.capacity = 1;
    write(fixture, 0, 1);
    assert.deepEqual(fixture.conditions, ['failing']);
    fixture.disk.capacity = 4 * 4096;
    fixture.journal.trim({ segment, offset: 0 }, FAR);
    fixture.clock.advance(RETRY_MS);
    assert.deepEqual(fixture.conditions, ['failing', 'sound']);
    assert.equal(fixture.journal.tip(0).s, 41);
  });

  test('a start on a full disk works: it reads, and writes as soon as there is room', () => {
    const fixture = openFixture();
    write(fixture, 0, 20);
    fixture.disk.capacity = 1;
    fixture.reopen();
    assert.deepEqual(fixture.readAll(0), run(0, 1, 20));
    write(fixture, 0, 1);
    assert.deepEqual(fixture.conditions, ['failing']);
    fixture.disk.capacity = ALWAYS;
    fixture.clock.advance(RETRY_MS);
    assert.deepEqual(fixture.readAll(0), run(0, 1, 21));
    assert.ok(fixture.disk.list(DIRECTORY).length > 1);
  });
});
