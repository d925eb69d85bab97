// The step, case by case: what each message, timer and order does in each phase. Close codes are in
// ending.test.ts, random lives in step-invariants.test.ts.

import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { DEADLINE_MS } from './deadlines.ts';
import type { Effect } from './state.ts';
import {
  ACK,
  at,
  closed,
  createWalker,
  DEADLINE,
  dispatch,
  HEARTBEAT_DUE,
  HELLO,
  OP7,
  OP9_FALSE,
  OP9_TRUE,
  OTHER_SESSION,
  PLACE_NAMES,
  type Place,
  READY,
  RESUMED,
  SESSION,
  WAIT_OVER,
} from './step.cases.ts';

const CLOSED_BY_US = { type: 'closed', code: 1006, byUs: true } as const;
const CONNECTED: readonly Place[] = ['queued', 'identifying', 'resuming', 'live'];

function timers(effects: readonly Effect[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const effect of effects) if (effect.type === 'timer') found[effect.name] = effect.delayMs;
  return found;
}

describe('session › step: a first start', () => {
  it('dials the main URL with the configured compression', () => {
    const walker = createWalker(null).take('start');
    assert.deepEqual(walker.find('dial'), { type: 'dial', url: null, transport: null });
    assert.deepEqual(timers(walker.effects), { deadline: DEADLINE_MS.dial });
  });

  it('waits for HELLO, then asks the ledger, and beats while it waits', () => {
    const walker = createWalker(null).take('start', 'opened');
    assert.deepEqual(timers(walker.effects), { deadline: DEADLINE_MS.hello });
    walker.take(HELLO);
    assert.deepEqual(walker.find('request-identify'), { type: 'request-identify', reason: 'first-start' });
    assert.deepEqual(timers(walker.effects), { heartbeat: 20_625 });
    assert.deepEqual(timers(walker.take(HEARTBEAT_DUE).effects), { heartbeat: 41_250 });
    assert.ok(walker.find('heartbeat'));
  });

  it('identifies the moment it is granted, and keeps the session that READY brings', () => {
    const walker = at('queued').take('granted');
    assert.deepEqual(walker.types(), ['identify', 'timer']);
    walker.take(READY);
    assert.deepEqual(walker.types(), ['begin', 'deliver', 'identified', 'cancel']);
    assert.equal(walker.state.phase, 'live');
    assert.deepEqual(walker.state.life.session, OTHER_SESSION);
  });

  it('does not take a READY without a session id', () => {
    const walker = at('identifying').take({ type: 'ready', s: 1, session: null });
    assert.equal(walker.state.phase, 'identifying');
    assert.deepEqual(walker.effects, [{ type: 'count', what: 'malformed' }]);
  });

  it('counts dispatches that nothing in the protocol allows', () => {
    for (const place of ['hello', 'queued', 'identifying'] as const) {
      const walker = at(place).take(dispatch(11));
      assert.deepEqual(walker.effects, [{ type: 'count', what: 'malformed' }], place);
    }
  });

  it('reports an IDENTIFY that came to nothing, once', () => {
    const ends = [DEADLINE, OP9_FALSE, closed(1006), closed(4004)] as const;
    for (const end of ends) {
      const failed = at('identifying')
        .take(end)
        .effects.filter((effect) => effect.type === 'identified');
      assert.equal(failed.length, 1);
    }
  });

  it('takes its place in the ledger back when the connection ends before it is granted', () => {
    for (const end of [OP7, OP9_FALSE, closed(1006), 'stop'] as const) {
      assert.ok(at('queued').take(end).find('cancel-identify'));
    }
  });

  it('gives back a grant that comes too late', () => {
    for (const place of PLACE_NAMES) {
      const walker = at(place);
      const before = walker.state;
      if (place === 'queued') walker.takeStale('granted');
      else walker.take('granted');
      assert.equal(walker.state, before, place);
      assert.deepEqual(walker.effects, [{ type: 'refuse-grant' }], place);
    }
  });
});

describe('session › step: a stored session', () => {
  it('resumes on its own URL with the compression it began with, asking nobody', () => {
    const walker = createWalker(SESSION).take('start');
    assert.deepEqual(walker.find('dial'), { type: 'dial', url: SESSION.resumeUrl, transport: 'zlib-stream' });
    walker.take('opened', HELLO);
    assert.deepEqual(walker.types(), ['flush', 'resume', 'timer', 'timer']);
    assert.equal(walker.find('resume')?.sessionId, SESSION.sessionId);
  });

  it('is live when RESUMED has come, and hands RESUMED on', () => {
    const walker = at('resuming').take(RESUMED);
    assert.deepEqual(walker.types(), ['deliver', 'cancel', 'count']);
    assert.equal(walker.state.phase, 'live');
  });

  it('ends the replay by a RESUMED that repeats a number or has none', () => {
    for (const s of [10, -1]) {
      const walker = at('resuming').take({ type: 'dispatch', s, event: 'resumed' });
      assert.equal(walker.state.phase, 'live');
      assert.equal(walker.find('deliver'), undefined);
    }
  });

  it('waits for RESUMED as long as replay flows, and no longer', () => {
    const walker = at('resuming');
    walker.facts = { ...walker.facts, dispatches: 500 };
    assert.deepEqual(walker.take(DEADLINE).effects, [
      { type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.resumed },
    ]);
    assert.equal(walker.take(DEADLINE).state.phase, 'closing');
    assert.equal(walker.find('close')?.code, 4000);
    assert.deepEqual(walker.state.life.session, SESSION);
  });
});

describe('session › step: deadlines', () => {
  const places = ['dialing', 'hello', 'identifying', 'resuming'] as const;
  for (const place of places) {
    it(`never waits for ever: ${place}`, () => {
      const walker = at(place).take(DEADLINE);
      assert.equal(walker.state.phase, 'closing');
      assert.deepEqual(timers(walker.effects), { deadline: DEADLINE_MS.closed });
      assert.equal(walker.find('ended')?.label, `${place}-timeout`);
    });
  }

  it('drops a connection attempt, for there is nothing to close yet', () => {
    assert.ok(at('dialing').take(DEADLINE).find('destroy'));
    assert.equal(at('dialing').take(DEADLINE).find('close'), undefined);
  });

  it('destroys, again and again, a socket that does not report its close', () => {
    const walker = at('closing to dial').take(DEADLINE);
    assert.deepEqual(walker.types(), ['destroy', 'timer']);
    assert.deepEqual(walker.take(DEADLINE).types(), ['destroy', 'timer']);
  });
});

describe('session › step: op 7', () => {
  for (const place of ['hello', 'queued', 'resuming', 'live'] as const) {
    it(`closes with 4000 and comes back with what it has: ${place}`, () => {
      const walker = at(place);
      const { session } = walker.state.life;
      walker.take(OP7);
      assert.equal(walker.find('close')?.code, 4000);
      assert.equal(walker.find('dial'), undefined);
      walker.take(CLOSED_BY_US);
      if (walker.state.phase === 'waiting') walker.take(WAIT_OVER);
      assert.equal(walker.state.phase, 'dialing');
      assert.equal(walker.state.life.session, session);
    });
  }

  it('puts what was read into the journal before it closes', () => {
    const types = at('live').take(OP7).types();
    assert.ok(types.indexOf('flush') < types.indexOf('close'));
  });

  it('dials without a wait', () => {
    assert.equal(at('live').take(OP7, CLOSED_BY_US).state.phase, 'dialing');
  });

  it('still waits a moment for a READY that is paid for, and then resumes', () => {
    const walker = at('identifying').take(OP7);
    assert.deepEqual(walker.effects, [
      { type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.readyAfterReconnect },
    ]);
    walker.take(READY);
    assert.deepEqual(walker.types().slice(0, 3), ['begin', 'deliver', 'identified']);
    assert.equal(walker.find('close')?.code, 4000);
    walker.take(CLOSED_BY_US);
    assert.equal(walker.find('dial')?.url, OTHER_SESSION.resumeUrl);
  });
});

describe('session › step: op 9', () => {
  for (const place of ['resuming', 'live'] as const) {
    it(`d:true closes with 4000, waits one to five seconds and resumes: ${place}`, () => {
      const walker = at(place).take(OP9_TRUE);
      assert.equal(walker.find('close')?.code, 4000);
      assert.deepEqual(timers(walker.take(CLOSED_BY_US).effects), { wait: 3_000 });
      assert.ok(walker.take(WAIT_OVER, 'opened', HELLO).find('resume'));
    });

    it(`d:false loses the session; after one to five seconds the main URL and the ledger: ${place}`, () => {
      const walker = at(place).take(OP9_FALSE);
      assert.equal(walker.find('session-lost')?.reason, 'op9');
      assert.equal(walker.find('close')?.code, 4000);
      assert.deepEqual(timers(walker.take(CLOSED_BY_US).effects), { wait: 3_000 });
      assert.equal(walker.take(WAIT_OVER).find('dial')?.url, null);
      assert.equal(walker.take('opened', HELLO).find('request-identify')?.reason, 'op9');
    });
  }

  it('hands nothing on after its close: Discord replays it', () => {
    assert.deepEqual(at('live').take(OP9_FALSE, dispatch(11)).effects, []);
    assert.deepEqual(at('closing to dial').take(dispatch(11)).effects, []);
  });

  it('says nothing about a session whose RESUME was not sent yet', () => {
    const walker = at('hello').take(OP9_FALSE);
    assert.deepEqual(walker.state.life.session, SESSION);
  });

  for (const message of [OP9_TRUE, OP9_FALSE]) {
    it(`after IDENTIFY asks the ledger again, whatever it says: ${JSON.stringify(message)}`, () => {
      const walker = at('identifying').take(message, CLOSED_BY_US);
      assert.deepEqual(timers(walker.effects), { wait: 3_000 });
      assert.ok(walker.take(WAIT_OVER, 'opened', HELLO).find('request-identify'));
    });
  }
});

describe('session › step: heartbeats', () => {
  for (const place of CONNECTED) {
    it(`takes a connection for dead when no ACK and no byte has come for an interval: ${place}`, () => {
      const walker = at(place).take(HEARTBEAT_DUE);
      assert.ok(walker.find('heartbeat'));
      const { session } = walker.state.life;
      walker.take(HEARTBEAT_DUE);
      assert.equal(walker.find('close')?.code, 4000);
      assert.equal(walker.find('ended')?.label, 'zombie');
      assert.equal(walker.state.life.session, session);
    });

    it(`takes any byte for life: ${place}`, () => {
      const walker = at(place).take(HEARTBEAT_DUE);
      walker.facts = { ...walker.facts, bytes: 1 };
      assert.ok(walker.take(HEARTBEAT_DUE).find('heartbeat'));
    });

    it(`takes an ACK for life, and measures by it: ${place}`, () => {
      const walker = at(place).take(HEARTBEAT_DUE);
      walker.facts = { ...walker.facts, now: walker.facts.now + 42 };
      walker.take(ACK);
      assert.equal('beat' in walker.state && walker.state.beat.latencyMs, 42);
      assert.ok(walker.take(HEARTBEAT_DUE).find('heartbeat'));
    });

    it(`answers op 1 at once and leaves its own rhythm alone: ${place}`, () => {
      const walker = at(place);
      const before = walker.state;
      walker.take({ type: 'heartbeat-requested' });
      assert.deepEqual(walker.effects, [{ type: 'heartbeat' }]);
      assert.equal(walker.state, before);
    });

    it(`stops when the connection ends: ${place}`, () => {
      const cancels = at(place)
        .take(closed(1006))
        .effects.filter((effect) => effect.type === 'cancel' && effect.name === 'heartbeat');
      assert.equal(cancels.length, 1);
    });
  }
});

describe('session › step: the sequence', () => {
  it('drops and counts what it has seen', () => {
    for (const place of ['resuming', 'live'] as const) {
      const walker = at(place).take(dispatch(10));
      assert.deepEqual(walker.effects, [{ type: 'count', what: 'duplicates' }], place);
    }
  });

  it('resumes once when the sequence jumps, and accepts the gap when it jumps there again', () => {
    const walker = at('live').take(dispatch(15));
    assert.equal(walker.find('deliver'), undefined);
    assert.equal(walker.find('close')?.code, 4000);
    assert.equal(walker.find('ended')?.label, 'gap');
    walker.take(CLOSED_BY_US, 'opened', HELLO, dispatch(15));
    assert.deepEqual(walker.effects, [{ type: 'gap', from: 11, to: 14 }, { type: 'deliver' }]);
    assert.equal(walker.state.phase, 'resuming');
  });

  it('resumes again when the sequence jumps somewhere else', () => {
    const walker = at('live').take(dispatch(15), CLOSED_BY_US, 'opened', HELLO);
    walker.facts = { ...walker.facts, lastS: 12 };
    assert.equal(walker.take(dispatch(15)).state.phase, 'closing');
  });

  it('holds a RESUMED to the same rule', () => {
    const late = { type: 'dispatch', s: 13, event: 'resumed' } as const;
    const walker = at('resuming').take(late);
    assert.equal(walker.state.phase, 'closing');
    walker.take(CLOSED_BY_US, WAIT_OVER, 'opened', HELLO, late);
    assert.deepEqual(walker.types(), ['gap', 'deliver', 'cancel', 'count']);
    assert.equal(walker.state.phase, 'live');
  });

  it('ignores a READY that nobody asked for', () => {
    assert.deepEqual(at('live').take(READY).effects, [{ type: 'count', what: 'malformed' }]);
  });
});

describe('session › step: orders', () => {
  it('starts only what rests', () => {
    for (const place of PLACE_NAMES) {
      const walker = at(place);
      const before = walker.state;
      walker.take('start');
      if (place === 'stopped' || place === 'fatal') assert.equal(walker.state.phase, 'dialing');
      else if (place.endsWith('stop')) assert.deepEqual(walker.find('stopped'), { type: 'stopped' }, place);
      else assert.equal(walker.state, before, place);
    }
  });

  it('comes to rest from everywhere, and keeps the session', () => {
    for (const place of PLACE_NAMES) {
      const walker = at(place);
      const { session } = walker.state.life;
      walker.take('stop');
      if (walker.state.phase === 'identifying') walker.take(DEADLINE);
      if (walker.state.phase === 'closing') walker.take(CLOSED_BY_US);
      assert.ok(walker.state.phase === 'stopped' || place === 'fatal', place);
      assert.ok(walker.find('stopped'), place);
      assert.equal(walker.state.life.session, session, place);
    }
  });

  it('keeps a session whose READY comes while it stops', () => {
    const walker = at('identifying, stop').take(READY);
    assert.ok(walker.find('begin'));
    assert.equal(walker.find('close')?.code, 4000);
    assert.equal(walker.take(CLOSED_BY_US).state.phase, 'stopped');
    assert.deepEqual(walker.state.life.session, OTHER_SESSION);
  });

  it('forgets a session with close 1000 where one is in use, and asks for another', () => {
    for (const place of ['resuming', 'live'] as const) {
      const walker = at(place).take('forget');
      assert.equal(walker.find('close')?.code, 1000, place);
      assert.equal(walker.find('session-lost')?.reason, 'operator');
      walker.take(CLOSED_BY_US);
      if (walker.state.phase === 'waiting') walker.take(WAIT_OVER);
      assert.equal(walker.take('opened', HELLO).find('request-identify')?.reason, 'operator');
    }
  });

  it('forgets a session that is not in use without a word to Discord', () => {
    for (const place of ['stopped', 'waiting', 'closing to dial', 'closing to stop', 'fatal'] as const) {
      const walker = at(place);
      const { phase } = walker.state;
      walker.take('forget');
      assert.deepEqual(walker.types(), ['session-lost'], place);
      assert.equal(walker.state.life.session, null);
      assert.equal(walker.state.phase, phase);
    }
  });

  it('has nothing to forget before there is a session', () => {
    for (const place of ['queued', 'identifying', 'dialing first', 'hello first'] as const) {
      assert.deepEqual(at(place).take('forget').effects, [], place);
    }
  });

  it('redials a live shard at no cost, and cuts a wait short', () => {
    assert.equal(at('live').take('redial').find('close')?.code, 4000);
    assert.ok(at('waiting').take('redial').find('dial'));
  });
});

describe('session › step: the past', () => {
  it('changes nothing by what belongs to an older connection', () => {
    const inputs = [
      'opened',
      HELLO,
      READY,
      RESUMED,
      ACK,
      OP7,
      OP9_FALSE,
      dispatch(11),
      closed(4004),
      DEADLINE,
      HEARTBEAT_DUE,
      WAIT_OVER,
    ] as const;
    for (const place of PLACE_NAMES) {
      for (const input of inputs) {
        const walker = at(place);
        const before = walker.state;
        walker.takeStale(input);
        assert.equal(walker.state, before, place);
        assert.deepEqual(walker.effects, [], place);
      }
    }
  });
});
