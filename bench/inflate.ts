// `node bench/inflate.ts`: what the upstream socket adds to decompression itself. One table of CPU µs per message
// (user + system of this process): the bare inflater over frames in memory, and the same frames from a forked
// sender over the loopback through dialUpstream. Medians; the sender computes its stream beforehand.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { systemClock } from '../src/base/clock.ts';
import { systemRandom } from '../src/base/random.ts';
import { acceptFor } from '../src/upstream/handshake.ts';
import { dialUpstream } from '../src/upstream/socket.ts';
import {
  createDeflater,
  createInflater,
  ENGINES,
  type EngineName,
  type Transport,
} from '../src/wire/compression.ts';
import { createCorpus } from './corpus.ts';
import { median } from './process.ts';

const MESSAGES = 25_000;
const ROUNDS = 7;
const TRANSPORTS: readonly Transport[] = ['none', 'zlib-stream', 'zstd-stream'];

/** The corpus as the frames of one connection, each behind its WebSocket header. */
function createWire(transport: Transport): { wire: Buffer; payloads: Buffer[] } {
  const deflater = transport === 'none' ? undefined : createDeflater(transport);
  const payloads = createCorpus(MESSAGES, 0).map(([type, data], s) => {
    const text = Buffer.from(`{"t":"${type}","s":${s + 1},"op":0,"d":${data}}`);
    return deflater ? deflater.push(text) : text;
  });
  const opcode = transport === 'none' ? 0x81 : 0x82;
  const head = ({ length }: Buffer): Buffer =>
    length < 126 ? Buffer.from([opcode, length]) : Buffer.from([opcode, 126, length >> 8, length & 0xff]);
  return { wire: Buffer.concat(payloads.flatMap((payload) => [head(payload), payload])), payloads };
}

/** The forked half: answers each upgrade and sends the whole stream, 64 KiB a write. */
function serve(): void {
  const wires = new Map(TRANSPORTS.map((transport) => [transport, createWire(transport).wire]));
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (request) => {
      const text = request.toString('latin1');
      const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(text)?.[1] ?? '';
      const wire = wires.get((/compress=([a-z-]+)/.exec(text)?.[1] ?? 'none') as Transport)!;
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          `Sec-WebSocket-Accept: ${acceptFor(key)}\r\n\r\n`,
      );
      for (let at = 0; at < wire.length; at += 65_536) socket.write(wire.subarray(at, at + 65_536));
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as { port: number }).port));
}

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** One connection's life; resolves with the CPU from the upgrade to the last message. */
function receive(port: number, transport: Transport): Promise<number> {
  return new Promise((resolve, reject) => {
    let before = 0;
    let seen = 0;
    const socket = dialUpstream({
      url: `ws://127.0.0.1:${port}`,
      transport,
      connectTimeoutMs: 5000,
      clock: systemClock,
      random: systemRandom,
      events: {
        onOpen: () => {
          before = cpuUs();
        },
        onMessage: () => {
          if (++seen !== MESSAGES) return;
          resolve(cpuUs() - before);
          socket.destroy();
        },
        onClosed: ({ error, byUs }) => {
          if (!byUs) reject(new Error(error));
        },
      },
    });
  });
}

function inflateAll(transport: Exclude<Transport, 'none'>, payloads: Buffer[], engine: EngineName): number {
  const inflater = createInflater(transport, { engine });
  const before = cpuUs();
  for (const payload of payloads) inflater.push(payload);
  const spent = cpuUs() - before;
  inflater.close();
  return spent;
}

/** Medians of all columns, measured in turn so that a busy moment of the machine meets them all. */
async function measure(
  columns: Record<string, () => number | Promise<number>>,
): Promise<Record<string, string>> {
  const spent = new Map(Object.keys(columns).map((name) => [name, [] as number[]]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, run] of Object.entries(columns)) {
      const cost = await run();
      // The first round is the compiler's.
      if (round > 0) spent.get(name)?.push(cost / MESSAGES);
    }
  }
  return Object.fromEntries([...spent].map(([name, costs]) => [name, median(costs).toFixed(2)]));
}

if (process.argv[2] === 'serve') serve();
else {
  const sender = fork(import.meta.filename, ['serve']);
  const [port] = (await once(sender, 'message')) as [number];
  const table: Record<string, Record<string, string>> = {};
  for (const transport of TRANSPORTS) {
    const columns: Record<string, () => number | Promise<number>> = {
      'through the socket': () => receive(port, transport),
    };
    if (transport !== 'none') {
      const { payloads } = createWire(transport);
      for (const engine of Object.keys(ENGINES) as EngineName[])
        if (engine !== 'documented' || transport === 'zlib-stream')
          columns[`bare ${engine}`] = () => inflateAll(transport, payloads, engine);
    }
    table[transport] = await measure(columns);
  }
  console.log(`CPU µs per message, ${MESSAGES} messages, node ${process.version}`);
  console.table(table);
  sender.kill();
}
