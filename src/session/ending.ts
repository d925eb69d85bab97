// What the end of a connection means: is the session alive, may we come back, how soon, and to which URL.
// One judgement for every kind of end and every phase, so that no two paths can disagree. Pure.

import type { ErrorCode } from '../base/errors.ts';
import { closeCode } from '../wire/close-code.ts';
import {
  BARREN_RESUMES_MAX,
  backoffMs,
  breatherMs,
  STEADY_MS,
  storminessMs,
  TRIES_PER_URL,
} from './deadlines.ts';
import { type Connected, type Facts, type IdentifyReason, type Life, withoutSession } from './state.ts';

/** Why a connection ends. `closed` came from outside, the rest are our own doing. */
export type Ending =
  | { readonly type: 'closed'; readonly code: number; readonly cause: string }
  | { readonly type: 'reconnect' }
  | { readonly type: 'invalid-session'; readonly resumable: boolean }
  | { readonly type: 'zombie' }
  | { readonly type: 'timeout' }
  | { readonly type: 'gap' }
  | { readonly type: 'redial' }
  | { readonly type: 'forgotten'; readonly reason: IdentifyReason };

/** A connection that may still have a say: not one that we have closed already. */
export type Open = Exclude<Connected, { phase: 'closing' }>;

export interface Judgement {
  readonly life: Life;
  readonly delayMs: number;
  readonly lost: { readonly reason: IdentifyReason; readonly cause: string } | null;
  readonly fatal: { readonly code: ErrorCode; readonly text: string } | null;
}

/** Judges the end of the connection that `state` has. */
export function judge(state: Open, ending: Ending, facts: Facts): Judgement {
  const fatal = ending.type === 'closed' ? fatalCode(ending.code) : null;
  if (fatal) return { life: state.life, delayMs: 0, lost: null, fatal };
  const tried = countTries(state, ending, facts);
  const lost = tried.session === null ? null : judgeSession(state, ending, tried, facts);
  const delayMs = judgeDelay(ending, state.phase === 'live' ? tried.failures - 1 : tried.failures, facts);
  const life = lost ? withoutSession(tried, lost.reason) : grantLastChance(state, ending, tried);
  return { life, delayMs, lost, fatal: null };
}

/** The operating error of a close code after which reconnecting cannot help; null for any other. */
export function fatalCode(code: number): Judgement['fatal'] {
  const row = closeCode(code);
  if (row.action !== 'fatal' || row.error === undefined) return null;
  return { code: row.error, text: `Discord closed the connection with ${code} (${row.name})` };
}

/** Where the next connection goes: the session's own URL, the main one (null), and back, three tries each. */
export function nextUrl(life: Life): string | null {
  if (life.session === null) return null;
  return Math.floor(life.fruitless / TRIES_PER_URL) % 2 === 0 ? life.session.resumeUrl : null;
}

/** How an end is counted and logged. */
export function endingLabel(state: Open, ending: Ending): string {
  if (ending.type === 'closed') return String(ending.code);
  if (ending.type === 'timeout') return `${state.phase}-timeout`;
  return ending.type;
}

/** Whether this connection has brought an event. */
function wasHeard(state: Open, facts: Facts): boolean {
  return (
    state.phase === 'live' || (state.phase === 'resuming' && facts.dispatches > state.dispatchesAtResume)
  );
}

function countTries(state: Open, ending: Ending, facts: Facts): Life {
  const heard = wasHeard(state, facts);
  const steady = state.phase === 'live' && facts.now - state.liveSince >= STEADY_MS;
  const answered = heard || ending.type === 'reconnect' || ending.type === 'invalid-session';
  const { life } = state;
  return {
    ...life,
    failures: steady ? 0 : life.failures + 1,
    fruitless: heard || life.session === null ? 0 : life.fruitless + 1,
    barren: answered ? 0 : state.phase === 'resuming' ? life.barren + 1 : life.barren,
  };
}

/** Whether, and why, the session is gone. Until RESUME was sent, an end says nothing about the session. */
function judgeSession(state: Open, ending: Ending, tried: Life, facts: Facts): Judgement['lost'] {
  if (ending.type === 'forgotten') return { reason: ending.reason, cause: 'given up on purpose' };
  if (state.phase !== 'resuming' && state.phase !== 'live') return null;
  if (ending.type === 'invalid-session' && !ending.resumable)
    return { reason: 'op9', cause: 'op 9: the session cannot be resumed' };
  if (ending.type === 'closed') {
    const { action, name } = closeCode(ending.code);
    const again = action === 'resume-once' && state.phase === 'resuming' && state.life.lastChance;
    if (action === 'identify' || again)
      return { reason: 'session-lost', cause: `closed with ${ending.code} (${name})` };
  }
  if (tried.barren >= BARREN_RESUMES_MAX && facts.othersResumeWell) {
    return { reason: 'session-lost', cause: `${tried.barren} RESUMEs were answered by nothing, others are` };
  }
  return null;
}

function grantLastChance(state: Open, ending: Ending, life: Life): Life {
  const implicated = life.session !== null && (state.phase === 'resuming' || state.phase === 'live');
  if (!implicated || ending.type !== 'closed' || closeCode(ending.code).action !== 'resume-once') return life;
  return { ...life, lastChance: true };
}

function judgeDelay(ending: Ending, failures: number, facts: Facts): number {
  const backoff = backoffMs(failures, facts.random) + (facts.storm ? storminessMs(facts.random) : 0);
  const limited = ending.type === 'closed' && ending.code === 4008;
  const breather = ending.type === 'invalid-session' || limited ? breatherMs(facts.random) : 0;
  return Math.max(backoff, breather);
}
