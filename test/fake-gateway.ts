// A Discord that says whatever a test wants, over real sockets: /gateway/bot, HELLO, heartbeats, a READY without
// guilds, and then the test's own frames. It keeps no rule and replays nothing; for anything that should behave as
// Discord does there is the simulator.

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { OP } from '../src/wire/opcode.ts';

const BOT_ID = '1180000000000000001';

export interface FakeGateway {
  /** The REST base, without a version. */
  readonly api: string;
  readonly token: string;
  /** Ops that arrived, in order, over all connections. */
  readonly received: number[];
  /** Sends one text frame as it is to the last connection that got its READY. */
  send(text: string): void;
  close(): Promise<void>;
}

/** Starts one on a free port. */
export async function startFakeGateway(): Promise<FakeGateway> {
  const received: number[] = [];
  let ready: WebSocket | undefined;
  const url = (): string => `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const server = createServer((_request, response) => {
    const limit = { total: 1000, remaining: 1000, reset_after: 86_400_000, max_concurrency: 1 };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ url: url(), shards: 1, session_start_limit: limit }));
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket: WebSocket, _request: IncomingMessage) => {
    const say = (op: number, d: unknown, s: number | null = null, t: string | null = null): void =>
      socket.send(JSON.stringify({ t, s, op, d }));
    say(OP.HELLO, { heartbeat_interval: 41_250 });
    socket.on('message', (data: Buffer) => {
      const { op } = JSON.parse(data.toString()) as { op: number };
      received.push(op);
      if (op === OP.HEARTBEAT) return say(OP.HEARTBEAT_ACK, null);
      if (op !== OP.IDENTIFY) return;
      say(OP.DISPATCH, readyBody(url()), 1, 'READY');
      ready = socket;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    api: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
    token: `${Buffer.from(BOT_ID).toString('base64url')}.fake.not-a-real-token`,
    received,
    send(text) {
      if (!ready) throw new Error('nobody has identified yet');
      ready.send(text);
    },
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readyBody(resumeUrl: string): unknown {
  return {
    v: 10,
    user: { id: BOT_ID, username: 'fake', discriminator: '0001', avatar: null, bot: true },
    session_id: 'fake-session',
    resume_gateway_url: resumeUrl,
    guilds: [],
    application: { id: BOT_ID, flags: 0 },
    private_channels: [],
    user_settings: {},
  };
}
