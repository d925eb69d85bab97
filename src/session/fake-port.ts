// A world for one session in tests: a clock moved by hand, sockets that a test speaks through as Discord would,
// a ledger that grants when told, and a journal that is a list. Remembers all that the session did.

import type { Timer } from '../base/clock.ts';
import { createFakeClock, type FakeClock } from '../base/fake-clock.ts';
import type { LogFields } from '../base/log.ts';
import { createLog } from '../base/log.ts';
import type { UpstreamSocketEvents } from '../upstream/socket.ts';
import type { Transport } from '../wire/compression.ts';
import type { IdentifyTicket, SessionOptions, SessionSocket } from './port.ts';
import { createSession, type Session, type SessionRecord } from './session.ts';

export interface FakeSocket extends SessionSocket {
  readonly url: string;
  readonly transport: Transport;
  /** Parsed messages that the session sent. */
  readonly sent: { op: number; d: unknown; at: number }[];
  closedWith: number | undefined;
  destroyed: boolean;
  bytesReceived: number;
  /** False makes `send` refuse. */
  writable: boolean;
  open(): void;
  /** A dispatch in Discord's own form. */
  dispatch(t: string, s: number, d?: unknown): void;
  /** Any other message. */
  receive(op: number, d: unknown): void;
  receiveText(text: string): void;
  /** Reports the close. */
  closed(code: number, byUs?: boolean): void;
  sentOps(): number[];
}

export interface FakePort {
  readonly clock: FakeClock;
  readonly session: Session;
  readonly sockets: FakeSocket[];
  /** The last socket that was dialled. */
  socket(): FakeSocket;
  /** Every dispatch handed on, as [type name, s]; `text` is the last one's bytes. */
  readonly journal: [string, number][];
  lastText(): string;
  /** Everything else that was called, in order: `ready:<id>`, `flush`, `lost:op9`, `phase:live`, `gap:3-5`, ... */
  readonly calls: string[];
  readonly requests: { reason: string; cancelled: boolean; outcome: string | undefined; grant(): void }[];
  readonly lines: (LogFields & { level: string; event: string })[];
  /** What `tip()` answers when not the last journaled `s`. */
  tip: number | undefined;
  presence: unknown;
}

export interface FakePortOptions {
  stored?: SessionRecord;
  random?: number;
  /** Runs inside `onDispatch`. */
  onDispatch?: (port: FakePort, s: number) => void;
}

/** Creates the world; the session rests until `session.start()`. */
export function createFakePort(given: FakePortOptions = {}): FakePort {
  const clock = createFakeClock();
  const calls: string[] = [];
  const lines: FakePort['lines'] = [];
  const sockets: FakeSocket[] = [];
  const requests: FakePort['requests'] = [];
  const journal: [string, number][] = [];
  let lastText = '';
  const options: SessionOptions = {
    shard: 3,
    shardCount: 16,
    intents: 513,
    largeThreshold: 50,
    stored: given.stored,
    transport: 'zstd-stream',
    clock,
    random: { next: () => given.random ?? 0.5, hex: () => '' },
    log: createLog({ level: 'debug', now: clock.now, write: (line) => lines.push(JSON.parse(line)) }),
    token: () => 'the-token',
    gatewayUrl: () => 'wss://gateway.discord.gg',
    presence: () => port.presence,
    dial(dialOptions) {
      const socket = createFakeSocket(clock, dialOptions.url, dialOptions.transport, dialOptions.events);
      sockets.push(socket);
      return socket;
    },
    tip: () => port.tip ?? journal.at(-1)?.[1] ?? 0,
    flush: () => void calls.push('flush'),
    requestIdentify(reason, granted) {
      const request: FakePort['requests'][number] = {
        reason,
        cancelled: false,
        outcome: undefined,
        grant() {
          const settle = (outcome: string): void => {
            request.outcome = outcome;
          };
          const ticket: IdentifyTicket = {
            ready: () => settle('ready'),
            unused: () => settle('unused'),
            failed: (detail) => settle(`failed: ${detail}`),
          };
          granted(ticket);
        },
      };
      requests.push(request);
      return {
        cancel() {
          request.cancelled = true;
        },
      };
    },
    onReady: (session) => void calls.push(`ready:${session.sessionId}:${session.transport}`),
    onDispatch(bytes, start, end, header) {
      const name = header.typeStart < 0 ? '' : bytes.toString('latin1', header.typeStart, header.typeEnd);
      lastText = bytes.toString('utf8', start, end);
      journal.push([name, header.s]);
      given.onDispatch?.(port, header.s);
    },
    onSessionLost: (reason) => void calls.push(`lost:${reason}`),
    onGap: (from, to) => void calls.push(`gap:${from}-${to}`),
    onPhase: (phase) => void calls.push(`phase:${phase}`),
    onFatal: (error) => void calls.push(`fatal:${error.code}`),
  };
  const port: FakePort = {
    clock,
    session: createSession(options),
    sockets,
    socket: () => sockets.at(-1)!,
    journal,
    lastText: () => lastText,
    calls,
    requests,
    lines,
    tip: undefined,
    presence: undefined,
  };
  return port;
}

function createFakeSocket(
  clock: FakeClock,
  url: string,
  transport: Transport,
  events: UpstreamSocketEvents,
): FakeSocket {
  let ended = false;
  let ending: Timer | undefined;
  const socket: FakeSocket = {
    url,
    transport,
    sent: [],
    closedWith: undefined,
    destroyed: false,
    bytesReceived: 0,
    writable: true,
    send(text) {
      if (!socket.writable || socket.closedWith !== undefined || ended) return false;
      socket.sent.push({ ...JSON.parse(text), at: clock.monotonic() });
      return true;
    },
    close(code) {
      socket.closedWith = code;
      // As the real one: at the latest a second later, and never from within this call.
      ending = clock.after(1_000, () => socket.closed(1006, true));
    },
    destroy() {
      socket.destroyed = true;
      ending = clock.after(0, () => socket.closed(1006, true));
    },
    open: () => events.onOpen(),
    receiveText(text) {
      const bytes = Buffer.from(`##${text}#`);
      socket.bytesReceived += bytes.length;
      events.onMessage(bytes, 2, bytes.length - 1);
    },
    receive: (op, d) => socket.receiveText(JSON.stringify({ t: null, s: null, op, d })),
    dispatch: (t, s, d = {}) => socket.receiveText(JSON.stringify({ t, s, op: 0, d })),
    closed(code, byUs = false) {
      if (ended) return;
      ended = true;
      ending?.cancel();
      events.onClosed({ code, reason: '', opened: true, byUs });
    },
    sentOps: () => socket.sent.map((message) => message.op),
  };
  return socket;
}
