// The shapes of stream compression: what an inflater, a deflater and an engine (one way of driving node:zlib)
// are. Here so that the engines and the door (compression.ts) need not import each other. Does no work.

/** What may be asked of the gateway in `compress=`; `none` asks for nothing. */
export type Transport = 'none' | 'zlib-stream' | 'zstd-stream';

/** The transports that compress. */
export type CompressedTransport = Exclude<Transport, 'none'>;

/** The peer's bytes could not be inflated, or grew over the limit. The connection's context is lost with it. */
export class CompressionError extends Error {
  override name = 'CompressionError';
}

/** One connection's decompression context. After a `CompressionError` only `close` may be called. */
export interface Inflater {
  /**
   * Decompresses one whole gateway message, `input[start, end)`, and returns its length; the bytes are then
   * `output[0, length)`. Throws `CompressionError` on bad data or when the message would exceed `maxBytes`.
   */
  push(input: Uint8Array, start?: number, end?: number): number;
  /** Where the last message is. Valid until the next `push` of any inflater or deflater: memory is shared. */
  readonly output: Buffer;
  /** Frees the context; allowed more than once. */
  close(): void;
}

/** One connection's compression context. */
export interface Deflater {
  /** Compresses one whole message and flushes it. The result is the caller's own. */
  push(input: Uint8Array): Buffer;
  /** Frees the context; allowed more than once. */
  close(): void;
}

/** One way of (de)compressing synchronously. `undefined` from a factory: this engine cannot do that transport. */
export interface Engine {
  inflater(transport: CompressedTransport, maxBytes: number): Inflater | undefined;
  deflater(transport: CompressedTransport, level: number | undefined): Deflater | undefined;
}

/** zstd's window as Discord writes it (256 KiB; protocol reference 1.5). */
export const ZSTD_WINDOW_LOG = 18;

/** The largest window a zstd peer may make us allocate (8 MiB): zstd's own default would be 128 MiB. */
export const ZSTD_WINDOW_LOG_MAX = 23;
