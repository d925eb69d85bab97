// For tests: a journal on a disk in memory, with what it delivered and told, and a payload per position that says
// which position it is, so that nothing can be swapped, doubled or changed unseen.

import assert from 'node:assert/strict';
import { createFakeClock } from '../base/fake-clock.ts';
import { createLog } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { createMemoryDisk } from '../store/memory-disk.ts';
import { EVENT } from '../wire/event-type.ts';
import { type Journal, type JournalCondition, type JournalOptions, openJournal } from './journal.ts';
import type { Position } from './position.ts';
import type { ReadOutcome } from './reader.ts';
import { createRecordHeader, KIND, readRecord, recordIsSound } from './record.ts';

export const DIRECTORY = '/state/journal';

/** A record as a reader or a delivery showed it. */
export interface Seen {
  readonly shard: number;
  readonly epoch: number;
  readonly s: number;
}

export type FixtureOptions = Partial<
  Pick<JournalOptions, 'segmentBytes' | 'maxBytes' | 'maxAgeMs' | 'cursors' | 'onAppended'>
>;

export type Fixture = ReturnType<typeof openFixture>;

/** The payload of a position: its name, padded to `size`. */
export function payloadOf(at: Seen, size: number): Buffer {
  const name = `${nameOf(at)}/${size}/`;
  const payload = Buffer.alloc(Math.max(size, name.length), '.');
  payload.write(name);
  return payload;
}

function nameOf(at: Seen): string {
  return `${at.shard}/${at.epoch}/${at.s}`;
}

function checkPayload(at: Seen, payload: Buffer): void {
  const size = Number(payload.toString('utf8', 0, 100).split('/')[3]);
  assert.ok(
    payload.equals(payloadOf(at, size)),
    `payload of ${nameOf(at)}: ${payload.toString('utf8', 0, 60)}`,
  );
}

/** Opens a journal on an empty disk in memory. */
export function openFixture(options: FixtureOptions = {}) {
  const disk = createMemoryDisk();
  const clock = createFakeClock();
  const delivered: Seen[] = [];
  const conditions: JournalCondition[] = [];
  const logged: Array<Record<string, unknown>> = [];
  const log = createLog({
    level: 'debug',
    now: clock.now,
    write: (line) => logged.push(JSON.parse(line) as Record<string, unknown>),
  });

  const open = (): Journal =>
    openJournal({
      disk,
      directory: DIRECTORY,
      clock,
      log,
      segmentBytes: 4096,
      maxBytes: 1024 ** 3,
      maxAgeMs: 86_400_000,
      cursors: () => [],
      ...options,
      onAppended(buffer, end) {
        deliver(buffer, end);
        options.onAppended?.(buffer, end);
      },
      onCondition: (condition) => conditions.push(condition),
    });

  const deliver = (buffer: Buffer, end: number): void => {
    const header = createRecordHeader();
    for (let at = 0; at < end; ) {
      const next = readRecord(buffer, at, end, header);
      assert.ok(next > 0 && recordIsSound(buffer, at, next), 'a delivered record is whole');
      const { kind, shard, epoch, s, payloadStart, payloadEnd } = header;
      if (kind === KIND.DISPATCH) {
        checkPayload({ shard, epoch, s }, buffer.subarray(payloadStart, payloadEnd));
        delivered.push({ shard, epoch, s });
      }
      at = next;
    }
  };

  const fixture = {
    disk,
    clock,
    delivered,
    conditions,
    logged,
    journal: open(),
    /** Appends the next event of a shard, in a buffer with other bytes around it. */
    append(shard: number, size = 100, type: number = EVENT.MESSAGE_CREATE): Seen {
      const last = fixture.last(shard);
      return fixture.put({ shard, epoch: Math.max(1, last.epoch), s: last.s + 1 }, size, type);
    },
    /** Begins a shard's next epoch with its READY. */
    appendReady(shard: number): Seen {
      return fixture.put({ shard, epoch: fixture.last(shard).epoch + 1, s: 1 }, 100, EVENT.READY);
    },
    put(at: Seen, size = 100, type: number = EVENT.MESSAGE_CREATE): Seen {
      const payload = payloadOf(at, size);
      const around = Buffer.concat([Buffer.from('before'), payload, Buffer.from('after')]);
      lasts.set(at.shard, { epoch: at.epoch, s: at.s });
      fixture.journal.append(at.shard, at.epoch, at.s, type, clock.now(), around, 6, 6 + payload.length);
      return at;
    },
    /** What was appended last, whether it is written or not. */
    last: (shard: number): Position => lasts.get(shard) ?? fixture.journal.tip(shard),
    /** Everything a reader shows from a position on, in turns of `turnBytes`. */
    readAll(shard: number, from: Position = { epoch: 0, s: 0 }, turnBytes = 500): Seen[] {
      const { seen, outcome } = fixture.readUntil(shard, from, turnBytes);
      assert.equal(outcome, 'end');
      return seen;
    },
    readUntil(shard: number, from: Position, turnBytes = 500): { seen: Seen[]; outcome: ReadOutcome } {
      const reader = fixture.journal.reader(shard, from);
      const seen: Seen[] = [];
      for (;;) {
        const outcome = reader.read(turnBytes, (header, buffer) => {
          const at = { shard: header.shard, epoch: header.epoch, s: header.s };
          checkPayload(at, buffer.subarray(header.payloadStart, header.payloadEnd));
          seen.push(at);
          return true;
        });
        if (outcome !== 'more') return { seen, outcome };
      }
    },
    segments: (): string[] => disk.list(DIRECTORY),
    /** Ends the process cleanly and starts the next one. */
    reopen(): void {
      fixture.journal.close();
      fixture.start();
    },
    /** Starts the next process on whatever is on the disk. */
    start(): void {
      lasts.clear();
      fixture.journal = open();
    },
    /** Power fails; what was not synced is gone or, with `keep`, a random part of it. */
    crash(keep?: Random): void {
      fixture.journal.close();
      disk.crash(keep ? { keep } : {});
      fixture.start();
    },
    events: (): unknown[] => logged.map((line) => line['event']),
  };
  const lasts = new Map<number, Position>();
  return fixture;
}

/** The positions of one shard and epoch from `first` to `last`. */
export function run(shard: number, first: number, last: number, epoch = 1): Seen[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => ({ shard, epoch, s: first + i }));
}
