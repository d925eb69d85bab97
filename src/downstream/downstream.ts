// The gateway that handlers see. Takes connections, speaks HELLO, IDENTIFY, RESUME and heartbeats, and hands
// each link over to delivery. Knows nothing of upstream sockets: what it needs from there is handed in.

import * as http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Clock, sleep } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Journal } from '../journal/journal.ts';
import { CLOSE } from '../wire/close-code.ts';
import { compressionEngine, createDeflater, type Deflater } from '../wire/compression.ts';
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
import { createEnding } from './ending.ts';
import type { HandlerSessions } from './handler-sessions.ts';
import { Link, type LinkPhase } from './link.ts';
import { createOwners } from './owners.ts';
import type { SnapshotRequest, SnapshotRun } from './snapshot.ts';
import { createStarting } from './starting.ts';
import { createTally, type Tally } from './tally.ts';

export type { SnapshotRequest, SnapshotRun } from './snapshot.ts';

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
/** How often links are looked at: proofs are asked for, held ones tried again, silent ones cut. */
const TICK_MS = 50;
/** How long a closing daemon waits for handlers to prove what they were sent. */
const LAST_PROOF_MS = 300;
const LINKS_MAX = 10_000;
const SOCKETS = {
  noServer: true,
  perMessageDeflate: false,
  maxPayload: 1024 * 1024,
  /** A closed link's socket goes at the latest after this. */
  closeTimeout: 2_000,
};

const HELLO = JSON.stringify({
  t: null,
  s: null,
  op: OP.HELLO,
  d: { heartbeat_interval: HEARTBEAT_INTERVAL_MS, _trace: ['["holdfast",{"micros":0.0}]'] },
});
const HEARTBEAT_ACK = '{"t":null,"s":null,"op":11,"d":null}';
/** 4000 makes every library RESUME; 1000 would make discord.js throw its session away. */
const RESTARTING: Refusal = { close: CLOSE.KEEP_SESSION, reason: 'Holdfast restarts; resume' };

/** Creates the handlers' gateway. It listens to nothing by itself. */
export function createDownstream(options: DownstreamOptions): Downstream {
  const { clock, log, cursors } = options;
  const all = new Set<Link>();
  const tallies = new Map<string, { name: string; shard: number; tally: Tally }>();
  let closing = false;

  const tallyOf = (name: string, shard: number): Tally => {
    const key = `${shard}/${name}`;
    const entry = tallies.get(key) ?? { name, shard, tally: createTally() };
    tallies.set(key, entry);
    return entry.tally;
  };

  const saveCursors = (): void => {
    const changes = cursors.takeChanges();
    if (changes.length > 0) options.journal().appendCursors(changes);
  };

  const end = (link: Link, how: { code: number; died: boolean }): void => {
    if (!all.delete(link)) return;
    starting.ended(link);
    ending.release(link, how);
    owners.leave(link);
    link.phase = 'closed';
    link.deflater?.close();
    log.debug('link.closed', { name: link.name, shard: link.shard, code: how.code });
  };

  /** Closes a link for a reason. Nothing is written to it after the close frame. */
  const refuse = (link: Link, refusal: Refusal): void => {
    link.ws.close(refusal.close, refusal.reason);
    end(link, { code: refusal.close, died: false });
  };

  const delivery = createDelivery({
    journal: options.journal,
    now: () => clock.now(),
    onEpochEnd: (link) => ending.epochEnded(link),
    onGap: (link, to) => ending.gapMet(link, to),
    onCaughtUp: (link) => ending.finishResume(link),
  });
  const owners = createOwners(clock, (heir) => ending.invalidate(heir));
  const ending = createEnding({ clock, log, cursors, delivery, owners });
  const starting = createStarting({
    ...options,
    delivery,
    ending,
    owners,
    tally: tallyOf,
    refuse,
    saveCursors,
  });

  const server = http.createServer({ keepAliveTimeout: 65_000 }, options.onRequest);
  const sockets = new WebSocketServer(SOCKETS);
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (all.size >= LINKS_MAX) {
      socket.destroy();
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => open(ws, socket, request));
  });

  const open = (ws: WebSocket, socket: Duplex, request: http.IncomingMessage): void => {
    ws.on('error', (error) => log.debug('link.error', { message: error.message }));
    // A handshake that fails makes discord.js throw its session away; a close code does not.
    if (closing) return ws.close(RESTARTING.close, RESTARTING.reason);
    // Not `new URL`: `//?v=10`, which twilight sends, is no URL.
    const target = request.url ?? '/';
    const query = new URLSearchParams(target.slice(target.indexOf('?') + 1 || target.length));
    const link = new Link({
      ws,
      socket,
      url: options.publicUrl ?? `ws://${request.headers.host ?? 'localhost'}`,
      deflater: deflaterFor(query.get('compress')),
      now: clock.monotonic(),
    });
    all.add(link);
    if ('setNoDelay' in socket) (socket as Socket).setNoDelay(true);
    ws.on('close', (code) => end(link, { code, died: true }));
    ws.on('message', (data, isBinary) => receive(link, data as Buffer, isBinary));
    ws.on('pong', (data) => pong(link, data));
    socket.on('drain', () => {
      link.lastDrainAt = clock.monotonic();
      if (link.phase === 'reading') delivery.read(link);
      link.creditSnapshot?.();
    });
    link.send(HELLO);
    const refusal = checkQuery(query);
    if (refusal) refuse(link, refusal);
  };

  const receive = (link: Link, data: Buffer, isBinary: boolean): void => {
    if (link.phase === 'closed') return;
    link.lastSeenAt = clock.monotonic();
    const message = readMessage(data, isBinary);
    const refusal = isRefusal(message) ? message : act(link, message);
    if (refusal) refuse(link, refusal);
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
    // A parked link was superseded: its commands would act in the name of the newer one. And before the layout is
    // known there is no shard to send them to.
    if (link.phase === 'parked' || link.shard < 0) return undefined;
    if (options.onCommand(link.shard, message.op, message.text)) return undefined;
    return {
      close: CLOSE.RATE_LIMITED,
      reason: `Rate limited: too many commands wait for Discord's 120 per 60 s on shard ${link.shard}`,
    };
  };

  const pong = (link: Link, data: Buffer): void => {
    link.lastSeenAt = clock.monotonic();
    const position = link.takePong(data);
    if (!position) return;
    cursors.prove(link.name, link.shard, position);
    ending.check(link);
  };

  const tick = (): void => {
    timer = clock.after(TICK_MS, tick);
    starting.check();
    // Cut for silence only when it neither sends nor drains: a handler that is busy with a replay beats late.
    const silentSince = clock.monotonic() - 2 * HEARTBEAT_INTERVAL_MS;
    for (const link of all) {
      ending.check(link);
      if (link.stalled) delivery.read(link);
      if (link.isFed) prove(link);
      if (link.lastSeenAt < silentSince && link.lastDrainAt < silentSince) cut(link);
    }
    saveCursors();
  };
  let timer = clock.after(TICK_MS, tick);

  const prove = (link: Link): void => {
    const quiet = link.takeQuietProof();
    if (quiet) cursors.prove(link.name, link.shard, quiet);
    link.askForProof();
  };

  const cut = (link: Link): void => {
    log.info(
      'link.silent',
      { name: link.name, shard: link.shard },
      'a handler sent nothing for two heartbeat intervals and was cut',
    );
    link.ws.terminate();
    end(link, { code: 1006, died: true });
  };

  return {
    server,
    accept: (socket) => void server.emit('connection', socket),
    feed: delivery.feed,
    layoutChanged: () => starting.layoutChanged(),
    async close() {
      closing = true;
      timer.cancel();
      const until = clock.monotonic() + LAST_PROOF_MS;
      for (;;) {
        const unproven = [...all].filter((link) => link.isFed && !link.isProven);
        if (unproven.length === 0 || clock.monotonic() >= until) break;
        for (const link of unproven) link.askForProof();
        await sleep(clock, 5);
      }
      for (const link of [...all]) refuse(link, RESTARTING);
      saveCursors();
      // Last: a handshake that ends in nothing makes discord.js throw its session away.
      server.close();
      server.closeAllConnections();
    },
    links: () => Array.from(all, (link) => linkStatus(link, options.journal())),
    tallies: () => tallies.values(),
    dispatched: delivery.dispatched,
  };
}

/** The compression that a handler asked for in its URL; text where we can't, which every library takes. */
function deflaterFor(compress: string | null): Deflater | undefined {
  if (compress !== 'zlib-stream' && compress !== 'zstd-stream') return undefined;
  return compressionEngine(compress) === undefined ? undefined : createDeflater(compress);
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
