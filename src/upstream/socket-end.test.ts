// How a socket ends, against real peers on the loopback: each cause is told as what it was, exactly once and last.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createFakeClock } from '../base/fake-clock.ts';
import { serverFrame } from './frame.cases.ts';
import { closePayload, OPCODE } from './frame.ts';
import { dial, openPeer, openRawPeer, openSilentPeer, until } from './peer.cases.ts';

test('every close code is told with its reason, and answered with 4000', async () => {
  for (const code of [1000, 1001, 1011, 1012, 3000, 4000, 4004, 4014, 4900, 4999]) {
    const answers: number[] = [];
    await using peer = await openPeer((socket) => {
      socket.on('close', (answer) => answers.push(answer));
      socket.send('before');
      socket.close(code, `because ${code}`);
    });
    const { closed, told } = dial(peer.url);
    assert.deepEqual(await closed, { code, reason: `because ${code}`, opened: true, byUs: false });
    assert.deepEqual(told, ['open', 'message before', 'closed']);
    await until(() => answers.length === 1);
    assert.deepEqual(answers, [4000]);
  }
});

test('a close frame without a code is told as 1005', async () => {
  await using peer = await openPeer((socket) => socket.close());
  assert.deepEqual(await dial(peer.url).closed, { code: 1005, reason: '', opened: true, byUs: false });
});

test('close sends its code, waits for the answer and ignores what still comes', async () => {
  const codes: number[] = [];
  await using peer = await openPeer((socket) => {
    socket.on('close', (code) => codes.push(code));
    socket.on('message', () => {
      socket.send('one');
      socket.send('two');
    });
  });
  const { socket, opened, closed, told } = dial(peer.url, {}, (open) => open.close(4000));
  await opened;
  socket.send('go');
  assert.deepEqual(await closed, { code: 4000, reason: '', opened: true, byUs: true });
  assert.deepEqual(told, ['open', 'message one', 'closed']);
  assert.deepEqual(codes, [4000]);
  socket.close(4000);
  socket.destroy();
  await turn();
  assert.deepEqual(told, ['open', 'message one', 'closed']);
});

test('a close that is not answered ends after one second', async () => {
  const clock = createFakeClock();
  let received: Buffer = Buffer.alloc(0);
  let ended = false;
  await using peer = await openRawPeer((socket, answer) => {
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
    });
    socket.on('end', () => {
      ended = true;
    });
    socket.write(answer);
  });
  const { socket, opened, closed, told } = dial(peer.url, { clock });
  await opened;
  socket.close(4000);
  await until(() => ended);
  assert.equal(received.length, 8);
  assert.equal(received[0], 0x88);
  clock.advance(999);
  assert.deepEqual(told, ['open']);
  clock.advance(1);
  assert.deepEqual(told, ['open', 'closed']);
  assert.deepEqual(await closed, {
    code: 1006,
    reason: '',
    error: 'close not answered',
    opened: true,
    byUs: true,
  });
  assert.equal(clock.pending(), 0);
});

test('a peer that answers a close by ending the connection is not waited for', async () => {
  await using peer = await openRawPeer((socket, answer) => {
    socket.on('end', () => socket.end());
    socket.resume();
    socket.write(answer);
  });
  const { socket, opened, closed } = dial(peer.url);
  await opened;
  socket.close(4000);
  assert.deepEqual(await closed, {
    code: 1006,
    reason: '',
    error: 'connection ended',
    opened: true,
    byUs: true,
  });
});

test('destroy drops the connection without a close frame, in any state, and tells later', async () => {
  const codes: number[] = [];
  await using peer = await openPeer((socket) => {
    socket.on('close', (code) => codes.push(code));
    socket.send('one');
    socket.send('two');
  });
  const inMessage = dial(peer.url, {}, (socket) => socket.destroy());
  assert.deepEqual(await inMessage.closed, { code: 1006, reason: '', opened: true, byUs: true });
  assert.deepEqual(inMessage.told, ['open', 'message one', 'closed']);
  await until(() => codes.length === 1);
  assert.deepEqual(codes, [1006]);

  const dialling = dial(peer.url);
  dialling.socket.destroy();
  assert.deepEqual(dialling.told, []);
  assert.deepEqual(await dialling.closed, { code: 1006, reason: '', opened: false, byUs: true });

  const closedWhileDialling = dial(peer.url);
  closedWhileDialling.socket.close(4000);
  assert.deepEqual(await closedWhileDialling.closed, { code: 1006, reason: '', opened: false, byUs: true });

  const twice = dial(peer.url);
  await twice.opened;
  twice.socket.close(4000);
  twice.socket.destroy();
  assert.deepEqual(await twice.closed, { code: 1006, reason: '', opened: true, byUs: true });
});

test('a code that would end the session by mistake is our own bug; 1000 gives it up on purpose', async () => {
  await using peer = await openPeer(() => {});
  const { socket, opened, closed } = dial(peer.url);
  await opened;
  for (const code of [1001, 1005, 2999, 5000]) assert.throws(() => socket.close(code), /invariant/);
  socket.close(1000);
  assert.equal((await closed).code, 1000);
});

test('a reset and an end in mid-frame are told, each as what it was', async () => {
  const half = serverFrame(OPCODE.TEXT, 'x'.repeat(1000)).subarray(0, 300);
  for (const [end, error] of [
    [(socket: Socket) => socket.resetAndDestroy(), 'ECONNRESET'],
    [(socket: Socket) => socket.end(), 'connection ended'],
  ] as const) {
    await using peer = await openRawPeer((socket, answer) => {
      socket.write(Buffer.concat([answer, serverFrame(OPCODE.TEXT, 'whole'), half]));
      setTimeout(() => end(socket), 5);
    });
    const { closed, told } = dial(peer.url);
    assert.deepEqual(await closed, {
      code: 1006,
      reason: '',
      error,
      ...(error === 'ECONNRESET' ? { errno: error } : {}),
      opened: true,
      byUs: false,
    });
    assert.deepEqual(told, ['open', 'message whole', 'closed']);
  }
});

for (const [what, bytes, transport, reason] of [
  ['a masked frame', serverFrame(OPCODE.TEXT, 'x', { masked: true }), 'none', 'masked'],
  ['a reserved bit', serverFrame(OPCODE.TEXT, 'x', { reserved: 0x40 }), 'none', 'reserved bits set'],
  ['an unknown opcode', serverFrame(5, 'x'), 'none', 'opcode 5'],
  ['a bad close code', serverFrame(OPCODE.CLOSE, closePayload(1006)), 'none', 'close code 1006'],
  ['binary unasked', serverFrame(OPCODE.BINARY, 'x'), 'none', 'binary without compression'],
  [
    'an oversize frame',
    serverFrame(OPCODE.BINARY, '', { length: 16 * 1024 * 1024 + 1 }),
    'zlib-stream',
    '16777217 bytes in one message, 16777216 allowed',
  ],
] as const) {
  test(`${what} ends the connection: bad frame`, async () => {
    await using peer = await openRawPeer((socket, answer) => {
      socket.write(Buffer.concat([answer, bytes, serverFrame(OPCODE.TEXT, 'later')]));
    });
    const { closed, told } = dial(peer.url, { transport });
    assert.deepEqual(await closed, {
      code: 1006,
      reason: '',
      error: `bad frame: ${reason}`,
      opened: true,
      byUs: false,
    });
    assert.deepEqual(told, ['open', 'closed']);
  });
}

test('a refused connection, a refused upgrade and a bad url are told, and never as open', async () => {
  const gone = await openPeer(() => {});
  await gone[Symbol.asyncDispose]();
  const refused = { code: 1006, reason: '', opened: false, byUs: false };
  assert.deepEqual(await dial(gone.url).closed, { ...refused, error: 'ECONNREFUSED', errno: 'ECONNREFUSED' });
  assert.deepEqual(await dial('https://127.0.0.1').closed, { ...refused, error: 'bad url' });
  const given = dial('not a url');
  given.socket.destroy();
  assert.deepEqual(given.told, []);
  assert.deepEqual(await given.closed, { ...refused, byUs: true });

  for (const [answer, error] of [
    ['HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno', 'http 502'],
    ['HTTP/1.1 429 Too Many Requests\r\n\r\n', 'http 429'],
    ['220 mail.example ESMTP\r\n\r\n', 'not an http response'],
    ['x'.repeat(20_000), 'not an http response'],
    [
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
      'bad upgrade: connection not upgraded',
    ],
  ] as const) {
    await using peer = await openRawPeer((socket) => socket.write(answer));
    const { closed, told } = dial(peer.url);
    assert.deepEqual(await closed, { ...refused, error });
    assert.deepEqual(told, ['closed']);
  }

  await using rude = await openRawPeer((socket) => socket.end());
  assert.deepEqual(await dial(rude.url).closed, { ...refused, error: 'connection ended' });
});

test('one deadline covers TCP, TLS and the upgrade', async () => {
  for (const [scheme, speak] of [
    ['ws', () => {}],
    ['wss', () => {}],
    ['ws', (socket: Socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\n')],
  ] as const) {
    const clock = createFakeClock();
    const peer = await openSilentPeer(speak);
    const { closed, told, socket } = dial(peer.url.replace('ws:', `${scheme}:`), {
      clock,
      connectTimeoutMs: 3000,
    });
    clock.advance(2999);
    await turn();
    assert.deepEqual(told, []);
    clock.advance(1);
    assert.deepEqual(told, ['closed']);
    assert.deepEqual(await closed, {
      code: 1006,
      reason: '',
      error: 'connect timeout',
      opened: false,
      byUs: false,
    });
    assert.equal(socket.openedAt, undefined);
    assert.equal(clock.pending(), 0);
    await peer[Symbol.asyncDispose]();
  }
});

test('the deadline ends with the upgrade', async () => {
  const clock = createFakeClock();
  await using peer = await openPeer(() => {});
  const { opened, told, socket, closed } = dial(peer.url, { clock, connectTimeoutMs: 3000 });
  await opened;
  clock.advance(100_000);
  assert.deepEqual(told, ['open']);
  socket.destroy();
  await closed;
});
