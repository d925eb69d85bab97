// A gateway client without sockets: what it is sent piles up, and it says what it likes. With a clock that is moved by
// hand this drives the rules alone, in tests and in a simulation with virtual time.

import { createFakeClock, type FakeClock } from '../../src/base/fake-clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import { UNPRIVILEGED_INTENTS } from '../../src/wire/intents.ts';
import { OP } from '../../src/wire/opcode.ts';
import type { GatewayQuery } from './connection.ts';
import { createDiscord, type Discord } from './discord.ts';
import type { RuleOverrides } from './options.ts';
import type { RestResponse } from './rest/reply.ts';

/** JSON read by whatever field one wants. */
// biome-ignore lint/suspicious/noExplicitAny: Discord's objects are open.
export type Loose = any;

/** One gateway message as a client reads it. */
export interface Received {
  readonly t: string | null;
  readonly s: number | null;
  readonly op: number;
  readonly d: Loose;
}

export interface MemoryClient {
  readonly received: Received[];
  /** The texts of `received`. */
  readonly frames: string[];
  /** How the server ended the connection: a close code, or `fin`, `rst`; null while it is open. */
  ended: number | 'fin' | 'rst' | null;
  /** Takes what has been received since the last call. */
  take(): Received[];
  /** The `t` of dispatches among `take()`. */
  takeTypes(): string[];
  say(op: number, d: unknown): void;
  sayText(text: string): void;
  identify(fields?: Record<string, unknown>): void;
  resume(sessionId: string, seq: number, token?: string): void;
  /** The client closes, by default without a close frame. */
  close(code?: number): void;
}

export interface MemoryDiscord {
  readonly discord: Discord;
  readonly clock: FakeClock;
  connect(query?: Partial<GatewayQuery>): MemoryClient;
  /** Connects, identifies, and waits until the backfill is through. */
  ready(fields?: Record<string, unknown>): MemoryClient & { readonly sessionId: string };
  /** A REST request with the bot's token; `body` is JSON. */
  rest(
    method: string,
    path: string,
    body?: unknown,
    authorization?: string | null,
  ): RestResponse & { json: Loose };
}

/** A Discord with a hand-moved clock. */
export function createMemoryDiscord(overrides: RuleOverrides = {}): MemoryDiscord {
  const clock = createFakeClock();
  const discord = createDiscord(overrides, {
    clock,
    random: seededRandom(1),
    gatewayUrl: () => 'ws://gateway.invalid',
  });
  const connect = (query: Partial<GatewayQuery> = {}): MemoryClient => {
    let taken = 0;
    const client: MemoryClient = {
      received: [],
      frames: [],
      ended: null,
      take() {
        const fresh = client.received.slice(taken);
        taken = client.received.length;
        return fresh;
      },
      takeTypes: () => client.take().flatMap(({ t }) => (t === null ? [] : [t])),
      say: (op, d) => client.sayText(JSON.stringify({ op, d })),
      sayText: (text) => carried.receive(text, Buffer.byteLength(text)),
      identify(fields = {}) {
        client.say(OP.IDENTIFY, {
          token: discord.account.token(),
          properties: { os: 'linux', browser: 'memory', device: 'memory' },
          intents: UNPRIVILEGED_INTENTS,
          ...fields,
        });
      },
      resume: (sessionId, seq, token = discord.account.token()) =>
        client.say(OP.RESUME, { token, session_id: sessionId, seq }),
      close: (code = 1006) => carried.ended(code),
    };
    const carried = discord.accept(
      {
        send(text) {
          client.frames.push(text);
          client.received.push(JSON.parse(text));
        },
        close(code) {
          client.ended = code;
        },
        drop(how) {
          client.ended = how;
        },
        buffered: () => 0,
      },
      { version: '10', encoding: 'json', transport: 'none', ...query },
    );
    return client;
  };
  return {
    discord,
    clock,
    connect,
    ready(fields) {
      const client = connect();
      client.identify(fields);
      clock.advance(discord.options.guilds);
      const ready = client.received.find(({ t }) => t === 'READY');
      client.take();
      return Object.assign(client, { sessionId: String(ready?.d.session_id) });
    },
    rest(method, path, body, authorization = `Bot ${discord.account.token()}`) {
      const [pathname = '', query = ''] = path.split('?');
      const response = discord.rest({
        ...{ method, path: pathname, version: 10, query: new URLSearchParams(query), authorization },
        ...{ body, malformed: false, uploads: [] },
      });
      return { ...response, json: response.body === null ? undefined : JSON.parse(response.body) };
    },
  };
}
