// Shared by the tests of the step: shards in every phase, reached by the inputs that lead there, and a walker
// that takes inputs one by one and remembers what they caused.

import { strict as assert } from 'node:assert';
import {
  type Effect,
  type Facts,
  firstState,
  type Input,
  type Message,
  type SessionRecord,
  type State,
} from './state.ts';
import { step } from './step.ts';

export const SESSION: SessionRecord = {
  sessionId: 'a'.repeat(32),
  resumeUrl: 'wss://gateway-us-east1-b.discord.gg',
  transport: 'zlib-stream',
};
export const OTHER_SESSION: SessionRecord = { ...SESSION, sessionId: 'b'.repeat(32) };

export const FACTS: Facts = {
  now: 1_000,
  random: 0.5,
  lastS: 0,
  dispatches: 0,
  bytes: 0,
  storm: false,
  othersResumeWell: false,
};

/** An input without its generation: the walker adds the current one, or `stale` an older one. */
export type Bare =
  | 'start'
  | 'stop'
  | 'redial'
  | 'forget'
  | 'opened'
  | 'granted'
  | Message
  | { type: 'closed'; code: number; byUs?: boolean }
  | { type: 'timer'; name: 'wait' | 'deadline' | 'heartbeat' };

export const HELLO: Message = { type: 'hello', heartbeatIntervalMs: 41_250 };
export const READY: Message = { type: 'ready', s: 1, session: OTHER_SESSION };
export const RESUMED: Message = { type: 'dispatch', s: 11, event: 'resumed' };
export const ACK: Message = { type: 'acknowledged' };
export const OP7: Message = { type: 'reconnect' };
export const OP9_TRUE: Message = { type: 'invalid-session', resumable: true };
export const OP9_FALSE: Message = { type: 'invalid-session', resumable: false };
export const DEADLINE = { type: 'timer', name: 'deadline' } as const;
export const HEARTBEAT_DUE = { type: 'timer', name: 'heartbeat' } as const;
export const WAIT_OVER = { type: 'timer', name: 'wait' } as const;
export const closed = (code: number) => ({ type: 'closed', code }) as const;
export const dispatch = (s: number): Message => ({ type: 'dispatch', s, event: 'other' });

function withGeneration(bare: Bare, generation: number): Input {
  if (bare === 'start' || bare === 'stop' || bare === 'redial') return { type: bare };
  if (bare === 'forget') return { type: 'forget', reason: 'operator' };
  if (bare === 'opened' || bare === 'granted') return { type: bare, generation };
  if (bare.type === 'timer') return { ...bare, generation };
  if (bare.type === 'closed')
    return { type: 'closed', generation, code: bare.code, byUs: bare.byUs ?? false, cause: 'test' };
  return { type: 'message', generation, message: bare };
}

/** A shard under test. `take` feeds inputs; `effects` are those of the last input. */
export interface Walker {
  state: State;
  effects: readonly Effect[];
  facts: Facts;
  take(...inputs: Bare[]): Walker;
  takeStale(input: Bare): Walker;
  /** The types of the last effects, in order. */
  types(): string[];
  find<T extends Effect['type']>(type: T): Extract<Effect, { type: T }> | undefined;
}

export function createWalker(session: SessionRecord | null, facts: Partial<Facts> = {}): Walker {
  const walker: Walker = {
    state: firstState(session, 'first-start'),
    effects: [],
    facts: { ...FACTS, ...facts },
    take(...inputs) {
      for (const bare of inputs) {
        const next = step(walker.state, withGeneration(bare, walker.state.life.generation), walker.facts);
        walker.state = next.state;
        walker.effects = next.effects;
      }
      return walker;
    },
    takeStale(bare) {
      const next = step(walker.state, withGeneration(bare, walker.state.life.generation - 1), walker.facts);
      walker.state = next.state;
      walker.effects = next.effects;
      return walker;
    },
    types: () => walker.effects.map((effect) => effect.type),
    find: (type) => walker.effects.find((effect) => effect.type === type) as never,
  };
  return walker;
}

export const PLACE_NAMES = [
  'stopped',
  'waiting',
  'dialing',
  'dialing first',
  'hello',
  'hello first',
  'queued',
  'identifying',
  'identifying, op 7',
  'identifying, stop',
  'resuming',
  'resuming, last chance',
  'live',
  'closing to dial',
  'closing to stop',
  'fatal',
] as const;
export type Place = (typeof PLACE_NAMES)[number];

/** A shard in each phase. Those with a session hold SESSION (or, where READY led there, OTHER_SESSION), tip 10. */
const PLACES: Record<Place, () => Walker> = {
  stopped: () => createWalker(SESSION, { lastS: 10 }),
  waiting: () => createWalker(SESSION, { lastS: 10 }).take('start', closed(1006)),
  dialing: () => createWalker(SESSION, { lastS: 10 }).take('start'),
  'dialing first': () => createWalker(null).take('start'),
  hello: () => createWalker(SESSION, { lastS: 10 }).take('start', 'opened'),
  'hello first': () => createWalker(null).take('start', 'opened'),
  queued: () => createWalker(null).take('start', 'opened', HELLO),
  identifying: () => PLACES.queued().take('granted'),
  'identifying, op 7': () => PLACES.identifying().take(OP7),
  'identifying, stop': () => PLACES.identifying().take('stop'),
  resuming: () => createWalker(SESSION, { lastS: 10 }).take('start', 'opened', HELLO),
  'resuming, last chance': () => PLACES.resuming().take(closed(1000), WAIT_OVER, 'opened', HELLO),
  live: () => PLACES.resuming().take(RESUMED),
  'closing to dial': () => PLACES.live().take(OP7),
  'closing to stop': () => PLACES.live().take('stop'),
  fatal: () => PLACES.live().take(closed(4004)),
};

/** Takes a shard to a place and checks that it is there. */
export function at(place: Place): Walker {
  const walker: Walker = PLACES[place]();
  const phase = place.split(/[ ,]/)[0];
  assert.equal(walker.state.phase, phase, `the way to ${place}`);
  return walker;
}
