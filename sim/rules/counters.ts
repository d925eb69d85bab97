// Plain numbers about everything that happened, for tests and for the control page.

/** Creates counters at zero. */
export function createCounters() {
  return {
    connections: 0,
    /** Frames written to clients, of any op. */
    pushes: 0,
    dispatched: 0,
    /** Well-formed IDENTIFYs that arrived; those that got a session; those answered by op 9; those answered by a close. */
    identifies: 0,
    identifiesAccepted: 0,
    identifiesInvalid: 0,
    identifiesClosed: 0,
    /** RESUMEs that were followed by RESUMED; those answered by op 9 or a close. */
    resumes: { ok: 0, failed: 0 },
    heartbeats: 0,
    sessionsEnded: 0,
    presenceUpdates: 0,
    presenceUpdatesDropped: 0,
    tokenResets: 0,
    /** Server closes by code. */
    closes: {} as Record<string, number>,
    restRequests: 0,
    /** REST answers by status. */
    restStatuses: {} as Record<string, number>,
    interactions: 0,
    interactionsAnswered: 0,
    interactionsLate: 0,
  };
}

export type Counters = ReturnType<typeof createCounters>;

/** Adds one to a counter by key. */
export function countBy(counts: Record<string, number>, key: string | number): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
