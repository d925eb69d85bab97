// A gateway far cheaper than any client: it plays the same precomputed stream to every connection, so that what is
// measured is the client. Started by a benchmark with fork; `go` starts the stream. Not Discord: no heartbeats.

import * as http from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { BINARY_FRAME, frameOf } from '../src/downstream/frame.ts';
import { createDeflater } from '../src/wire/compression.ts';
import { createCorpus, createGuilds, GUILDS_PER_SHARD } from './corpus.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as {
  shards: number;
  eventsPerShard: number;
  transport: 'zlib-stream' | 'zstd-stream';
  /** Events of each shard that are played on `warm`, before what is measured: compilers and caches settle. */
  warmEventsPerShard: number;
  /** Events a second over all shards, one frame a write; 0 = as fast as it goes, in chunks. */
  eventsPerSecond: number;
};
const CHUNK_BYTES = 64 * 1024;
const BOT_ID = '100000000000000001';

/** One shard's precomputed bytes. */
interface Played {
  readonly socket: Socket;
  readonly warm: Buffer;
  readonly events: readonly Buffer[];
  readonly stream: Buffer;
}

let port = 0;
let rawBytes = 0;
let compressedBytes = 0;

/** What a shard's connection is sent: HELLO, then on IDENTIFY READY and guilds, then on `go` the events. */
function prepare(shard: number) {
  const deflater = createDeflater(options.transport);
  const frame = (message: string): Buffer => frameOf(BINARY_FRAME, deflater.push(Buffer.from(message)));
  const hello = frame('{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250,"_trace":["bench"]}}');
  const guilds = createGuilds(shard);
  const ready = {
    v: 10,
    user: { id: BOT_ID, username: 'bench', discriminator: '0', bot: true, avatar: null, mfa_enabled: false },
    guilds: guilds.map((guild) => ({ id: (JSON.parse(guild) as { id: string }).id, unavailable: true })),
    session_id: `bench-session-${shard}`,
    resume_gateway_url: 'ws://127.0.0.1:1',
    private_channels: [],
    application: { id: BOT_ID, flags: 0 },
    shard: [shard, options.shards],
    session_type: 'normal',
    _trace: [],
  };
  const message = (t: string, s: number, d: string): string => `{"t":"${t}","s":${s},"op":0,"d":${d}}`;
  const start = Buffer.concat([
    frame(message('READY', 1, JSON.stringify(ready))),
    ...guilds.map((guild, index) => frame(message('GUILD_CREATE', index + 2, guild))),
  ]);
  const events = createCorpus(options.eventsPerShard, shard).map(([type, data], index) => {
    const text = message(type, index + 2 + GUILDS_PER_SHARD, data);
    rawBytes += text.length;
    return frame(text);
  });
  const warm = Buffer.concat(events.splice(0, options.warmEventsPerShard));
  const stream = Buffer.concat(events);
  compressedBytes += warm.length + stream.length;
  deflater.close();
  return { hello, start, warm, events, stream };
}

const shards = Array.from({ length: options.shards }, (_, shard) => prepare(shard));
const connections: Played[] = [];
let arrived = 0;
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
    // A stream is one compression context, so it is chosen before the client says which shard it is.
    const { hello, start, warm, events, stream } = shards[arrived++ % shards.length]!;
    socket.write(hello);
    ws.on('message', (data) => {
      if (!String(data).includes('"op":2')) return;
      socket.write(start);
      connections.push({ socket: socket as Socket, warm, events, stream });
    });
    ws.on('error', () => undefined);
  });
});

function play(socket: Socket, stream: Buffer): Promise<void> {
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
    const total = (options.eventsPerShard - options.warmEventsPerShard) * connections.length;
    const tick = (): void => {
      const due = Math.min(
        total,
        Math.floor(((performance.now() - startedAt) / 1000) * options.eventsPerSecond),
      );
      for (; sent < due; sent++) {
        const { socket, events } = connections[sent % connections.length]!;
        socket.write(events[Math.floor(sent / connections.length)]!);
      }
      if (sent === total) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
}

process.on('message', async (message) => {
  if (message === 'warm') await Promise.all(connections.map(({ socket, warm }) => play(socket, warm)));
  else if (options.eventsPerSecond > 0) await pace();
  else await Promise.all(connections.map(({ socket, stream }) => play(socket, stream)));
});
server.listen(0, '127.0.0.1', () => {
  port = (server.address() as { port: number }).port;
  process.send?.({
    port,
    meanBytes: rawBytes / options.shards / options.eventsPerShard,
    ratio: rawBytes / compressedBytes,
  });
});
