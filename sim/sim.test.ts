// The simulator over real sockets: transports, faults that need a socket, and the levers over HTTP.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { crc32, inflateSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { createInflater } from '../src/wire/compression.ts';
import { runSim } from './main.ts';
import { type Sim, startSim } from './sim.ts';

/** Connects, identifies, and collects messages as `read` decodes them. */
async function identify(
  sim: Sim,
  options: { query?: string; compress?: boolean; read?: (data: Buffer, binary: boolean) => string } = {},
) {
  const { query = '', compress = false, read = (data) => data.toString() } = options;
  const socket = new WebSocket(`${sim.gatewayUrl}/?v=10&encoding=json${query}`, { perMessageDeflate: false });
  const texts: string[] = [];
  socket.on('message', (data: Buffer, binary) => texts.push(read(data, binary)));
  socket.on('error', () => {});
  await once(socket, 'open');
  const properties = { os: 'linux', browser: 'test', device: 'test' };
  socket.send(JSON.stringify({ op: 2, d: { token: sim.token, properties, intents: 513, compress } }));
  await until(() => texts.length >= 2 + sim.options.guilds);
  return { socket, texts };
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!condition()) {
    assert.ok(performance.now() < end, 'it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const post = (sim: Sim, lever: string, order: object = {}) =>
  fetch(`${sim.url}/control/${lever}`, { method: 'POST', body: JSON.stringify(order) });

describe('the simulator', () => {
  for (const transport of ['zlib-stream', 'zstd-stream'] as const) {
    it(`speaks ${transport}: one endless stream, one message per frame`, async () => {
      await using sim = await startSim({ guilds: 2 });
      const inflater = createInflater(transport);
      const { socket, texts } = await identify(sim, {
        query: `&compress=${transport}`,
        read(data, binary) {
          assert.ok(binary);
          return inflater.output.toString('utf8', 0, inflater.push(data));
        },
      });
      assert.match(texts[0]!, /^\{"t":null,"s":null,"op":10,/);
      assert.match(texts[1]!, /^\{"t":"READY","s":1,"op":0,"d":\{"v":10,/);
      assert.match(texts[3]!, /^\{"t":"GUILD_CREATE","s":3,"op":0,"d":\{"id":/);
      socket.terminate();
    });
  }

  it('compresses large payloads, each alone, when IDENTIFY asks for it', async () => {
    await using sim = await startSim({ guilds: 1 });
    const binaries: boolean[] = [];
    const { socket, texts } = await identify(sim, {
      compress: true,
      read(data, binary) {
        binaries.push(binary);
        return (binary ? inflateSync(data) : data).toString();
      },
    });
    assert.deepEqual(binaries, [false, true, true]);
    assert.match(texts[2]!, /^\{"t":"GUILD_CREATE",/);
    socket.terminate();
  });

  it('tells the truth over HTTP and in a file: what was dispatched is what arrived', async () => {
    const truthFile = join(tmpdir(), `truth-${process.pid}.ndjson`);
    const sim = await startSim({ guilds: 2, truthFile });
    const { socket, texts } = await identify(sim);
    sim.control.say({ content: 'grüße ✂️' });
    await until(() => texts.length === 5);
    const answer = await fetch(`${sim.url}/control/truth?since=0`);
    const lines = (await answer.text()).trimEnd().split('\n');
    await sim.close();
    const rows = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'dispatch');
    assert.deepEqual(
      rows.map(({ s, t, hash }) => [s, t, hash]),
      texts.slice(1).map((text) => {
        const { s, t } = JSON.parse(text);
        return [s, t, crc32(text.slice(text.indexOf('"d":') + 4, -1))];
      }),
    );
    const file = readFileSync(truthFile, 'utf8').trimEnd().split('\n');
    assert.deepEqual(file.slice(0, lines.length), lines);
    rmSync(truthFile);
    socket.terminate();
  });

  it('cuts with and without a reset, closes with a code, and answers an upgrade with 502', async () => {
    await using sim = await startSim({ guilds: 1, identifyIntervalMs: 0 });
    for (const [lever, order, code] of [
      ['cut', { how: 'fin' }, 1006],
      ['cut', { how: 'rst' }, 1006],
      ['close', { code: 4009 }, 4009],
    ] as const) {
      const { socket } = await identify(sim);
      const closed = once(socket, 'close');
      assert.equal((await post(sim, lever, order)).status, 200);
      assert.equal((await closed)[0], code);
    }
    await post(sim, 'arm', { what: 'http-502' });
    const [error] = await once(new WebSocket(sim.gatewayUrl), 'error');
    assert.match(String(error), /502/);
  });

  it('really refuses connections for a while, and keeps those it has', async () => {
    await using sim = await startSim({ guilds: 1 });
    const { socket, texts } = await identify(sim);
    await sim.control.refuse({ ms: 100 });
    const [error] = await once(new WebSocket(sim.gatewayUrl), 'error');
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    sim.control.say({ content: 'still here' });
    await until(() => texts.length === 4);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const again = new WebSocket(`${sim.gatewayUrl}?v=10&encoding=json`);
    await once(again, 'message');
    for (const each of [socket, again]) each.terminate();
  });

  it('reads multipart bodies and refuses what is no JSON', async () => {
    await using sim = await startSim({ guilds: 1 });
    const url = `${sim.restUrl}/api/v10/channels/${sim.control.guilds()[0]!.textChannelId}/messages`;
    const headers = { authorization: `Bot ${sim.token}` };
    const form = new FormData();
    form.set('payload_json', JSON.stringify({ content: 'with a file' }));
    form.set('files[0]', new Blob(['abc'], { type: 'text/plain' }), 'a.txt');
    const sent = (await (await fetch(url, { method: 'POST', headers, body: form })).json()) as {
      content: string;
      attachments: Array<{ filename: string; size: number }>;
    };
    assert.equal(sent.content, 'with a file');
    assert.deepEqual([sent.attachments[0]?.filename, sent.attachments[0]?.size], ['a.txt', 3]);
    const wrong = await fetch(url, { method: 'POST', headers, body: 'hello' });
    assert.deepEqual([wrong.status, ((await wrong.json()) as { code: number }).code], [400, 50035]);
  });

  it('lists its levers, and says what is wrong with an order', async () => {
    await using sim = await startSim({ controlToken: 'secret' });
    assert.equal((await fetch(`${sim.url}/control/`)).status, 401);
    const headers = { authorization: 'Bearer secret' };
    const { levers } = (await (await fetch(`${sim.url}/control/`, { headers })).json()) as {
      levers: string[];
    };
    for (const lever of ['cut', 'op7', 'op9', 'refuse', 'crowd/start', 'useCommand'])
      assert.ok(levers.includes(lever), lever);
    const ask = (lever: string, method: string, body?: string) =>
      fetch(`${sim.url}/control/${lever}`, { method, headers, ...(body === undefined ? {} : { body }) });
    assert.equal((await ask('state', 'GET')).status, 200);
    assert.equal((await ask('cut', 'GET')).status, 405);
    assert.equal((await ask('nothing', 'POST')).status, 404);
    assert.equal((await ask('say', 'POST', '{"guildId":"1","content":"x"}')).status, 404);
    assert.equal((await ask('delay', 'POST', '{"what":"lunch","ms":5}')).status, 404);
    assert.equal((await ask('say', 'POST', 'no json')).status, 400);
  });

  it('starts from command line flags', async () => {
    await using sim = await runSim(['--guilds', '5', '--shards', '3', '--token', 'T']);
    assert.deepEqual([sim.options.guilds, sim.options.shards, sim.token], [5, 3, 'T']);
    await assert.rejects(runSim(['--guilds', 'many']), /--guilds expects a number/);
    await assert.rejects(runSim(['--what', '1']), /--what/);
  });
});
