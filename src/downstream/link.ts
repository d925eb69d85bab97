// One handler connection: its socket, what has been written to it, and what of that is proven. Knows how to put
// messages on the wire; where they come from is decided in starting.ts and delivery.ts.

import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Position } from '../journal/position.ts';
import type { JournalReader } from '../journal/reader.ts';
import type { Deflater } from '../wire/compression.ts';
import { BINARY_FRAME, frameOf, TEXT_FRAME } from './frame.ts';

/**
 * `hello`: no IDENTIFY or RESUME yet. `held`: admitted, waiting for upstream's READY or for state.
 * `waiting`: resumes above our tip. `snapshot`: READY and guilds are being written. `reading`: catching up from
 * the journal. `live`: at the tail. `ending`: its epoch is over, the
 * proof of the last events is awaited. `parked`: a newer link of its name and shard took over.
 */
export type LinkPhase =
  | 'hello'
  | 'held'
  | 'waiting'
  | 'snapshot'
  | 'reading'
  | 'live'
  | 'ending'
  | 'parked'
  | 'closed';

/** Bytes that a link's socket may hold before it counts as slow and reads from the journal instead. */
export const SLOW_BYTES = 1024 * 1024;

export class Link {
  phase: LinkPhase = 'hello';
  name = '';
  shard = -1;
  sessionId = '';
  intents = 0;
  /** Everything up to (epoch, s) has been written, filtered or left out. */
  epoch = 0;
  s = 0;
  /** The epoch for which there was no state to make a snapshot of; it is asked for again in a later one. */
  lostEpoch = -1;
  /** Whether a RESUMED is owed when the replay is through. */
  resuming = false;
  /** Events up to here were already written to an earlier link and are written once more. */
  doubtUpTo: Position | undefined;
  /** By event type id: 1 = this handler's intents leave it out. Undefined when nothing is left out. */
  filter: Uint8Array | undefined;
  reader: JournalReader | undefined;
  /** Ends a snapshot that is being streamed. */
  cancelSnapshot: (() => void) | undefined;
  creditSnapshot: ((bytes: number) => void) | undefined;
  /** Events written and events proven by a pong, since the link began. */
  sentCount = 0;
  provenCount = 0;
  /** The ping that is on its way: it proves everything up to its position. */
  ping: { readonly epoch: number; readonly s: number; readonly count: number } | undefined;
  pumping = false;
  lastSeenAt: number;
  lastDrainAt: number;
  readonly ws: WebSocket;
  readonly socket: Duplex;
  /** The base URL under which this handler reached us. */
  readonly url: string;
  readonly deflater: Deflater | undefined;

  constructor(options: {
    ws: WebSocket;
    socket: Duplex;
    url: string;
    deflater: Deflater | undefined;
    now: number;
  }) {
    this.ws = options.ws;
    this.socket = options.socket;
    this.url = options.url;
    this.deflater = options.deflater;
    this.lastSeenAt = options.now;
    this.lastDrainAt = options.now;
  }

  /** Whether a tick's shared bytes can be written to it as they are. */
  get takesSharedBytes(): boolean {
    return this.deflater === undefined && this.filter === undefined;
  }

  /** A gateway message as the frame that goes on this link's wire. */
  frame(payload: Uint8Array): Buffer {
    return this.deflater ? frameOf(BINARY_FRAME, this.deflater.push(payload)) : frameOf(TEXT_FRAME, payload);
  }

  /** Writes one gateway message. */
  send(payload: string): void {
    if (this.phase !== 'closed') this.socket.write(this.frame(Buffer.from(payload)));
  }

  /** Writes frames as they are; returns false when the socket now holds more than a slow link may. */
  write(frames: Buffer): boolean {
    this.socket.write(frames);
    return this.socket.writableLength <= SLOW_BYTES;
  }

  /** Sends a ping that names the position, unless one is on its way or nothing is unproven. */
  askForProof(): void {
    if (this.ping || this.sentCount === this.provenCount) return;
    this.sendPing();
  }

  /** Sends a ping that names the position. */
  sendPing(): void {
    const data = Buffer.allocUnsafe(8);
    data.writeUInt32LE(this.epoch, 0);
    data.writeUInt32LE(this.s, 4);
    this.ping = { epoch: this.epoch, s: this.s, count: this.sentCount };
    this.ws.ping(data);
  }

  /** Takes a pong; returns the position that it proves, if it is the answer to our ping. */
  takePong(data: Buffer): Position | undefined {
    const ping = this.ping;
    if (!ping || data.length !== 8) return undefined;
    if (data.readUInt32LE(0) !== ping.epoch || data.readUInt32LE(4) !== ping.s) return undefined;
    this.ping = undefined;
    this.provenCount = ping.count;
    return { epoch: ping.epoch, s: ping.s };
  }

  /** Closes with a code; the socket goes at the latest two seconds later. */
  close(code: number, reason: string): void {
    if (this.phase === 'closed') return;
    this.ws.close(code, reason);
    setTimeout(() => this.ws.terminate(), 2_000).unref();
  }
}
