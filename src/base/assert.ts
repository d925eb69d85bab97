// A fault is our own bug. `assert` throws it, nobody catches it, and the process ends: the parent starts
// it again, sessions are resumable, so a crash is cheaper than a doubt.

/** Thrown for a broken invariant. Never caught except by the process's last handler. */
export class Fault extends Error {
  override name = 'Fault';
}

/** Throws a `Fault` naming the invariant that does not hold. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Fault(`invariant broken: ${invariant}`);
}

/** The end of an exhaustive switch: the compiler refuses a missing case, and at run time this throws. */
export function unreachable(value: never): never {
  throw new Fault(`unreachable value: ${JSON.stringify(value)}`);
}
