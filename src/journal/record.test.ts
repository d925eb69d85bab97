import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  createRecordHeader,
  findMagic,
  KIND,
  RECORD_HEADER_BYTES,
  RECORD_PAYLOAD_MAX,
  readRecord,
  recordBytes,
  recordIsSound,
  writeRecord,
} from './record.ts';

const fields = fc.record({
  kind: fc.constantFrom(...Object.values(KIND)),
  type: fc.nat(255),
  shard: fc.nat(65535),
  epoch: fc.nat(0xffffffff),
  s: fc.nat(0xffffffff),
  receivedAt: fc.nat(4e12),
});

describe('record', () => {
  test('what was written is read again, from any part of a buffer', () => {
    fc.assert(
      fc.property(
        fields,
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(50),
        fc.nat(20),
        (written, payload, at, skip) => {
          const start = Math.min(skip, payload.length);
          const length = payload.length - start;
          const buffer = Buffer.alloc(at + recordBytes(length) + 7, 0xee);
          const end = writeRecord(buffer, at, written, payload, start, payload.length);
          assert.equal(end, at + recordBytes(length));
          const header = createRecordHeader();
          assert.equal(readRecord(buffer, at, buffer.length, header), end);
          const { payloadStart, payloadEnd, ...read } = header;
          assert.deepEqual(read, { ...written });
          assert.deepEqual(
            Buffer.from(buffer.subarray(payloadStart, payloadEnd)),
            Buffer.from(payload.subarray(start)),
          );
          assert.equal(recordIsSound(buffer, at, end), true);
          assert.equal(buffer[end], 0xee);
        },
      ),
    );
  });

  test('the format is the one on disks', () => {
    const buffer = Buffer.alloc(RECORD_HEADER_BYTES + 2);
    const header = { kind: KIND.DISPATCH, type: 6, shard: 513, epoch: 3, s: 70_000, receivedAt: 1.5 };
    writeRecord(buffer, 0, header, Buffer.from('{}'), 0, 2);
    assert.equal(
      buffer.toString('hex'),
      `484a4631${'02000000'}${buffer.toString('hex', 8, 12)}0106010203000000${'70110100'}000000000000f83f00000000000000007b7d`,
    );
    assert.equal(buffer.readUInt32LE(8), 0xc2ecf0be);
  });

  test('any flipped bit behind the checksum is noticed', () => {
    const buffer = Buffer.alloc(RECORD_HEADER_BYTES + 5);
    const header = { kind: 1, type: 6, shard: 1, epoch: 1, s: 1, receivedAt: 1 };
    writeRecord(buffer, 0, header, Buffer.from('hello'), 0, 5);
    for (let bit = 8 * 8; bit < buffer.length * 8; bit++) {
      buffer[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(recordIsSound(buffer, 0, buffer.length), false, `bit ${bit}`);
      buffer[bit >> 3]! ^= 1 << (bit & 7);
    }
  });

  test('a record that is not whole yet is told from something that is none', () => {
    const buffer = Buffer.alloc(RECORD_HEADER_BYTES + 10);
    const header = { kind: 1, type: 6, shard: 1, epoch: 1, s: 1, receivedAt: 1 };
    writeRecord(buffer, 0, header, Buffer.alloc(10), 0, 10);
    const out = createRecordHeader();
    for (let end = 0; end < buffer.length; end++) assert.equal(readRecord(buffer, 0, end, out), 0);
    assert.equal(out.payloadEnd, buffer.length);
    assert.equal(readRecord(Buffer.alloc(RECORD_HEADER_BYTES), 0, RECORD_HEADER_BYTES, out), -1);
    buffer.writeUInt32LE(RECORD_PAYLOAD_MAX + 1, 4);
    assert.equal(readRecord(buffer, 0, buffer.length, out), -1);
  });

  test('the next place that begins like a record is found, and none beyond the end', () => {
    const buffer = Buffer.from('xxHJF1yyyHJF1');
    assert.equal(findMagic(buffer, 0, buffer.length), 2);
    assert.equal(findMagic(buffer, 3, buffer.length), 9);
    assert.equal(findMagic(buffer, 3, buffer.length - 1), -1);
    assert.equal(findMagic(buffer, 10, buffer.length), -1);
    assert.equal(findMagic(buffer, 100, buffer.length), -1);
  });

  test('a JSON payload can not be taken for a record: no length is written in text', () => {
    // What follows a magic inside text are bytes of 0x20 and more: a length beyond any that is read.
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { maxLength: 60 }), (units) => {
        const text = String.fromCharCode(...units);
        const json = Buffer.from(JSON.stringify(`HJF1${text}${'.'.repeat(40)}`));
        const at = json.indexOf('HJF1');
        assert.equal(readRecord(json, at, json.length, createRecordHeader()), -1);
      }),
    );
  });
});
