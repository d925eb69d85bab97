// Random lives. A model world keeps one socket, timers and one request, as the real one would, and feeds the step
// with anything that such a world can bring in any order. After every input the invariants must hold that
// protect a token and keep a shard from being stuck.

import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Facts,
  firstState,
  type Input,
  type Message,
  type SessionRecord,
  type State,
  type TimerName,
} from './state.ts';
import { FACTS, SESSION } from './step.cases.ts';
import { step } from './step.ts';

type Action =
  | { type: 'start' | 'stop' | 'forget' | 'redial' | 'opened' | 'granted' }
  | { type: 'message'; message: Message; jump: number }
  | { type: 'closed'; code: number; byUs: boolean }
  | { type: 'timer'; name: TimerName }
  | { type: 'stale'; input: 'opened' | 'closed' | 'timer' | 'message' | 'granted' };

const CODES = [
  1000, 1001, 1005, 1006, 1011, 1012, 3000, 4000, 4003, 4004, 4006, 4007, 4008, 4009, 4013, 4014, 4099,
];

const messages: fc.Arbitrary<Message> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Message>({ type: 'hello', heartbeatIntervalMs: 41_250 }) },
  {
    weight: 4,
    arbitrary: fc
      .nat(9)
      .map((id): Message => ({ type: 'ready', s: 1, session: { ...SESSION, sessionId: `new-${id}` } })),
  },
  { weight: 1, arbitrary: fc.constant<Message>({ type: 'ready', s: 1, session: null }) },
  { weight: 4, arbitrary: fc.constant<Message>({ type: 'dispatch', s: 0, event: 'resumed' }) },
  { weight: 4, arbitrary: fc.constant<Message>({ type: 'dispatch', s: 0, event: 'other' }) },
  { weight: 2, arbitrary: fc.constant<Message>({ type: 'acknowledged' }) },
  { weight: 1, arbitrary: fc.constant<Message>({ type: 'heartbeat-requested' }) },
  { weight: 1, arbitrary: fc.constant<Message>({ type: 'reconnect' }) },
  {
    weight: 1,
    arbitrary: fc.boolean().map((resumable): Message => ({ type: 'invalid-session', resumable })),
  },
  { weight: 1, arbitrary: fc.constant<Message>({ type: 'malformed' }) },
);

const actions: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Action>({ type: 'start' }) },
  { weight: 1, arbitrary: fc.constantFrom<Action>({ type: 'stop' }, { type: 'forget' }, { type: 'redial' }) },
  { weight: 6, arbitrary: fc.constant<Action>({ type: 'opened' }) },
  { weight: 6, arbitrary: fc.constant<Action>({ type: 'granted' }) },
  {
    weight: 16,
    arbitrary: fc.record({
      type: fc.constant('message' as const),
      message: messages,
      jump: fc.integer({ min: -2, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('closed' as const),
      code: fc.constantFrom(...CODES),
      byUs: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .constantFrom<TimerName>('wait', 'deadline', 'heartbeat')
      .map((name): Action => ({ type: 'timer', name })),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('opened', 'closed', 'timer', 'message', 'granted')
      .map((input): Action => ({ type: 'stale', input: input as never })),
  },
);

/** The world around one shard. */
class World {
  state: State;
  session: SessionRecord | null;
  socket: { generation: number; opened: boolean; closing: boolean } | null = null;
  timers = new Map<TimerName, number>();
  requested = false;
  granted = false;
  unsettled = 0;
  lastS = 0;
  dispatches = 0;
  bytes = 0;
  now = 0;
  constructor(session: SessionRecord | null) {
    this.session = session;
    this.state = firstState(session, 'first-start');
  }

  take(action: Action, luck: { random: number; bytes: number; storm: boolean; well: boolean }): void {
    this.now += 1_000;
    this.bytes += luck.bytes;
    const input = this.inputOf(action);
    if (input)
      this.feed(input, {
        ...FACTS,
        now: this.now,
        random: luck.random,
        lastS: this.lastS,
        dispatches: this.dispatches,
        bytes: this.socket ? this.bytes : 0,
        storm: luck.storm,
        othersResumeWell: luck.well,
      });
  }

  /** Only what a real world could bring: no socket event without a socket, no grant without a request. */
  inputOf(action: Action): Input | undefined {
    const { generation } = this.state.life;
    switch (action.type) {
      case 'start':
      case 'stop':
      case 'redial':
        return { type: action.type };
      case 'forget':
        return { type: 'forget', reason: 'operator' };
      case 'opened':
        if (!this.socket || this.socket.opened) return undefined;
        this.socket.opened = true;
        return { type: 'opened', generation };
      case 'granted':
        if (!this.requested) return undefined;
        this.requested = false;
        this.granted = true;
        return { type: 'granted', generation };
      case 'message': {
        if (!this.socket?.opened) return undefined;
        const message =
          action.message.type === 'dispatch'
            ? { ...action.message, s: this.lastS + 1 + action.jump }
            : action.message;
        return { type: 'message', generation, message };
      }
      case 'closed': {
        if (!this.socket) return undefined;
        const byUs = this.socket.closing && action.byUs;
        this.socket = null;
        return { type: 'closed', generation, code: action.code, byUs, cause: '' };
      }
      case 'timer': {
        const set = this.timers.get(action.name);
        if (set === undefined) return undefined;
        this.timers.delete(action.name);
        return { type: 'timer', generation: set, name: action.name };
      }
      case 'stale':
        return this.staleInput(action.input, generation - 1);
    }
  }

  staleInput(type: 'opened' | 'closed' | 'timer' | 'message' | 'granted', generation: number): Input {
    if (type === 'closed') return { type, generation, code: 4004, byUs: false, cause: '' };
    if (type === 'timer') return { type, generation, name: 'deadline' };
    if (type === 'message')
      return { type, generation, message: { type: 'invalid-session', resumable: false } };
    return { type, generation };
  }

  feed(input: Input, facts: Facts): void {
    const before = this.state;
    const { state, effects } = step(before, input, facts);
    this.state = state;
    if ('generation' in input && input.generation !== before.life.generation) {
      assert.equal(state, before, 'the past changes nothing');
      assert.deepEqual(
        effects.filter((effect) => effect.type !== 'refuse-grant'),
        [],
      );
      return;
    }
    let gap = false;
    for (const effect of effects) {
      switch (effect.type) {
        case 'dial':
          assert.equal(this.socket, null, 'one socket at a time');
          assert.equal(state.life.generation, before.life.generation + 1, 'each socket is a generation');
          this.socket = { generation: state.life.generation, opened: false, closing: false };
          this.bytes = 0;
          break;
        case 'close':
        case 'destroy':
          assert.ok(this.socket, 'only a socket can be closed');
          this.socket.closing = true;
          if (effect.type === 'close' && (effect.code === 1000 || effect.code === 1001))
            assert.equal(this.session, null, 'a session that is kept is never ended');
          break;
        case 'timer':
          assert.ok(effect.delayMs >= 0 && effect.delayMs <= 60_000);
          this.timers.set(effect.name, state.life.generation);
          break;
        case 'cancel':
          this.timers.delete(effect.name);
          break;
        case 'request-identify':
          assert.ok(!this.requested && this.session === null);
          this.requested = true;
          break;
        case 'cancel-identify':
          this.requested = false;
          break;
        case 'refuse-grant':
          this.granted = false;
          break;
        case 'identify':
          assert.ok(this.granted, 'IDENTIFY needs a grant, and each grant serves once');
          assert.ok(this.socket?.opened && !this.socket.closing);
          this.granted = false;
          this.unsettled++;
          break;
        case 'identified':
          this.unsettled--;
          break;
        case 'resume':
          assert.equal(effect.sessionId, this.session?.sessionId, 'RESUME needs the session');
          assert.ok(this.socket?.opened && !this.socket.closing);
          break;
        case 'heartbeat':
          assert.ok(this.socket?.opened && !this.socket.closing, 'no beat after close');
          break;
        case 'begin':
          this.session = effect.session;
          break;
        case 'session-lost':
          assert.ok(this.session, 'only a session can be lost');
          this.session = null;
          this.lastS = 0;
          break;
        case 'gap':
          gap = true;
          assert.equal(effect.from, this.lastS + 1);
          break;
        case 'deliver':
          assert.ok(input.type === 'message' && 's' in input.message);
          if (input.message.type === 'dispatch')
            assert.ok(gap || input.message.s === this.lastS + 1, 'in order');
          this.lastS = input.message.s;
          this.dispatches++;
          break;
        default:
      }
    }
    this.check();
  }

  check(): void {
    const { phase, life } = this.state;
    assert.deepEqual(life.session, this.session, 'no session is dropped in silence');
    assert.ok(this.unsettled === (phase === 'identifying' ? 1 : 0), 'every IDENTIFY is accounted for, once');
    assert.ok(!this.granted, 'a grant is spent or given back at once');
    assert.equal(this.requested, phase === 'queued');
    const connected = !['stopped', 'waiting', 'fatal'].includes(phase);
    assert.equal(this.socket !== null, connected, `a socket in ${phase}`);
    assert.equal(this.socket?.closing ?? false, phase === 'closing');
    const beating = ['queued', 'identifying', 'resuming', 'live'].includes(phase);
    assert.equal(this.timers.has('heartbeat'), beating, `heartbeat in ${phase}`);
    const waits = this.timers.size > 0 || this.requested;
    assert.equal(waits, phase !== 'stopped' && phase !== 'fatal', `something is pending in ${phase}`);
    for (const generation of this.timers.values())
      assert.equal(generation, life.generation, 'every timer belongs to the connection');
  }
}

describe('session › step: random lives', () => {
  it('keeps every invariant whatever happens in whatever order', () => {
    const luck = fc.record({
      random: fc.double({ min: 0, max: 0.999, noNaN: true }),
      bytes: fc.constantFrom(0, 0, 100),
      storm: fc.boolean(),
      well: fc.boolean(),
    });
    const reached = new Set<string>();
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.tuple(actions, luck), { minLength: 20, maxLength: 150 }),
        (stored, script) => {
          const world = new World(stored ? SESSION : null);
          world.take({ type: 'start' }, { random: 0, bytes: 0, storm: false, well: false });
          for (const [action, chance] of script) {
            world.take(action, chance);
            reached.add(world.state.phase);
          }
        },
      ),
      { numRuns: 1_500 },
    );
    assert.equal(reached.size, 10, 'every phase is visited');
  });
});
