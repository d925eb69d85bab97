// A gateway far cheaper than any client: it plays the same precomputed stream to every connection, so that what is
// measured is the client. Started by a benchmark with fork; `go` starts the stream. Not Discord: no heartbeats.

import * as http from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { BINARY_FRAME, frameOf } from '../src/downstream/frame.ts';
import { createDeflater } from '../src/wire/compression.ts';
import { createCorpus } from './corpus.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as {
  shards: number;
  eventsPerShard: number;
  transport: 'zlib-stream' | 'zstd-stream';
  /** Events a second over all shards, one frame a write; 0 = as fast as it goes, in chunks. */
  eventsPerSecond: number;
};
const CHUNK_BYTES = 64 * 1024;
const BOT_ID = '100000000000000001';

const deflater = createDeflater(options.transport);
const frame = (message: string): Buffer => frameOf(BINARY_FRAME, deflater.push(Buffer.from(message)));
let port = 0;

const hello = frame('{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250,"_trace":["bench"]}}');
const ready = frame(
  JSON.stringify({
    t: 'READY',
    s: 1,
    op: 0,
    d: {
      v: 10,
      user: {
        id: BOT_ID,
        username: 'bench',
        discriminator: '0',
        bot: true,
        avatar: null,
        mfa_enabled: false,
      },
      guilds: [],
      session_id: 'bench-session',
      resume_gateway_url: 'ws://127.0.0.1:1',
      private_channels: [],
      application: { id: BOT_ID, flags: 0 },
      shard: [0, options.shards],
      session_type: 'normal',
      _trace: [],
    },
  }),
);
let rawBytes = 0;
const events = createCorpus(options.eventsPerShard, 1).map(([type, data], index) => {
  const message = `{"t":"${type}","s":${index + 2},"op":0,"d":${data}}`;
  rawBytes += message.length;
  return frame(message);
});
const stream = Buffer.concat(events);

const connections: Socket[] = [];
const server = http.createServer((_request, response) => {
  const body = JSON.stringify({
    url: `ws://127.0.0.1:${port}`,
    shards: options.shards,
    session_start_limit: {
      total: 100_000,
      remaining: 100_000,
      reset_after: 0,
      max_concurrency: options.shards,
    },
  });
  response.writeHead(200, { 'content-type': 'application/json' }).end(body);
});
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (ws: WebSocket) => {
    socket.write(hello);
    ws.on('message', (data) => {
      if (!String(data).includes('"op":2')) return;
      socket.write(ready);
      connections.push(socket as Socket);
    });
    ws.on('error', () => undefined);
  });
});

function play(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let at = 0;
    const more = (): void => {
      while (at < stream.length) {
        const chunk = stream.subarray(at, at + CHUNK_BYTES);
        at += chunk.length;
        if (!socket.write(chunk)) return void socket.once('drain', more);
      }
      resolve();
    };
    more();
  });
}

/** One frame a write, round robin over the connections, at an even pace. */
function pace(): Promise<void> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let sent = 0;
    const total = options.eventsPerShard * connections.length;
    const tick = (): void => {
      const due = Math.min(
        total,
        Math.floor(((performance.now() - startedAt) / 1000) * options.eventsPerSecond),
      );
      for (; sent < due; sent++)
        connections[sent % connections.length]!.write(events[Math.floor(sent / connections.length)]!);
      if (sent === total) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
}

process.on('message', async (message) => {
  if (message !== 'go') return;
  await (options.eventsPerSecond > 0 ? pace() : Promise.all(connections.map(play)));
  process.send?.({ played: connections.length });
});
server.listen(0, '127.0.0.1', () => {
  port = (server.address() as { port: number }).port;
  process.send?.({ port, meanBytes: rawBytes / events.length, ratio: rawBytes / stream.length });
});
