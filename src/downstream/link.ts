// One handler connection: its socket, what has been written to it, and what of that is proven. Knows how to put
// messages on the wire; where they come from is decided in starting.ts, ending.ts and delivery.ts.

import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Position } from '../journal/position.ts';
import type { JournalReader } from '../journal/reader.ts';
import type { Deflater } from '../wire/compression.ts';
import { BINARY_FRAME, frameOf, TEXT_FRAME } from './frame.ts';
import { createPassage, createTally, type Passage, settle, type Tally } from './tally.ts';

/**
 * `hello`: no IDENTIFY or RESUME yet. `held`: admitted, waiting for upstream's READY or for state.
 * `waiting`: resumes above our tip. `snapshot`: READY and guilds are being written. `reading`: catching up from
 * the journal. `live`: at the tail. `ending`: what it was to get is written, the proof of the last events is
 * awaited, then comes op 9. `parked`: a newer link of its name and shard took over.
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

/** A ping that is on its way: its pong proves everything up to its position. */
interface ProofPing {
  readonly epoch: number;
  readonly s: number;
  readonly passed: Passage;
}

export class Link {
  phase: LinkPhase = 'hello';
  name = '';
  shard = -1;
  sessionId = '';
  intents = 0;
  /** Everything up to (epoch, s) has been written, filtered or left out. */
  epoch = 0;
  s = 0;
  /** The `s` of the last event that was not left out. */
  toldS = 0;
  /** Events up to this `s` were counted already: they are read again because a RESUME went back. */
  countedUpToS = 0;
  /** Events up to this `s` were already written to an earlier link and are written once more. */
  doubtUpToS = 0;
  /** The epoch for which there was no state to make a snapshot of; it is asked for again in a later one. */
  lostEpoch = -1;
  /** Whether a RESUMED is owed when the replay is through. */
  resuming = false;
  /** Monotonic ms at which `waiting` or `ending` is given up. */
  until = Number.POSITIVE_INFINITY;
  /** Where it goes on after the gap for which it is ending; undefined when its epoch is over. */
  gapTo: Position | undefined;
  /** By event type id: 1 = this handler's intents leave it out. Undefined when nothing is left out. */
  filter: Uint8Array | undefined;
  tally: Tally = createTally();
  reader: JournalReader | undefined;
  /** It has read all there is while the disk fails; more will come. */
  stalled = false;
  pumping = false;
  /** Ends a snapshot that is being streamed. */
  cancelSnapshot: (() => void) | undefined;
  /** Lets a snapshot go on, after the socket has drained. */
  creditSnapshot: (() => void) | undefined;
  /** What has passed since the link began, and how much of that is proven. */
  passed: Passage = createPassage();
  proven: Passage = createPassage();
  provenS = 0;
  ping: ProofPing | undefined;
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

  /** Begins to count and to prove anew, from a position before which nothing is owed any more. */
  begin(from: Position): void {
    this.epoch = from.epoch;
    this.s = from.s;
    this.toldS = from.s;
    this.countedUpToS = 0;
    this.doubtUpToS = 0;
    this.passed = createPassage();
    this.proven = createPassage();
    this.provenS = from.s;
    this.ping = undefined;
    this.reader = undefined;
    this.stalled = false;
  }

  get position(): Position {
    return { epoch: this.epoch, s: this.s };
  }

  /** Whether events are being written to it, or were until a moment ago. */
  get isFed(): boolean {
    return this.phase === 'live' || this.phase === 'reading' || this.phase === 'ending';
  }

  /** Whether a tick's shared bytes can be written to it as they are. */
  get takesSharedBytes(): boolean {
    return this.deflater === undefined && this.filter === undefined;
  }

  /** Whether the handler has proven every event that was written to it. */
  get isProven(): boolean {
    return this.passed.sent === this.proven.sent;
  }

  /** A gateway message as the frame that goes on this link's wire. */
  frame(payload: Uint8Array): Buffer {
    return this.deflater ? frameOf(BINARY_FRAME, this.deflater.push(payload)) : frameOf(TEXT_FRAME, payload);
  }

  /** Writes one gateway message. */
  send(payload: string): void {
    if (this.phase !== 'closed') this.write(this.frame(Buffer.from(payload)));
  }

  /** Writes frames as they are; returns false when the socket now holds more than a slow link may. */
  write(frames: Buffer): boolean {
    // What a socket can't take at once is kept: as a copy, where it is a small part of a memory that all share.
    const isWasteful = this.socket.writableLength > 0 && frames.buffer.byteLength > 2 * frames.length;
    this.socket.write(isWasteful ? copyOf(frames) : frames);
    return this.socket.writableLength <= SLOW_BYTES;
  }

  /** Sends a ping that names the position, unless one is on its way or nothing is unproven. */
  askForProof(): void {
    if (this.ping || this.isProven) return;
    const data = Buffer.allocUnsafe(8);
    data.writeUInt32LE(this.epoch, 0);
    data.writeUInt32LE(this.s, 4);
    this.ping = { epoch: this.epoch, s: this.s, passed: { ...this.passed } };
    this.ws.ping(data);
  }

  /** Takes a pong and counts what it proves; returns that position, if it is the answer to our ping. */
  takePong(data: Buffer): Position | undefined {
    const ping = this.ping;
    if (!ping || data.length !== 8) return undefined;
    if (data.readUInt32LE(0) !== ping.epoch || data.readUInt32LE(4) !== ping.s) return undefined;
    this.ping = undefined;
    return this.#prove(ping.s, ping.passed);
  }

  /** Where every event that was written is proven, what was left out since needs no proof: returns its end. */
  takeQuietProof(): Position | undefined {
    if (!this.isProven || this.s === this.provenS) return undefined;
    return this.#prove(this.s, { ...this.passed });
  }

  #prove(s: number, passed: Passage): Position {
    settle(this.tally, this.proven, passed);
    this.proven = passed;
    this.provenS = s;
    return { epoch: this.epoch, s };
  }
}

/** A copy in a memory of its own. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
