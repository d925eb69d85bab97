// A snapshot on its way to one link: payloads are asked for as the socket takes them, so that neither a slow link
// nor a big shard fills our memory. Where payloads come from is handed in.

import { type Link, SLOW_BYTES } from './link.ts';

/** One snapshot being read; payloads arrive by `onPayloads` as the reader gives credit. */
export interface SnapshotRun {
  credit(bytes: number): void;
  cancel(): void;
}

/** What a snapshot is of, and where its parts go. */
export interface SnapshotRequest {
  readonly shard: number;
  readonly shardCount: number;
  readonly epoch: number;
  /** The snapshot's last frame carries this `s`. */
  readonly s: number;
  readonly sessionId: string;
  readonly resumeUrl: string;
  /** Whole gateway messages, in order; valid after the call too. */
  onPayloads(payloads: Buffer[]): void;
  /** All was given. `stale`: the state was newer than the position asked for. */
  onEnd(info: { stale: boolean }): void;
  /** There is no state of this shard to make a snapshot of. */
  onLost(): void;
  /** It broke off, and may be asked for again. */
  onFailed(): void;
}

/** Snapshot bytes that may be on their way from the worker to one link. */
const CREDIT_BYTES = 1024 * 1024;

export interface SnapshotOptions {
  link: Link;
  shardCount: number;
  snapshot: (request: SnapshotRequest) => SnapshotRun;
  /** All of it was written. */
  onEnd(info: { stale: boolean }): void;
  onLost(): void;
  onFailed(): void;
}

/** Streams the snapshot of the link's position to it, until it ends or `link.cancelSnapshot` is called. */
export function streamSnapshot({
  link,
  shardCount,
  snapshot,
  onEnd,
  onLost,
  onFailed,
}: SnapshotOptions): void {
  let owed = CREDIT_BYTES;
  let over = false;
  let run: SnapshotRun | undefined;
  const finish = (): void => {
    over = true;
    link.cancelSnapshot = undefined;
    link.creditSnapshot = undefined;
  };
  const giveCredit = (): void => {
    if (over || !run || owed === 0 || link.socket.writableLength > SLOW_BYTES) return;
    const bytes = owed;
    owed = 0;
    run.credit(bytes);
  };
  link.creditSnapshot = giveCredit;
  link.cancelSnapshot = () => {
    finish();
    run?.cancel();
  };
  run = snapshot({
    shard: link.shard,
    shardCount,
    epoch: link.epoch,
    s: link.s,
    sessionId: link.sessionId,
    resumeUrl: link.url,
    onPayloads(payloads) {
      if (over || payloads.length === 0) return;
      const frames = payloads.map((payload) => link.frame(payload));
      for (const payload of payloads) owed += payload.length;
      link.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
      giveCredit();
    },
    onEnd(info) {
      if (over) return;
      finish();
      onEnd(info);
    },
    onLost() {
      if (over) return;
      finish();
      onLost();
    },
    onFailed() {
      if (over) return;
      finish();
      onFailed();
    },
  });
  giveCredit();
}
