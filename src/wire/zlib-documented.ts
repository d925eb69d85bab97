// Stream compression through documented calls of node:zlib only, for a Node whose internals have changed. After
// Z_SYNC_FLUSH a deflate stream stands at a byte boundary, and all it remembers is its last 32 KiB of text: so
// each message is a raw deflate stream of its own with that text as dictionary. Slower, 23 µs an event: a
// context is built for every message. zstd blocks remember more (tables, offsets), so zstd has no such way: there
// zlib-stream must be asked for.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { CompressionError, type Engine } from './codec.ts';

const WINDOW_BYTES = 32 * 1024;

/** RFC 1950: deflate, 32 KiB window, default level, no preset dictionary. */
const ZLIB_HEADER = Buffer.from([0x78, 0x9c]);

function checkZlibHeader(input: Uint8Array): void {
  const [method = 0, flags = 0] = input;
  if ((method & 0x0f) !== 8 || (method * 256 + flags) % 31 !== 0 || (flags & 0x20) !== 0)
    throw new CompressionError('incorrect header check');
}

/** The last 32 KiB of `before` followed by `text`. */
function slide(before: Buffer, text: Uint8Array): Buffer {
  if (text.length >= WINDOW_BYTES) return Buffer.from(text.subarray(text.length - WINDOW_BYTES));
  return Buffer.concat([before.subarray(Math.max(0, before.length + text.length - WINDOW_BYTES)), text]);
}

/** Documented calls only. zlib-stream only. */
export const documentedEngine: Engine = {
  inflater(transport, maxBytes) {
    if (transport !== 'zlib-stream') return undefined;
    let window: Buffer = Buffer.alloc(0);
    let output: Buffer = Buffer.alloc(0);
    let begun = false;
    return {
      push(input, start = 0, end = input.length) {
        let message = input.subarray(start, end);
        if (!begun) {
          checkZlibHeader(message);
          message = message.subarray(ZLIB_HEADER.length);
          begun = true;
        }
        try {
          output = inflateRawSync(message, {
            finishFlush: constants.Z_SYNC_FLUSH,
            maxOutputLength: maxBytes,
            ...(window.length === 0 ? {} : { dictionary: window }),
          });
        } catch (error) {
          throw new CompressionError(error instanceof Error ? error.message : String(error));
        }
        window = slide(window, output);
        return output.length;
      },
      get output() {
        return output;
      },
      close() {},
    };
  },
  deflater(transport, level) {
    if (transport !== 'zlib-stream') return undefined;
    let window: Buffer = Buffer.alloc(0);
    let begun = false;
    return {
      push(input) {
        const body = deflateRawSync(input, {
          finishFlush: constants.Z_SYNC_FLUSH,
          ...(level === undefined ? {} : { level }),
          ...(window.length === 0 ? {} : { dictionary: window }),
        });
        window = slide(window, input);
        if (begun) return body;
        begun = true;
        return Buffer.concat([ZLIB_HEADER, body]);
      },
      close() {},
    };
  },
};
