// What a guild is made of: which arrays of GUILD_CREATE hold elements with ids of their own, and every kind of
// part that an event can touch. A touched part is one row; everything untouched stays inside the guild's blob.

/** Kinds of parts. The numbers are stored: append only. */
export const PART = {
  // Elements of the arrays of GUILD_CREATE. A row holds the element, or null where it was removed.
  CHANNEL: 1,
  THREAD: 2,
  ROLE: 3,
  VOICE_STATE: 4,
  /** Merged over the blob's member, because updates may carry only some fields. */
  MEMBER: 5,
  PRESENCE: 6,
  STAGE_INSTANCE: 7,
  SCHEDULED_EVENT: 8,
  SOUNDBOARD_SOUND: 9,
  // Members of the guild object itself.
  /** All GUILD_UPDATEs, merged; id ''. */
  GUILD: 20,
  /** One member of the guild object, id its key: `emojis`, `stickers`. */
  FIELD: 21,
  /** How far `member_count` is from the blob's, a number; id ''. */
  MEMBER_COUNT: 22,
  // Single fields of an element, kept apart so that the element need not be read out of the blob.
  /** `last_pin_timestamp` of a channel or thread. */
  PINS: 30,
  /** The bot's own `member` of a thread; null where it has left. */
  THREAD_SELF: 31,
  /** `member_count` of a thread. */
  THREAD_COUNT: 32,
  /** How far `user_count` of a scheduled event is from what it was, a number. */
  EVENT_USERS: 33,
  // Marks about elements that are still in the blob and that nothing else touched since.
  /** A deleted role: members lose it. */
  ROLE_GONE: 40,
  /** A deleted channel: its threads, voice states and stage instance go with it. */
  CHANNEL_GONE: 41,
  /** A channel whose active threads were listed anew; id `*` for a whole guild. */
  THREADS_GONE: 42,
  /** A member that left: what the blob says of it is void, also when it comes back. */
  MEMBER_GONE: 43,
} as const;

export type PartKind = (typeof PART)[keyof typeof PART];

const KIND_NUMBERS: readonly PartKind[] = Object.values(PART);

/** A bit for each kind, so that one number says which kinds of parts a guild has at all. */
export function kindBit(kind: PartKind): number {
  return BITS[kind]!;
}

// A list in place of a map: this is asked for every member and presence that passes.
const BITS: number[] = [];
for (const [at, kind] of KIND_NUMBERS.entries()) BITS[kind] = 1 << at;

/** One array of GUILD_CREATE whose elements have ids. */
export interface ElementArray {
  readonly kind: PartKind;
  /** The array's key in the guild. */
  readonly array: string;
  /** The path of the id in an element. */
  readonly id: readonly [string, ...string[]];
}

export const ELEMENT_ARRAYS: readonly ElementArray[] = [
  { kind: PART.CHANNEL, array: 'channels', id: ['id'] },
  { kind: PART.THREAD, array: 'threads', id: ['id'] },
  { kind: PART.ROLE, array: 'roles', id: ['id'] },
  { kind: PART.VOICE_STATE, array: 'voice_states', id: ['user_id'] },
  { kind: PART.MEMBER, array: 'members', id: ['user', 'id'] },
  { kind: PART.PRESENCE, array: 'presences', id: ['user', 'id'] },
  { kind: PART.STAGE_INSTANCE, array: 'stage_instances', id: ['id'] },
  { kind: PART.SCHEDULED_EVENT, array: 'guild_scheduled_events', id: ['id'] },
  { kind: PART.SOUNDBOARD_SOUND, array: 'soundboard_sounds', id: ['sound_id'] },
];

/** Members of GUILD_CREATE that GUILD_UPDATE must leave alone (protocol reference 8.5). */
export const NOT_IN_GUILD_UPDATE: ReadonlySet<string> = new Set([
  ...ELEMENT_ARRAYS.filter(({ kind }) => kind !== PART.ROLE).map(({ array }) => array),
  'joined_at',
  'large',
  'member_count',
  'unavailable',
  'guild_id',
]);
