import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Status } from '../admin/status.ts';
import { exampleShard, exampleStatus, NOW } from './example-status.ts';
import { formatStatus } from './status-view.ts';
import { formatAge, formatBytes, formatTable } from './table.ts';

function view(status: Status): string {
  return formatStatus(status, { now: NOW, paint: (_tone, text) => text });
}

describe('status view', () => {
  it('fits on one screen when all is well', () => {
    assert.equal(
      view(exampleStatus()),
      `holdfast 0.1.0, bot Dicey (100000000000000001), pid 812, up 1d 2h
shards     3: 3 live
  shard  phase  session       s  resumes  identifies  reconnects  latency  last event
      0  live     1d 1h  41,152        2           1           2     42ms       120ms
      1  live     1d 1h  41,152        2           1           2     42ms       120ms
      2  live     1d 1h  41,152        2           1           2     42ms       120ms
identifies 812 of 1,000 left, reset in 5h 3m, 4 sent in 24 hours, 0 waiting
journal    1.2 GiB in 20 segments, 278 KiB/s, a handler can be away for 30m
handlers
  handler  state             most lag  delivered  expired  in doubt  lost
  default  2 live, 1 behind     1,234    123,450        0         0     0
  logger   away                     0     41,150        0         0     0
events     123,456 dispatched, 123,450 delivered, 3 not folded yet`,
    );
  });

  it('lists only the shards that are not well when there are many', () => {
    const shards = Array.from({ length: 164 }, (_, id) =>
      exampleShard(id, id % 8 === 0 ? { phase: 'resuming' } : {}),
    );
    const text = view({ ...exampleStatus(), shards });
    assert.match(text, /^shards {5}164: 143 live, 21 resuming$/m);
    assert.equal(text.match(/^ +\d+ {2}resuming/gm)?.length, 16);
    assert.match(text, /^ {2}and 5 more; see --json$/m);
    assert.ok(!/^ +\d+ {2}live/m.test(text));
  });

  it('points out a journal that reaches back less than ten minutes, or cannot be written', () => {
    const status = exampleStatus();
    const short = view({ ...status, journal: { ...status.journal, windowMinutes: 7.5 } });
    assert.match(short, /278 KiB\/s, a handler can be away for 7m 30s only$/m);
    const failing = view({ ...status, journal: { ...status.journal, condition: 'failing' } });
    assert.match(failing, /can be away for 30m, failing$/m);
  });

  it('shows that identifies have stopped at the floor', () => {
    const status = exampleStatus();
    const text = view({ ...status, ledger: { ...status.ledger, remaining: 10 } });
    assert.match(text, /! the last 10 are kept: no IDENTIFY is sent before the reset/);
  });

  it('shows losses and warnings', () => {
    const status = exampleStatus();
    const text = view({
      ...status,
      totals: { ...status.totals, lost: 2, expired: 5 },
      warnings: ['mind the gap'],
    });
    assert.match(text, /^! 5 expired, 2 lost$/m);
    assert.match(text, /^! mind the gap$/m);
  });

  it('has something to say before there is anything', () => {
    const status = exampleStatus();
    const text = view({
      ...status,
      shards: [],
      handlers: [],
      ledger: { ...status.ledger, total: null, remaining: null, resetAt: null },
      journal: { ...status.journal, windowMinutes: null, bytes: 0 },
    });
    assert.match(text, /shards {5}none yet/);
    assert.match(text, /Discord has not told the budget yet/);
    assert.match(text, /handlers {3}none has connected yet/);
  });
});

describe('table', () => {
  it('aligns numbers to the right and words to the left', () => {
    assert.deepEqual(
      formatTable(
        ['name', 'count'],
        [
          ['a', '1'],
          ['long', '1,000'],
        ],
      ),
      ['name  count', 'a         1', 'long  1,000'],
    );
  });

  it('writes ages and sizes with two units at most', () => {
    assert.equal(formatAge(240), '240ms');
    assert.equal(formatAge(61_000), '1m 1s');
    assert.equal(formatAge(3_600_000), '1h');
    assert.equal(formatAge(90_061_000), '1d 1h');
    assert.equal(formatBytes(0), '0 B');
    assert.equal(formatBytes(1536), '1.5 KiB');
    assert.equal(formatBytes(200 * 1024 ** 3), '200 GiB');
  });
});
