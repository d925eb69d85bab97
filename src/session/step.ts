// One shard's life as a pure function: step(state, input, facts) gives the next state and what is to be done.
// All protocol decisions of an upstream session are here and in the files it imports: no socket, no clock, no
// randomness. It may IDENTIFY only with a grant from the ledger, for which it asks when HELLO has come: so a
// grant is spent in the same moment, and never on a connection that turns out to be dead. RESUME asks nobody.

import { DEADLINE_MS, firstBeatMs } from './deadlines.ts';
import { onDispatch, onReady, onResumedDeadline } from './dispatch.ts';
import { fatalCode } from './ending.ts';
import {
  type Beat,
  type Effect,
  type Facts,
  type IdentifyReason,
  type Input,
  type Message,
  type State,
  type Step,
  type TimerName,
  withoutSession,
} from './state.ts';
import { dial, dialAfter, halt, land, leave, release, rest, same } from './transition.ts';

const MALFORMED: Effect = { type: 'count', what: 'malformed' };
const STOPPED: Effect = { type: 'stopped' };

/** Takes one input. Never throws; an input that does not fit changes nothing. */
export function step(state: State, input: Input, facts: Facts): Step {
  switch (input.type) {
    case 'start':
      return onStart(state);
    case 'stop':
      return onStop(state);
    case 'forget':
      return onForget(state, input.reason, facts);
    case 'redial':
      return onRedial(state, facts);
    case 'granted':
      return onGranted(state, input.generation);
    case 'opened':
      return input.generation === state.life.generation ? onOpened(state) : same(state);
    case 'message':
      return input.generation === state.life.generation
        ? onMessage(state, input.message, facts)
        : same(state);
    case 'closed':
      return input.generation === state.life.generation ? onClosed(state, input, facts) : same(state);
    case 'timer':
      return input.generation === state.life.generation ? onTimer(state, input.name, facts) : same(state);
  }
}

function onStart(state: State): Step {
  switch (state.phase) {
    case 'stopped':
    case 'fatal':
      return dial({ ...state.life, failures: 0 });
    case 'closing':
      if (state.next.type !== 'stop') return same(state);
      return { state: { ...state, next: { type: 'dial', delayMs: 0 } }, effects: [STOPPED] };
    case 'identifying':
      if (state.leaving !== 'stop') return same(state);
      return {
        state: { ...state, leaving: 'no' },
        effects: [{ type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.ready }, STOPPED],
      };
    case 'waiting':
    case 'dialing':
    case 'hello':
    case 'queued':
    case 'resuming':
    case 'live':
      return same(state);
  }
}

function onStop(state: State): Step {
  switch (state.phase) {
    case 'stopped':
    case 'fatal':
      return same(state, STOPPED);
    case 'waiting':
      return rest(state.life, [{ type: 'cancel', name: 'wait' }]);
    case 'closing':
      return same({ ...state, next: { type: 'stop' } });
    case 'identifying':
      // The session is paid for: its id is worth a moment's wait.
      return {
        state: { ...state, leaving: 'stop' },
        effects: [{ type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.readyAfterStop }],
      };
    case 'dialing':
    case 'hello':
    case 'queued':
    case 'resuming':
    case 'live':
      return halt(state);
  }
}

function onForget(state: State, reason: IdentifyReason, facts: Facts): Step {
  // Without a session there is nothing to drop, and the next one is new anyway.
  if (state.life.session === null) return same(state);
  switch (state.phase) {
    case 'stopped':
    case 'waiting':
    case 'closing':
    case 'fatal':
      return same(
        { ...state, life: withoutSession(state.life, reason) },
        { type: 'session-lost', reason, cause: 'given up on purpose' },
      );
    case 'dialing':
    case 'hello':
    case 'queued':
    case 'identifying':
    case 'resuming':
    case 'live':
      return leave(state, { type: 'forgotten', reason }, facts);
  }
}

function onRedial(state: State, facts: Facts): Step {
  switch (state.phase) {
    case 'waiting':
      return dial(state.life, [{ type: 'cancel', name: 'wait' }]);
    case 'resuming':
    case 'live':
      return leave(state, { type: 'redial' }, facts);
    case 'stopped':
    case 'dialing':
    case 'hello':
    case 'queued':
    case 'identifying':
    case 'closing':
    case 'fatal':
      return same(state);
  }
}

function onGranted(state: State, generation: number): Step {
  if (state.phase !== 'queued' || generation !== state.life.generation)
    return same(state, { type: 'refuse-grant' });
  return {
    state: { phase: 'identifying', life: state.life, beat: state.beat, leaving: 'no' },
    effects: [{ type: 'identify' }, { type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.ready }],
  };
}

function onOpened(state: State): Step {
  if (state.phase !== 'dialing') return same(state);
  return {
    state: { phase: 'hello', life: state.life },
    effects: [{ type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.hello }],
  };
}

function onClosed(state: State, input: Input & { type: 'closed' }, facts: Facts): Step {
  switch (state.phase) {
    case 'stopped':
    case 'waiting':
    case 'fatal':
      return same(state);
    case 'closing': {
      const effects = release(state, '');
      const fatal = input.byUs ? null : fatalCode(input.code);
      if (fatal)
        return {
          state: { phase: 'fatal', life: state.life },
          effects: [...effects, { type: 'fatal', ...fatal }],
        };
      if (state.next.type === 'stop') return rest(state.life, effects);
      return dialAfter(state.life, state.next.delayMs, effects);
    }
    case 'identifying':
      if (state.leaving === 'stop' && fatalCode(input.code) === null)
        return rest(state.life, [
          ...release(state, String(input.code)),
          { type: 'ended', label: String(input.code), cause: input.cause },
        ]);
      return land(state, input, facts);
    case 'dialing':
    case 'hello':
    case 'queued':
    case 'resuming':
    case 'live':
      return land(state, input, facts);
  }
}

function onTimer(state: State, name: TimerName, facts: Facts): Step {
  switch (name) {
    case 'wait':
      return state.phase === 'waiting' ? dial(state.life) : same(state);
    case 'heartbeat':
      return onHeartbeatDue(state, facts);
    case 'deadline':
      return onDeadline(state, facts);
  }
}

function onDeadline(state: State, facts: Facts): Step {
  switch (state.phase) {
    case 'dialing':
    case 'hello':
      return leave(state, { type: 'timeout' }, facts);
    case 'identifying':
      return state.leaving === 'stop' ? halt(state) : leave(state, { type: 'timeout' }, facts);
    case 'resuming':
      return onResumedDeadline(state, facts);
    case 'closing':
      return same(
        state,
        { type: 'destroy' },
        { type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.closed },
      );
    case 'stopped':
    case 'waiting':
    case 'queued':
    case 'live':
    case 'fatal':
      return same(state);
  }
}

/**
 * A connection is a zombie when the last heartbeat has no ACK and not one byte came since it left. Under load the
 * ACK may be stuck behind events, and those prove life as well.
 */
function onHeartbeatDue(state: State, facts: Facts): Step {
  switch (state.phase) {
    case 'queued':
    case 'identifying':
    case 'resuming':
    case 'live': {
      const { beat } = state;
      if (!beat.acknowledged && facts.bytes <= beat.bytesAtBeat) {
        if (state.phase === 'identifying' && state.leaving === 'stop') return halt(state);
        return leave(state, { type: 'zombie' }, facts);
      }
      const next: Beat = { ...beat, sentAt: facts.now, acknowledged: false, bytesAtBeat: facts.bytes };
      return {
        state: { ...state, beat: next },
        effects: [{ type: 'heartbeat' }, { type: 'timer', name: 'heartbeat', delayMs: beat.intervalMs }],
      };
    }
    case 'stopped':
    case 'waiting':
    case 'dialing':
    case 'hello':
    case 'closing':
    case 'fatal':
      return same(state);
  }
}

function onMessage(state: State, message: Message, facts: Facts): Step {
  switch (message.type) {
    case 'dispatch':
      return onDispatch(state, message, facts);
    case 'ready':
      return onReady(state, message, facts);
    case 'hello':
      return onHello(state, message.heartbeatIntervalMs, facts);
    case 'heartbeat-requested':
      return onHeartbeatRequested(state);
    case 'acknowledged':
      return onAcknowledged(state, facts);
    case 'reconnect':
      return onReconnect(state, facts);
    case 'invalid-session':
      return onInvalidSession(state, message.resumable, facts);
    case 'malformed':
      return same(state, MALFORMED);
  }
}

function onHello(state: State, intervalMs: number, facts: Facts): Step {
  if (state.phase !== 'hello') return same(state, MALFORMED);
  const { life } = state;
  const beat: Beat = { intervalMs, sentAt: 0, acknowledged: true, bytesAtBeat: 0, latencyMs: -1 };
  const firstBeat: Effect = {
    type: 'timer',
    name: 'heartbeat',
    delayMs: firstBeatMs(intervalMs, facts.random),
  };
  if (life.session === null) {
    return {
      state: { phase: 'queued', life, beat },
      effects: [
        { type: 'cancel', name: 'deadline' },
        firstBeat,
        { type: 'request-identify', reason: life.reason },
      ],
    };
  }
  return {
    state: {
      phase: 'resuming',
      life,
      beat,
      dispatchesAtResume: facts.dispatches,
      dispatchesAtDeadline: facts.dispatches,
    },
    effects: [
      { type: 'flush' },
      { type: 'resume', sessionId: life.session.sessionId },
      firstBeat,
      { type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.resumed },
    ],
  };
}

/** Op 1 from Discord is answered at once; it does not move our own heartbeat (protocol reference 3). */
function onHeartbeatRequested(state: State): Step {
  switch (state.phase) {
    case 'hello':
    case 'queued':
    case 'identifying':
    case 'resuming':
    case 'live':
      return same(state, { type: 'heartbeat' });
    case 'stopped':
    case 'waiting':
    case 'dialing':
    case 'closing':
    case 'fatal':
      return same(state);
  }
}

function onAcknowledged(state: State, facts: Facts): Step {
  switch (state.phase) {
    case 'queued':
    case 'identifying':
    case 'resuming':
    case 'live': {
      if (state.beat.acknowledged) return same(state);
      const beat: Beat = { ...state.beat, acknowledged: true, latencyMs: facts.now - state.beat.sentAt };
      return same({ ...state, beat });
    }
    case 'stopped':
    case 'waiting':
    case 'dialing':
    case 'hello':
    case 'closing':
    case 'fatal':
      return same(state);
  }
}

function onReconnect(state: State, facts: Facts): Step {
  switch (state.phase) {
    case 'hello':
    case 'queued':
    case 'resuming':
    case 'live':
      return leave(state, { type: 'reconnect' }, facts);
    case 'identifying':
      // Discord closes a few seconds after op 7. READY may still come, and then RESUME costs nothing.
      if (state.leaving !== 'no') return same(state);
      return {
        state: { ...state, leaving: 'reconnect' },
        effects: [{ type: 'timer', name: 'deadline', delayMs: DEADLINE_MS.readyAfterReconnect }],
      };
    case 'stopped':
    case 'waiting':
    case 'dialing':
    case 'closing':
    case 'fatal':
      return same(state);
  }
}

function onInvalidSession(state: State, resumable: boolean, facts: Facts): Step {
  switch (state.phase) {
    case 'identifying':
      if (state.leaving === 'stop') return halt(state);
      return leave(state, { type: 'invalid-session', resumable }, facts);
    case 'hello':
    case 'queued':
    case 'resuming':
    case 'live':
      return leave(state, { type: 'invalid-session', resumable }, facts);
    case 'stopped':
    case 'waiting':
    case 'dialing':
    case 'closing':
    case 'fatal':
      return same(state);
  }
}
