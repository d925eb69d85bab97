// The door with its real worker thread. What the thread decides is tested in keeper.test.ts; here it is that
// messages arrive, and that nothing is lost with a thread.

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import type { OperatingError } from '../base/errors.ts';
import { createLog } from '../base/log.ts';
import type { Position } from '../journal/position.ts';
import { createSegmentWriter, type Json, makeGuild, makeReady, snowflake } from './fixture.ts';
import { forEachFrame } from './snapshot.ts';
import type { SnapshotHandle, SnapshotHead, SnapshotOutcome } from './snapshot-stream.ts';
import { openState, type State, type StateOptions } from './state.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-state-door-'));
after(() => fs.rmSync(root, { recursive: true, force: true }));
// A thread that a failed test leaves behind would keep the process alive.
const opened: State[] = [];
afterEach(() => Promise.all(opened.splice(0).map((state) => state.close())));
let folders = 0;

function createFolder(guilds: number) {
  folders++;
  const directory = path.join(root, String(folders));
  const journalDirectory = path.join(directory, 'journal');
  const writer = createSegmentWriter(journalDirectory);
  const ids = Array.from({ length: guilds }, () => snowflake());
  writer.append(4, 1, 1, 'READY', makeReady(ids));
  for (const [i, id] of ids.entries())
    writer.append(4, 1, 2 + i, 'GUILD_CREATE', makeGuild(id, { members: 200 }));
  const lines: string[] = [];
  const log = createLog({ level: 'info', now: () => 0, write: (line) => void lines.push(line) });
  const tip: Position = { epoch: 1, s: 1 + guilds };
  const open = (extra: Partial<StateOptions> = {}): State => {
    const state = openState({ directory, journalDirectory, clock: systemClock, log, ...extra });
    opened.push(state);
    return state;
  };
  return { directory, writer, ids, lines, tip, open };
}

/** Takes a whole snapshot, granting credit chunk by chunk. */
async function take(state: State, at: Position, credit = 1) {
  const frames: Array<{ t: string; s: number; d: Json }> = [];
  let head: SnapshotHead | undefined;
  const outcome = await new Promise<SnapshotOutcome>((resolve) => {
    const handle: SnapshotHandle = state.snapshot(
      { shard: 4, shardCount: 8, sessionId: 'ours', resumeUrl: 'ws://localhost:1', ...at, credit },
      {
        head: (told) => {
          head = told;
        },
        chunk(bytes) {
          forEachFrame(bytes, (start, end) => {
            frames.push(
              JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()),
            );
          });
          handle.grant(bytes.length);
        },
        end: resolve,
      },
    );
  });
  return { outcome, head, frames };
}

describe('state', () => {
  test('sends a snapshot through its thread, and knows what it has folded after a restart', async () => {
    const { writer, ids, tip, open } = createFolder(8);
    const first = open();
    assert.equal(first.shardStatus(4), undefined);
    first.appended(writer.end());
    await first.caughtUp();
    assert.deepEqual(first.shardStatus(4), { epoch: 1, s: 0 });
    assert.equal((await take(first, { epoch: 3, s: 9 })).outcome, 'lost');
    const { outcome, head, frames } = await take(first, tip);
    assert.equal(outcome, 'done');
    assert.deepEqual(head, { position: tip, stale: false, guilds: 8, lastS: tip.s });
    assert.deepEqual(
      frames.map(({ d }) => d['id']),
      [undefined, ...ids],
    );
    first.setLimits([{ shard: 4, ...tip }], writer.end());
    await first.close();
    const second = open();
    second.appended(writer.end());
    await second.caughtUp();
    assert.deepEqual(second.shardStatus(4), tip);
    assert.deepEqual(second.frontier(), writer.end());
    assert.deepEqual((await take(second, tip)).frames, frames);
    await second.close();
  });

  test('starts its thread again when that dies, and goes on', async () => {
    const { directory, writer, lines, tip, open } = createFolder(40);
    const before = open();
    before.appended(writer.end());
    before.setLimits([{ shard: 4, ...tip }], writer.end());
    await before.close();
    // Damage that shows only when a guild is read.
    const file = path.join(directory, 'state.db');
    const handle = fs.openSync(file, 'r+');
    const pages = fs.statSync(file).size / 4096;
    for (let page = 20; page < pages; page++)
      fs.writeSync(handle, Buffer.alloc(100, 0xff), 0, 100, page * 4096);
    fs.closeSync(handle);
    const state = open();
    state.appended(writer.end());
    state.setLimits([{ shard: 4, ...tip }], writer.end());
    await state.caughtUp();
    assert.equal((await take(state, tip, 1e9)).outcome, 'failed');
    assert.equal((await take(state, tip)).outcome, 'failed');
    await state.caughtUp();
    const { outcome, frames } = await take(state, tip);
    assert.equal(outcome, 'done');
    assert.equal(frames.length, 41);
    assert.equal(state.stats().restarts, 1);
    assert.ok(lines.some((line) => line.includes('state.worker-died')));
    assert.ok(lines.some((line) => line.includes('state.set-aside')));
    await state.close();
  });

  test('says so when the database cannot be opened at all', async () => {
    const { directory, open } = createFolder(1);
    fs.mkdirSync(path.join(directory, 'state.db'));
    const error = await new Promise<OperatingError>((resolve) => {
      const state = open({
        onUnusable: (unusable) => {
          void state.close();
          resolve(unusable);
        },
      });
    });
    assert.equal(error.code, 'STATE_UNUSABLE');
  });
});
