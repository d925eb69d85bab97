// Reads a request's body within bounds: one body may not pass its limit, and all bodies together may not pass
// theirs, whatever a handler announces or sends. Bodies are kept whole because a request may wait for its rate
// limit, and may be sent again after a 429.

import type { IncomingMessage } from 'node:http';

/** The memory that bodies share. */
export interface BodyBudget {
  /** Reads one body; or says that it is over the limit, or that there is no room for it now. */
  read(request: IncomingMessage): Promise<ReadBody | 'too-large' | 'no-room' | 'gone'>;
}

/** A body, and how to give its memory back. */
export interface ReadBody {
  readonly bytes: Buffer;
  release(): void;
}

/** Creates the budget; sizes are bytes. */
export function createBodyBudget(options: { bodyBytesMax: number; totalBytesMax: number }): BodyBudget {
  const { bodyBytesMax, totalBytesMax } = options;
  let taken = 0;
  return {
    read(request) {
      const announced = Number(request.headers['content-length'] ?? 0);
      if (announced > bodyBytesMax) return Promise.resolve('too-large');
      // What is announced is taken at once, so that many uploads that start together cannot pass the bound.
      if (taken + announced > totalBytesMax) return Promise.resolve('no-room');
      let reserved = announced;
      taken += reserved;
      return new Promise((resolve) => {
        const chunks: Buffer[] = [];
        let received = 0;
        let held = true;
        const release = (): void => {
          if (held) taken -= reserved;
          held = false;
        };
        const finish = (result: ReadBody | 'too-large' | 'no-room' | 'gone'): void => {
          request.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
          if (typeof result === 'string') release();
          resolve(result);
        };
        const onData = (chunk: Buffer): void => {
          received += chunk.length;
          if (received > bodyBytesMax) return finish('too-large');
          if (received > reserved) {
            taken += received - reserved;
            reserved = received;
            if (taken > totalBytesMax) return finish('no-room');
          }
          chunks.push(chunk);
        };
        const onEnd = (): void => finish({ bytes: Buffer.concat(chunks, received), release });
        const onGone = (): void => finish('gone');
        request.on('data', onData).on('end', onEnd).on('close', onGone).on('error', onGone);
      });
    },
  };
}
