// Dispatches that need a decision: READY, RESUMED, and any whose sequence number is not the next one. All others
// never come here (session.ts hands them on after a few compares). Pure.

import { DEADLINE_MS } from './deadlines.ts';
import type { Beat, Effect, Facts, Life, Message, State, Step } from './state.ts';
import { halt, leave, same } from './transition.ts';

type Dispatch = Message & { type: 'dispatch' };
type Ready = Message & { type: 'ready' };
type Flowing = State & { phase: 'resuming' | 'live' };

const MALFORMED: Effect = { type: 'count', what: 'malformed' };
const DUPLICATE: Effect = { type: 'count', what: 'duplicates' };
const DELIVER: Effect = { type: 'deliver' };

/** READY: the one thing that an IDENTIFY is paid for. */
export function onReady(state: State, message: Ready, facts: Facts): Step {
  // READY in any other phase belongs to nothing that we know. Its `s` will be missing, and the jump tells.
  if (state.phase !== 'identifying' || message.session === null || message.s < 0)
    return same(state, MALFORMED);
  const life: Life = {
    ...state.life,
    session: message.session,
    fruitless: 0,
    barren: 0,
    lastChance: false,
    gapAt: -1,
  };
  const live = enterLive(life, state.beat, facts);
  const effects: readonly Effect[] = [
    { type: 'begin', session: message.session },
    DELIVER,
    { type: 'identified', outcome: 'ready', detail: '' },
    { type: 'cancel', name: 'deadline' },
  ];
  if (state.leaving === 'no') return { state: live, effects };
  const next = state.leaving === 'stop' ? halt(live) : leave(live, { type: 'reconnect' }, facts);
  return { state: next.state, effects: [...effects, ...next.effects] };
}

/** Any dispatch but READY. */
export function onDispatch(state: State, message: Dispatch, facts: Facts): Step {
  switch (state.phase) {
    case 'stopped':
    case 'waiting':
    case 'dialing':
    case 'fatal':
    case 'hello':
    case 'queued':
    case 'identifying':
      return same(state, MALFORMED);
    case 'closing':
      return same(state);
    case 'resuming':
    case 'live':
      return inOrder(state, message, facts);
  }
}

/** The rule of the sequence: the next one passes, an old one is dropped, a jump makes us RESUME once. */
function inOrder(state: Flowing, message: Dispatch, facts: Facts): Step {
  const resumed = state.phase === 'resuming' && message.event === 'resumed';
  if (message.s <= facts.lastS) {
    // A RESUMED that repeats a number, or has none, still ends the replay.
    if (resumed) return onResumed(state, facts, []);
    return same(state, message.s < 0 ? MALFORMED : DUPLICATE);
  }
  const jumped = message.s > facts.lastS + 1;
  if (jumped && state.life.gapAt !== facts.lastS) {
    return leave({ ...state, life: { ...state.life, gapAt: facts.lastS } }, { type: 'gap' }, facts);
  }
  const effects: Effect[] = [DELIVER];
  if (jumped) effects.unshift({ type: 'gap', from: facts.lastS + 1, to: message.s - 1 });
  return resumed ? onResumed(state, facts, effects) : same(state, ...effects);
}

function onResumed(state: Flowing, facts: Facts, effects: readonly Effect[]): Step {
  const life: Life = { ...state.life, fruitless: 0, barren: 0, lastChance: false };
  return {
    state: enterLive(life, state.beat, facts),
    effects: [...effects, { type: 'cancel', name: 'deadline' }, { type: 'count', what: 'resumes' }],
  };
}

function enterLive(life: Life, beat: Beat, facts: Facts): State & { phase: 'live' } {
  return { phase: 'live', life, beat, liveSince: facts.now };
}

/** The deadline of RESUMED: replay that flows extends it. */
export function onResumedDeadline(state: State & { phase: 'resuming' }, facts: Facts): Step {
  if (facts.dispatches === state.dispatchesAtDeadline) return leave(state, { type: 'timeout' }, facts);
  return {
    state: { ...state, dispatchesAtDeadline: facts.dispatches },
    effects: [{ type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.resumed }],
  };
}
