// The door to stream compression: synchronous inflate and deflate of zlib-stream and zstd-stream (protocol
// reference 1.4, 1.5). It picks, once for each transport, the first engine that passes a self-check on known
// bytes: the native handle, `_processChunk`, then documented calls. Knows nothing of sockets or frames.

import { deflateSync } from 'node:zlib';
import {
  type CompressedTransport,
  CompressionError,
  type Deflater,
  type Engine,
  type Inflater,
  type Transport,
} from './codec.ts';
import { documentedEngine } from './zlib-documented.ts';
import { chunkEngine, handleEngine } from './zlib-internals.ts';

export type { CompressedTransport, Deflater, Inflater, Transport } from './codec.ts';
export { CompressionError } from './codec.ts';

/** Fastest first. */
export const ENGINES = {
  handle: handleEngine,
  chunk: chunkEngine,
  documented: documentedEngine,
} as const satisfies Record<string, Engine>;

export type EngineName = keyof typeof ENGINES;

/** Decompressed bytes allowed in one message unless told otherwise. */
export const INFLATED_BYTES_MAX = 64 * 1024 * 1024;

// Eight messages in one stream, written by zlib and zstd themselves; the fifth inflates to 180 KB, so it must
// outgrow the scratch buffer in mid-message, and those after it must still find their way.
const CHECK_GIANT = `{"t":"GUILD_CREATE","s":4,"op":0,"d":"${'holdfast '.repeat(20_000)}"}`;
const checkText = (index: number): string =>
  index === 4 ? CHECK_GIANT : `{"t":null,"s":${index},"op":11,"d":null}`;
const CHECK_FRAMES: Record<CompressedTransport, readonly string[]> = {
  'zlib-stream': [
    'eNqqVipRssorzcnRUSpWsjLQUcovULIyNNRRSoEI1wIAAAD//w==',
    'qkZRYIipAAAAAP//',
    'QlVghKkAAAAA//8=',
    'QlVgjKkAAAAA//8=',
    `7MoxCkBgGADQq+g7gcEFhKRMYpaSDMrA6u7qdwr1tje8FKKdur6eq6EpxyZSLb6apxn7eazbct0Z${'A'.repeat(464)}/ALxvAAAAP//`,
    'qlYqUbLKK83J0VEqVrIy1VHKL1CyMjTUUUqBCNcCAAAA//8=',
    'QlVghqkAAAAA//8=',
    'QlVgjqkAAAAA//8=',
  ],
  'zstd-stream': [
    'KLUv/QBACAEAeyJ0IjpudWxsLCJzIjowLCJvcCI6MTEsImQiOm51bGx9',
    'TAAACDECAMATIisg',
    'VAAAEHsyAgDAkwNcAQ==',
    'VAAAEHszAgDAkwNcAQ==',
    'ZAEA2HsiR1VJTERfQ1JFQVRFIjQwImhvbGRmYXN0IAUAzv+sjBAjDoaNmFMLXAFcAAAYZCJ9AQBCPx0IAQ==',
    'XAAACDUCAMATtl9yBAI=',
    'bAAAEHs2AwDAC/yvWBCAKw==',
    'VAAAEHs3AgDAkwNcAQ==',
  ],
};

/** Throws unless `engine` does with known bytes what it should. */
function checkEngine(engine: Engine, transport: CompressedTransport): void {
  const inflater = engine.inflater(transport, CHECK_GIANT.length);
  const strict = engine.inflater(transport, CHECK_GIANT.length - 1);
  const deflater = engine.deflater(transport, undefined);
  const back = engine.inflater(transport, CHECK_GIANT.length);
  if (!inflater || !strict || !deflater || !back) throw new CompressionError('not offered');
  const expectText = (from: Inflater, input: Uint8Array, text: string): void => {
    const length = from.push(input);
    if (from.output.toString('latin1', 0, length) !== text) throw new CompressionError('wrong text');
  };
  try {
    for (const [index, frame] of CHECK_FRAMES[transport].entries()) {
      const bytes = Buffer.from(frame, 'base64');
      expectText(inflater, bytes, checkText(index));
      expectText(back, deflater.push(Buffer.from(checkText(index))), checkText(index));
      if (index < 4) expectText(strict, bytes, checkText(index));
      if (index === 4) expectRefusal(() => strict.push(bytes));
    }
    expectRefusal(() => inflater.push(Buffer.alloc(64, 0xa7)));
  } finally {
    for (const context of [inflater, strict, deflater, back]) context.close();
  }
}

function expectRefusal(push: () => number): void {
  try {
    push();
  } catch (error) {
    if (error instanceof CompressionError) return;
    throw error;
  }
  throw new CompressionError('bad bytes were accepted');
}

const chosen = new Map<CompressedTransport, EngineName | undefined>();

/**
 * The engine that serves `transport` on this Node, or undefined when none can (then the transport must not be
 * asked for). Checked at the first call, about 2 ms.
 */
export function compressionEngine(transport: CompressedTransport): EngineName | undefined {
  if (!chosen.has(transport)) {
    chosen.set(
      transport,
      (Object.keys(ENGINES) as EngineName[]).find((name) => passesCheck(name, transport)),
    );
  }
  return chosen.get(transport);
}

/** What to ask the gateway for: the wished transport, or the next that this Node can inflate. */
export function usableTransport(
  wished: Transport,
  offers = (transport: CompressedTransport): boolean => compressionEngine(transport) !== undefined,
): Transport {
  if (wished === 'none' || offers(wished)) return wished;
  return usableTransport(wished === 'zstd-stream' ? 'zlib-stream' : 'none', offers);
}

/** Whether an engine passes the self-check. Any failure at all counts: a changed Node may throw anything. */
export function passesCheck(name: EngineName, transport: CompressedTransport): boolean {
  try {
    checkEngine(ENGINES[name], transport);
    return true;
  } catch {
    return false;
  }
}

function engineFor(transport: CompressedTransport, forced: EngineName | undefined): Engine {
  const name = forced ?? compressionEngine(transport);
  if (name === undefined) throw new CompressionError(`${transport} is not available on this Node`);
  return ENGINES[name];
}

/**
 * Opens a decompression context for one connection. `maxBytes` bounds one decompressed message. `engine` forces
 * an engine, unchecked: for tests. Throws `CompressionError` when no engine offers the transport.
 */
export function createInflater(
  transport: CompressedTransport,
  options: { maxBytes?: number; engine?: EngineName } = {},
): Inflater {
  const inflater = engineFor(transport, options.engine).inflater(
    transport,
    options.maxBytes ?? INFLATED_BYTES_MAX,
  );
  if (!inflater) throw new CompressionError(`${transport} is not offered by engine ${options.engine}`);
  return inflater;
}

/**
 * Opens a compression context for one connection: each push ends in a sync flush (zlib) or a block flush of one
 * endless frame (zstd). `level` is the library's own (zlib 1-9, zstd 1-22), its default when left out.
 */
export function createDeflater(
  transport: CompressedTransport,
  options: { level?: number; engine?: EngineName } = {},
): Deflater {
  const deflater = engineFor(transport, options.engine).deflater(transport, options.level);
  if (!deflater) throw new CompressionError(`${transport} is not offered by engine ${options.engine}`);
  return deflater;
}

/** Payload compression (protocol reference 1.6): `input` as one complete zlib stream that stands alone. */
export function deflateWhole(input: Uint8Array): Buffer {
  return deflateSync(input);
}
