// The socket against real peers on the loopback: what goes through it, plain, compressed, cut, and over TLS.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { createDeflater } from '../wire/compression.ts';
import { serverFrame } from './frame.cases.ts';
import { closePayload, OPCODE } from './frame.ts';
import {
  dial,
  makeCertificate,
  openPeer,
  openRawPeer,
  openSecurePeer,
  openSilentPeer,
  until,
} from './peer.cases.ts';

const COMPRESSED = ['zlib-stream', 'zstd-stream'] as const;
const HELLO = '{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}';
const GIANT = JSON.stringify({ t: 'GUILD_CREATE', s: 1, op: 0, d: 'holdfast '.repeat(50_000) });
const TEXTS = [
  HELLO,
  GIANT,
  ...Array.from({ length: 200 }, (_, s) => `{"t":"X","s":${s},"op":0,"d":"${'é'.repeat(s)}"}`),
];

test('plain text arrives byte for byte, and the request asks for what it should', async () => {
  let target = '';
  await using peer = await openPeer((socket, asked) => {
    target = asked;
    assert.equal(socket.extensions, '');
    for (const text of TEXTS) socket.send(text);
  });
  const { socket, messages, closed, told } = dial(peer.url);
  assert.deepEqual(await messages(TEXTS.length), TEXTS);
  assert.equal(told[0], 'open');
  assert.equal(target, '/?v=10&encoding=json');
  assert.equal(socket.transport, 'none');
  assert.equal(socket.remoteAddress, `127.0.0.1:${peer.port}`);
  assert.ok(socket.openedAt! <= performance.now());
  assert.ok(socket.bytesReceived > GIANT.length);
  socket.destroy();
  await closed;
});

for (const transport of COMPRESSED) {
  test(`${transport} arrives decompressed, and text in between as it is`, async () => {
    let target = '';
    await using peer = await openPeer((socket, asked) => {
      target = asked;
      const deflater = createDeflater(transport);
      for (const text of TEXTS) socket.send(deflater.push(Buffer.from(text)));
      socket.send('plain text');
      socket.send(deflater.push(Buffer.from('the last')));
    });
    const { socket, messages, closed } = dial(`${peer.url}/`, { transport });
    assert.deepEqual(await messages(TEXTS.length + 2), [...TEXTS, 'plain text', 'the last']);
    assert.equal(target, `/?v=10&encoding=json&compress=${transport}`);
    assert.equal(socket.transport, transport);
    socket.destroy();
    await closed;
  });

  test(`${transport}: fragments are joined and inflated as one`, async () => {
    await using peer = await openPeer((socket) => {
      const deflater = createDeflater(transport);
      for (const text of TEXTS.slice(0, 40)) {
        const frame = deflater.push(Buffer.from(text));
        const cut = Math.floor(frame.length / 2);
        socket.send(frame.subarray(0, cut), { fin: false });
        socket.ping('in between');
        socket.send(frame.subarray(cut), { fin: true });
      }
    });
    const { socket, messages, closed } = dial(peer.url, { transport });
    assert.deepEqual(await messages(40), TEXTS.slice(0, 40));
    socket.destroy();
    await closed;
  });

  test(`${transport}: bad data and a bomb end the connection`, async () => {
    await using bad = await openPeer((socket) => socket.send(Buffer.from('a700000000ffff', 'hex')));
    const garbage = dial(bad.url, { transport });
    const { error, ...rest } = await garbage.closed;
    assert.match(error ?? '', /^bad data: /);
    assert.deepEqual(rest, { code: 1006, reason: '', opened: true, byUs: false });

    await using bomber = await openPeer((socket) =>
      socket.send(createDeflater(transport).push(Buffer.alloc(2_000_000))),
    );
    const bomb = dial(bomber.url, { transport, maxInflatedBytes: 1_000_000 });
    assert.match((await bomb.closed).error ?? '', /^bad data: more than 1000000 bytes/);
    assert.deepEqual(bomb.told, ['open', 'closed']);
  });
}

test('a zlib message cut into several websocket messages is inflated at its end', async () => {
  await using peer = await openPeer((socket) => {
    const deflater = createDeflater('zlib-stream');
    for (const text of TEXTS.slice(0, 5)) {
      const frame = deflater.push(Buffer.from(text));
      for (let at = 0; at < frame.length; at += 20) socket.send(frame.subarray(at, at + 20));
    }
  });
  const { socket, messages, closed } = dial(peer.url, { transport: 'zlib-stream' });
  assert.deepEqual(await messages(5), TEXTS.slice(0, 5));
  socket.destroy();
  await closed;
});

test('a zlib message that never ends is bounded', async () => {
  await using peer = await openPeer((socket) => {
    for (let i = 0; i < 3; i++) socket.send(Buffer.alloc(500, 1));
  });
  const { closed } = dial(peer.url, { transport: 'zlib-stream', maxFrameBytes: 1200 });
  assert.equal((await closed).error, 'bad frame: message without end');
});

test('sockets that read in turn, each cut in mid-frame, do not mix', async () => {
  await using peer = await openRawPeer(async (socket, answer) => {
    socket.setNoDelay(true);
    socket.write(answer);
    const deflater = createDeflater('zlib-stream');
    const wire = Buffer.concat(
      TEXTS.slice(2, 30).map((text) => serverFrame(OPCODE.BINARY, deflater.push(Buffer.from(text)))),
    );
    for (let at = 0; at < wire.length; at += 37) {
      socket.write(wire.subarray(at, at + 37));
      await turn();
    }
  });
  const dialled = Array.from({ length: 6 }, () => dial(peer.url, { transport: 'zlib-stream' }));
  for (const { messages } of dialled) assert.deepEqual(await messages(28), TEXTS.slice(2, 30));
  for (const { socket, closed } of dialled) {
    socket.destroy();
    await closed;
  }
});

test('an answer and frames that come byte by byte, or all at once, are read the same', async () => {
  for (const step of [1, 2, 7, 10_000]) {
    await using peer = await openRawPeer(async (socket, answer) => {
      socket.setNoDelay(true);
      const wire = Buffer.concat([
        answer,
        serverFrame(OPCODE.TEXT, HELLO),
        serverFrame(OPCODE.TEXT, 'two'),
        serverFrame(OPCODE.CLOSE, Buffer.concat([closePayload(4009), Buffer.from('gone')])),
      ]);
      for (let at = 0; at < wire.length; at += step) {
        socket.write(wire.subarray(at, at + step));
        await turn();
      }
    });
    const { told, closed } = dial(peer.url);
    assert.deepEqual(await closed, { code: 4009, reason: 'gone', opened: true, byUs: false });
    assert.deepEqual(told, [
      'open',
      `message ${HELLO.length > 60 ? HELLO.length : HELLO}`,
      'message two',
      'closed',
    ]);
  }
});

test('pings are answered with their payload', async () => {
  const pongs: string[] = [];
  await using peer = await openPeer((socket) => {
    socket.on('pong', (payload) => pongs.push(payload.toString()));
    socket.ping('one');
    socket.ping('x'.repeat(125));
    socket.ping('');
  });
  const { socket, closed } = dial(peer.url);
  await until(() => pongs.length === 3);
  assert.deepEqual(pongs, ['one', 'x'.repeat(125), '']);
  socket.destroy();
  await closed;
});

test('what is sent arrives, at every length; before and after the connection is open nothing is', async () => {
  const arrived: string[] = [];
  await using peer = await openPeer((socket) => {
    socket.on('message', (data, binary) => arrived.push(`${binary} ${data.toString()}`));
  });
  const { socket, opened, closed } = dial(peer.url);
  assert.equal(socket.send('too early'), false);
  await opened;
  const texts = ['', 'ü', 'x'.repeat(125), 'x'.repeat(4096), 'x'.repeat(70_000)];
  for (const text of texts) assert.equal(socket.send(text), true);
  socket.close(4000);
  assert.equal(socket.send('too late'), false);
  await closed;
  assert.equal(socket.send('far too late'), false);
  assert.deepEqual(
    arrived,
    texts.map((text) => `false ${text}`),
  );
});

test('a peer that pings and does not read does not fill our memory with pongs', async () => {
  const pings = 200_000;
  let pongBytes = 0;
  let resume = (): void => {};
  await using peer = await openRawPeer((socket, answer) => {
    socket.pause();
    socket.on('data', (bytes: Buffer) => {
      pongBytes += bytes.length;
    });
    socket.on('end', () => socket.end());
    resume = () => socket.resume();
    socket.write(answer);
    const some = Buffer.concat(Array.from({ length: 500 }, () => serverFrame(OPCODE.PING, 'x'.repeat(125))));
    for (let i = 0; i < pings / 500; i++) socket.write(some);
    socket.write(serverFrame(OPCODE.TEXT, 'done'));
  });
  const { messages, socket, closed } = dial(peer.url);
  await messages(1);
  socket.close(4000);
  resume();
  await closed;
  // What the kernel's buffers took was sent; had all been answered, it would be 131 bytes each.
  assert.ok(pongBytes < 0.75 * pings * 131, `${pongBytes} bytes of pongs`);
});

test('over TLS: a trusted certificate is accepted, another refused, and all else is the same', async (context) => {
  const certificate = makeCertificate();
  if (certificate === undefined) return context.skip('no openssl on this machine to make a certificate');
  const accept = (socket: WebSocket): void => {
    const deflater = createDeflater('zlib-stream');
    for (const text of TEXTS) socket.send(deflater.push(Buffer.from(text)));
    socket.on('message', (data) => socket.close(4007, data.toString()));
  };
  await using peer = await openSecurePeer(certificate, accept);

  const trusted = dial(peer.url, { transport: 'zlib-stream', tls: { ca: certificate.cert } });
  assert.deepEqual(await trusted.messages(TEXTS.length), TEXTS);
  assert.equal(trusted.socket.remoteAddress, `127.0.0.1:${peer.port}`);
  assert.equal(trusted.socket.send('bye'), true);
  assert.deepEqual(await trusted.closed, { code: 4007, reason: 'bye', opened: true, byUs: false });

  const byUs = dial(peer.url, { transport: 'zlib-stream', tls: { ca: certificate.cert } });
  await byUs.opened;
  byUs.socket.close(4000);
  assert.deepEqual(await byUs.closed, { code: 4000, reason: '', opened: true, byUs: true });

  const unknown = dial(peer.url);
  const { error, ...refused } = await unknown.closed;
  assert.match(error ?? '', /^self-signed certificate/);
  assert.deepEqual(refused, {
    code: 1006,
    reason: '',
    errno: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    opened: false,
    byUs: false,
  });
  const otherName = dial(peer.url.replace('127.0.0.1', 'localhost'), { tls: { ca: certificate.cert } });
  assert.equal((await otherName.closed).errno, 'ERR_TLS_CERT_ALTNAME_INVALID');
});

test('TLS is not spoken by a plain server', async () => {
  await using plain = await openSilentPeer((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  });
  const { errno, opened } = await dial(plain.url.replace('ws:', 'wss:')).closed;
  assert.equal(opened, false);
  assert.match(errno ?? '', /^(EPROTO|ERR_SSL_)/);
});
