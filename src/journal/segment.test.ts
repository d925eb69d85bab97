import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createMemoryDisk } from '../store/memory-disk.ts';
import { KIND, recordBytes, writeRecord } from './record.ts';
import { type ScanResult, scanSegment, segmentName, segmentNumber } from './segment.ts';

/** A file of records with these payload sizes; `s` counts them from 0. */
function fileOf(sizes: readonly number[]): Buffer {
  const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + recordBytes(size), 0));
  let at = 0;
  for (const [s, size] of sizes.entries()) {
    const header = { kind: KIND.DISPATCH, type: 6, shard: 1, epoch: 1, s, receivedAt: 1 };
    at = writeRecord(bytes, at, header, Buffer.alloc(size, s), 0, size);
  }
  return bytes;
}

function scan(bytes: Uint8Array): ScanResult & { found: Array<{ s: number; offset: number }> } {
  const disk = createMemoryDisk();
  disk.plant('/a', bytes);
  const found: Array<{ s: number; offset: number }> = [];
  const result = scanSegment(disk.open('/a'), (header, buffer, offset) => {
    assert.ok(
      buffer.subarray(header.payloadStart, header.payloadEnd).every((byte) => byte === (header.s & 0xff)),
    );
    found.push({ s: header.s, offset });
  });
  return { ...result, found };
}

/** Offsets at which the records of these sizes begin, and the file's end. */
function offsetsOf(sizes: readonly number[]): number[] {
  const offsets = [0];
  for (const size of sizes) offsets.push(offsets.at(-1)! + recordBytes(size));
  return offsets;
}

const MEBIBYTE = 1024 * 1024;

describe('segment', () => {
  test('names sort like numbers and lead back to them', () => {
    for (const number of [0, 1, 255, 4096, 0xffffffff])
      assert.equal(segmentNumber(segmentName(number)), number);
    assert.ok(segmentName(9) < segmentName(10) && segmentName(255) < segmentName(4096));
    for (const name of ['', '1.seg', '0000000g.seg', '00000001.seg.tmp', '00000001'])
      assert.equal(segmentNumber(name), -1);
  });

  test('a pass finds every record, also those that cross its buffer or are larger than it', () => {
    for (const sizes of [
      [],
      [0],
      [10, 0, 300],
      [MEBIBYTE - 60, 30, 50, MEBIBYTE - 40, 7],
      [MEBIBYTE, 3 * MEBIBYTE, 5, 2 * MEBIBYTE - 41, 9],
    ]) {
      const offsets = offsetsOf(sizes);
      const result = scan(fileOf(sizes));
      assert.deepEqual(
        result.found,
        sizes.map((_, s) => ({ s, offset: offsets[s] })),
      );
      assert.deepEqual([result.soundEnd, result.damage], [offsets.at(-1), []]);
    }
  });

  test('a file cut at any byte holds its whole records', () => {
    const sizes = [20, 0, 33];
    const whole = fileOf(sizes);
    const offsets = offsetsOf(sizes);
    for (let size = 0; size <= whole.length; size++) {
      const result = scan(whole.subarray(0, size));
      const kept = offsets.filter((offset) => offset > 0 && offset <= size).length;
      assert.equal(result.found.length, kept);
      assert.equal(result.soundEnd, offsets[kept]);
      assert.deepEqual(result.damage, []);
    }
  });

  test('damage at any byte costs its record only, and is told', () => {
    const sizes = [20, 5, 33];
    const whole = fileOf(sizes);
    const offsets = offsetsOf(sizes);
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = damaged[at]! ^ 0x80;
      const hit = offsets.findLastIndex((offset) => offset <= at);
      const result = scan(damaged);
      assert.deepEqual(
        result.found.map(({ s }) => s),
        [0, 1, 2].filter((s) => s !== hit),
        `byte ${at}`,
      );
      const isLast = hit === sizes.length - 1;
      assert.deepEqual(result.damage, isLast ? [] : [{ from: offsets[hit], to: offsets[hit + 1] }]);
      assert.equal(result.soundEnd, offsets[isLast ? hit : sizes.length]);
    }
  });

  test('zeros and garbage between records and at the end are passed over', () => {
    const first = fileOf([10]);
    const garbage = [
      Buffer.alloc(0),
      Buffer.alloc(1),
      Buffer.from('HJF1'),
      Buffer.from('HJF1HJF1HJF'),
      Buffer.alloc(MEBIBYTE - 51),
      first.subarray(0, 49),
      first.subarray(0, 3),
      Buffer.alloc(MEBIBYTE + 3, 'HJF1'),
    ];
    for (const between of garbage) {
      for (const behind of garbage.slice(0, 5)) {
        const result = scan(Buffer.concat([first, between, first, behind]));
        const second = first.length + between.length;
        assert.deepEqual(
          result.found.map(({ offset }) => offset),
          [0, second],
        );
        assert.equal(result.soundEnd, second + first.length);
        assert.deepEqual(result.damage, between.length === 0 ? [] : [{ from: first.length, to: second }]);
      }
    }
  });

  test('whatever bytes a file holds, a pass ends and finds only sound records', () => {
    const part = fc.oneof(
      fc.array(fc.nat(60), { maxLength: 4 }).map((sizes) => fileOf(sizes)),
      fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
      fc.nat(40).map((size) => fileOf([40]).subarray(0, size)),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const bytes = Buffer.concat(parts);
        const result = scan(bytes);
        assert.ok(result.soundEnd <= bytes.length);
        let last = 0;
        for (const { from, to } of result.damage) {
          assert.ok(from >= last && to > from && to <= result.soundEnd);
          last = to;
        }
      }),
      { numRuns: 300 },
    );
  });
});
