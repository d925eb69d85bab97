// What a client may send, checked: each reader returns the payload in one form, or the close code that Discord
// answers it with (2.1, 2.3, 4.1, 6.3, 6.4). No state is looked at here.

import { OP } from '../../src/wire/opcode.ts';
import { type Fields, isInteger, isObject, isText } from './json.ts';
import { isSnowflake } from './snowflake.ts';

/** A refused payload: the close code that answers it. */
export interface Refused {
  readonly refused: number;
}

export function isRefused(value: object): value is Refused {
  return 'refused' in value;
}

const WRONG_SHAPE: Refused = { refused: 4001 };
const UNDECODABLE: Refused = { refused: 4002 };

export interface Message {
  readonly op: number;
  readonly d: unknown;
}

const KNOWN_OPS: ReadonlySet<number> = new Set([
  OP.HEARTBEAT,
  OP.IDENTIFY,
  OP.PRESENCE_UPDATE,
  OP.VOICE_STATE_UPDATE,
  5, // voice server ping
  OP.RESUME,
  OP.REQUEST_GUILD_MEMBERS,
  OP.REQUEST_SOUNDBOARD_SOUNDS,
  OP.REQUEST_CHANNEL_INFO,
]);

/** Reads one message from a client: 4002 when it is not JSON with an `op`, 4001 when the op is not one a bot may send. */
export function readMessage(text: string): Message | Refused {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return UNDECODABLE;
  }
  if (!isObject(parsed) || !isInteger(parsed['op'])) return UNDECODABLE;
  if (!KNOWN_OPS.has(parsed['op'])) return WRONG_SHAPE;
  return { op: parsed['op'], d: parsed['d'] };
}

export interface Identify {
  readonly token: string;
  readonly shard: number;
  readonly shardCount: number;
  /** Whether `shard` was sent: READY echoes it only then (8.1). */
  readonly sharded: boolean;
  /** NaN when missing or no integer; judged later, as 4013. */
  readonly intents: number;
  readonly largeThreshold: number;
  readonly compress: boolean;
  readonly presence: Fields | null;
}

/** Reads IDENTIFY's `d`. A shard that is not two integers in order is 4010. */
export function readIdentify(d: unknown): Identify | Refused {
  if (!isObject(d) || !isText(d['token']) || !isObject(d['properties'])) return WRONG_SHAPE;
  const shard = d['shard'] ?? undefined;
  let [id, count]: unknown[] = [0, 1];
  if (shard !== undefined) {
    if (!Array.isArray(shard) || shard.length !== 2) return { refused: 4010 };
    [id, count] = shard;
    if (!isInteger(id) || !isInteger(count) || count < 1 || id < 0 || id >= count) return { refused: 4010 };
  }
  const threshold = d['large_threshold'];
  return {
    token: d['token'],
    shard: id as number,
    shardCount: count as number,
    sharded: shard !== undefined,
    intents: isInteger(d['intents']) ? d['intents'] : Number.NaN,
    largeThreshold: isInteger(threshold) ? Math.max(25, Math.min(250, threshold)) : 50,
    compress: d['compress'] === true,
    presence: isObject(d['presence']) ? d['presence'] : null,
  };
}

export interface Resume {
  readonly token: string;
  readonly sessionId: string;
  readonly seq: number;
}

export function readResume(d: unknown): Resume | Refused {
  if (!isObject(d) || !isText(d['token']) || !isText(d['session_id'])) return WRONG_SHAPE;
  // A client that never had a dispatch may send null (eris, serenity: 0).
  const seq = d['seq'] ?? 0;
  if (!isInteger(seq) || seq < 0) return WRONG_SHAPE;
  return { token: d['token'], sessionId: d['session_id'], seq };
}

/** Reads op 3: all four fields must be there (6.4). */
export function readPresence(d: unknown): Fields | Refused {
  if (!isObject(d) || !isText(d['status']) || !Array.isArray(d['activities'])) return WRONG_SHAPE;
  if (d['since'] === undefined) return WRONG_SHAPE;
  if (!['online', 'dnd', 'idle', 'invisible', 'offline'].includes(d['status'])) return WRONG_SHAPE;
  return { since: d['since'], status: d['status'], activities: d['activities'], afk: d['afk'] === true };
}

export interface VoiceUpdate {
  readonly guildId: string;
  readonly channelId: string | null;
  readonly selfMute: boolean;
  readonly selfDeaf: boolean;
}

export function readVoiceUpdate(d: unknown): VoiceUpdate | Refused {
  if (!isObject(d) || !isSnowflake(d['guild_id'])) return WRONG_SHAPE;
  const channelId = d['channel_id'] ?? null;
  if (channelId !== null && !isSnowflake(channelId)) return WRONG_SHAPE;
  return {
    guildId: d['guild_id'],
    channelId,
    selfMute: d['self_mute'] === true,
    selfDeaf: d['self_deaf'] === true,
  };
}

export interface MemberRequest {
  readonly guildId: string;
  /** Prefix to search; null when `userIds` are asked for. */
  readonly query: string | null;
  readonly limit: number;
  readonly userIds: readonly string[];
  readonly presences: boolean;
  /** Echoed in every chunk; null when missing or longer than 32 bytes, which Discord ignores (6.3). */
  readonly nonce: string | null;
}

export function readMemberRequest(d: unknown): MemberRequest | Refused {
  if (!isObject(d)) return WRONG_SHAPE;
  // Discord took one guild id in an array long ago; some clients still send that.
  const guildId = Array.isArray(d['guild_id']) ? d['guild_id'][0] : d['guild_id'];
  if (!isSnowflake(guildId)) return WRONG_SHAPE;
  const nonce = isText(d['nonce']) && Buffer.byteLength(d['nonce']) <= 32 ? d['nonce'] : null;
  const presences = d['presences'] === true;
  const ids = d['user_ids'];
  if (ids !== undefined && ids !== null) {
    const userIds: unknown[] = Array.isArray(ids) ? ids : [ids];
    if (userIds.length > 100 || !userIds.every((id) => isSnowflake(String(id)))) return WRONG_SHAPE;
    return { guildId, query: null, limit: 0, userIds: userIds.map(String), presences, nonce };
  }
  if (!isText(d['query']) || !isInteger(d['limit']) || d['limit'] < 0) return WRONG_SHAPE;
  return { guildId, query: d['query'], limit: d['limit'], userIds: [], presences, nonce };
}

export function readSoundboardRequest(d: unknown): { guildIds: string[] } | Refused {
  if (!isObject(d) || !Array.isArray(d['guild_ids']) || !d['guild_ids'].every(isSnowflake))
    return WRONG_SHAPE;
  return { guildIds: d['guild_ids'] };
}

export function readChannelInfoRequest(d: unknown): { guildId: string; fields: string[] } | Refused {
  if (!isObject(d) || !isSnowflake(d['guild_id']) || !Array.isArray(d['fields'])) return WRONG_SHAPE;
  return { guildId: d['guild_id'], fields: d['fields'].filter(isText) };
}
