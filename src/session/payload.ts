// The three messages that a session sends by itself: heartbeat, IDENTIFY and RESUME (protocol reference 2.3).
// Texts, ready for the socket; they hold the token and must never be logged.

import { OP } from '../wire/opcode.ts';

/** What an IDENTIFY says, beside the token. */
export interface IdentifyFields {
  readonly shard: number;
  readonly shardCount: number;
  readonly intents: number;
  readonly largeThreshold: number;
  /** The `d` of op 3; a new session starts without any presence (6.4). */
  readonly presence: unknown;
}

/** Op 1. `lastS` is the last sequence number received, 0 for none. */
export function heartbeatText(lastS: number): string {
  return `{"op":${OP.HEARTBEAT},"d":${lastS > 0 ? lastS : 'null'}}`;
}

/** Op 2. */
export function identifyText(token: string, fields: IdentifyFields): string {
  return JSON.stringify({
    op: OP.IDENTIFY,
    d: {
      token,
      properties: { os: process.platform, browser: 'holdfast', device: 'holdfast' },
      compress: false,
      large_threshold: fields.largeThreshold,
      shard: [fields.shard, fields.shardCount],
      intents: fields.intents,
      ...(fields.presence === undefined || fields.presence === null ? {} : { presence: fields.presence }),
    },
  });
}

/** Op 6. `seq` is the last sequence number that is safe in the journal. */
export function resumeText(token: string, sessionId: string, seq: number): string {
  return JSON.stringify({ op: OP.RESUME, d: { token, session_id: sessionId, seq } });
}
