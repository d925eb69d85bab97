// A snapshot on its way to a link whose socket the test holds back, from a source that may answer at any time.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Link, SLOW_BYTES } from './link.ts';
import { type SnapshotRequest, streamSnapshot } from './snapshot.ts';

function createWorld(answer: (request: SnapshotRequest) => void = () => {}) {
  const written: Buffer[] = [];
  const told: string[] = [];
  const credits: number[] = [];
  const socket = { writableLength: 0 };
  const link = {
    shard: 1,
    epoch: 3,
    s: 40,
    sessionId: 'abc',
    url: 'ws://here',
    socket,
    frame: (payload: Buffer) => payload,
    write: (bytes: Buffer) => void written.push(bytes),
    cancelSnapshot: undefined,
    creditSnapshot: undefined,
  } as unknown as Link;
  let request: SnapshotRequest | undefined;
  streamSnapshot({
    link,
    shardCount: 4,
    snapshot(asked) {
      request = asked;
      answer(asked);
      return { credit: (bytes) => credits.push(bytes), cancel: () => told.push('cancelled') };
    },
    onEnd: ({ stale }) => told.push(stale ? 'stale' : 'end'),
    onLost: () => told.push('lost'),
    onFailed: () => told.push('failed'),
  });
  return { link, socket, written, told, credits, request: request! };
}

describe('a snapshot', () => {
  it('is asked for as of the position of the link', () => {
    const { request } = createWorld();
    const { shard, shardCount, epoch, s, sessionId, resumeUrl } = request;
    assert.deepEqual([shard, shardCount, epoch, s, sessionId, resumeUrl], [1, 4, 3, 40, 'abc', 'ws://here']);
  });

  it('is given credit for what was written, when the socket takes it', () => {
    const { link, socket, credits, request } = createWorld();
    assert.deepEqual(credits, [1024 * 1024]);
    request.onPayloads([Buffer.alloc(100), Buffer.alloc(50)]);
    assert.deepEqual(credits.slice(1), [150]);
    socket.writableLength = SLOW_BYTES + 1;
    request.onPayloads([Buffer.alloc(100)]);
    request.onPayloads([Buffer.alloc(10)]);
    link.creditSnapshot?.();
    assert.deepEqual(credits.slice(2), []);
    socket.writableLength = 0;
    link.creditSnapshot?.();
    assert.deepEqual(credits.slice(2), [110]);
  });

  it('says nothing more once it has ended, been lost, or been cancelled', () => {
    const endings: Array<[name: string, end: (world: ReturnType<typeof createWorld>) => void]> = [
      ['stale', ({ request }) => request.onEnd({ stale: true })],
      ['end', ({ request }) => request.onEnd({ stale: false })],
      ['lost', ({ request }) => request.onLost()],
      ['failed', ({ request }) => request.onFailed()],
      ['cancelled', ({ link }) => link.cancelSnapshot?.()],
    ];
    for (const [name, end] of endings) {
      const world = createWorld();
      end(world);
      world.request.onPayloads([Buffer.alloc(10)]);
      world.request.onEnd({ stale: false });
      world.request.onLost();
      world.request.onFailed();
      assert.deepEqual(world.told, [name]);
      assert.deepEqual(world.written, []);
      assert.deepEqual([world.link.cancelSnapshot, world.link.creditSnapshot], [undefined, undefined]);
    }
  });

  it('may be answered before it is asked for to the end', () => {
    const whole = createWorld((request) => {
      request.onPayloads([Buffer.from('a')]);
      request.onEnd({ stale: false });
    });
    assert.deepEqual([whole.told, whole.written.length, whole.credits], [['end'], 1, []]);
    const lost = createWorld((request) => request.onLost());
    assert.deepEqual([lost.told, lost.link.cancelSnapshot], [['lost'], undefined]);
  });
});
