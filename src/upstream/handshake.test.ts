// The upgrade request, and every way an answer to it can be wrong.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptFor, buildUpgrade, gatewayEndpoint, refuseUpgrade, responseHeadEnd } from './handshake.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const GOOD = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: WebSocket',
  'connection: keep-alive, Upgrade',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
];
const head = (lines: readonly string[]): string => [...lines, '', ''].join('\r\n');

test('the query is added to any base form, and what is there is kept or replaced', () => {
  const target = (url: string, transport: 'none' | 'zlib-stream' | 'zstd-stream' = 'zlib-stream') =>
    gatewayEndpoint(url, transport)?.target;
  assert.equal(target('wss://gateway.discord.gg'), '/?v=10&encoding=json&compress=zlib-stream');
  assert.equal(
    target('wss://gateway.discord.gg/', 'zstd-stream'),
    '/?v=10&encoding=json&compress=zstd-stream',
  );
  assert.equal(target('wss://gateway.discord.gg/', 'none'), '/?v=10&encoding=json');
  assert.equal(target('ws://a/path?v=6&compress=zlib-stream&x=1', 'none'), '/path?v=10&x=1&encoding=json');
});

test('host, port and authority are read for names, addresses and both schemes', () => {
  const pick = (url: string) => {
    const endpoint = gatewayEndpoint(url, 'none');
    return endpoint && [endpoint.secure, endpoint.host, endpoint.port, endpoint.authority];
  };
  assert.deepEqual(pick('wss://gateway-us-east1-b.discord.gg'), [
    true,
    'gateway-us-east1-b.discord.gg',
    443,
    'gateway-us-east1-b.discord.gg',
  ]);
  assert.deepEqual(pick('ws://127.0.0.1'), [false, '127.0.0.1', 80, '127.0.0.1']);
  assert.deepEqual(pick('ws://[::1]:9000/x'), [false, '::1', 9000, '[::1]:9000']);
});

test('what is not a websocket url is no endpoint', () => {
  for (const url of ['', 'gateway.discord.gg', 'https://gateway.discord.gg', 'wss://', 'ws://a:99999'])
    assert.equal(gatewayEndpoint(url, 'none'), undefined, url);
});

test('the request offers no extension and carries the key', () => {
  const request = buildUpgrade(gatewayEndpoint('ws://127.0.0.1:5', 'none')!, KEY);
  assert.equal(
    request,
    'GET /?v=10&encoding=json HTTP/1.1\r\nHost: 127.0.0.1:5\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
});

test('the accept value is that of RFC 6455', () => {
  assert.equal(acceptFor(KEY), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
});

test('the end of a response head is found only when it is whole', () => {
  const bytes = Buffer.from(`${head(GOOD)}\x82\x00`, 'latin1');
  const end = bytes.length - 2;
  for (let length = 0; length <= bytes.length; length++)
    assert.equal(responseHeadEnd(bytes, length), length < end ? 0 : end);
});

test('a good answer is accepted', () => {
  assert.equal(refuseUpgrade(head(GOOD), KEY), undefined);
});

for (const [what, lines, reason] of [
  ['502', ['HTTP/1.1 502 Bad Gateway'], 'http 502'],
  ['a redirect', ['HTTP/1.1 301', 'Location: wss://elsewhere'], 'http 301'],
  ['200', ['HTTP/1.0 200 OK'], 'http 200'],
  ['another protocol', ['SSH-2.0-OpenSSH_9.6'], 'not an http response'],
  ['nothing', [], 'not an http response'],
  ['no upgrade header', GOOD.toSpliced(1, 1), 'bad upgrade: no websocket'],
  ['no connection header', GOOD.toSpliced(2, 1), 'bad upgrade: connection not upgraded'],
  ['no accept', GOOD.toSpliced(3, 1), 'bad upgrade: wrong accept'],
  ['a wrong accept', GOOD.with(3, 'Sec-WebSocket-Accept: AAAA'), 'bad upgrade: wrong accept'],
  [
    'an extension',
    [...GOOD, 'Sec-WebSocket-Extensions: permessage-deflate'],
    'bad upgrade: extension not asked for',
  ],
  ['a protocol', [...GOOD, 'Sec-WebSocket-Protocol: x'], 'bad upgrade: protocol not asked for'],
] as const) {
  test(`an answer with ${what} is refused as "${reason}"`, () => {
    assert.equal(refuseUpgrade(head(lines), KEY), reason);
  });
}
