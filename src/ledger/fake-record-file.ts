// A record file in memory for tests: it knows what is synced, can fail, and can be crashed and opened again.

import type { RecordFile } from '../store/record-file.ts';

export interface FakeRecordFile<T> extends RecordFile<T> {
  readonly rows: T[];
  /** How many rows are on stable storage. */
  readonly synced: number;
  /** While set, these calls throw. */
  failing: 'nothing' | 'append' | 'sync' | 'all';
  /** Runs inside `syncNow`: a slow disk. */
  onSync: () => void;
  /** What a start after a crash finds: the synced rows, and `more` of those after them. */
  crash(more?: number): FakeRecordFile<T>;
}

/** Creates a file that holds `records`, all of them synced. */
export function createFakeRecordFile<T>(records: readonly T[] = [], setAside?: string): FakeRecordFile<T> {
  const rows = [...records];
  let synced = rows.length;
  const fail = (call: 'append' | 'sync'): void => {
    if (file.failing === call || file.failing === 'all')
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  const file: FakeRecordFile<T> = {
    records: [...records],
    setAside,
    rows,
    get synced() {
      return synced;
    },
    failing: 'nothing',
    onSync() {},
    append(record) {
      fail('append');
      rows.push(record);
    },
    syncNow() {
      fail('sync');
      file.onSync();
      synced = rows.length;
    },
    rewrite(next) {
      fail('append');
      rows.splice(0, rows.length, ...next);
      synced = rows.length;
    },
    close() {},
    crash: (more = 0) => createFakeRecordFile(rows.slice(0, synced + more)),
  };
  return file;
}
