// One WebSocket connection to Discord, over node:net or node:tls with our own frame parser: half the cost of `ws`
// (perf-baselines). All connections read into one shared buffer; a message goes from there into the inflater and from
// there to `onMessage`, copied nowhere and allocating nothing. An idle connection costs 12 KB, 29 with zlib's context,
// 51 when that has filled its window (measured, 1000 connections, node 26). Knows nothing of sessions: it does not
// reconnect, heartbeat, count sends, or read what it carries.

import { type AddressInfo, connect as connectTcp, type OnReadOpts, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createSecureContext,
  type SecureContext,
} from 'node:tls';
import { assert } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { CLOSE } from '../wire/close-code.ts';
import type { Inflater, Transport } from '../wire/compression.ts';
import {
  CompressionError,
  createInflater,
  INFLATED_BYTES_MAX,
  usableTransport,
} from '../wire/compression.ts';
import { buildFrame, closePayload, createFrameParser, type FrameParser, OPCODE } from './frame.ts';
import { Gathered } from './gathered.ts';
import {
  buildUpgrade,
  type Endpoint,
  gatewayEndpoint,
  RESPONSE_HEAD_MAX,
  refuseUpgrade,
  responseHeadEnd,
} from './handshake.ts';

/** Why and how a connection ended. */
export interface UpstreamClosed {
  /** The peer's close code; 1005 for its close frame without one; 1006 when no close frame came. */
  readonly code: number;
  readonly reason: string;
  /** A readable cause where there is one: `ECONNREFUSED`, `connect timeout`, `http 502`, `bad frame: masked`, ... */
  readonly error?: string;
  /** Node's code of the system or TLS error behind it. */
  readonly errno?: string;
  /** False when the upgrade never finished. */
  readonly opened: boolean;
  /** `close` or `destroy` was called before it ended. */
  readonly byUs: boolean;
}

export interface UpstreamSocketEvents {
  onOpen(): void;
  /**
   * One whole decompressed gateway message, `bytes[start, end)`: valid only during the call, in memory that all
   * connections share. Not checked to be UTF-8 or JSON. Never called after `close` or `destroy`.
   */
  onMessage(bytes: Buffer, start: number, end: number): void;
  /** Exactly once, last, and never from within `dialUpstream`, `close` or `destroy`. */
  onClosed(info: UpstreamClosed): void;
}

export interface UpstreamSocket {
  /** Sends one text message. False, and nothing sent, when the connection is not open. */
  send(text: string): boolean;
  /**
   * Sends a close frame (3000 to 4999; 1000 only to give a session up: it ends it, protocol reference 5.2), ends our
   * side and waits up to 1 s for the peer's. Before the upgrade it is `destroy`.
   */
  close(code: number): void;
  /** Drops the TCP connection without a word; Discord keeps the session. */
  destroy(): void;
  /** What was asked of Discord: the transport wished for, or the next one that this Node can do. */
  readonly transport: Transport;
  /** Monotonic milliseconds of the finished upgrade; undefined before. */
  readonly openedAt: number | undefined;
  /** Bytes read, as they travelled inside TLS, upgrade included. */
  readonly bytesReceived: number;
  /** The peer as `address:port`, or `[address]:port` for IPv6; undefined until connected. Kept after the end. */
  readonly remoteAddress: string | undefined;
}

export interface DialOptions {
  /** `ws://` or `wss://` base; `v`, `encoding` and `compress` are added. */
  readonly url: string;
  readonly transport: Transport;
  /** For name lookup, TCP, TLS and upgrade together. */
  readonly connectTimeoutMs: number;
  /** Bound of one message as it travels. Default 16 MiB, or `maxInflatedBytes` without compression. */
  readonly maxFrameBytes?: number;
  /** Bound of one message decompressed. Default 64 MiB. */
  readonly maxInflatedBytes?: number;
  /** Extra TLS options, such as `ca`. The certificate is verified unless they say otherwise. */
  readonly tls?: ConnectionOptions;
  readonly clock: Clock;
  /** Masks and keys; must be unpredictable in production (RFC 6455 10.3). */
  readonly random: Random;
  readonly events: UpstreamSocketEvents;
}

const FRAME_BYTES_MAX = 16 * 1024 * 1024;
const CLOSE_TIMEOUT_MS = 1000;

/** Pongs are dropped while this much is unsent: a peer that only pings must not fill our memory. */
const PONG_BACKLOG_MAX = 64 * 1024;

/**
 * Our answer to the peer's close frame, whatever its code. To echo 1000 or 1001, as is usual, could be read as
 * our wish to end the session (protocol reference 5.2).
 */
const CLOSE_ANSWER = 4000;

// Shared by all sockets of the thread: it is filled and read within one call from libuv, never across two.
const READ_BYTES = 64 * 1024;
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** Starts connecting. Returns at once; whatever happens, a bad URL too, is told through `events`. */
export function dialUpstream(options: DialOptions): UpstreamSocket {
  return new Connection(options);
}

// One for all connections without TLS options of their own: 12 KB a connection less than one each.
let secureContext: SecureContext | undefined;

function openSocket(endpoint: Endpoint, onread: OnReadOpts, tls: ConnectionOptions | undefined): Socket {
  const { host, port, secure } = endpoint;
  if (!secure) return connectTcp({ host, port, onread }).setNoDelay(true);
  if (tls === undefined) secureContext ??= createSecureContext();
  // `onread` is documented for tls too, but the typings have it only for net.
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    host,
    port,
    ALPNProtocols: ['http/1.1'],
    ...(tls ?? { secureContext }),
    onread,
  };
  return connectTls(options).setNoDelay(true);
}

/** `dropped`: destroyed by us, its end not yet reported. */
type Phase = 'dialing' | 'open' | 'closing' | 'dropped' | 'closed';

class Connection implements UpstreamSocket {
  readonly transport: Transport;
  openedAt: number | undefined;
  bytesReceived = 0;
  remoteAddress: string | undefined;

  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: UpstreamSocketEvents;
  readonly #maxFrameBytes: number;
  readonly #maxInflatedBytes: number;
  readonly #parser: FrameParser;
  readonly #socket: Socket | undefined;
  #phase: Phase = 'dialing';
  #timer: Timer | undefined;
  #key = '';
  #inflater: Inflater | undefined;
  /** The response head while it comes, later the parts of a gateway message cut into several frames. */
  readonly #gathered = new Gathered();
  #socketError: NodeJS.ErrnoException | undefined;

  constructor(options: DialOptions) {
    this.transport = usableTransport(options.transport);
    this.#clock = options.clock;
    this.#random = options.random;
    this.#events = options.events;
    this.#maxInflatedBytes = options.maxInflatedBytes ?? INFLATED_BYTES_MAX;
    this.#maxFrameBytes =
      options.maxFrameBytes ?? (this.transport === 'none' ? this.#maxInflatedBytes : FRAME_BYTES_MAX);
    this.#parser = createFrameParser(this.#maxFrameBytes, {
      onMessage: (bytes, start, end, binary) => this.#onFrame(bytes, start, end, binary),
      onPing: (bytes, start, end) => this.#onPing(bytes, start, end),
      onClose: (code, reason) => this.#onPeerClose(code, reason),
      onBad: (reason) => this.#settle({ code: 1006, error: `bad frame: ${reason}` }),
    });
    const endpoint = gatewayEndpoint(options.url, this.transport);
    if (endpoint === undefined) {
      queueMicrotask(() => this.#settle({ code: 1006, error: 'bad url' }));
      return;
    }
    this.#socket = this.#dial(endpoint, options.tls);
    this.#timer = options.clock.after(options.connectTimeoutMs, () =>
      this.#settle({ code: 1006, error: 'connect timeout' }),
    );
  }

  send(text: string): boolean {
    if (this.#phase !== 'open') return false;
    this.#write(OPCODE.TEXT, Buffer.from(text));
    return true;
  }

  close(code: number): void {
    assert(
      code === CLOSE.FORGET_SESSION || (code >= 3000 && code <= 4999),
      'a close code of ours keeps the session, or gives it up on purpose',
    );
    if (this.#phase === 'dialing') return this.destroy();
    if (this.#phase !== 'open') return;
    this.#phase = 'closing';
    this.#write(OPCODE.CLOSE, closePayload(code));
    this.#socket?.end();
    this.#timer = this.#clock.after(CLOSE_TIMEOUT_MS, () =>
      this.#settle({ code: 1006, error: 'close not answered' }),
    );
  }

  destroy(): void {
    if (this.#phase === 'closed' || this.#phase === 'dropped') return;
    this.#phase = 'dropped';
    this.#release();
    // Its `close` event settles.
    this.#socket?.destroy();
  }

  #dial(endpoint: Endpoint, tls: ConnectionOptions | undefined): Socket {
    const onread: OnReadOpts = {
      buffer: readBuffer,
      callback: (length) => {
        this.#onRead(length);
        return true;
      },
    };
    const socket = openSocket(endpoint, onread, tls);
    socket.once(endpoint.secure ? 'secureConnect' : 'connect', () => {
      const { address, family, port } = remoteOf(socket);
      this.remoteAddress = family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
      this.#key = Buffer.from(this.#random.hex(16), 'hex').toString('base64');
      socket.write(buildUpgrade(endpoint, this.#key));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#socketError ??= error;
    });
    socket.once('end', () => this.#settle({ code: 1006, error: 'connection ended' }));
    socket.once('close', () => this.#settle({ code: 1006, error: 'connection closed' }));
    return socket;
  }

  #onRead(length: number): void {
    this.bytesReceived += length;
    if (this.#phase === 'dialing') this.#onResponse(length);
    else this.#parser.feed(readBuffer, 0, length);
  }

  #onResponse(length: number): void {
    const gathered = this.#gathered;
    gathered.append(readBuffer, 0, length, 0);
    const { bytes } = gathered;
    const received = gathered.length;
    const headEnd = responseHeadEnd(bytes, received);
    if (headEnd === 0) {
      if (received > RESPONSE_HEAD_MAX) this.#settle({ code: 1006, error: 'not an http response' });
      return;
    }
    gathered.clear();
    const refusal = refuseUpgrade(bytes.toString('latin1', 0, headEnd), this.#key);
    if (refusal !== undefined) return this.#settle({ code: 1006, error: refusal });
    this.#timer?.cancel();
    this.#phase = 'open';
    this.openedAt = this.#clock.monotonic();
    this.#events.onOpen();
    this.#parser.feed(bytes, headEnd, received);
  }

  #onFrame(bytes: Buffer, start: number, end: number, binary: boolean): void {
    if (this.#phase !== 'open') return;
    // Text is legal whatever was asked for (protocol reference 1.5).
    if (!binary) return this.#events.onMessage(bytes, start, end);
    if (this.transport === 'none')
      return this.#settle({ code: 1006, error: 'bad frame: binary without compression' });
    // A gateway message may come as several WebSocket messages; with zlib its end shows (protocol reference 1.4).
    const gathered = this.#gathered;
    if (this.transport === 'zlib-stream' && (gathered.length > 0 || !isFlushed(bytes, start, end))) {
      if (gathered.length + end - start > this.#maxFrameBytes)
        return this.#settle({ code: 1006, error: 'bad frame: message without end' });
      gathered.append(bytes, start, end, this.#maxFrameBytes);
      const { bytes: whole, length } = gathered;
      if (!isFlushed(whole, 0, length)) return;
      gathered.clear();
      return this.#inflate(this.transport, whole, 0, length);
    }
    this.#inflate(this.transport, bytes, start, end);
  }

  #inflate(transport: Exclude<Transport, 'none'>, bytes: Buffer, start: number, end: number): void {
    this.#inflater ??= createInflater(transport, { maxBytes: this.#maxInflatedBytes });
    let length: number;
    try {
      length = this.#inflater.push(bytes, start, end);
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      return this.#settle({ code: 1006, error: `bad data: ${error.message}` });
    }
    this.#events.onMessage(this.#inflater.output, 0, length);
  }

  #onPing(bytes: Buffer, start: number, end: number): void {
    if (this.#phase !== 'open' || this.#socket === undefined) return;
    if (this.#socket.writableLength < PONG_BACKLOG_MAX) this.#write(OPCODE.PONG, bytes.subarray(start, end));
  }

  /** The peer has said its last word: the end is told now, and the TCP connection lingers for our answer. */
  #onPeerClose(code: number, reason: string): void {
    const socket = this.#socket;
    if (this.#phase === 'open' && socket !== undefined) {
      this.#write(OPCODE.CLOSE, closePayload(CLOSE_ANSWER));
      socket.end();
      const linger = this.#clock.after(CLOSE_TIMEOUT_MS, () => socket.destroy());
      socket.once('close', () => linger.cancel());
      this.#settle({ code, reason }, true);
    } else this.#settle({ code, reason });
  }

  #write(opcode: number, payload: Uint8Array): void {
    this.#socket?.write(buildFrame(opcode, payload, Buffer.from(this.#random.hex(4), 'hex')));
  }

  /** Lets go of everything but the socket. */
  #release(): void {
    this.#timer?.cancel();
    this.#parser.stop();
    this.#gathered.clear();
    this.#inflater?.close();
    this.#inflater = undefined;
  }

  #settle(end: { code: number; reason?: string; error?: string }, lingers = false): void {
    if (this.#phase === 'closed') return;
    const byUs = this.#phase === 'closing' || this.#phase === 'dropped';
    // What we did ourselves needs no cause; what the system said is more exact than what we saw.
    const cause = this.#phase === 'dropped' ? undefined : this.#socketError;
    const error = this.#phase === 'dropped' ? undefined : cause === undefined ? end.error : readable(cause);
    this.#phase = 'closed';
    this.#release();
    if (!lingers) this.#socket?.destroy();
    this.#events.onClosed({
      code: end.code,
      reason: end.reason ?? '',
      ...(error === undefined ? {} : { error }),
      ...(cause?.code === undefined ? {} : { errno: cause.code }),
      opened: this.openedAt !== undefined,
      byUs,
    });
  }
}

/** Whether a piece of a zlib stream ends in a sync flush. */
function isFlushed(bytes: Buffer, start: number, end: number): boolean {
  return (
    end - start >= 4 &&
    bytes[end - 1] === 0xff &&
    bytes[end - 2] === 0xff &&
    bytes[end - 3] === 0 &&
    bytes[end - 4] === 0
  );
}

function remoteOf(socket: Socket): AddressInfo {
  return {
    address: socket.remoteAddress ?? '',
    family: socket.remoteFamily ?? '',
    port: socket.remotePort ?? 0,
  };
}

/** System errors by their code; TLS and others by their message, which says more. */
function readable(error: NodeJS.ErrnoException): string {
  return error.code !== undefined && /^E[A-Z0-9]+$/.test(error.code) ? error.code : error.message;
}
