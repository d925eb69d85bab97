// The rules of cursors one by one, then all of them at once against a model that remembers for every single event
// who was given it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { comparePositions, type Position } from '../journal/position.ts';
import { type CursorRow, type Cursors, createCursors } from './cursors.ts';

const NOW = 1_700_000_000_000;
const at = (s: number, epoch = 1): Position => ({ epoch, s });

function create(rows: CursorRow[] = [], tip: Position = at(0, 0)): Cursors {
  return createCursors(rows, NOW, () => tip);
}

/** A cursor that a link has taken up to `s`. */
function begun(s = 10): Cursors {
  const cursors = create();
  cursors.begin('bot', 0, at(s));
  return cursors;
}

function end(cursors: Cursors, sent: Position, died = true): void {
  cursors.end('bot', 0, { sent, died, now: NOW });
}

function start(cursors: Cursors): { from: number; doubtUpTo: number; skippedAfter: number } {
  const found = cursors.start('bot', 0)!;
  return { from: found.from.s, doubtUpTo: found.doubtUpTo.s, skippedAfter: found.skippedAfter.s };
}

describe('a cursor', () => {
  it('of a new name is nowhere', () => {
    const cursors = create();
    assert.equal(cursors.start('bot', 0), undefined);
    assert.equal(cursors.get('bot', 0), undefined);
    cursors.end('bot', 0, { sent: at(5), died: true, now: NOW });
    cursors.jump('bot', 0, at(5));
    assert.equal(cursors.get('bot', 0), undefined);
  });

  it('belongs to one name and one shard', () => {
    const cursors = begun();
    cursors.begin('bot', 1, at(20));
    cursors.begin('logger', 0, at(30));
    cursors.prove('bot', 1, at(25));
    assert.deepEqual(
      [...cursors.all()].map(({ name, shard, proven }) => [name, shard, proven.s]),
      [
        ['bot', 0, 10],
        ['bot', 1, 25],
        ['logger', 0, 30],
      ],
    );
  });

  it('moves on proof, and not when something is written or a link begins', () => {
    const cursors = begun();
    end(cursors, at(50));
    assert.equal(cursors.get('bot', 0)!.proven.s, 10);
    cursors.begin('bot', 0, at(40));
    assert.equal(cursors.get('bot', 0)!.proven.s, 10);
    cursors.prove('bot', 0, at(20));
    assert.equal(cursors.get('bot', 0)!.proven.s, 20);
  });

  it('never goes back: a late proof, a jump back, an older epoch change nothing', () => {
    const cursors = begun();
    cursors.prove('bot', 0, at(20, 2));
    cursors.prove('bot', 0, at(19, 2));
    cursors.prove('bot', 0, at(500, 1));
    cursors.jump('bot', 0, at(5, 2));
    cursors.jump('bot', 0, at(900, 1));
    assert.deepEqual(cursors.get('bot', 0)!.proven, at(20, 2));
  });

  it('that was lost is found again by a RESUME', () => {
    const cursors = create();
    cursors.prove('bot', 0, at(33));
    assert.deepEqual(start(cursors), { from: 33, doubtUpTo: 33, skippedAfter: 33 });
    assert.equal(cursors.get('bot', 0)!.connected, false);
  });

  it('has nothing in doubt when all was proven', () => {
    const cursors = begun();
    cursors.prove('bot', 0, at(20));
    end(cursors, at(20));
    assert.deepEqual(start(cursors), { from: 20, doubtUpTo: 20, skippedAfter: 20 });
  });

  it('has in doubt what was written and not proven, and it is delivered once more', () => {
    const cursors = begun();
    cursors.prove('bot', 0, at(20));
    end(cursors, at(25));
    assert.deepEqual(start(cursors), { from: 20, doubtUpTo: 25, skippedAfter: 20 });
  });

  it('skips what two links died over', () => {
    const cursors = begun();
    end(cursors, at(15));
    end(cursors, at(15));
    assert.deepEqual(start(cursors), { from: 15, doubtUpTo: 15, skippedAfter: 10 });
    assert.equal(cursors.skipped, 5);
    assert.deepEqual(start(cursors), { from: 15, doubtUpTo: 15, skippedAfter: 15 });
  });

  for (const [first, second] of [
    [20, 15],
    [15, 20],
  ] as const) {
    it(`skips only what both were given, and has the rest in doubt (${first}, then ${second})`, () => {
      const cursors = begun();
      end(cursors, at(first));
      end(cursors, at(second));
      assert.deepEqual(start(cursors), { from: 15, doubtUpTo: 20, skippedAfter: 10 });
    });
  }

  it('forgets a death when a later link got further', () => {
    const cursors = begun();
    end(cursors, at(15));
    cursors.begin('bot', 0, at(10));
    cursors.prove('bot', 0, at(12));
    end(cursors, at(15));
    assert.deepEqual(start(cursors), { from: 12, doubtUpTo: 15, skippedAfter: 12 });
  });

  it('does not count as a death what was not the handler', () => {
    const cursors = begun();
    for (let i = 0; i < 5; i++) end(cursors, at(15), false);
    assert.deepEqual(start(cursors), { from: 10, doubtUpTo: 15, skippedAfter: 10 });
    end(cursors, at(15), true);
    assert.deepEqual(start(cursors), { from: 10, doubtUpTo: 15, skippedAfter: 10 });
  });

  it('does not count as a death the end of a link that was given nothing', () => {
    const cursors = begun();
    for (let i = 0; i < 5; i++) end(cursors, at(10));
    end(cursors, at(15));
    assert.deepEqual(start(cursors), { from: 10, doubtUpTo: 15, skippedAfter: 10 });
  });

  it('jumps over a gap, and keeps in doubt what lies beyond', () => {
    const cursors = begun();
    end(cursors, at(30));
    cursors.jump('bot', 0, at(20));
    assert.deepEqual(start(cursors), { from: 20, doubtUpTo: 30, skippedAfter: 20 });
    end(cursors, at(30));
    assert.equal(start(cursors).from, 30, 'the first death is remembered');
  });

  it('jumps into the next epoch with nothing in doubt', () => {
    const cursors = begun();
    end(cursors, at(30));
    cursors.jump('bot', 0, at(1, 2));
    const found = cursors.start('bot', 0)!;
    assert.deepEqual(found, { from: at(1, 2), doubtUpTo: at(1, 2), skippedAfter: at(1, 2) });
  });

  it('is away from when its link ended', () => {
    const cursors = begun();
    assert.deepEqual([cursors.get('bot', 0)!.connected, cursors.get('bot', 0)!.awaySince], [true, 0]);
    end(cursors, at(10));
    assert.deepEqual([cursors.get('bot', 0)!.connected, cursors.get('bot', 0)!.awaySince], [false, NOW]);
  });
});

describe('rows of cursors', () => {
  it('are given once for each change', () => {
    const cursors = begun();
    assert.equal(cursors.takeChanges().length, 1);
    assert.deepEqual(cursors.takeChanges(), []);
    cursors.prove('bot', 0, at(9));
    assert.deepEqual(cursors.takeChanges(), [], 'a late proof changes nothing');
    cursors.prove('bot', 0, at(11));
    cursors.prove('bot', 0, at(12));
    assert.deepEqual(cursors.takeChanges(), [['bot', 0, 1, 12, 1, 12, 12, 0, 1, 0]]);
  });

  it('bring a cursor back as it was', () => {
    const cursors = begun();
    cursors.prove('bot', 0, at(12));
    end(cursors, at(30));
    const rows = JSON.parse(JSON.stringify(cursors.rows())) as CursorRow[];
    const again = create(rows, at(100));
    assert.deepEqual([...again.all()], [...cursors.all()]);
    end(again, at(20));
    assert.deepEqual(start(again), { from: 20, doubtUpTo: 30, skippedAfter: 12 });
  });

  it('that come later win', () => {
    const older: CursorRow = ['bot', 0, 1, 12, 1, 12, 12, 0, 0, 5];
    const newer: CursorRow = ['bot', 0, 1, 40, 1, 41, 40, 0, 0, 6];
    assert.deepEqual(create([older, newer]).rows(), [newer]);
  });

  it('of a link that was connected when we died have all in doubt, and no death held against it', () => {
    const row: CursorRow = ['bot', 0, 1, 12, 1, 20, 20, 1, 1, 0];
    const cursors = create([row], at(90));
    assert.deepEqual(start(cursors), { from: 12, doubtUpTo: 90, skippedAfter: 12 });
    assert.deepEqual({ ...cursors.get('bot', 0)! }.awaySince, NOW);
    end(cursors, at(90));
    assert.deepEqual(start(cursors), { from: 12, doubtUpTo: 90, skippedAfter: 12 });
  });

  it('of a link that was connected never have another epoch in doubt: a link gets one', () => {
    const cursors = create([['bot', 0, 1, 12, 1, 12, 12, 0, 1, 0]], at(90, 2));
    const { doubtUpTo } = cursors.start('bot', 0)!;
    assert.equal(doubtUpTo.epoch, 1);
    cursors.jump('bot', 0, at(1, 2));
    assert.deepEqual(cursors.start('bot', 0)!.doubtUpTo, at(1, 2));
  });

  it('of a cursor beyond the tip (power was lost) have nothing in doubt', () => {
    const cursors = create([['bot', 0, 1, 95, 1, 95, 95, 0, 1, 0]], at(90));
    assert.deepEqual(start(cursors), { from: 95, doubtUpTo: 95, skippedAfter: 95 });
  });
});

type Step =
  | { readonly type: 'link'; readonly how: 'identify' | 'resume'; readonly at: number }
  | { readonly type: 'write' | 'prove' | 'jump'; readonly by: number }
  | { readonly type: 'end'; readonly died: boolean }
  | { readonly type: 'crash' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constant('link' as const),
    how: fc.constantFrom('identify' as const, 'resume' as const),
    at: fc.nat(8),
  }),
  fc.record({ type: fc.constantFrom('write' as const, 'write' as const, 'prove' as const), by: fc.nat(6) }),
  fc.record({ type: fc.constant('jump' as const), by: fc.nat(3) }),
  fc.record({ type: fc.constant('end' as const), died: fc.boolean() }),
  fc.record({ type: fc.constant('crash' as const) }),
);

/** What is known of each event by its number: how many links that ended had it unproven, and how many died. */
interface Model {
  cursors: Cursors;
  link: { from: number; sent: number } | undefined;
  given: Map<number, { ended: number; died: number }>;
  proven: number;
  tip: number;
}

function endLink(model: Model, died: boolean): void {
  const { link } = model;
  model.link = undefined;
  if (!link) return;
  for (let s = model.proven + 1; s <= link.sent; s++) {
    const event = model.given.get(s) ?? { ended: 0, died: 0 };
    model.given.set(s, { ended: event.ended + 1, died: event.died + (died ? 1 : 0) });
  }
}

function beginLink(model: Model, how: 'identify' | 'resume', offset: number): void {
  const { cursors } = model;
  if (how === 'resume') {
    const s = Math.min(model.tip, model.proven + offset);
    cursors.prove('bot', 0, at(s));
    model.proven = s;
  } else {
    const found = cursors.start('bot', 0)!;
    for (let s = found.skippedAfter.s + 1; s <= found.from.s; s++)
      assert.ok((model.given.get(s)?.died ?? 0) >= 2, `event ${s} is skipped only if two links died over it`);
    for (const [s, { ended }] of model.given) {
      if (s <= found.from.s || ended === 0) continue;
      assert.ok(s <= found.doubtUpTo.s, `event ${s} was given before, and is announced as in doubt`);
    }
    model.proven = Math.max(model.proven, found.from.s);
  }
  cursors.begin('bot', 0, at(model.proven));
  model.link = { from: model.proven, sent: model.proven };
}

function take(model: Model, step: Step): void {
  const { cursors, link } = model;
  switch (step.type) {
    case 'link':
      if (link) {
        cursors.end('bot', 0, { sent: at(link.sent), died: false, now: NOW });
        endLink(model, false);
      }
      return beginLink(model, step.how, step.at);
    case 'write':
      if (link) link.sent += step.by;
      model.tip = Math.max(model.tip, link?.sent ?? 0);
      return;
    case 'prove':
      if (!link) return;
      model.proven = Math.max(model.proven, Math.min(link.sent, link.from + step.by));
      return cursors.prove('bot', 0, at(model.proven));
    case 'jump':
      if (link) return;
      model.proven += step.by;
      model.tip = Math.max(model.tip, model.proven);
      return cursors.jump('bot', 0, at(model.proven));
    case 'end':
      if (!link) return;
      cursors.end('bot', 0, { sent: at(link.sent), died: step.died, now: NOW });
      return endLink(model, step.died);
    case 'crash':
      model.cursors = createCursors(cursors.rows(), NOW, () => at(model.tip));
      return endLink(model, false);
  }
}

describe('cursors, whatever happens', () => {
  it('go forward only, announce what is delivered again, and skip only what two links died over', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cursors = create();
        cursors.begin('bot', 0, at(1));
        const model: Model = {
          cursors,
          link: { from: 1, sent: 1 },
          given: new Map(),
          proven: 1,
          tip: 1,
        };
        let before: Position = at(1);
        for (const one of steps) {
          take(model, one);
          const cursor = model.cursors.get('bot', 0)!;
          assert.ok(comparePositions(cursor.proven, before) >= 0, 'proven goes forward');
          assert.equal(cursor.proven.s, model.proven);
          assert.ok(comparePositions(cursor.suspect, cursor.proven) >= 0, 'proven ≤ suspect');
          assert.ok(comparePositions(cursor.doubt, cursor.suspect) >= 0, 'suspect ≤ doubt');
          before = cursor.proven;
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('deliver in doubt once more and no more, when every link dies before it proves anything', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 12 }), (writes) => {
        const cursors = create();
        cursors.begin('bot', 0, at(0));
        const deliveries = new Map<number, number>();
        for (const write of writes) {
          const from = start(cursors).from;
          cursors.begin('bot', 0, at(from));
          for (let s = from + 1; s <= from + write; s++) deliveries.set(s, (deliveries.get(s) ?? 0) + 1);
          end(cursors, at(from + write));
        }
        const skippedTo = start(cursors).from;
        for (let s = 1; s <= skippedTo; s++) {
          const times = deliveries.get(s)!;
          assert.ok(times >= 2, `event ${s} was delivered ${times} times before it was skipped`);
        }
      }),
    );
  });
});
