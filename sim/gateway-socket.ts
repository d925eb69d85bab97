// The gateway over real sockets: carries bytes, frames and compression between a `ws` connection and the rules.
// Decides nothing.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type RawData, WebSocket } from 'ws';
import {
  type CompressedTransport,
  compressionEngine,
  createDeflater,
  type Deflater,
  deflateWhole,
} from '../src/wire/compression.ts';
import type { GatewayQuery, Port } from './rules/connection.ts';
import type { Discord } from './rules/discord.ts';

/** The fastest level of both: the simulator should cost less than what it tests. */
const COMPRESSION_LEVEL = 1;

const CLOSE_PATIENCE_MS = 2_000;

/** Reads what the client asked for in the URL. An unknown or unavailable `compress` is answered by plain text (1.5). */
export function gatewayQuery(url: string): GatewayQuery {
  const params = new URL(url, 'ws://gateway.invalid').searchParams;
  const compress = params.get('compress');
  const offered =
    (compress === 'zlib-stream' || compress === 'zstd-stream') && compressionEngine(compress) !== undefined;
  return {
    version: params.get('v'),
    encoding: params.get('encoding'),
    transport: offered ? (compress as CompressedTransport) : 'none',
  };
}

/** Joins an accepted WebSocket to the rules. `socket` is the TCP connection beneath it. */
export function carry(discord: Discord, webSocket: WebSocket, socket: Duplex, query: GatewayQuery): void {
  const deflater: Deflater | undefined =
    query.transport === 'none' ? undefined : createDeflater(query.transport, { level: COMPRESSION_LEVEL });
  const port: Port = {
    send(text, compress) {
      if (webSocket.readyState !== WebSocket.OPEN) return;
      if (deflater) webSocket.send(deflater.push(Buffer.from(text)));
      else if (compress) webSocket.send(deflateWhole(Buffer.from(text)));
      else webSocket.send(text);
    },
    close(code, reason) {
      webSocket.close(code, reason);
      // Discord does not wait long for the client's own close frame.
      setTimeout(() => socket.destroy(), CLOSE_PATIENCE_MS).unref();
    },
    drop(how) {
      if (how === 'rst' && socket instanceof Socket) socket.resetAndDestroy();
      else socket.destroy();
    },
    buffered: () => webSocket.bufferedAmount,
  };
  const carried = discord.accept(port, query);
  webSocket.on('message', (data: RawData) => {
    const bytes = data as Buffer;
    carried.receive(bytes.toString(), bytes.length);
  });
  webSocket.on('close', (code) => {
    deflater?.close();
    carried.ended(code);
  });
  // A broken frame or a reset; 'close' follows.
  webSocket.on('error', () => {});
}
