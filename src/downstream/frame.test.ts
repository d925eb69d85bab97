// Frames written by hand, read back by the receiver of `ws`: every form of the length.

import assert from 'node:assert/strict';
import type { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import * as ws from 'ws';
import { BINARY_FRAME, frameHeaderBytes, frameOf, TEXT_FRAME } from './frame.ts';

/** Exported by `ws`, but not by its types. */
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };

/** What a client makes of these bytes. */
function receive(bytes: Buffer): Promise<Array<{ data: Buffer; isBinary: boolean }>> {
  return new Promise((resolve, reject) => {
    const messages: Array<{ data: Buffer; isBinary: boolean }> = [];
    const receiver = new Receiver({ isServer: false });
    receiver.on('message', (data: Buffer, isBinary: boolean) => messages.push({ data, isBinary }));
    receiver.on('error', reject);
    receiver.write(bytes, () => resolve(messages));
  });
}

describe('a frame', () => {
  const lengths: Array<[bytes: number, headerBytes: number]> = [
    [0, 2],
    [1, 2],
    [125, 2],
    [126, 4],
    [127, 4],
    [65_535, 4],
    [65_536, 10],
    [70_000, 10],
  ];
  for (const [length, headerBytes] of lengths) {
    it(`of ${length} bytes is read back whole`, async () => {
      const payload = Buffer.alloc(length, 'a');
      const frame = frameOf(TEXT_FRAME, payload);
      assert.equal(frameHeaderBytes(length), headerBytes);
      assert.equal(frame.length, headerBytes + length);
      assert.deepEqual(await receive(frame), [{ data: payload, isBinary: false }]);
    });
  }

  it('of bytes is binary', async () => {
    const payload = Buffer.from([0xff, 0xfe, 0]);
    assert.deepEqual(await receive(frameOf(BINARY_FRAME, payload)), [{ data: payload, isBinary: true }]);
  });

  it('follows another without a seam', async () => {
    const payloads = lengths.map(([length]) => Buffer.alloc(length, String(length % 10)));
    const run = Buffer.concat(payloads.map((payload) => frameOf(TEXT_FRAME, payload)));
    const received = await receive(run);
    assert.deepEqual(
      received.map(({ data }) => data),
      payloads,
    );
  });
});
