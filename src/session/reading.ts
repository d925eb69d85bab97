// Translates a gateway message into what the step needs to know of it. Only for messages that need a decision;
// what cannot be understood becomes `malformed`. Decides nothing.

import type { Transport } from '../wire/compression.ts';
import { EVENT } from '../wire/event-type.ts';
import type { Header } from '../wire/header.ts';
import { OP } from '../wire/opcode.ts';
import type { Message, SessionRecord } from './state.ts';

const MALFORMED: Message = { type: 'malformed' };

/** A heartbeat interval above this cannot be meant: Discord has sent 41.25 s for years. */
const HEARTBEAT_INTERVAL_MAX_MS = 600_000;

/** What a session gets from its connection and not from READY. */
export interface Connection {
  readonly transport: Transport;
  /** Stands in for a READY without `resume_gateway_url`. */
  readonly mainUrl: string;
}

/** Reads the message with this `header` in `bytes`. */
export function readMessage(bytes: Buffer, header: Header, connection: Connection): Message {
  switch (header.op) {
    case OP.DISPATCH:
      if (header.type === EVENT.READY) return readReady(bytes, header, connection);
      return {
        type: 'dispatch',
        s: header.s,
        event: header.type === EVENT.RESUMED ? 'resumed' : 'other',
      };
    case OP.HEARTBEAT:
      return { type: 'heartbeat-requested' };
    case OP.RECONNECT:
      return { type: 'reconnect' };
    case OP.INVALID_SESSION:
      // Only a plain `false` ends a session: a RESUME too many costs nothing, an IDENTIFY too many does.
      return { type: 'invalid-session', resumable: readData(bytes, header) !== false };
    case OP.HELLO:
      return readHello(readData(bytes, header));
    case OP.HEARTBEAT_ACK:
      return { type: 'acknowledged' };
    default:
      return MALFORMED;
  }
}

function readHello(data: unknown): Message {
  const interval = field(data, 'heartbeat_interval');
  if (typeof interval !== 'number' || !(interval > 0) || interval > HEARTBEAT_INTERVAL_MAX_MS)
    return MALFORMED;
  return { type: 'hello', heartbeatIntervalMs: interval };
}

function readReady(bytes: Buffer, header: Header, connection: Connection): Message {
  const data = readData(bytes, header);
  const sessionId = field(data, 'session_id');
  const resumeUrl = field(data, 'resume_gateway_url');
  const known = typeof sessionId === 'string' && sessionId !== '';
  const session: SessionRecord | null = known
    ? {
        sessionId,
        resumeUrl:
          typeof resumeUrl === 'string' && /^wss?:\/\//.test(resumeUrl) ? resumeUrl : connection.mainUrl,
        transport: connection.transport,
      }
    : null;
  return { type: 'ready', s: header.s, session };
}

/** The value of `d`; undefined when it is not JSON. */
function readData(bytes: Buffer, header: Header): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', header.dataStart, header.dataEnd));
  } catch {
    return undefined;
  }
}

function field(data: unknown, name: string): unknown {
  return typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[name] : undefined;
}
