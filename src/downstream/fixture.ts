// A handlers' gateway as a whole, for tests: a real server on 127.0.0.1, a real journal on a disk in memory, time
// that the test moves, and a source of snapshots that the test owns. Handlers are in fixture-handler.ts.

import type { AddressInfo } from 'node:net';
import { createFakeClock, type FakeClock } from '../base/fake-clock.ts';
import { createLog, type LogFields } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { type Journal, type JournalOptions, openJournal } from '../journal/journal.ts';
import type { Position } from '../journal/position.ts';
import { createMemoryDisk, type MemoryDisk } from '../store/memory-disk.ts';
import { openRecordFile } from '../store/record-file.ts';
import { EVENT, type EventName } from '../wire/event-type.ts';
import { UNPRIVILEGED_INTENTS } from '../wire/intents.ts';
import type { Layout } from './admission.ts';
import { type CursorRow, type Cursors, createCursors } from './cursors.ts';
import {
  createDownstream,
  type Downstream,
  type DownstreamOptions,
  type SnapshotRequest,
} from './downstream.ts';
import {
  connectHandler,
  type Handler,
  type HandlerOptions,
  type IdentifyOptions,
} from './fixture-handler.ts';
import { type HandlerSession, openHandlerSessions } from './handler-sessions.ts';
import { createTally, type Tally } from './tally.ts';

export interface LogLine extends LogFields {
  readonly event: string;
}

/** What the source of snapshots does when it is asked. */
export interface FakeState {
  guilds: number;
  /** `held`: it answers nothing. `broken`: it breaks off after READY. */
  answer: 'whole' | 'stale' | 'lost' | 'held' | 'broken';
  /** Bytes of padding in each guild. */
  guildBytes: number;
  readonly requests: SnapshotRequest[];
  cancelled: number;
}

export interface WorldOptions {
  disk?: MemoryDisk;
  clock?: FakeClock;
  journal?: Partial<JournalOptions>;
  downstream?: Partial<DownstreamOptions>;
  layout?: Layout | undefined;
}

export interface World {
  readonly clock: FakeClock;
  readonly disk: MemoryDisk;
  readonly journal: Journal;
  readonly cursors: Cursors;
  readonly downstream: Downstream;
  readonly state: FakeState;
  readonly lines: LogLine[];
  readonly commands: Array<{ shard: number; op: number; text: string }>;
  layout: Layout | undefined;
  readonly port: number;
  connect(options?: HandlerOptions): Promise<Handler>;
  /** Connects a handler that identifies, and waits until it is at the tail. */
  live(identify?: IdentifyOptions, options?: HandlerOptions): Promise<Handler>;
  isLive(name?: string, shard?: number): Promise<void>;
  /** Kills a handler, and waits until its link has ended. */
  gone(handler: Handler): Promise<void>;
  /** Appends READY of the shard's next epoch, and `guilds` as backfill. */
  ready(shard?: number, guilds?: number): void;
  /** How far upstream has got: the journal's tip, or beyond while the disk fails. */
  upstream(shard: number): Position;
  /** Appends `count` events, and writes them. Returns the last `s`. */
  events(count: number, options?: EventOptions): number;
  /** Appends one event at a place of the test's choice: a gap, or a record that is there already. */
  eventAt(position: Position, options?: EventOptions): void;
  /** Moves time by one tick of downstream, or by `ms`. */
  tick(ms?: number): void;
  /** Ticks until every link has proven all that it was sent. */
  proven(): Promise<void>;
  tally(name?: string, shard?: number): Tally;
  logged(event: string): LogLine[];
  /** The daemon is killed: another one begins with what was written. */
  crash(options?: WorldOptions): Promise<World>;
  /** The daemon ends in order, and another one begins. */
  restart(options?: WorldOptions): Promise<World>;
  close(): Promise<void>;
}

export interface EventOptions {
  shard?: number;
  type?: EventName;
  bytes?: number;
  receivedAt?: number;
}

export const TICK_MS = 50;
/** How long a test waits for a socket before it gives up: a busy machine is no failure. */
const PATIENCE_MS = 6_000;
const GUILDS = 3;
/** Each world gets luck of its own, so that session ids differ. */
let worlds = 0;

/** The name of a handler by its token, `token-<name>`. */
export function nameOfToken(token: string): string | undefined {
  return /^token-([a-z]+)$/.exec(token)?.[1];
}

/** Waits for something that real sockets bring about. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets what is on its way on sockets arrive: for the proof that nothing does. */
export async function quiet(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 25));
}

/** The whole numbers from one to another. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** A gateway message of an event, with its epoch in the payload. */
export function eventMessage(type: string, s: number, bytes = 0, epoch = 1): Buffer {
  const d = { epoch, ...(bytes > 0 ? { pad: 'x'.repeat(bytes) } : {}) };
  return Buffer.from(JSON.stringify({ t: type, s, op: 0, d }));
}

/** Starts a world. Its shard 0 and 1 have no READY yet. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const clock = options.clock ?? createFakeClock();
  const disk = options.disk ?? createMemoryDisk();
  const lines: LogLine[] = [];
  const log = createLog({
    level: 'debug',
    now: clock.now,
    write: (line) => lines.push(JSON.parse(line) as LogLine),
  });
  const journal = openJournal({
    disk,
    directory: '/state/journal',
    clock,
    log,
    segmentBytes: 64 * 1024 * 1024,
    maxBytes: 1024 * 1024 * 1024,
    maxAgeMs: 24 * 60 * 60_000,
    cursors: () => cursors.rows(),
    onAppended: (buffer, end) => downstream.feed(buffer, end),
    onCondition() {},
    ...options.journal,
  });
  const cursors = createCursors(
    journal.recoveredCursors.flat() as unknown as CursorRow[],
    clock.now(),
    journal.tip,
  );
  const state: FakeState = { guilds: GUILDS, answer: 'whole', guildBytes: 0, requests: [], cancelled: 0 };
  const commands: World['commands'] = [];
  const downstream = createDownstream({
    clock,
    log,
    random: seededRandom(++worlds),
    journal: () => journal,
    cursors,
    sessions: openHandlerSessions(
      openRecordFile<HandlerSession>({ disk, path: '/state/handlers.log', log }),
      (error) => {
        throw error;
      },
    ),
    handlerOf: nameOfToken,
    layout: () => world.layout,
    proposeIntents() {},
    snapshot: (request) => runSnapshot(state, request),
    onStateLost() {},
    onCommand(shard, op, text) {
      commands.push({ shard, op, text });
      return true;
    },
    onPresence() {},
    onRequest: (_request, response) => response.end(),
    publicUrl: undefined,
    ...options.downstream,
  });
  await new Promise<void>((resolve) => downstream.server.listen(0, '127.0.0.1', resolve));
  const handlers = new Set<Handler>();
  /** Where each shard's upstream stands. */
  const positions = new Map<number, Position>();
  const tipOf = (shard: number): Position => positions.get(shard) ?? journal.tip(shard);

  const append = (shard: number, position: Position, type: EventName, event: EventOptions = {}): void => {
    const message = eventMessage(type, position.s, event.bytes, position.epoch);
    const at = event.receivedAt ?? clock.now();
    journal.append(shard, position.epoch, position.s, EVENT[type], at, message, 0, message.length);
    positions.set(shard, position);
  };

  const stop = async (): Promise<void> => {
    for (const handler of handlers) handler.ws.terminate();
    await closeWithTime(world);
    journal.close();
  };

  const world: World = {
    clock,
    disk,
    journal,
    cursors,
    downstream,
    state,
    lines,
    commands,
    layout: 'layout' in options ? options.layout : { shardCount: 2, intents: UNPRIVILEGED_INTENTS },
    port: (downstream.server.address() as AddressInfo).port,
    async connect(handlerOptions = {}) {
      const handler = await connectHandler(world.port, handlerOptions);
      handlers.add(handler);
      return handler;
    },
    async live(identify = {}, handlerOptions = {}) {
      const handler = await world.connect(handlerOptions);
      handler.identify(identify);
      await handler.ready();
      await world.isLive(identify.name, identify.shard);
      return handler;
    },
    isLive: (name = 'bot', shard = 0) =>
      until(`${name} is live`, () =>
        downstream
          .links()
          .some((link) => link.name === name && link.shard === shard && link.phase === 'live'),
      ),
    async gone(handler) {
      const before = downstream.links().length;
      handler.ws.terminate();
      await until('its link is gone', () => downstream.links().length < before);
    },
    ready(shard = 0, guilds = GUILDS) {
      const epoch = tipOf(shard).epoch + 1;
      append(shard, { epoch, s: 1 }, 'READY');
      for (let s = 2; s <= guilds + 1; s++) append(shard, { epoch, s }, 'GUILD_CREATE');
      journal.flush();
    },
    upstream: tipOf,
    events(count, event = {}) {
      const shard = event.shard ?? 0;
      for (let i = 0; i < count; i++) {
        const { epoch, s } = tipOf(shard);
        append(shard, { epoch, s: s + 1 }, event.type ?? 'MESSAGE_CREATE', event);
      }
      journal.flush();
      return tipOf(shard).s;
    },
    eventAt(position, event = {}) {
      append(event.shard ?? 0, position, event.type ?? 'MESSAGE_CREATE', event);
      journal.flush();
    },
    tick: (ms = TICK_MS) => clock.advance(ms),
    async proven() {
      await until('all is proven', () => {
        clock.advance(TICK_MS);
        const links = downstream.links().filter(({ phase }) => phase === 'live' || phase === 'reading');
        return links.every(({ name, shard, lag }) => {
          const cursor = cursors.get(name, shard);
          return lag === 0 && cursor?.proven.s === journal.tip(shard).s;
        });
      });
    },
    tally(name = 'bot', shard = 0) {
      const entries = [...downstream.tallies()];
      return entries.find((entry) => entry.name === name && entry.shard === shard)?.tally ?? createTally();
    },
    logged: (event) => lines.filter((line) => line.event === event),
    async crash(next = {}) {
      const copy = copyOf(disk);
      await stop();
      return startWorld({ clock, disk: copy, layout: world.layout, ...next });
    },
    async restart(next = {}) {
      await closeWithTime(world);
      journal.close();
      return startWorld({ clock, disk, layout: world.layout, ...next });
    },
    close: stop,
  };
  return world;
}

/** Closes downstream, letting the time pass that it waits for proofs. */
async function closeWithTime(world: World): Promise<void> {
  let isClosed = false;
  const closing = world.downstream.close().then(() => {
    isClosed = true;
  });
  while (!isClosed) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (!isClosed) world.clock.advance(5);
  }
  return closing;
}

/** A disk with the same files: what a process that is killed leaves behind. */
function copyOf(disk: MemoryDisk): MemoryDisk {
  const copy = createMemoryDisk();
  const folders = ['/state', '/state/journal'];
  for (const folder of folders)
    for (const name of disk.list(folder))
      if (!folders.includes(`${folder}/${name}`))
        copy.plant(`${folder}/${name}`, disk.contents(`${folder}/${name}`));
  return copy;
}

/** READY and guilds as of the position asked for, numbered backwards; as fast as credit is given. */
function runSnapshot(state: FakeState, request: SnapshotRequest) {
  state.requests.push(request);
  const { answer } = state;
  const ids = Array.from({ length: Math.min(state.guilds, request.s - 1) }, (_, index) => String(index + 1));
  const ready = {
    v: 10,
    session_id: request.sessionId,
    resume_gateway_url: request.resumeUrl,
    shard: [request.shard, request.shardCount],
    guilds: ids.map((id) => ({ id, unavailable: true })),
    position: { epoch: request.epoch, s: request.s },
  };
  const pad = 'g'.repeat(state.guildBytes);
  const first = request.s - ids.length;
  const payloads = [
    { t: 'READY', s: first, op: 0, d: ready },
    ...ids.map((id, index) => ({
      t: 'GUILD_CREATE',
      s: first + 1 + index,
      op: 0,
      d: { id, pad, backfill: true },
    })),
  ].map((message) => Buffer.from(JSON.stringify(message)));
  let credit = 0;
  let isOver = answer === 'held';
  const send = (): void => {
    if (isOver) return;
    if (answer === 'lost') {
      isOver = true;
      return request.onLost();
    }
    while (credit > 0 && payloads.length > 0) {
      const payload = payloads.shift()!;
      credit -= payload.length;
      request.onPayloads([payload]);
      if (answer !== 'broken') continue;
      isOver = true;
      return request.onFailed();
    }
    if (payloads.length > 0) return;
    isOver = true;
    request.onEnd({ stale: answer === 'stale' });
  };
  return {
    credit(bytes: number) {
      credit += bytes;
      setImmediate(send);
    },
    cancel() {
      isOver = true;
      state.cancelled++;
    },
  };
}
