// The sessions that handlers hold with us: what a RESUME must find again, also after a restart. A row is written
// before its READY is sent. Only the newest rows of each handler and shard are kept.

import type { RecordFile } from '../store/record-file.ts';

/** One handler session. A `seq` below `p` in a RESUME means that its snapshot was never finished. */
export interface HandlerSession {
  readonly id: string;
  readonly name: string;
  readonly shard: number;
  readonly shardCount: number;
  readonly epoch: number;
  /** The `s` of the snapshot's last frame. */
  readonly p: number;
  readonly intents: number;
}

export interface HandlerSessions {
  find(id: string): HandlerSession | undefined;
  /** Written before this returns; a failing disk is told to `onFailed`, and the session then lives in memory. */
  add(session: HandlerSession): void;
  /** Writes everything into a new file: the folder vanished. */
  recreate(file: RecordFile<HandlerSession>): void;
}

const KEPT_PER_SHARD = 4;
const COMPACT_AFTER_APPENDS = 20_000;

/** Opens the table on its file. */
export function openHandlerSessions(
  opened: RecordFile<HandlerSession>,
  onFailed: (error: unknown) => void,
): HandlerSessions {
  let file = opened;
  const byId = new Map<string, HandlerSession>();
  const byShard = new Map<string, HandlerSession[]>();
  let appends = 0;

  const keep = (session: HandlerSession): void => {
    const key = `${session.shard}/${session.name}`;
    const kept = byShard.get(key) ?? [];
    kept.push(session);
    byId.set(session.id, session);
    if (kept.length > KEPT_PER_SHARD) byId.delete(kept.shift()!.id);
    byShard.set(key, kept);
  };
  const attempt = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      onFailed(error);
    }
  };

  for (const session of file.records) keep(session);
  if (file.records.length > byId.size * 2) attempt(() => file.rewrite([...byId.values()]));

  return {
    find: (id) => byId.get(id),
    add(session) {
      keep(session);
      attempt(() => file.append(session));
      if (++appends % COMPACT_AFTER_APPENDS === 0) attempt(() => file.rewrite([...byId.values()]));
    },
    recreate(next) {
      file = next;
      attempt(() => file.rewrite([...byId.values()]));
    },
  };
}
