// A handler, for tests: a real `ws` client that speaks the gateway's protocol and remembers what it was told.

import { WebSocket } from 'ws';
import { createInflater } from '../wire/compression.ts';
import { UNPRIVILEGED_INTENTS } from '../wire/intents.ts';

/** A gateway message as a library sees it. */
export interface Message {
  readonly t: string | null;
  readonly s: number | null;
  readonly op: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the test knows to be there
  readonly d: any;
}

export interface HandlerOptions {
  query?: string;
  /** Whether it answers pings, as every library does. */
  autoPong?: boolean;
  host?: string;
}

export interface IdentifyOptions {
  name?: string;
  shard?: number;
  intents?: number;
  presence?: object;
}

export interface Handler {
  readonly ws: WebSocket;
  /** Everything received, in order. */
  readonly received: Message[];
  /** Session id and last `s`, as a library keeps them for its RESUME. */
  readonly session: { id: string; s: number };
  /** Pings received, by the position that they name. */
  readonly pings: Array<{ epoch: number; s: number }>;
  /** How the connection ended; undefined while it has not. */
  ended: { code: number; reason: string } | undefined;
  send(message: unknown): void;
  identify(options?: IdentifyOptions): void;
  /** Resumes its own session, or the one of another. */
  resume(session: { id: string; s: number }, name?: string): void;
  /** Waits for a message that has not been asked for before, passing over others. */
  next(what: string, matches: (message: Message) => boolean): Promise<Message>;
  /** Waits for READY, and for all the guilds that it lists. Returns the last guild's `s`. */
  ready(): Promise<number>;
  /** Waits for a dispatch with this `s`. */
  event(s: number): Promise<Message>;
  /** Waits for op 9. */
  invalid(): Promise<Message>;
  /** Answers the last ping, where that does not happen by itself. */
  pong(): void;
  closed(): Promise<{ code: number; reason: string }>;
  /** The `s` of every event received that was no READY, RESUMED or guild of a snapshot. */
  events(): number[];
}

const PATIENCE_MS = 6_000;

/** Connects, and waits until the handshake is done. */
export async function connectHandler(port: number, options: HandlerOptions): Promise<Handler> {
  const query = options.query ?? 'v=10&encoding=json';
  const ws = new WebSocket(`ws://127.0.0.1:${port}/?${query}`, {
    perMessageDeflate: false,
    autoPong: options.autoPong ?? true,
    ...(options.host ? { headers: { host: options.host } } : {}),
  });
  const compress = new URLSearchParams(query).get('compress');
  const isCompressed = compress === 'zlib-stream' || compress === 'zstd-stream';
  const inflater = isCompressed ? createInflater(compress) : undefined;
  const received: Message[] = [];
  const pings: Handler['pings'] = [];
  const session = { id: '', s: 0 };
  let asked = 0;
  let wake: () => void = () => {};

  ws.on('message', (data: Buffer, isBinary) => {
    const length = isBinary && inflater ? inflater.push(data) : -1;
    const bytes = length < 0 ? data : inflater!.output.subarray(0, length);
    const message = JSON.parse(bytes.toString('utf8')) as Message;
    received.push(message);
    if (message.t === 'READY') session.id = message.d.session_id as string;
    if (message.s !== null) session.s = message.s;
    wake();
  });
  ws.on('ping', (data: Buffer) => pings.push({ epoch: data.readUInt32LE(0), s: data.readUInt32LE(4) }));
  ws.on('close', (code, reason) => {
    handler.ended = { code, reason: reason.toString() };
    inflater?.close();
    wake();
  });
  ws.on('error', () => {});

  const patiently = async (what: string, holds: () => boolean): Promise<void> => {
    const end = performance.now() + PATIENCE_MS;
    while (!holds()) {
      const left = end - performance.now();
      const seen = received.slice(-8).map(({ t, s, op }) => `${t ?? `op ${op}`}${s === null ? '' : ` ${s}`}`);
      if (left <= 0 || (handler.ended && what !== 'the close'))
        throw new Error(
          `waited in vain for ${what}; last came ${seen.join(', ')}; closed: ${JSON.stringify(handler.ended)}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };

  const handler: Handler = {
    ws,
    received,
    session,
    pings,
    ended: undefined,
    send: (message) => ws.send(typeof message === 'string' ? message : JSON.stringify(message)),
    identify({ name = 'bot', shard = 0, intents = UNPRIVILEGED_INTENTS, presence } = {}) {
      const d = { token: `token-${name}`, properties: {}, shard: [shard, 2], intents, presence };
      handler.send({ op: 2, d });
    },
    resume({ id, s }, name = 'bot') {
      handler.send({ op: 6, d: { token: `Bot token-${name}`, session_id: id, seq: s } });
    },
    async next(what, matches) {
      let found: Message | undefined;
      await patiently(what, () => {
        while (asked < received.length && !found) {
          const message = received[asked++]!;
          if (matches(message)) found = message;
        }
        return found !== undefined;
      });
      return found!;
    },
    async ready() {
      const ready = await handler.next('READY', ({ t }) => t === 'READY');
      let s = ready.s!;
      for (const { id } of ready.d.guilds as Array<{ id: string }>)
        s = (await handler.next(`guild ${id}`, ({ t, d }) => t === 'GUILD_CREATE' && d.id === id)).s!;
      return s;
    },
    event: (s) =>
      handler.next(`s ${s}`, (message) => message.op === 0 && message.s === s && !isFrame(message)),
    invalid: () => handler.next('op 9', ({ op }) => op === 9),
    pong() {
      const data = Buffer.alloc(8);
      data.writeUInt32LE(pings.at(-1)!.epoch, 0);
      data.writeUInt32LE(pings.at(-1)!.s, 4);
      ws.pong(data);
    },
    async closed() {
      await patiently('the close', () => handler.ended !== undefined);
      return handler.ended!;
    },
    events: () => received.filter((message) => message.op === 0 && !isFrame(message)).map(({ s }) => s!),
  };
  await new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  return handler;
}

/** Whether a dispatch is no event of upstream's: READY, RESUMED, a guild of a snapshot. */
function isFrame({ t, d }: Message): boolean {
  return t === 'READY' || t === 'RESUMED' || (t === 'GUILD_CREATE' && d.backfill === true);
}
