// WebSocket frames (RFC 6455, section 5), for the client's side. The parser is incremental and pure: bytes in,
// calls out, whatever the split. A frame that lies whole inside the bytes just read is handed on where it is;
// only a frame cut by the end of a read is copied, into memory that is let go when the frame is complete.
// It does not decompress, check UTF-8, or know sockets.

import { Gathered } from './gathered.ts';

export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** What a parser calls. Ranges are bytes of `bytes`, valid only during the call. */
export interface FrameEvents {
  /** One whole message, reassembled when it came in fragments. */
  onMessage(bytes: Buffer, start: number, end: number, binary: boolean): void;
  onPing(bytes: Buffer, start: number, end: number): void;
  /** The peer's close frame; 1005 when it held no code. Nothing follows. */
  onClose(code: number, reason: string): void;
  /** The peer broke the protocol, or `maxBytes`. Nothing follows. */
  onBad(reason: string): void;
}

export interface FrameParser {
  /** Reads `bytes[start, end)`. The bytes may be overwritten afterwards. */
  feed(bytes: Buffer, start: number, end: number): void;
  /** Ends parsing, also from within a call: nothing more is reported and held memory is released. */
  stop(): void;
  /** Bytes now held for an unfinished frame or message. */
  heldBytes(): number;
}

const CONTROL_PAYLOAD_MAX = 125;
const HEADER_BYTES_MAX = 10;

/** Codes that may stand in a close frame, widely read: 1005, 1006 and 1015 never travel. */
function isCloseCode(code: number): boolean {
  return code >= 1000 && code <= 4999 && code !== 1005 && code !== 1006 && code !== 1015;
}

/**
 * Creates a parser for what a server sends. `maxBytes` bounds one message's payload, as it travels; it is checked
 * when a header is read, before any memory is taken for it.
 */
export function createFrameParser(maxBytes: number, events: FrameEvents): FrameParser {
  const frame = new Gathered();
  const message = new Gathered();
  // 0 while no fragmented message is open, else the opcode of its first frame.
  let fragmentedAs = 0;
  let stopped = false;

  // The header last read.
  let opcode = 0;
  let final = false;
  let headerLength = 0;
  let payloadLength = 0;

  function stop(): void {
    stopped = true;
    frame.clear();
    message.clear();
  }

  function bad(reason: string): void {
    stop();
    events.onBad(reason);
  }

  /** Reads a header at `at`. False when it is not all there, or when it was refused (`stopped` is set). */
  function readHeader(bytes: Buffer, at: number, end: number): boolean {
    if (end - at < 2) return false;
    const first = bytes[at]!;
    const second = bytes[at + 1]!;
    opcode = first & 0x0f;
    final = (first & 0x80) !== 0;
    const short = second & 0x7f;
    const refusal = refuse(first, second);
    if (refusal !== undefined) {
      bad(refusal);
      return false;
    }
    headerLength = short < 126 ? 2 : short === 126 ? 4 : HEADER_BYTES_MAX;
    if (end - at < headerLength) return false;
    if (short < 126) payloadLength = short;
    else if (short === 126) payloadLength = bytes.readUInt16BE(at + 2);
    else payloadLength = bytes.readUInt32BE(at + 2) * 0x1_0000_0000 + bytes.readUInt32BE(at + 6);
    const total = payloadLength + (opcode < OPCODE.CLOSE ? message.length : 0);
    if (total > maxBytes) {
      bad(`${total} bytes in one message, ${maxBytes} allowed`);
      return false;
    }
    return true;
  }

  function refuse(first: number, second: number): string | undefined {
    if ((first & 0x70) !== 0) return 'reserved bits set';
    if ((second & 0x80) !== 0) return 'masked';
    if (opcode >= OPCODE.CLOSE) {
      if (opcode > OPCODE.PONG) return `opcode ${opcode}`;
      if (!final) return 'fragmented control frame';
      if ((second & 0x7f) > CONTROL_PAYLOAD_MAX) return 'control frame too long';
      return undefined;
    }
    if (opcode > OPCODE.BINARY) return `opcode ${opcode}`;
    if (opcode === OPCODE.CONTINUATION && fragmentedAs === 0) return 'continuation of nothing';
    if (opcode !== OPCODE.CONTINUATION && fragmentedAs !== 0) return 'message within a message';
    return undefined;
  }

  /** Acts on the frame of the header last read, whose payload is `bytes[start, end)`. */
  function handle(bytes: Buffer, start: number, end: number): void {
    if (opcode >= OPCODE.CLOSE) {
      if (opcode === OPCODE.PING) events.onPing(bytes, start, end);
      else if (opcode === OPCODE.CLOSE) handleClose(bytes, start, end);
      return;
    }
    if (final && fragmentedAs === 0) {
      events.onMessage(bytes, start, end, opcode === OPCODE.BINARY);
      return;
    }
    if (opcode !== OPCODE.CONTINUATION) fragmentedAs = opcode;
    message.append(bytes, start, end, maxBytes);
    if (!final) return;
    const whole = message.bytes;
    const length = message.length;
    const binary = fragmentedAs === OPCODE.BINARY;
    message.clear();
    fragmentedAs = 0;
    events.onMessage(whole, 0, length, binary);
  }

  function handleClose(bytes: Buffer, start: number, end: number): void {
    if (end === start) {
      stop();
      events.onClose(1005, '');
      return;
    }
    const code = end - start === 1 ? 0 : bytes.readUInt16BE(start);
    const reason = end - start === 1 ? '' : bytes.toString('utf8', start + 2, end);
    if (!isCloseCode(code)) return bad(`close code ${code}`);
    stop();
    events.onClose(code, reason);
  }

  /** Completes the held frame from `bytes[at, end)` and acts on it; returns where the bytes not taken begin. */
  function complete(bytes: Buffer, at: number, end: number): number {
    let next = at;
    // One byte at a time, at most ten times: a header cut in two is rare.
    while (!readHeader(frame.bytes, 0, frame.length)) {
      if (stopped || next === end) return end;
      frame.append(bytes, next, next + 1, HEADER_BYTES_MAX);
      next++;
    }
    const frameLength = headerLength + payloadLength;
    const take = Math.min(frameLength - frame.length, end - next);
    frame.append(bytes, next, next + take, frameLength);
    if (frame.length < frameLength) return end;
    const whole = frame.bytes;
    frame.clear();
    handle(whole, headerLength, frameLength);
    return next + take;
  }

  return {
    feed(bytes, start, end) {
      let at = start;
      while (at < end && !stopped) {
        if (frame.length > 0) {
          at = complete(bytes, at, end);
          continue;
        }
        const known = readHeader(bytes, at, end);
        if (stopped) return;
        const frameLength = known ? headerLength + payloadLength : 0;
        if (!known || at + frameLength > end) {
          frame.append(bytes, at, end, frameLength);
          return;
        }
        const payloadStart = at + headerLength;
        at = payloadStart + payloadLength;
        handle(bytes, payloadStart, at);
      }
    },
    stop,
    heldBytes: () => frame.bytes.length + message.bytes.length,
  };
}

/**
 * Builds one client frame: final, masked with `mask` (4 bytes, which must be unpredictable: RFC 6455 10.3).
 * The payload is copied.
 */
export function buildFrame(opcode: number, payload: Uint8Array, mask: Uint8Array): Buffer {
  const length = payload.length;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const maskAt = 2 + lengthBytes;
  const frame = Buffer.allocUnsafe(maskAt + 4 + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2);
  else if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(mask, maskAt);
  for (let i = 0; i < length; i++) frame[maskAt + 4 + i] = payload[i]! ^ mask[i & 3]!;
  return frame;
}

/** Payload of a close frame with a code and no reason. */
export function closePayload(code: number): Buffer {
  return Buffer.from([code >> 8, code & 0xff]);
}
