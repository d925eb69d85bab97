// Handlers' sessions on a disk in memory: what a RESUME finds again, also after a restart.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../base/log.ts';
import { createMemoryDisk, type MemoryDisk } from '../store/memory-disk.ts';
import { openRecordFile, type RecordFile } from '../store/record-file.ts';
import { type HandlerSession, openHandlerSessions } from './handler-sessions.ts';

const FILE = '/state/handlers.log';

function session(id: string, change: Partial<HandlerSession> = {}): HandlerSession {
  return { id, name: 'bot', shard: 0, shardCount: 2, epoch: 1, p: 10, intents: 1, ...change };
}

function openFile(disk: MemoryDisk): RecordFile<HandlerSession> {
  return openRecordFile<HandlerSession>({ disk, path: FILE, log: silentLog });
}

const unexpected = (error: unknown): void => {
  throw error;
};

describe('handler sessions', () => {
  it('are found by id, and by none of the names that objects have', () => {
    const sessions = openHandlerSessions(openFile(createMemoryDisk()), unexpected);
    const row = session('a');
    sessions.add(row);
    assert.deepEqual(sessions.find('a'), row);
    for (const id of ['b', '', '__proto__', 'constructor']) assert.equal(sessions.find(id), undefined);
  });

  it('are found again after a restart', () => {
    const disk = createMemoryDisk();
    const sessions = openHandlerSessions(openFile(disk), unexpected);
    sessions.add(session('a'));
    sessions.add(session('b', { shard: 1, p: 77 }));
    const again = openHandlerSessions(openFile(disk), unexpected);
    assert.deepEqual(again.find('a'), session('a'));
    assert.deepEqual(again.find('b'), session('b', { shard: 1, p: 77 }));
  });

  it('are written into a new file when the old one vanished', () => {
    const sessions = openHandlerSessions(openFile(createMemoryDisk()), unexpected);
    sessions.add(session('a'));
    const disk = createMemoryDisk();
    sessions.recreate(openFile(disk));
    sessions.add(session('b'));
    const again = openHandlerSessions(openFile(disk), unexpected);
    assert.deepEqual(again.find('a'), session('a'));
    assert.deepEqual(again.find('b'), session('b'));
  });

  it('are kept for the newest four of each handler and shard', () => {
    const disk = createMemoryDisk();
    const sessions = openHandlerSessions(openFile(disk), unexpected);
    for (let i = 0; i < 6; i++) sessions.add(session(`bot-${i}`));
    sessions.add(session('other', { name: 'logger' }));
    sessions.add(session('shard', { shard: 1 }));
    for (const table of [sessions, openHandlerSessions(openFile(disk), unexpected)]) {
      const kept = ['bot-0', 'bot-1', 'bot-2', 'bot-3', 'bot-4', 'bot-5', 'other', 'shard'].filter((id) =>
        table.find(id),
      );
      assert.deepEqual(kept, ['bot-2', 'bot-3', 'bot-4', 'bot-5', 'other', 'shard']);
    }
  });

  it('live on in memory when the disk refuses, which is told', () => {
    const disk = createMemoryDisk();
    const errors: unknown[] = [];
    const sessions = openHandlerSessions(openFile(disk), (error) => errors.push(error));
    disk.fail({ call: 'write', path: FILE, code: 'ENOSPC' });
    sessions.add(session('a'));
    assert.equal(errors.length, 1);
    assert.ok(sessions.find('a'));
    sessions.add(session('b'));
    const again = openHandlerSessions(openFile(disk), unexpected);
    assert.deepEqual([again.find('a'), again.find('b')?.id], [undefined, 'b']);
  });

  it('shrink their file at the next start when most of it is old', () => {
    const disk = createMemoryDisk();
    const sessions = openHandlerSessions(openFile(disk), unexpected);
    for (let i = 0; i < 50; i++) sessions.add(session(`s${i}`));
    const before = disk.contents(FILE).length;
    openHandlerSessions(openFile(disk), unexpected);
    assert.ok(disk.contents(FILE).length < before / 5);
    assert.equal(openFile(disk).records.length, 4);
  });
});
