// Misfortunes that wait to happen (13.5): the rules ask here at the moment where each would strike. Those that
// strike at once (a cut, a close, an op 7) are levers of control.ts.

/** Moments that can be delayed. */
export const DELAYED_MOMENTS = ['hello', 'ready', 'backfill', 'replay', 'resumed', 'ack', 'rest'] as const;
export type DelayedMoment = (typeof DELAYED_MOMENTS)[number];

export interface Faults {
  /** Delays a moment by `ms`, for the next `times` occasions or until it is set to 0. */
  delay(what: DelayedMoment, ms: number, times?: number): void;
  /** The delay that applies now; counts one occasion. */
  takeDelay(what: DelayedMoment): number;
  /** Heartbeats are not answered while true. */
  setNoAcks(on: boolean): void;
  noAcks(): boolean;
  /** Makes something go wrong the next so many times, on one shard or on any. */
  arm(what: CountedFault, times: number, shard?: number): void;
  /** True when an armed fault strikes now, on this shard. */
  strike(what: CountedFault, shard?: number): boolean;
  clear(): void;
  read(): Record<string, unknown>;
}

/**
 * `drop-dispatch`: a dispatch gets its `s` but is not sent; a RESUME replays it. `lose-dispatch`: nor is it ever
 * replayed. `duplicate-dispatch`: sent twice with the same `s`. `op7-for-hello`: op 7 instead of HELLO (5.6).
 * `op9-on-identify`, `op9-on-resume`: refused with `d:false`. `op9-true-on-resume`: refused with `d:true`.
 * `http-502`: the upgrade is answered with 502. `rest-500`: a REST request is answered with 500.
 */
export const COUNTED_FAULTS = [
  'drop-dispatch',
  'lose-dispatch',
  'duplicate-dispatch',
  'op7-for-hello',
  'op9-on-identify',
  'op9-on-resume',
  'op9-true-on-resume',
  'http-502',
  'rest-500',
] as const;
export type CountedFault = (typeof COUNTED_FAULTS)[number];

export function createFaults(): Faults {
  const delays = new Map<DelayedMoment, { ms: number; left: number }>();
  const armed = new Map<CountedFault, { left: number; shard: number | undefined }>();
  let noAcks = false;
  return {
    delay(what, ms, times = Number.POSITIVE_INFINITY) {
      if (ms > 0) delays.set(what, { ms, left: times });
      else delays.delete(what);
    },
    takeDelay(what) {
      const delay = delays.get(what);
      if (!delay) return 0;
      if (--delay.left <= 0) delays.delete(what);
      return delay.ms;
    },
    setNoAcks(on) {
      noAcks = on;
    },
    noAcks: () => noAcks,
    arm(what, times, shard) {
      if (times > 0) armed.set(what, { left: times, shard });
      else armed.delete(what);
    },
    strike(what, shard) {
      // Asked for every dispatch, and nearly always nothing is armed.
      if (armed.size === 0) return false;
      const fault = armed.get(what);
      if (!fault || (fault.shard !== undefined && fault.shard !== shard)) return false;
      if (--fault.left <= 0) armed.delete(what);
      return true;
    },
    clear() {
      delays.clear();
      armed.clear();
      noAcks = false;
    },
    read: () => ({
      noAcks,
      delays: Object.fromEntries([...delays].map(([what, { ms }]) => [what, ms])),
      armed: Object.fromEntries(armed),
    }),
  };
}
