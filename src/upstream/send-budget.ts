// Discord's limits on what one connection may send: 120 messages in 60 s, whatever they are, or it closes with
// 4008 and may take the API access away (protocol reference 6.1). The window's kind is not documented, so every
// send is remembered for its whole length: right for a fixed window and for a sliding one. Pure; the caller
// brings the time and waits.

/** `control`: heartbeat, identify, resume. `presence` (op 3) has a limit of its own inside `command`. */
export type SendKind = 'control' | 'command' | 'presence';

/** One connection's budget; a new connection starts with a new one. */
export interface SendBudget {
  /** Takes one send at `nowMs` (monotonic). 0: taken, send now. Else: whole milliseconds until it may be tried again. */
  tryTake(nowMs: number, kind: SendKind): number;
  /** Sends of all kinds in the window that ends at `nowMs`. */
  used(nowMs: number): number;
}

/** Presence updates: 5 in 20 s (protocol reference 6.4). */
const PRESENCE_LIMIT = 5;
const PRESENCE_WINDOW_MS = 20_000;

/** The times of the last `limit` sends, oldest overwritten first. */
class SendLog {
  readonly #times: Float64Array;
  readonly #windowMs: number;
  #next = 0;
  constructor(limit: number, windowMs: number) {
    this.#times = new Float64Array(limit).fill(Number.NEGATIVE_INFINITY);
    this.#windowMs = windowMs;
  }
  /** Milliseconds until one more fits; 0 or less when it does. */
  waitMs(nowMs: number): number {
    return this.#times[this.#next]! + this.#windowMs - nowMs;
  }
  add(nowMs: number): void {
    this.#times[this.#next] = nowMs;
    this.#next = (this.#next + 1) % this.#times.length;
  }
  count(nowMs: number): number {
    let count = 0;
    for (const time of this.#times) if (time + this.#windowMs > nowMs) count++;
    return count;
  }
}

/**
 * Creates a budget of `limit` sends in `windowMs`, of which `reserved` are kept for control messages: commands
 * together may take `limit - reserved`, so a heartbeat never waits behind a bot's requests.
 */
export function createSendBudget(
  options: { limit?: number; windowMs?: number; reserved?: number } = {},
): SendBudget {
  const { limit = 120, windowMs = 60_000, reserved = 7 } = options;
  const all = new SendLog(limit, windowMs);
  const commands = new SendLog(limit - reserved, windowMs);
  const presences = new SendLog(PRESENCE_LIMIT, PRESENCE_WINDOW_MS);
  return {
    tryTake(nowMs, kind) {
      let waitMs = all.waitMs(nowMs);
      if (kind !== 'control') waitMs = Math.max(waitMs, commands.waitMs(nowMs));
      if (kind === 'presence') waitMs = Math.max(waitMs, presences.waitMs(nowMs));
      if (waitMs > 0) return Math.ceil(waitMs);
      all.add(nowMs);
      if (kind !== 'control') commands.add(nowMs);
      if (kind === 'presence') presences.add(nowMs);
      return 0;
    },
    used: (nowMs) => all.count(nowMs),
  };
}
