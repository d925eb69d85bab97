// What a handler's first words mean: pure decisions about messages, IDENTIFY and RESUME, with the close code
// that Discord would use (protocol reference 4.2, 5.1) and a reason a person can act on.

import { CLOSE } from '../wire/close-code.ts';
import { ALL_INTENTS, intentNames } from '../wire/intents.ts';
import { OP, SEND_BYTES_MAX } from '../wire/opcode.ts';

/** A refusal: the close code and its reason (at most 123 bytes, the limit of a close frame). */
export interface Refusal {
  readonly close: number;
  readonly reason: string;
}

/** A message of a handler, read and of a known shape. */
export type HandlerMessage =
  | { readonly type: 'heartbeat' }
  | { readonly type: 'identify'; readonly data: Record<string, unknown> }
  | { readonly type: 'resume'; readonly data: Record<string, unknown> }
  | {
      readonly type: 'command';
      readonly op: number;
      readonly data: Record<string, unknown>;
      readonly text: string;
    };

/** What upstream runs: fixed at the first start. */
export interface Layout {
  readonly shardCount: number;
  readonly intents: number;
}

/** Largest message taken from a handler. Discord's documented limit is 4096 bytes, its observed one 15 KiB. */
export const HANDLER_MESSAGE_BYTES_MAX = 15 * 1024;

const COMMANDS: ReadonlySet<number> = new Set([
  OP.PRESENCE_UPDATE,
  OP.VOICE_STATE_UPDATE,
  OP.REQUEST_GUILD_MEMBERS,
  OP.REQUEST_SOUNDBOARD_SOUNDS,
  OP.REQUEST_CHANNEL_INFO,
]);

/** Most bytes of the reason in a close frame: `ws` throws on more. */
const REASON_BYTES_MAX = 123;

/** What Discord demands of an op 3, or closes with 4001 (protocol reference 6.4). */
const PRESENCE_FIELDS = ['since', 'activities', 'status', 'afk'];

function refuse(close: number, reason: string): Refusal {
  if (Buffer.byteLength(reason) <= REASON_BYTES_MAX) return { close, reason };
  // Cut between characters: a close frame with half of one is a protocol error.
  let cut = reason.slice(0, REASON_BYTES_MAX - 3);
  while (Buffer.byteLength(cut) > REASON_BYTES_MAX - 3) cut = cut.slice(0, -1);
  return { close, reason: `${cut}...` };
}

/** Whether an answer is a refusal. */
export function isRefusal(value: object): value is Refusal {
  return 'close' in value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads one message of a handler. */
export function readMessage(data: Buffer, isBinary: boolean): HandlerMessage | Refusal {
  if (isBinary)
    return refuse(CLOSE.DECODE_ERROR, 'Decode error: expected JSON in a text frame, got a binary frame');
  if (data.length > HANDLER_MESSAGE_BYTES_MAX) {
    return refuse(
      CLOSE.DECODE_ERROR,
      `Decode error: message of ${data.length} bytes, at most ${HANDLER_MESSAGE_BYTES_MAX} are allowed`,
    );
  }
  const text = data.toString('utf8');
  let message: { op?: unknown; d?: unknown };
  try {
    message = JSON.parse(text);
  } catch {
    return refuse(CLOSE.DECODE_ERROR, 'Decode error: not valid JSON');
  }
  if (typeof message !== 'object' || message === null || !Number.isInteger(message.op)) {
    return refuse(CLOSE.DECODE_ERROR, 'Decode error: expected an object with an integer op');
  }
  const op = message.op as number;
  if (op === OP.HEARTBEAT) return { type: 'heartbeat' };
  const known = op === OP.IDENTIFY || op === OP.RESUME || COMMANDS.has(op);
  if (!known) return refuse(CLOSE.UNKNOWN_OPCODE, `Unknown opcode: ${op}`);
  const body = message.d;
  if (!isObject(body)) return refuse(CLOSE.DECODE_ERROR, `Decode error: op ${op} needs an object in d`);
  if (op === OP.IDENTIFY) return { type: 'identify', data: body };
  if (op === OP.RESUME) return { type: 'resume', data: body };
  if (op === OP.PRESENCE_UPDATE && !PRESENCE_FIELDS.every((field) => Object.hasOwn(body, field))) {
    return refuse(CLOSE.UNKNOWN_OPCODE, 'Presence update needs since, activities, status and afk');
  }
  const flaw = commandFlaw(op, body);
  if (flaw) return refuse(CLOSE.UNKNOWN_OPCODE, `Op ${op} needs ${flaw}`);
  if (data.length > SEND_BYTES_MAX) {
    return refuse(
      CLOSE.DECODE_ERROR,
      `Decode error: op ${op} of ${data.length} bytes, Discord takes at most ${SEND_BYTES_MAX}`,
    );
  }
  return { type: 'command', op, data: body, text };
}

/** An id as text, or as the number that discord.py sends; Discord reads both. */
const isSnowflake = (value: unknown): boolean =>
  typeof value === 'string'
    ? /^\d{15,20}$/.test(value)
    : Number.isInteger(value) && (value as number) >= 1e14;

/**
 * What a command lacks that Discord answers with close 4001: passed on, it would cost the shard's connection, and the
 * handler that sent it would not be told. Fields that Discord merely ignores are not looked at.
 */
function commandFlaw(op: number, body: Record<string, unknown>): string | undefined {
  const { guild_id: guildId, guild_ids: guildIds, channel_id: channelId } = body;
  if (op === OP.REQUEST_SOUNDBOARD_SOUNDS) {
    return Array.isArray(guildIds) && guildIds.every(isSnowflake)
      ? undefined
      : 'guild_ids, a list of snowflakes';
  }
  if (op === OP.PRESENCE_UPDATE) return Array.isArray(body['activities']) ? undefined : 'activities, a list';
  if (!isSnowflake(guildId)) return 'guild_id, a snowflake';
  if (op === OP.VOICE_STATE_UPDATE && channelId !== null && !isSnowflake(channelId))
    return 'channel_id, a snowflake or null';
  if (op === OP.REQUEST_GUILD_MEMBERS && body['query'] === undefined && body['user_ids'] === undefined)
    return 'query or user_ids';
  if (op === OP.REQUEST_CHANNEL_INFO && !Array.isArray(body['fields'])) return 'fields, a list';
  return undefined;
}

/** The version and encoding asked for in the connection's URL. */
export function checkQuery(query: URLSearchParams): Refusal | undefined {
  const version = query.get('v');
  if (version !== null && version !== '10' && version !== '9') {
    return refuse(
      CLOSE.INVALID_API_VERSION,
      `Invalid API version: ${version.slice(0, 8)}; Holdfast speaks 9 and 10`,
    );
  }
  const encoding = query.get('encoding');
  if (encoding !== null && encoding !== 'json') {
    return refuse(
      CLOSE.DECODE_ERROR,
      `Encoding ${encoding.slice(0, 8)} is not supported; connect with encoding=json`,
    );
  }
  return undefined;
}

/** A token as libraries send it, with or without `Bot `; undefined when it is no text. */
export function bareToken(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= 512 ? value.trim().split(/\s+/).at(-1) : undefined;
}

/** A shard pair from an IDENTIFY: absent means [0, 1]. */
function readShard(value: unknown): readonly [number, number] | undefined {
  if (value === undefined || value === null) return [0, 1];
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [id, count] = value as unknown[];
  if (!Number.isInteger(id) || !Number.isInteger(count)) return undefined;
  return [id as number, count as number];
}

/** What an admitted IDENTIFY asks for. */
export interface Identified {
  readonly shard: number;
  readonly intents: number;
  readonly presence: Record<string, unknown> | undefined;
}

/** Checks what an IDENTIFY carries, apart from its token, against what upstream runs. */
export function admitIdentify(data: Record<string, unknown>, layout: Layout): Identified | Refusal {
  const shard = readShard(data['shard']);
  const count = layout.shardCount;
  if (!shard) return refuse(CLOSE.INVALID_SHARD, 'Invalid shard: expected [id, count]');
  if (shard[1] !== count) {
    return refuse(
      CLOSE.INVALID_SHARD,
      `Invalid shard: Holdfast runs ${count} shards, this handler asked for ${shard[1]}; set its shard count to ${count}`,
    );
  }
  if (shard[0] < 0 || shard[0] >= count) {
    return refuse(CLOSE.INVALID_SHARD, `Invalid shard: id ${shard[0]} is not in 0..${count - 1}`);
  }
  const intents = readIntents(data['intents']);
  if (typeof intents !== 'number') return intents;
  const missing = intents & ~layout.intents;
  if (missing !== 0) {
    const names = intentNames(missing).join(', ');
    return refuse(
      CLOSE.DISALLOWED_INTENTS,
      `Disallowed intents: add to "intents", then holdfast reidentify --yes: ${names}`,
    );
  }
  const presence = data['presence'];
  return {
    shard: shard[0],
    intents,
    presence: isObject(presence) ? presence : undefined,
  };
}

/** Reads the intents of an IDENTIFY. */
export function readIntents(value: unknown): number | Refusal {
  if (
    !Number.isInteger(value) ||
    (value as number) < 0 ||
    (value as number) > ALL_INTENTS ||
    ((value as number) & ~ALL_INTENTS) !== 0
  ) {
    return refuse(CLOSE.INVALID_INTENTS, `Invalid intents: expected an integer made of documented bits`);
  }
  return value as number;
}

/** What a well-formed RESUME asks for. */
export interface ResumeRequest {
  readonly sessionId: string;
  readonly seq: number;
}

const SEQ_MAX = 0xffff_ffff;

/** Checks the shape of a RESUME. */
export function admitResume(data: Record<string, unknown>): ResumeRequest | Refusal {
  const { session_id: sessionId, seq } = data;
  if (typeof sessionId !== 'string' || sessionId.length > 128)
    return refuse(CLOSE.DECODE_ERROR, 'Decode error: RESUME needs a session_id');
  if (!Number.isInteger(seq) || (seq as number) < 0 || (seq as number) > SEQ_MAX)
    return refuse(CLOSE.INVALID_SEQ, 'Invalid seq: expected the last s received');
  return { sessionId, seq: seq as number };
}
