// A link on a socket that takes nothing: what it keeps in memory, and what it counts as proven.

import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import type { WebSocket } from 'ws';
import { Link, SLOW_BYTES } from './link.ts';

function createLink() {
  const chunks: Buffer[] = [];
  const pings: Buffer[] = [];
  let take: (() => void) | undefined;
  const socket = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      take = done;
    },
  });
  const ws = { ping: (data: Buffer) => pings.push(data), close() {}, terminate() {} };
  const link = new Link({
    ws: ws as unknown as WebSocket,
    socket: socket as unknown as ConstructorParameters<typeof Link>[0]['socket'],
    url: 'ws://localhost',
    deflater: undefined,
    now: 0,
  });
  return { link, socket, chunks, pings, drain: () => take?.() };
}

describe('what a link can not write at once', () => {
  it('does not hold on to the memory that it shares with others', () => {
    const { link, socket, chunks, drain } = createLink();
    const tick = Buffer.allocUnsafeSlow(512 * 1024);
    link.write(tick.subarray(0, 100));
    link.write(tick.subarray(100, 200));
    assert.equal(socket.writableLength, 200);
    drain();
    assert.equal(chunks[0]?.buffer, tick.buffer, 'the first goes to the socket as it is');
    assert.equal(chunks[1]?.buffer.byteLength, 100, 'what waits is a copy');
  });

  it('is not copied where it is most of its memory', () => {
    const { link, chunks, drain } = createLink();
    const own = Buffer.allocUnsafeSlow(4_000);
    link.write(own);
    link.write(own.subarray(0, 3_000));
    drain();
    assert.equal(chunks[1]?.buffer, own.buffer);
  });

  it('makes it slow from 1 MiB on', () => {
    const { link } = createLink();
    assert.equal(link.write(Buffer.alloc(SLOW_BYTES)), true);
    assert.equal(link.write(Buffer.alloc(1)), false);
  });
});

describe('the proof of a link', () => {
  it('counts what had passed when it was asked for, and no more', () => {
    const { link, pings } = createLink();
    link.begin({ epoch: 1, s: 10 });
    link.askForProof();
    assert.equal(pings.length, 0);
    Object.assign(link.passed, { sent: 3, delivered: 2, inDoubt: 1, filtered: 4 });
    link.s = 17;
    link.askForProof();
    Object.assign(link.passed, { sent: 5, delivered: 4 });
    link.s = 19;
    link.askForProof();
    assert.equal(pings.length, 1, 'one at a time');
    assert.deepEqual(link.takePong(pings[0]!), { epoch: 1, s: 17 });
    assert.deepEqual(link.tally, { ...link.tally, delivered: 2, inDoubt: 1, filtered: 4 });
    assert.equal(link.isProven, false);
    assert.equal(link.takePong(pings[0]!), undefined, 'a pong counts once');
    assert.equal(link.takeQuietProof(), undefined);
  });

  it('is not needed for what was left out', () => {
    const { link } = createLink();
    link.begin({ epoch: 2, s: 10 });
    link.passed.filtered = 3;
    link.s = 13;
    assert.deepEqual(link.takeQuietProof(), { epoch: 2, s: 13 });
    assert.equal(link.takeQuietProof(), undefined);
    assert.equal(link.tally.filtered, 3);
  });
});
