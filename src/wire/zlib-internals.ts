// The only file that knows the inside of node:zlib. Its streams are asynchronous by their documented interface
// (10 to 21 µs an event); the native handle under them also works synchronously. Two engines: `handle` drives
// that handle into the shared scratch buffer; `chunk` goes through `_processChunk`, one layer up, for a Node that
// has changed the handle's calls. Neither is trusted: compression.ts checks each with known bytes first.

import {
  constants,
  createDeflate,
  createInflate,
  createZstdCompress,
  createZstdDecompress,
  type Zlib,
  type ZstdOptions,
} from 'node:zlib';
import { assert } from '../base/assert.ts';
import {
  type CompressedTransport,
  CompressionError,
  type Deflater,
  type Engine,
  type Inflater,
  ZSTD_WINDOW_LOG,
  ZSTD_WINDOW_LOG_MAX,
} from './codec.ts';
import { growScratch, scratch, settleScratch } from './scratch.ts';

interface NativeHandle {
  writeSync(
    flush: number,
    input: Uint8Array,
    inputStart: number,
    inputLength: number,
    output: Uint8Array,
    outputStart: number,
    outputLength: number,
  ): void;
  onerror: (message: string, errno: number, code: string) => void;
  close(): void;
}

interface InsideStream extends Zlib, NodeJS.EventEmitter {
  _handle: NativeHandle | null;
  /** [output bytes left, input bytes left] after each native write. */
  readonly _writeState: Uint32Array;
  _processChunk(input: Uint8Array, flush: number): Buffer;
}

const ignore = (): void => {};

/** zlib's smallest output buffer: the handle engine never uses it, and the default is 16 KiB a context. */
const CHUNK_BYTES_MIN = 64;

function openStream(
  kind: 'inflate' | 'deflate',
  transport: CompressedTransport,
  options: { chunkSize: number; maxOutputLength?: number; level?: number | undefined },
): InsideStream {
  const { level, ...common } = options;
  const zstd: ZstdOptions = { ...common, params: zstdParams(kind, level) };
  const stream =
    transport === 'zlib-stream'
      ? kind === 'inflate'
        ? createInflate(common)
        : createDeflate(level === undefined ? common : { ...common, level })
      : kind === 'inflate'
        ? createZstdDecompress(zstd)
        : createZstdCompress(zstd);
  // The stream repeats as an event what we already threw; unheard, that event would end the process.
  stream.on('error', ignore);
  return stream as unknown as InsideStream;
}

function zstdParams(kind: 'inflate' | 'deflate', level: number | undefined): Record<number, number> {
  if (kind === 'inflate') return { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX };
  return {
    [constants.ZSTD_c_windowLog]: ZSTD_WINDOW_LOG,
    ...(level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level }),
  };
}

function flushFlag(transport: CompressedTransport): number {
  return transport === 'zlib-stream' ? constants.Z_SYNC_FLUSH : constants.ZSTD_e_flush;
}

// --- engine `handle` ---------------------------------------------------------------------------------------

/** What the native handle reported during the write now running; writes are synchronous, so one is enough. */
let failure: string | undefined;
const onNativeError = (message: string, _errno: number, code: string): void => {
  failure = `${code}: ${message}`;
};

/** Length of the last message in the scratch buffer, whoever wrote it. */
let lastLength = 0;

/**
 * Runs `input[start, end)` through the native handle into the scratch buffer and returns how much came out.
 * Throws when more than `maxBytes` would: the check precedes each growth, so a bomb costs no memory.
 */
function runHandle(
  handle: NativeHandle,
  state: Uint32Array,
  flush: number,
  input: Uint8Array,
  start: number,
  end: number,
  maxBytes: number,
): number {
  let output = settleScratch(lastLength);
  assert(input.buffer !== output.buffer, 'nothing is compressed from the scratch buffer into itself');
  let inputAt = start;
  let length = 0;
  failure = undefined;
  for (;;) {
    // One byte over the limit is let in, so that "exactly full" and "too much" differ.
    const room = Math.min(output.length, maxBytes + 1) - length;
    handle.writeSync(flush, input, inputAt, end - inputAt, output, length, room);
    if (failure !== undefined) throw new CompressionError(failure);
    const roomLeft = state[0]!;
    const nextAt = end - state[1]!;
    const moved = nextAt > inputAt || roomLeft < room;
    length += room - roomLeft;
    inputAt = nextAt;
    if (length > maxBytes) throw new CompressionError(`more than ${maxBytes} bytes in one message`);
    if (roomLeft > 0) {
      if (inputAt === end) break;
      if (!moved) throw new CompressionError('bytes after the end of the stream');
    } else if (length === output.length) output = growScratch();
  }
  lastLength = length;
  return length;
}

function openHandle(stream: InsideStream): NativeHandle {
  const handle = stream._handle;
  if (handle === null || typeof handle.writeSync !== 'function')
    throw new CompressionError('no native handle');
  handle.onerror = onNativeError;
  return handle;
}

/**
 * The native handle, into the shared scratch buffer. Measured on node 26.10 with bench/inflate.ts (events of 1.24 KB
 * mean): 3.3 µs an event for zlib and 2.4 for zstd, where perf-baselines has 3.6 and 2.1; through the socket, frames
 * and reads included, 3.7 and 2.4 (3.9 and 2.6 there).
 */
export const handleEngine: Engine = {
  inflater(transport, maxBytes): Inflater {
    const stream = openStream('inflate', transport, { chunkSize: CHUNK_BYTES_MIN });
    const handle = openHandle(stream);
    const state = stream._writeState;
    const flush = flushFlag(transport);
    return {
      push: (input, start = 0, end = input.length) =>
        runHandle(handle, state, flush, input, start, end, maxBytes),
      get output() {
        return scratch();
      },
      close: () => stream.close(),
    };
  },
  deflater(transport, level): Deflater {
    const stream = openStream('deflate', transport, { chunkSize: CHUNK_BYTES_MIN, level });
    const handle = openHandle(stream);
    const state = stream._writeState;
    const flush = flushFlag(transport);
    return {
      push(input) {
        const length = runHandle(handle, state, flush, input, 0, input.length, Number.MAX_SAFE_INTEGER - 1);
        return Buffer.from(scratch().subarray(0, length));
      },
      close: () => stream.close(),
    };
  },
};

// --- engine `chunk` ----------------------------------------------------------------------------------------

const CHUNK_BYTES = 8 * 1024;

/**
 * `_processChunk` ends the stream after each call: it closes the handle and forgets it. So the handle's `close`
 * is hidden while the context lives, and the handle put back after each call.
 */
function openChunked(stream: InsideStream): { run(input: Uint8Array, flush: number): Buffer; close(): void } {
  const handle = stream._handle;
  if (handle === null) throw new CompressionError('no native handle');
  const closeHandle = handle.close;
  handle.close = ignore;
  return {
    run(input, flush) {
      try {
        return stream._processChunk(input, flush);
      } catch (error) {
        throw new CompressionError(error instanceof Error ? error.message : String(error));
      } finally {
        stream._handle = handle;
        // Each call leaves a listener behind.
        stream.removeAllListeners('error');
        stream.on('error', ignore);
      }
    },
    close() {
      handle.close = closeHandle;
      stream.close();
    },
  };
}

/** `_processChunk`: 0.6 µs an event slower than the handle, and a buffer of its own for each context. */
export const chunkEngine: Engine = {
  inflater(transport, maxBytes): Inflater {
    const stream = openStream('inflate', transport, { chunkSize: CHUNK_BYTES, maxOutputLength: maxBytes });
    const chunked = openChunked(stream);
    const flush = flushFlag(transport);
    let output: Buffer = Buffer.alloc(0);
    return {
      push(input, start = 0, end = input.length) {
        output = chunked.run(input.subarray(start, end), flush);
        return output.length;
      },
      get output() {
        return output;
      },
      close: () => chunked.close(),
    };
  },
  deflater(transport, level): Deflater {
    const stream = openStream('deflate', transport, { chunkSize: CHUNK_BYTES, level });
    const chunked = openChunked(stream);
    const flush = flushFlag(transport);
    return { push: (input) => Buffer.from(chunked.run(input, flush)), close: () => chunked.close() };
  },
};
