// What the door and its worker thread say to each other. Only what structured clone carries.

import type { LogFields, LogLevel } from '../base/log.ts';
import type { LogPosition } from '../journal/position.ts';
import type { FoldOptions } from './fold-event.ts';
import type { KeeperStatus, KeeperTuning, ShardPosition, SnapshotRequest } from './keeper.ts';
import type { SnapshotHead, SnapshotOutcome } from './snapshot-stream.ts';

/** What a worker is started with. */
export interface WorkerSetup extends FoldOptions, KeeperTuning {
  readonly databaseFile: string;
  readonly journalDirectory: string;
}

export type ToWorker =
  | { readonly type: 'appended'; readonly to: LogPosition }
  | { readonly type: 'limits'; readonly limits: readonly ShardPosition[]; readonly synced: LogPosition }
  | { readonly type: 'catch-up'; readonly id: number }
  | { readonly type: 'snapshot'; readonly id: number; readonly request: SnapshotRequest }
  | { readonly type: 'grant'; readonly id: number; readonly bytes: number }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'close' };

export type FromWorker =
  | { readonly type: 'status'; readonly status: KeeperStatus }
  | { readonly type: 'caught-up'; readonly id: number; readonly status: KeeperStatus }
  | { readonly type: 'head'; readonly id: number; readonly head: SnapshotHead }
  | { readonly type: 'chunk'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly id: number; readonly outcome: SnapshotOutcome }
  | {
      readonly type: 'log';
      readonly level: LogLevel;
      readonly event: string;
      readonly fields?: LogFields | undefined;
      readonly text?: string | undefined;
    }
  /** The database can't be opened at all; the worker ends. */
  | { readonly type: 'unusable'; readonly message: string };
