// Snapshots on their way out: each is sent in chunks as far as its receiver's credit goes, in turn with the
// others, so that neither a slow receiver nor a big shard holds up anything else.

import type { Clock } from '../base/clock.ts';
import type { Position } from '../journal/position.ts';
import { BytesGoneError } from './segment-log.ts';

/** What a snapshot is, told before its first chunk. */
export interface SnapshotHead {
  /** The position as of which it shows the shard. */
  readonly position: Position;
  /** True when that is after the position asked for, because fold had moved on. */
  readonly stale: boolean;
  /** How many guild frames follow READY. */
  readonly guilds: number;
  /** The `s` of the last frame. */
  readonly lastS: number;
}

/**
 * How a snapshot ended: `done`, `lost` (there is no state of that epoch), `failed` (it may be asked for again),
 * `cancelled` by the receiver.
 */
export type SnapshotOutcome = 'done' | 'lost' | 'failed' | 'cancelled';

/** Who receives a snapshot. `end` is called exactly once, last. */
export interface SnapshotSink {
  head(head: SnapshotHead): void;
  /** Complete gateway messages, each with its length in front (snapshot.ts, `forEachFrame`); an own memory. */
  chunk(bytes: Uint8Array): void;
  end(outcome: SnapshotOutcome): void;
}

export interface SnapshotHandle {
  /** Lets about `bytes` more be sent. */
  grant(bytes: number): void;
  cancel(): void;
}

export interface SnapshotStreams {
  /** Starts to send chunks; `release` is called when the snapshot ends, however it does. */
  add(options: {
    sink: SnapshotSink;
    chunks: Iterator<Uint8Array>;
    credit: number;
    release: () => void;
  }): SnapshotHandle;
  /** Sends one chunk of each snapshot that has credit. Returns whether more could be sent at once. */
  pump(): boolean;
  /** Ends snapshots whose receiver gave no credit for `idleMs`. */
  expire(idleMs: number): number;
  readonly active: number;
  close(): void;
}

interface Stream {
  readonly sink: SnapshotSink;
  readonly chunks: Iterator<Uint8Array>;
  readonly release: () => void;
  credit: number;
  movedAt: number;
}

export function createSnapshotStreams(clock: Clock): SnapshotStreams {
  const streams = new Set<Stream>();

  const end = (stream: Stream, outcome: SnapshotOutcome): void => {
    if (!streams.delete(stream)) return;
    stream.release();
    stream.sink.end(outcome);
  };

  return {
    add({ sink, chunks, credit, release }) {
      const stream: Stream = { sink, chunks, release, credit, movedAt: clock.monotonic() };
      streams.add(stream);
      return {
        grant(bytes) {
          stream.credit += bytes;
          stream.movedAt = clock.monotonic();
        },
        cancel: () => end(stream, 'cancelled'),
      };
    },
    pump() {
      let more = false;
      for (const stream of [...streams]) {
        if (stream.credit <= 0) continue;
        let next: IteratorResult<Uint8Array>;
        try {
          next = stream.chunks.next();
        } catch (error) {
          end(stream, 'failed');
          if (error instanceof BytesGoneError) continue;
          throw error;
        }
        if (next.done) {
          end(stream, 'done');
          continue;
        }
        stream.credit -= next.value.length;
        stream.movedAt = clock.monotonic();
        stream.sink.chunk(next.value);
        more ||= stream.credit > 0;
      }
      return more;
    },
    expire(idleMs) {
      let expired = 0;
      for (const stream of [...streams]) {
        if (clock.monotonic() - stream.movedAt < idleMs) continue;
        end(stream, 'failed');
        expired++;
      }
      return expired;
    },
    get active() {
      return streams.size;
    },
    close() {
      for (const stream of [...streams]) end(stream, 'failed');
    },
  };
}
