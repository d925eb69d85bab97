// Every close code in every phase, as one table. A letter says what comes of it:
//   -  nothing            R  dial again with the same session      r  the same, and it is the last chance
//   I  dial again; there was no session        L  the session is lost, dial again
//   F  fatal              S  rest
// Goal: nobody changes what a close code means without changing a letter here.

import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { BARREN_RESUMES_MAX, TRIES_PER_URL } from './deadlines.ts';
import {
  at,
  closed,
  createWalker,
  DEADLINE,
  HELLO,
  OP7,
  PLACE_NAMES,
  type Place,
  RESUMED,
  SESSION,
  WAIT_OVER,
  type Walker,
} from './step.cases.ts';

const RESUMABLE = [
  1001, 1002, 1003, 1005, 1006, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4001, 4002, 4005, 4008,
  4015, 4016, 4099, 4200, 4900, 4999,
];
const RESUMABLE_ONCE = [1000, 4003, 4006, 4009];
const GONE = [4007];
const FATAL = {
  4004: 'TOKEN_REJECTED',
  4010: 'SHARDING_REFUSED',
  4011: 'SHARDING_REFUSED',
  4012: 'API_VERSION_REFUSED',
  4013: 'INTENTS_REFUSED',
  4014: 'INTENTS_REFUSED',
} as const;

const TABLE: readonly [Place, resumable: string, once: string, gone: string, fatal: string][] = [
  ['stopped', '-', '-', '-', '-'],
  ['waiting', '-', '-', '-', '-'],
  ['dialing', 'R', 'R', 'R', 'F'],
  ['dialing first', 'I', 'I', 'I', 'F'],
  ['hello', 'R', 'R', 'R', 'F'],
  ['hello first', 'I', 'I', 'I', 'F'],
  ['queued', 'I', 'I', 'I', 'F'],
  ['identifying', 'I', 'I', 'I', 'F'],
  ['identifying, op 7', 'I', 'I', 'I', 'F'],
  ['identifying, stop', 'S', 'S', 'S', 'F'],
  ['resuming', 'R', 'r', 'L', 'F'],
  ['resuming, last chance', 'r', 'L', 'L', 'F'],
  ['live', 'R', 'r', 'L', 'F'],
  ['closing to dial', 'R', 'R', 'R', 'F'],
  ['closing to stop', 'S', 'S', 'S', 'F'],
  ['fatal', '-', '-', '-', '-'],
];

function outcome(place: Place, code: number): string {
  const walker = at(place);
  const before = walker.state;
  walker.take(closed(code));
  if (walker.state === before && walker.effects.length === 0) return '-';
  const { phase, life } = walker.state;
  if (phase === 'fatal') return 'F';
  if (phase === 'stopped') return walker.find('stopped') ? 'S' : '?';
  if (phase !== 'waiting' && phase !== 'dialing') return '?';
  if (walker.find('session-lost')) return life.session === null ? 'L' : '?';
  if (before.life.session === null) return 'I';
  if (life.session !== before.life.session) return '?';
  return life.lastChance ? 'r' : 'R';
}

/** Ends `times` connections one after the other, each as `end` does it. */
function repeat(walker: Walker, times: number, end: (walker: Walker) => void): Walker {
  for (let i = 0; i < times; i++) {
    if (walker.state.phase === 'waiting') walker.take(WAIT_OVER);
    end(walker);
  }
  return walker;
}

/** The wait before the next connection that the last input led to; 0 for none. */
function waitOf(walker: Walker): number {
  for (const effect of walker.effects)
    if (effect.type === 'timer' && effect.name === 'wait') return effect.delayMs;
  return 0;
}

describe('session › ending', () => {
  it('covers every place in its table', () => {
    assert.deepEqual(
      TABLE.map(([place]) => place),
      PLACE_NAMES,
    );
  });

  for (const [place, resumable, once, gone, fatal] of TABLE) {
    it(`knows what each close code means: ${place}`, () => {
      for (const code of RESUMABLE) assert.equal(outcome(place, code), resumable, `${code}`);
      for (const code of RESUMABLE_ONCE) assert.equal(outcome(place, code), once, `${code}`);
      for (const code of GONE) assert.equal(outcome(place, code), gone, `${code}`);
      for (const code of Object.keys(FATAL)) assert.equal(outcome(place, Number(code)), fatal, code);
    });
  }

  it('names the operating error of each fatal code, and keeps the session for when it is mended', () => {
    for (const [code, error] of Object.entries(FATAL)) {
      const walker = at('live').take(closed(Number(code)));
      assert.equal(walker.find('fatal')?.code, error);
      assert.match(walker.find('fatal')?.text ?? '', new RegExp(code));
      assert.deepEqual(walker.state.life.session, SESSION);
      assert.equal(walker.find('session-lost'), undefined);
      assert.equal(walker.take('start').state.phase, 'dialing');
    }
  });

  it('takes no code as Discord’s word that we sent ourselves', () => {
    const walker = at('closing to dial').take({ type: 'closed', code: 4004, byUs: true });
    assert.equal(walker.state.phase, 'dialing');
  });

  it('dials at once after a sound connection, and backs off more and more when none comes to live', () => {
    const walker = at('live');
    walker.facts = { ...walker.facts, now: walker.facts.now + 60_000 };
    assert.equal(walker.take(closed(1001)).state.phase, 'dialing');
    const waits: number[] = [];
    repeat(walker, 12, () => {
      walker.take(closed(1006));
      waits.push(waitOf(walker));
    });
    assert.deepEqual(waits.slice(0, 4), [125, 250, 500, 1_000]);
    assert.equal(waits.at(-1), 15_000);
  });

  it('backs off as well when each connection lives but for a moment', () => {
    const walker = at('live');
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      walker.take(closed(1006));
      waits.push(waitOf(walker));
      if (walker.state.phase === 'waiting') walker.take(WAIT_OVER);
      walker.take('opened', HELLO, RESUMED);
    }
    assert.deepEqual(waits, [0, 125, 250, 500]);
  });

  it('takes a breath after 4008', () => {
    const walker = at('live').take(closed(4008));
    assert.equal(walker.state.phase, 'waiting');
    assert.equal(waitOf(walker), 3_000);
  });

  it('spreads the reconnects of a storm', () => {
    const walker = at('live');
    walker.facts = { ...walker.facts, storm: true };
    assert.equal(waitOf(walker.take(closed(1001))), 750);
  });

  it('tries the same session on the main URL after three fruitless connections, and then its own again', () => {
    const walker = createWalker(SESSION, { lastS: 10 }).take('start');
    const urls = [walker.find('dial')?.url];
    for (let i = 0; i < 2 * TRIES_PER_URL; i++) {
      walker.take(closed(1006), WAIT_OVER);
      urls.push(walker.find('dial')?.url);
    }
    const own = SESSION.resumeUrl;
    assert.deepEqual(urls, [own, own, own, null, null, null, own]);
    assert.deepEqual(walker.state.life.session, SESSION);
    assert.equal(walker.find('dial')?.transport, 'zlib-stream');
  });

  it('tries the main URL when the resume host upgrades and stays silent', () => {
    const walker = createWalker(SESSION, { lastS: 10 }).take('start');
    repeat(walker, TRIES_PER_URL, () =>
      walker.take('opened', DEADLINE, { type: 'closed', code: 1006, byUs: true }),
    );
    assert.equal(walker.take(WAIT_OVER).find('dial')?.url, null);
  });

  it('tries the main URL when the resume host only ever says op 7', () => {
    const walker = createWalker(SESSION, { lastS: 10 }).take('start');
    repeat(walker, TRIES_PER_URL, () =>
      walker.take('opened', OP7, { type: 'closed', code: 4000, byUs: true }),
    );
    assert.equal(walker.take(WAIT_OVER).find('dial')?.url, null);
  });

  it('goes back to the session’s own URL after it has been resumed elsewhere', () => {
    const walker = createWalker(SESSION, { lastS: 10 }).take('start');
    repeat(walker, TRIES_PER_URL, () => walker.take(closed(1006)));
    walker.take(WAIT_OVER, 'opened', HELLO, RESUMED, closed(1006), WAIT_OVER);
    assert.equal(walker.find('dial')?.url, SESSION.resumeUrl);
  });

  it('gives a session up when nothing ever answers its RESUME, but only if other shards resume well', () => {
    for (const othersResumeWell of [false, true]) {
      const walker = createWalker(SESSION, { lastS: 10, othersResumeWell }).take('start');
      repeat(walker, BARREN_RESUMES_MAX - 1, () => walker.take('opened', HELLO, closed(1006)));
      assert.deepEqual(walker.state.life.session, SESSION);
      repeat(walker, 1, () => walker.take('opened', HELLO, closed(1006)));
      assert.equal(walker.state.life.session === null, othersResumeWell);
      assert.equal(walker.find('session-lost')?.reason, othersResumeWell ? 'session-lost' : undefined);
    }
  });
});
