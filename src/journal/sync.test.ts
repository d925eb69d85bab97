import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Fixture, openFixture, run } from './fixture.ts';

/** Appends and writes events one flush each, so that segments fill to their usual size. */
function fill(fixture: Fixture, shard: number, count: number, size = 400): void {
  for (let i = 0; i < count; i++) {
    fixture.append(shard, size);
    fixture.journal.flush();
  }
}

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
    const { open } = fixture.disk;
    let calls = 0;
    fixture.disk.open = (path, options) => {
      const file = open(path, options);
      return {
        ...file,
        async sync() {
          // Some take longer than others.
          for (let turns = (calls++ % 3) * 5; turns > 0; turns--) await Promise.resolve();
          await file.sync();
        },
      };
    };
    fill(fixture, 0, 30);
    const first = fixture.journal.sync();
    await fixture.journal.sync();
    await first;
    fixture.crash();
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
