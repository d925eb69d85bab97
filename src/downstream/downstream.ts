// The gateway that handlers see. Takes connections, speaks HELLO, IDENTIFY, RESUME and heartbeats, and hands
// each link over to delivery. Knows nothing of upstream sockets: what it needs from there is handed in.

import * as http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Journal } from '../journal/journal.ts';
import { CLOSE } from '../wire/close-code.ts';
import { createDeflater } from '../wire/compression.ts';
import { OP } from '../wire/opcode.ts';
import {
  checkQuery,
  type HandlerMessage,
  isRefusal,
  type Layout,
  type Refusal,
  readMessage,
} from './admission.ts';
import type { Cursors } from './cursors.ts';
import { createDelivery } from './delivery.ts';
import type { HandlerSessions } from './handler-sessions.ts';
import { Link, type LinkPhase } from './link.ts';
import { createStarting } from './starting.ts';
import { createTally, type Tally } from './tally.ts';

/** One snapshot being read; payloads arrive by `onPayloads` as the reader gives credit. */
export interface SnapshotRun {
  credit(bytes: number): void;
  cancel(): void;
}

/** What a snapshot is of, and where its parts go. */
export interface SnapshotRequest {
  readonly shard: number;
  readonly shardCount: number;
  readonly epoch: number;
  /** The snapshot's last frame carries this `s`. */
  readonly s: number;
  readonly sessionId: string;
  readonly resumeUrl: string;
  /** Whole gateway messages, in order; valid after the call too. */
  onPayloads(payloads: Buffer[]): void;
  /** All was given. `stale`: the state was newer than the position asked for. */
  onEnd(info: { stale: boolean }): void;
  /** There is no state of this shard to make a snapshot of. */
  onLost(): void;
  /** It broke off, and may be asked for again. */
  onFailed(): void;
}

export interface DownstreamOptions {
  clock: Clock;
  log: Log;
  random: Random;
  journal: () => Journal;
  cursors: Cursors;
  sessions: HandlerSessions;
  /** The name of the handler that this token belongs to; undefined for a wrong token. Constant time. */
  handlerOf: (token: string) => string | undefined;
  /** What upstream runs, or undefined while that is not known yet. */
  layout: () => Layout | undefined;
  /** A handler identified with these intents while upstream's are undecided. */
  proposeIntents: (intents: number) => void;
  snapshot: (request: SnapshotRequest) => SnapshotRun;
  /** There is no state for a fresh IDENTIFY of this shard. */
  onStateLost: (shard: number) => void;
  /** A handler's op 3, 4, 8, 31 or 43; false when upstream's queue for the shard is full. */
  onCommand: (shard: number, op: number, text: string) => boolean;
  onPresence: (shard: number, presence: Record<string, unknown>) => void;
  /** Requests that are not for the gateway. */
  onRequest: (request: http.IncomingMessage, response: http.ServerResponse) => void;
  /** Base URL told to handlers instead of what their Host header says. */
  publicUrl: string | undefined;
}

/** One link, as status shows it. */
export interface LinkStatus {
  name: string;
  shard: number;
  phase: LinkPhase;
  /** Events between the link's position and the journal's tip. */
  lag: number;
  bufferedBytes: number;
  intents: number;
}

export interface Downstream {
  /** Takes a connection that somebody else accepted. */
  accept(socket: Socket): void;
  /** The HTTP server, to listen with where no parent does. */
  readonly server: http.Server;
  /** Records just written: deliver them. The hot path. */
  feed(buffer: Buffer, end: number): void;
  /** The layout became known or changed. */
  layoutChanged(): void;
  /** Closes every link so that its session lives on, after giving proofs a moment. */
  close(): Promise<void>;
  links(): LinkStatus[];
  tallies(): Iterable<{ name: string; shard: number; tally: Tally }>;
  dispatched(): number;
}

const HEARTBEAT_INTERVAL_MS = 41_250;
/** Pings that prove delivery leave at most this often. */
const PROOF_INTERVAL_MS = 50;
const SILENCE_CHECK_MS = 10_000;
/** How long a closing daemon waits for handlers to prove what they were sent. */
const LAST_PROOF_MS = 300;
const HANDLER_FRAME_BYTES_MAX = 1024 * 1024;
const LINKS_MAX = 10_000;

const HELLO = JSON.stringify({
  t: null,
  s: null,
  op: OP.HELLO,
  d: { heartbeat_interval: HEARTBEAT_INTERVAL_MS, _trace: ['["holdfast",{"micros":0.0}]'] },
});
const HEARTBEAT_ACK = '{"t":null,"s":null,"op":11,"d":null}';

/** Creates the handlers' gateway. It listens to nothing by itself. */
export function createDownstream(options: DownstreamOptions): Downstream {
  const { clock, log } = options;
  const all = new Set<Link>();
  const tallies = new Map<string, { name: string; shard: number; tally: Tally }>();
  let closing = false;

  const tallyOf = (link: Link): Tally => {
    const key = `${link.shard}/${link.name}`;
    let entry = tallies.get(key);
    if (!entry) {
      entry = { name: link.name, shard: link.shard, tally: createTally() };
      tallies.set(key, entry);
    }
    return entry.tally;
  };

  const delivery = createDelivery({
    journal: options.journal,
    now: () => clock.now(),
    tally: tallyOf,
    onEpochEnd: (link) => starting.epochEnded(link),
    onGap: (link, to) => starting.gapMet(link, to),
    onCaughtUp: (link) => starting.caughtUp(link),
    onShardMoved: (shard) => starting.shardMoved(shard),
  });
  const starting = createStarting({ ...options, delivery, tally: tallyOf });

  const server = http.createServer({ keepAliveTimeout: 65_000 }, options.onRequest);
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: HANDLER_FRAME_BYTES_MAX,
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (closing || all.size >= LINKS_MAX) {
      socket.destroy();
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => open(ws, socket, request));
  });

  const open = (ws: WebSocket, socket: Duplex, request: http.IncomingMessage): void => {
    const url = new URL(request.url ?? '/', 'ws://localhost');
    const compress = url.searchParams.get('compress');
    const link = new Link({
      ws,
      socket,
      url: options.publicUrl ?? `ws://${request.headers.host ?? 'localhost'}`,
      deflater:
        compress === 'zlib-stream' || compress === 'zstd-stream' ? createDeflater(compress) : undefined,
      now: clock.monotonic(),
    });
    all.add(link);
    if ('setNoDelay' in socket) (socket as Socket).setNoDelay(true);
    ws.on('error', (error) =>
      log.debug('link.error', { name: link.name, shard: link.shard, message: error.message }),
    );
    ws.on('close', (code) => end(link, code));
    ws.on('message', (data, isBinary) => receive(link, data as Buffer, isBinary));
    ws.on('pong', (data) => pong(link, data));
    socket.on('drain', () => {
      link.lastDrainAt = clock.monotonic();
      delivery.pump(link);
      link.creditSnapshot?.(0);
    });
    const refusal = checkQuery(url.searchParams);
    link.send(HELLO);
    if (refusal) link.close(refusal.close, refusal.reason);
  };

  const receive = (link: Link, data: Buffer, isBinary: boolean): void => {
    link.lastSeenAt = clock.monotonic();
    if (link.ws.readyState !== link.ws.OPEN) return;
    const message = readMessage(data, isBinary);
    const refusal = isRefusal(message) ? message : act(link, message);
    if (refusal) link.close(refusal.close, refusal.reason);
  };

  const act = (link: Link, message: HandlerMessage): Refusal | undefined => {
    if (message.type === 'heartbeat') {
      link.send(HEARTBEAT_ACK);
      return undefined;
    }
    if (link.phase === 'hello') {
      if (message.type === 'identify') return starting.identify(link, message.data);
      if (message.type === 'resume') return starting.resume(link, message.data);
      return { close: CLOSE.NOT_AUTHENTICATED, reason: 'Not authenticated: IDENTIFY or RESUME first' };
    }
    if (message.type !== 'command')
      return { close: CLOSE.ALREADY_AUTHENTICATED, reason: 'Already authenticated' };
    // A parked link was superseded: its commands would act in the name of the newer one.
    if (link.phase === 'parked') return undefined;
    if (options.onCommand(link.shard, message.op, message.text)) return undefined;
    return {
      close: CLOSE.RATE_LIMITED,
      reason: `Rate limited: too many commands wait for Discord's 120 per 60 s on shard ${link.shard}`,
    };
  };

  const pong = (link: Link, data: Buffer): void => {
    link.lastSeenAt = clock.monotonic();
    const before = link.provenCount;
    const position = link.takePong(data);
    if (!position) return;
    tallyOf(link).delivered += link.provenCount - before;
    options.cursors.prove(link.name, link.shard, position);
    if (link.phase === 'ending') starting.proofCame(link);
  };

  const end = (link: Link, code: number): void => {
    if (!all.delete(link)) return;
    starting.ended(link);
    link.phase = 'closed';
    link.deflater?.close();
    log.debug('link.closed', { name: link.name, shard: link.shard, code });
  };

  const proofTimer = setInterval(() => {
    for (const link of all)
      if (link.phase === 'live' || link.phase === 'reading' || link.phase === 'ending') link.askForProof();
    const changes = options.cursors.takeChanges();
    if (changes.length > 0) options.journal().appendCursors(changes);
  }, PROOF_INTERVAL_MS);
  proofTimer.unref();

  // Cut for silence only when it neither sends nor drains: a handler that is busy with a replay beats late.
  const silenceTimer = setInterval(() => {
    const oldest = clock.monotonic() - 2 * HEARTBEAT_INTERVAL_MS;
    for (const link of all) {
      if (link.lastSeenAt < oldest && link.lastDrainAt < oldest) {
        log.info(
          'link.silent',
          { name: link.name, shard: link.shard },
          'a handler sent nothing for two heartbeat intervals and was cut',
        );
        link.ws.terminate();
      }
    }
  }, SILENCE_CHECK_MS);
  silenceTimer.unref();

  return {
    server,
    accept: (socket) => void server.emit('connection', socket),
    feed: delivery.feed,
    layoutChanged: () => starting.layoutChanged(),
    async close() {
      closing = true;
      server.close();
      for (const link of all) if (link.phase === 'live' || link.phase === 'reading') link.askForProof();
      const until = clock.monotonic() + LAST_PROOF_MS;
      const unproven = () => [...all].some((link) => link.ping !== undefined);
      while (unproven() && clock.monotonic() < until)
        await new Promise((resolve) => clock.after(5, () => resolve(undefined)));
      for (const link of all) {
        // 4000 makes every library RESUME; 1000 would make discord.js throw its session away.
        link.close(CLOSE.KEEP_SESSION, 'Holdfast restarts; resume');
        end(link, CLOSE.KEEP_SESSION);
      }
      clearInterval(proofTimer);
      clearInterval(silenceTimer);
      const changes = options.cursors.takeChanges();
      if (changes.length > 0) options.journal().appendCursors(changes);
      server.closeAllConnections();
    },
    links: () => Array.from(all, (link) => linkStatus(link, options.journal())),
    tallies: () => tallies.values(),
    dispatched: delivery.dispatched,
  };
}

function linkStatus(link: Link, journal: Journal): LinkStatus {
  const tip = link.shard >= 0 ? journal.tip(link.shard) : { epoch: 0, s: 0 };
  return {
    name: link.name,
    shard: link.shard,
    phase: link.phase,
    lag: tip.epoch === link.epoch ? Math.max(0, tip.s - link.s) : 0,
    bufferedBytes: link.socket.writableLength,
    intents: link.intents,
  };
}
