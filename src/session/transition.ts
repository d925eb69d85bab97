// How a shard gets from one connection to the next: dial, leave (we close), land (the socket is closed), halt.
// The one place that asks for a socket, and it does so only where there is none. Pure.

import { CLOSE } from '../wire/close-code.ts';
import { DEADLINE_MS } from './deadlines.ts';
import { type Ending, endingLabel, judge, nextUrl, type Open } from './ending.ts';
import type { Connected, Effect, Facts, Life, State, Step } from './state.ts';

/** Nothing happens. */
export function same(state: State, ...effects: readonly Effect[]): Step {
  return { state, effects };
}

/** Opens a connection. Only for a shard that has none. */
export function dial(life: Life, before: readonly Effect[] = []): Step {
  return {
    state: { phase: 'dialing', life: { ...life, generation: life.generation + 1 } },
    effects: [
      ...before,
      { type: 'dial', url: nextUrl(life), transport: life.session?.transport ?? null },
      { type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.dial },
    ],
  };
}

/** Opens a connection after a wait. Only for a shard that has none. */
export function dialAfter(life: Life, delayMs: number, before: readonly Effect[]): Step {
  if (delayMs <= 0) return dial(life, before);
  return {
    state: { phase: 'waiting', life },
    effects: [...before, { type: 'timer', name: 'wait', delayMs }],
  };
}

/** We end the connection, to come back. */
export function leave(state: Open, ending: Ending, facts: Facts): Step {
  const { life, delayMs, lost } = judge(state, ending, facts);
  const label = endingLabel(state, ending);
  return {
    state: { phase: 'closing', life, next: { type: 'dial', delayMs } },
    effects: [
      ...release(state, label),
      { type: 'ended', label, cause: '' },
      ...(lost ? [{ type: 'session-lost', ...lost } as const] : []),
      ...closeSocket(state, ending.type === 'forgotten' ? CLOSE.FORGET_SESSION : CLOSE.KEEP_SESSION),
    ],
  };
}

/** The connection was ended from outside. */
export function land(state: Open, ending: Ending & { type: 'closed' }, facts: Facts): Step {
  const { life, delayMs, lost, fatal } = judge(state, ending, facts);
  const label = endingLabel(state, ending);
  const effects: Effect[] = [...release(state, label), { type: 'ended', label, cause: ending.cause }];
  if (lost) effects.push({ type: 'session-lost', ...lost });
  if (fatal) return { state: { phase: 'fatal', life }, effects: [...effects, { type: 'fatal', ...fatal }] };
  return dialAfter(life, delayMs, effects);
}

/** We end the connection, to rest; the session stays resumable. */
export function halt(state: Open): Step {
  return {
    state: { phase: 'closing', life: state.life, next: { type: 'stop' } },
    effects: [
      ...release(state, 'stop'),
      { type: 'ended', label: 'stop', cause: '' },
      ...closeSocket(state, CLOSE.KEEP_SESSION),
    ],
  };
}

/** Comes to rest where there is no socket. */
export function rest(life: Life, effects: readonly Effect[]): Step {
  return { state: { phase: 'stopped', life }, effects: [...effects, { type: 'stopped' }] };
}

/** What a phase must let go of when its connection ends. */
export function release(state: Connected, label: string): Effect[] {
  const effects: Effect[] = [];
  switch (state.phase) {
    case 'dialing':
    case 'hello':
    case 'closing':
      effects.push({ type: 'cancel', name: 'deadline' });
      break;
    case 'queued':
      effects.push({ type: 'cancel', name: 'heartbeat' }, { type: 'cancel-identify' });
      break;
    case 'identifying':
      effects.push({ type: 'cancel', name: 'deadline' }, { type: 'cancel', name: 'heartbeat' });
      effects.push({ type: 'identified', outcome: 'failed', detail: label });
      break;
    case 'resuming':
      effects.push({ type: 'cancel', name: 'deadline' }, { type: 'cancel', name: 'heartbeat' });
      effects.push({ type: 'flush' });
      break;
    case 'live':
      effects.push({ type: 'cancel', name: 'heartbeat' }, { type: 'flush' });
      break;
    default:
      state satisfies never;
  }
  return effects;
}

/** A session is ended (close 1000) only where RESUME or IDENTIFY has bound it to this socket. */
function closeSocket(state: Open, code: number): Effect[] {
  const deadline: Effect = { type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.closed };
  if (state.phase === 'dialing') return [{ type: 'destroy' }, deadline];
  return [{ type: 'close', code: state.phase === 'hello' ? CLOSE.KEEP_SESSION : code }, deadline];
}
