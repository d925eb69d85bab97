// Time as an argument. Rooms never call Date.now or setTimeout: they get a Clock, so that a test (and the
// simulation) can own time.

/** A pending timer; opaque to its holder. */
export interface Timer {
  cancel(): void;
}

/** Wall time, monotonic time and timers, all in milliseconds. */
export interface Clock {
  /** Wall time, milliseconds since 1970. It may jump; never use it for durations. */
  now(): number;
  /** Milliseconds since some fixed moment; never goes back. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`. A waiting timer keeps the process alive: cancel what is not needed. */
  after(delayMs: number, run: () => void): Timer;
}

/** The longest wait that Node can do at once (24.8 days); a longer one would fire immediately. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    let handle: NodeJS.Timeout;
    const wait = (leftMs: number): void => {
      if (leftMs <= TIMEOUT_MS_MAX) handle = setTimeout(run, leftMs);
      else handle = setTimeout(() => wait(leftMs - TIMEOUT_MS_MAX), TIMEOUT_MS_MAX);
    };
    wait(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`, or rejects at once with the signal's reason when it is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
