import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { createBodyBudget, type ReadBody } from './body.ts';

function request(announced?: number): PassThrough & IncomingMessage {
  const stream = new PassThrough() as unknown as PassThrough & IncomingMessage;
  stream.headers = announced === undefined ? {} : { 'content-length': String(announced) };
  return stream;
}

async function whole(reading: ReturnType<ReturnType<typeof createBodyBudget>['read']>): Promise<ReadBody> {
  const body = await reading;
  assert.ok(typeof body === 'object', `expected a body, found ${body}`);
  return body;
}

describe('body budget', () => {
  it('reads a body that comes in pieces', async () => {
    const upload = request();
    const reading = createBodyBudget({ bodyBytesMax: 10, totalBytesMax: 20 }).read(upload);
    upload.write('hello');
    upload.end(' you');
    assert.equal((await whole(reading)).bytes.toString(), 'hello you');
  });

  it('refuses what is announced or turns out to be too large', async () => {
    const budget = createBodyBudget({ bodyBytesMax: 10, totalBytesMax: 20 });
    assert.equal(await budget.read(request(11)), 'too-large');
    const upload = request();
    const reading = budget.read(upload);
    upload.write('x'.repeat(11));
    assert.equal(await reading, 'too-large');
  });

  it('takes announced bytes at once, so that uploads which start together cannot pass the bound', async () => {
    const budget = createBodyBudget({ bodyBytesMax: 10, totalBytesMax: 20 });
    const first = request(10);
    const second = request(10);
    const readings = [budget.read(first), budget.read(second)];
    assert.equal(await budget.read(request(1)), 'no-room');
    first.end('0123456789');
    second.end('0123456789');
    const [body] = await Promise.all(readings.map(whole));
    assert.equal(await budget.read(request(1)), 'no-room');
    body!.release();
    body!.release();
    const third = request(10);
    third.end('0123456789');
    await whole(budget.read(third));
    assert.equal(await budget.read(request(1)), 'no-room');
  });

  it('gives the room back when the handler goes or is refused', async () => {
    const budget = createBodyBudget({ bodyBytesMax: 10, totalBytesMax: 10 });
    for (const upload of [request(10), request()]) {
      const reading = budget.read(upload);
      upload.write('01234');
      upload.destroy();
      assert.equal(await reading, 'gone');
    }
    const large = request();
    const reading = budget.read(large);
    large.write('x'.repeat(11));
    assert.equal(await reading, 'too-large');
    const next = request(10);
    next.end('0123456789');
    await whole(budget.read(next));
  });
});
