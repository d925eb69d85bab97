// The clock of the rules: timers that can all be stopped at once, so that nothing outlives a simulator.

import type { Clock, Timer } from '../../src/base/clock.ts';

export interface Timers extends Clock {
  /** Cancels every waiting timer; later ones are never run. */
  stop(): void;
}

/** Wraps a clock. */
export function createTimers(clock: Clock): Timers {
  const waiting = new Set<Timer>();
  let stopped = false;
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after(delayMs, run) {
      if (stopped) return { cancel() {} };
      const timer = clock.after(delayMs, () => {
        waiting.delete(timer);
        run();
      });
      waiting.add(timer);
      return {
        cancel() {
          waiting.delete(timer);
          timer.cancel();
        },
      };
    },
    stop() {
      stopped = true;
      for (const timer of waiting) timer.cancel();
      waiting.clear();
    },
  };
}
