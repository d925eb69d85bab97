// The REST side between a handler's client and a Discord that is a small HTTP server of the test. Ports are of
// this machine only; no test waits for real time.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { REST } from '@discordjs/rest';
import { systemClock } from '../base/clock.ts';
import { createFakeClock } from '../base/fake-clock.ts';
import { silentLog } from '../base/log.ts';
import { createRest, type Rest, type RestOptions } from './rest.ts';

interface Seen {
  method: string;
  url: string;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

type Script = (seen: Seen, response: http.ServerResponse) => void;

const json: Script = (_seen, response) => {
  response.writeHead(200, { 'content-type': 'application/json', via: '1.1 google' });
  response.end('{"ok":true}');
};

let discord: http.Server;
let seen: Seen[];
let script: Script;
before(async () => {
  discord = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = {
        method: request.method!,
        url: request.url!,
        headers: request.headers,
        body: Buffer.concat(chunks),
      };
      seen.push(one);
      script(one, response);
    });
  });
  await listen(discord);
});
after(() => {
  discord.close();
  discord.closeAllConnections();
});

let rest: Rest;
let holdfast: http.Server;
beforeEach(async () => {
  seen = [];
  script = json;
  await start();
});
afterEach(stop);

async function start(given: Partial<RestOptions> = {}): Promise<void> {
  rest = createRest({
    api: `http://127.0.0.1:${portOf(discord)}/api`,
    token: () => 'real-token',
    log: silentLog,
    clock: systemClock,
    authorised: (credential) => credential === 'local-credential',
    localGateway: (host) => ({ url: `ws://${host}`, shards: 3 }),
    ...given,
  });
  holdfast = http.createServer(rest.handle);
  await listen(holdfast);
}

function stop(): void {
  rest.close();
  holdfast.close();
  holdfast.closeAllConnections();
}

async function restart(given: Partial<RestOptions>): Promise<void> {
  stop();
  await start(given);
}

function listen(server: http.Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function portOf(server: http.Server): number {
  return (server.address() as net.AddressInfo).port;
}

interface Reply {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** A bare client: it adds and hides nothing. */
function call(
  method: string,
  target: string,
  options: { headers?: http.OutgoingHttpHeaders; body?: string | Buffer } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        port: portOf(holdfast),
        host: '127.0.0.1',
        method,
        path: target,
        headers: { authorization: 'Bot local-credential', ...options.headers },
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(options.body);
  });
}

describe('rest', () => {
  it('answers /gateway and /gateway/bot itself, with our gateway', async () => {
    const bot = await call('GET', '/api/v10/gateway/bot');
    assert.equal(bot.status, 200);
    assert.equal(bot.headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(bot.body), {
      url: `ws://127.0.0.1:${portOf(holdfast)}`,
      shards: 3,
      session_start_limit: { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 3 },
    });
    const plain = await call('GET', '/api/gateway', { headers: { authorization: '' } });
    assert.deepEqual(JSON.parse(plain.body), { url: `ws://127.0.0.1:${portOf(holdfast)}` });
    assert.equal(seen.length, 0);
  });

  it('puts the real token in place of the local credential, and passes method, path, query and body on', async () => {
    const body = Buffer.from([0x7b, 0x7d, 0x0a, 0xff]);
    const reply = await call('POST', '/api/v9/channels/100000000000000001/messages?x=1', {
      headers: {
        'content-type': 'multipart/form-data; boundary=xyz',
        'x-audit-log-reason': 'why%20not',
        'user-agent': 'handler',
        cookie: 'a=b',
      },
      body,
    });
    assert.equal(reply.status, 200);
    const [one] = seen;
    assert.equal(one!.method, 'POST');
    assert.equal(one!.url, '/api/v9/channels/100000000000000001/messages?x=1');
    assert.equal(one!.headers.authorization, 'Bot real-token');
    assert.match(one!.headers['user-agent']!, /^DiscordBot \(https:\/\/[^ ]+, \d+\.\d+\.\d+\)$/);
    assert.equal(one!.headers['content-type'], 'multipart/form-data; boundary=xyz');
    assert.equal(one!.headers['x-audit-log-reason'], 'why%20not');
    assert.equal(one!.headers.cookie, undefined);
    assert.equal(one!.headers['x-holdfast-exchange'], undefined);
    assert.deepEqual(one!.body, body);
    await call('GET', '/api/users/@me');
    assert.equal(seen[1]!.url, '/api/users/@me');
  });

  it("sends no token with interaction callbacks and webhook tokens, whatever the handler's credential", async () => {
    await call('POST', '/api/v10/interactions/1/tok/callback', {
      headers: { authorization: '' },
      body: '{}',
    });
    await call('POST', '/api/v10/webhooks/1/tok', { body: '{}' });
    assert.deepEqual(
      seen.map((one) => one.headers.authorization),
      [undefined, undefined],
    );
  });

  it('answers an unknown credential as Discord does, and asks Discord nothing', async () => {
    for (const authorization of ['Bot wrong', '']) {
      for (const target of ['/api/v10/users/@me', '/api/v10/gateway/bot']) {
        const reply = await call('GET', target, { headers: { authorization } });
        assert.equal(reply.status, 401);
        assert.deepEqual(JSON.parse(reply.body), { message: '401: Unauthorized', code: 0 });
      }
    }
    assert.equal(seen.length, 0);
  });

  it("passes a user's OAuth2 token as it is", async () => {
    await call('GET', '/api/v10/users/@me', { headers: { authorization: 'Bearer users-own' } });
    assert.equal(seen[0]!.headers.authorization, 'Bearer users-own');
  });

  it("relays Discord's answer: status, exact content type, body, limits and Via, and no headers of the connection", async () => {
    script = (_seen, response) => {
      response.writeHead(201, {
        'content-type': 'application/json',
        via: '1.1 google',
        'x-ratelimit-limit': '5',
        'x-ratelimit-remaining': '4',
        'x-ratelimit-reset-after': '1.5',
        'x-ratelimit-bucket': 'abc',
        'set-cookie': '__cf=1',
        'alt-svc': 'h3=":443"',
      });
      response.end('{"id": "1"}');
    };
    const reply = await call('POST', '/api/v10/channels/1/messages', { body: '{}' });
    assert.equal(reply.status, 201);
    assert.equal(reply.body, '{"id": "1"}');
    assert.equal(reply.headers['content-type'], 'application/json');
    assert.equal(reply.headers.via, '1.1 google');
    assert.equal(reply.headers['x-ratelimit-reset-after'], '1.5');
    assert.equal(reply.headers['x-ratelimit-bucket'], 'abc');
    assert.equal(reply.headers['set-cookie'], undefined);
    assert.equal(reply.headers['alt-svc'], undefined);
  });

  it('relays an empty 204', async () => {
    script = (_seen, response) => response.writeHead(204).end();
    const reply = await call('DELETE', '/api/v10/channels/100000000000000001/messages/100000000000000002');
    assert.equal(reply.status, 204);
    assert.equal(reply.body, '');
  });

  it("relays Discord's errors once each, and keeps the token after a 401", async () => {
    for (const status of [400, 401, 403, 404, 500, 503]) {
      script = (_seen, response) => {
        response.writeHead(status, { 'content-type': 'application/json', via: '1.1 google' });
        response.end(`{"message": "no ${status}", "code": 50035}`);
      };
      for (const target of ['/api/v10/channels/1/messages', '/api/v10/interactions/1/t/callback']) {
        seen = [];
        const reply = await call('POST', target, { body: '{}' });
        assert.equal(reply.status, status);
        assert.equal(reply.body, `{"message": "no ${status}", "code": 50035}`);
        assert.equal(seen.length, 1);
      }
    }
    script = json;
    assert.equal((await call('GET', '/api/v10/users/@me')).status, 200);
    assert.equal(seen.at(-1)!.headers.authorization, 'Bot real-token');
  });

  it('waits out a short 429 and sends the request again', async () => {
    script = (_seen, response) => {
      if (seen.length > 1) return json(_seen, response);
      response.writeHead(429, {
        'content-type': 'application/json',
        'retry-after': '0.01',
        via: '1.1 google',
      });
      response.end('{"retry_after":0.01}');
    };
    const reply = await call('POST', '/api/v10/channels/1/messages', { body: '{"content":"hi"}' });
    assert.equal(reply.status, 200);
    assert.deepEqual(
      seen.map((one) => one.body.toString()),
      ['{"content":"hi"}', '{"content":"hi"}'],
    );
  });

  it("relays a long 429 as Discord's own", async () => {
    script = (_seen, response) => {
      response.writeHead(429, {
        'content-type': 'application/json',
        'retry-after': '65',
        'x-ratelimit-scope': 'shared',
        via: '1.1 google',
      });
      response.end('{"message":"slow","retry_after":64.57,"global":false}');
    };
    const reply = await call('POST', '/api/v10/channels/1/messages', { body: '{}' });
    assert.equal(reply.status, 429);
    assert.equal(reply.headers['retry-after'], '65');
    assert.equal(reply.headers['x-ratelimit-scope'], 'shared');
    assert.equal(reply.body, '{"message":"slow","retry_after":64.57,"global":false}');
    assert.equal(seen.length, 1);
  });

  it("relays Cloudflare's ban, which has no Retry-After, and does not ask again", async () => {
    script = (_seen, response) => {
      response.writeHead(429, { 'content-type': 'text/html; charset=UTF-8' });
      response.end('error code: 1015');
    };
    const reply = await call('GET', '/api/v10/users/@me');
    assert.equal(reply.status, 429);
    assert.equal(reply.body, 'error code: 1015');
    assert.equal(reply.headers.via, undefined);
    assert.equal(seen.length, 1);
  });

  it('holds a bucket that is used up, and says 429 itself when that would take too long', async () => {
    await restart({ waitMsMax: 50 });
    script = (_seen, response) => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'x-ratelimit-limit': '1',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset-after': '0.4',
        'x-ratelimit-bucket': 'abc',
      });
      response.end('{}');
    };
    await call('GET', '/api/v10/channels/100000000000000001');
    // The first answer names the bucket, the second fills it under its real name.
    await call('GET', '/api/v10/channels/100000000000000001');
    const reply = await call('GET', '/api/v10/channels/100000000000000001');
    assert.equal(reply.status, 429);
    assert.equal(seen.length, 2);
    assert.equal(reply.headers['content-type'], 'application/json');
    assert.equal(reply.headers.via, '1.1 holdfast');
    assert.equal(reply.headers['retry-after'], '1');
    const body = JSON.parse(reply.body) as { retry_after: number; global: boolean };
    assert.ok(body.retry_after === 1 && body.global === false);
    assert.equal((await call('GET', '/api/v10/channels/100000000000000009')).status, 200);
  });

  it('says 429 to a request whose turn does not come in time, and never sends it', async () => {
    const clock = createFakeClock();
    await restart({ clock });
    const held: http.ServerResponse[] = [];
    const arrived = Promise.withResolvers<void>();
    script = (_seen, response) => {
      held.push(response);
      arrived.resolve();
    };
    const first = call('GET', '/api/v10/users/@me');
    await arrived.promise;
    const second = call('GET', '/api/v10/users/@me');
    while (clock.pending() < 2) await new Promise(setImmediate);
    clock.advance(10_000);
    const reply = await second;
    assert.equal(reply.status, 429);
    assert.equal(reply.headers['retry-after'], '5');
    json(seen[0]!, held[0]!);
    assert.equal((await first).status, 200);
    assert.equal(seen.length, 1);
  });

  it('answers 502 with the cause when Discord cannot be reached', async () => {
    await restart({ api: 'http://127.0.0.1:1/api' });
    const reply = await call('GET', '/api/v10/users/@me');
    assert.equal(reply.status, 502);
    assert.equal(reply.headers['content-type'], 'application/json');
    assert.match(reply.body, /cannot reach Discord: .*ECONNREFUSED/);
    script = (_seen, response) => response.destroy();
    await restart({});
    assert.equal((await call('GET', '/api/v10/users/@me')).status, 502);
    assert.equal(seen.length, 1);
  });

  it('refuses a body over the limit before it is read, and one that turns out to be over it', async () => {
    await restart({ bodyBytesMax: 1024 * 1024 });
    const socket = net.connect(portOf(holdfast), '127.0.0.1');
    socket.write(
      'POST /api/v10/channels/1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bot local-credential\r\nContent-Length: 50000000\r\n\r\n',
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 413 /);
    socket.destroy();
    const chunked = await call('POST', '/api/v10/channels/1/messages', {
      headers: { 'transfer-encoding': 'chunked' },
      body: Buffer.alloc(1024 * 1024 + 1),
    });
    assert.equal(chunked.status, 413);
    assert.match(chunked.body, /"message":"the request body is larger than 1 MiB/);
    assert.equal(seen.length, 0);
    const fits = await call('POST', '/api/v10/channels/1/messages', { body: Buffer.alloc(1024 * 1024) });
    assert.equal(fits.status, 200);
    assert.equal(seen[0]!.body.length, 1024 * 1024);
  });

  it('answers odd targets and methods without asking Discord', async () => {
    assert.equal((await call('GET', '/api/v10/../x')).status, 400);
    assert.equal((await call('GET', '/elsewhere')).status, 404);
    const options = await call('OPTIONS', '/api/v10/users/@me');
    assert.equal(options.status, 405);
    assert.equal(options.headers.allow, 'GET, POST, PUT, PATCH, DELETE');
    assert.equal(seen.length, 0);
  });

  it('stops asking when the handler goes', async () => {
    const closed = Promise.withResolvers<void>();
    script = (_seen, response) => {
      response.on('close', () => closed.resolve());
      request.destroy();
    };
    const request = http.get({
      port: portOf(holdfast),
      host: '127.0.0.1',
      path: '/api/v10/users/@me',
      headers: { authorization: 'Bot local-credential' },
    });
    request.on('error', () => {});
    await closed.promise;
    script = json;
    assert.equal((await call('GET', '/api/v10/users/@me')).status, 200);
  });

  it('serves the library that most bots use', async () => {
    const client = new REST({ api: `http://127.0.0.1:${portOf(holdfast)}/api`, version: '10' }).setToken(
      'local-credential',
    );
    assert.deepEqual(await client.get('/users/@me'), { ok: true });
    script = (_seen, response) => {
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end('{"message":"Missing Permissions","code":50013}');
    };
    await assert.rejects(
      client.post('/channels/1/messages', {
        body: { content: 'x' },
        files: [{ name: 'a.txt', data: 'hello' }],
      }),
      { code: 50013, status: 403 },
    );
    assert.match(seen.at(-1)!.body.toString(), /hello/);
    client.clearHashSweeper();
    client.clearHandlerSweeper();
  });
});
