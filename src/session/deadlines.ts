// How long each phase of a connection may take, and how long to wait between two connections. Every wait of a
// shard has its row here, so that no shard can be stuck for ever. Pure; the random number comes in.

/** Deadlines, milliseconds. */
export const DEADLINE_MS = {
  /** DNS, TCP, TLS and the upgrade. */
  dial: 10_000,
  hello: 20_000,
  /** From IDENTIFY to READY. */
  ready: 60_000,
  /** From RESUME, or from the last look that found replay flowing, to RESUMED. */
  resumed: 60_000,
  /** A READY that is paid for is awaited this long after op 7: Discord closes "a few seconds later" (5.6). */
  readyAfterReconnect: 5_000,
  /** The same when the operator stops us. */
  readyAfterStop: 1_000,
  /** From our close to the socket's report. The socket keeps its own shorter one; this is for a faulty one. */
  closed: 3_000,
} as const;

/** A connection that lived this long was sound: the next one is dialled at once. */
export const STEADY_MS = 30_000;

/** This many connections in a row bring nothing on one URL, then the other URL is tried with the same session. */
export const TRIES_PER_URL = 3;

/** RESUMEs answered by nothing at all before a session counts as poisoned: three on each URL. */
export const BARREN_RESUMES_MAX = 2 * TRIES_PER_URL;

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 30_000;

/** The wait before dialling again, full jitter: none after a sound connection, then up to 0.25, 0.5, 1, ... 30 s. */
export function backoffMs(failures: number, random: number): number {
  if (failures <= 0) return 0;
  return Math.round(random * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures - 1, 20)));
}

/** The 1 to 5 s that Discord asks for after op 9 (protocol reference 5.5), also used after 4008. */
export function breatherMs(random: number): number {
  return Math.round(1_000 + random * 4_000);
}

/** Extra wait while many shards reconnect at once: connections are not limited, but staff asks to stagger them. */
export function storminessMs(random: number): number {
  return Math.round(random * 1_500);
}

/** The first heartbeat comes after a random part of the interval (protocol reference 3). */
export function firstBeatMs(intervalMs: number, random: number): number {
  return Math.round(intervalMs * random);
}
