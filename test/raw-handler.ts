// A handler without a library, which can be as wrong as a test wants: raw frames over a WebSocket, raw bytes over TCP.

import { once } from 'node:events';
import * as net from 'node:net';
import { WebSocket } from 'ws';

/** How a connection ended. */
export interface Ended {
  readonly code: number;
  readonly reason: string;
}

/** A gateway message as it arrived. */
export interface Received {
  readonly op: number;
  readonly t: string | null;
  readonly s: number | null;
  readonly d: unknown;
}

export interface RawHandler {
  readonly socket: WebSocket;
  readonly received: Received[];
  send(message: unknown): void;
  readonly ended: Promise<Ended>;
}

/** Connects and waits for HELLO. `query` goes behind the address. */
export async function connectHandler(port: number, query = '?v=10&encoding=json'): Promise<RawHandler> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${query}`, { maxPayload: 64 * 1024 * 1024 });
  const received: Received[] = [];
  // A peer that closes while we still send resets us; how it ended is in 'close'.
  socket.on('error', () => {});
  const ended = once(socket, 'close').then(([code, reason]) => ({
    code: code as number,
    reason: (reason as Buffer).toString(),
  }));
  const hello = once(socket, 'message');
  socket.on('message', (data: Buffer) => received.push(JSON.parse(data.toString()) as Received));
  await Promise.race([hello, ended]);
  return { socket, received, send: (message) => socket.send(JSON.stringify(message)), ended };
}

/** Sends one frame after HELLO and tells how the connection ended. A Buffer goes as a binary frame. */
export async function sendAndEnd(port: number, frame: string | Buffer, query?: string): Promise<Ended> {
  const handler = await connectHandler(port, query);
  handler.socket.send(frame);
  return handler.ended;
}

/** Sends bytes to a port and returns what came back until the peer closed, or until `patienceMs` passed. */
export function exchangeBytes(port: number, bytes: string | Buffer, patienceMs = 5_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    const finish = (): void => {
      clearTimeout(patience);
      socket.destroy();
      resolve(answer);
    };
    const patience = setTimeout(finish, patienceMs);
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', finish);
    socket.on('close', finish);
  });
}
