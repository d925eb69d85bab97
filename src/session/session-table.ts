// What of upstream must survive anything: the layout that was decided at the first start, each shard's session,
// and now and then how far the journal had got. The journal's own tip is what RESUME uses; the positions here
// only serve when the journal is lost and the sessions are not.

import type { RecordFile } from '../store/record-file.ts';
import type { Transport } from '../wire/compression.ts';

/** Decided once, at the first start, and kept with the sessions: another value costs an IDENTIFY per shard. */
export interface FixedLayout {
  readonly shardCount: number;
  readonly intents: number;
  readonly largeThreshold: number;
  /** The bot's user id, from the token's first part: sessions belong to it. */
  readonly botId: string;
}

/** One upstream session. An epoch is a shard's how-manieth session it is. */
export interface StoredSession {
  readonly shard: number;
  readonly epoch: number;
  readonly sessionId: string;
  readonly resumeUrl: string;
  readonly transport: Transport;
}

/** A shard's position: shard, epoch, s. */
export type StoredTip = readonly [shard: number, epoch: number, s: number];

/** A row of the file. `reset` forgets everything before it. */
export type SessionRow =
  | { readonly type: 'layout'; readonly layout: FixedLayout }
  | { readonly type: 'session'; readonly session: StoredSession }
  | { readonly type: 'lost'; readonly shard: number }
  | { readonly type: 'tips'; readonly tips: readonly StoredTip[] }
  | { readonly type: 'reset'; readonly epochs: ReadonlyArray<readonly [shard: number, epoch: number]> };

export interface SessionTable {
  layout(): FixedLayout | undefined;
  session(shard: number): StoredSession | undefined;
  tip(shard: number): StoredTip | undefined;
  /** Each of these is on stable storage when it returns, and throws the disk's error otherwise. */
  decide(layout: FixedLayout): void;
  begin(session: StoredSession): void;
  lose(shard: number): void;
  checkpoint(tips: readonly StoredTip[]): void;
  /** Forgets layout and sessions. `epochs` are the newest ones by shard: no session of theirs comes back. */
  reset(epochs: ReadonlyArray<readonly [shard: number, epoch: number]>): void;
  /** Sessions of this epoch and older were given up; 0 when none were. */
  givenUp(shard: number): number;
  /** Writes everything into a new file: the folder vanished. */
  recreate(file: RecordFile<SessionRow>): void;
}

const COMPACT_AFTER_APPENDS = 2_000;

/** Opens the table on its file. */
export function openSessionTable(opened: RecordFile<SessionRow>): SessionTable {
  let file = opened;
  let layout: FixedLayout | undefined;
  const sessions = new Map<number, StoredSession>();
  const tips = new Map<number, StoredTip>();
  const givenUp = new Map<number, number>();
  let appends = 0;

  const apply = (row: SessionRow): void => {
    if (row.type === 'layout') layout = row.layout;
    else if (row.type === 'session') sessions.set(row.session.shard, row.session);
    else if (row.type === 'lost') sessions.delete(row.shard);
    else if (row.type === 'tips') for (const tip of row.tips) tips.set(tip[0], tip);
    else {
      layout = undefined;
      sessions.clear();
      for (const [shard, epoch] of row.epochs) givenUp.set(shard, epoch);
    }
  };
  const rows = (): SessionRow[] => [
    { type: 'reset', epochs: [...givenUp] },
    ...(layout ? [{ type: 'layout', layout } as const] : []),
    ...Array.from(sessions.values(), (session) => ({ type: 'session', session }) as const),
    { type: 'tips', tips: [...tips.values()] },
  ];
  const write = (row: SessionRow): void => {
    file.append(row);
    file.syncNow();
    apply(row);
    if (++appends % COMPACT_AFTER_APPENDS === 0) file.rewrite(rows());
  };

  for (const row of file.records) apply(row);
  if (file.records.length > 2 * rows().length + 16) file.rewrite(rows());

  return {
    layout: () => layout,
    session: (shard) => sessions.get(shard),
    tip: (shard) => tips.get(shard),
    decide: (decided) => write({ type: 'layout', layout: decided }),
    begin: (session) => write({ type: 'session', session }),
    lose: (shard) => write({ type: 'lost', shard }),
    checkpoint: (current) => write({ type: 'tips', tips: current }),
    reset: (epochs) => write({ type: 'reset', epochs }),
    givenUp: (shard) => givenUp.get(shard) ?? 0,
    recreate(next) {
      file = next;
      file.rewrite(rows());
    },
  };
}
