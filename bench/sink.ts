// The cheapest possible handlers: one raw connection a shard that identifies, answers pings, and counts text
// frames. Runs on the other core, so that what is measured is the daemon.

import * as net from 'node:net';

const options = JSON.parse(process.argv[2] ?? '{}') as {
  port: number;
  shards: number;
  token: string;
  intents: number;
  /** Frames after which `warm` is said, and after which `done` is. */
  warm: number;
  expected: number;
};

let ready = 0;
let received = 0;

function mask(opcode: number, payload: Buffer): Buffer {
  const header =
    payload.length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0])
      : Buffer.from([0x80 | opcode, 0x80 | 126, payload.length >> 8, payload.length & 0xff, 0, 0, 0, 0]);
  return Buffer.concat([header, payload]);
}

function connect(shard: number): void {
  const socket = net.connect(options.port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.write(
    'GET /?v=10&encoding=json HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  let upgraded = false;
  let isReady = false;
  let kept: Buffer = Buffer.alloc(0);
  /** Payload bytes of the current frame that are still to come; the frame was counted already. */
  let skip = 0;
  const onFrame = (opcode: number, payload: Buffer): void => {
    if (opcode === 9) socket.write(mask(10, payload));
    else if (opcode === 1 && !isReady && payload.includes('"READY"')) {
      isReady = true;
      if (++ready === options.shards) process.send?.({ ready });
    } else if (opcode === 1 && isReady) {
      received++;
      if (received === options.warm) process.send?.({ warm: received });
      if (received === options.expected) process.send?.({ done: received });
    }
  };
  socket.on('data', (data: Buffer) => {
    if (skip >= data.length) {
      skip -= data.length;
      return;
    }
    let chunk = skip > 0 ? data.subarray(skip) : kept.length > 0 ? Buffer.concat([kept, data]) : data;
    skip = 0;
    kept = Buffer.alloc(0);
    if (!upgraded) {
      const end = chunk.indexOf('\r\n\r\n');
      if (end < 0) {
        kept = chunk;
        return;
      }
      upgraded = true;
      chunk = chunk.subarray(end + 4);
      const identify = {
        op: 2,
        d: { token: options.token, properties: {}, intents: options.intents, shard: [shard, options.shards] },
      };
      socket.write(mask(1, Buffer.from(JSON.stringify(identify))));
    }
    let at = 0;
    while (chunk.length - at >= 2) {
      const opcode = chunk[at]! & 15;
      let length = chunk[at + 1]! & 127;
      let header = 2;
      if (length === 126) header = 4;
      else if (length === 127) header = 10;
      if (chunk.length - at < header) break;
      if (length === 126) length = chunk.readUInt16BE(at + 2);
      else if (length === 127) length = chunk.readUInt32BE(at + 6);
      const whole = chunk.length - at >= header + length;
      // Counting needs no payload: what is missing of an event's frame is skipped when it comes.
      if (!whole && (opcode !== 1 || !isReady)) break;
      onFrame(opcode, chunk.subarray(at + header, at + header + length));
      if (!whole) {
        skip = length - (chunk.length - at - header);
        return;
      }
      at += header + length;
    }
    kept = Buffer.from(chunk.subarray(at));
  });
  socket.on('close', () => process.send?.({ closed: shard }));
  socket.on('error', () => undefined);
}

for (let shard = 0; shard < options.shards; shard++) connect(shard);
