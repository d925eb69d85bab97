// What this room asks of storage. Two sides: a reader gives one consistent view of what is stored; on top of
// it lies an overlay, in which events are folded before they are stored, or, for a snapshot, without being.

import type { Contents } from './contents.ts';
import type { PartKind } from './part.ts';

/** How much is known of a guild. */
export const GUILD_STATUS = {
  /** READY listed it; its GUILD_CREATE has not come. */
  LISTED: 0,
  /** Its data is here. */
  AVAILABLE: 1,
  /** Discord said it is down (GUILD_DELETE or GUILD_CREATE with `unavailable: true`). */
  UNAVAILABLE: 2,
} as const;

export type GuildStatus = (typeof GUILD_STATUS)[keyof typeof GUILD_STATUS];

/** Bytes in the journal. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * A guild's data: the bytes themselves, always with `"unavailable":false`, or where they are in the journal
 * (then `insert` says that the key is still missing there).
 */
export type GuildBlob = { readonly bytes: Uint8Array } | { readonly place: Place; readonly insert: boolean };

/** What is kept beside a guild's blob, small enough to be read for every event. */
export interface GuildHead {
  readonly status: GuildStatus;
  /** Bits (`kindBit`) of the kinds of parts that the guild may have. */
  readonly kinds: number;
  /** Undefined unless AVAILABLE. */
  readonly contents: Contents | undefined;
}

/** A touched part; `value` null means it was removed. */
export interface PartRow {
  readonly kind: PartKind;
  readonly id: string;
  readonly value: Uint8Array | null;
}

/** What messages did to a channel or thread: its newest message, and how many there were. */
export interface TailRow {
  readonly channel: string;
  /** Id of the newest message. */
  readonly last: string;
  /** Messages since the channel's own object was last received. */
  readonly count: number;
}

/** A shard's frontier: everything up to (epoch, s) is folded. */
export interface ShardRow {
  readonly shard: number;
  readonly epoch: number;
  readonly s: number;
}

/** A shard's READY. */
export interface ReadyRow {
  /** `d` of READY as Discord sent it. */
  readonly ready: Uint8Array;
  /** The bot's user after USER_UPDATEs; undefined when there were none. */
  readonly user: Uint8Array | undefined;
  /** The bot's user id. */
  readonly self: string;
}

/** One consistent view of stored state. */
export interface StateReader {
  shards(): ShardRow[];
  ready(shard: number): ReadyRow | undefined;
  /** Every known guild of a shard, in the order in which they became known. */
  guilds(shard: number): Array<{ id: string; status: GuildStatus }>;
  head(shard: number, guild: string): GuildHead | undefined;
  blob(shard: number, guild: string): Uint8Array | undefined;
  /** Undefined when untouched, null when removed. */
  part(shard: number, guild: string, kind: PartKind, id: string): Uint8Array | null | undefined;
  /** Ids that have a row of this kind, or undefined when they are too many to list. */
  partIds(shard: number, guild: string, kind: PartKind): ReadonlySet<string> | undefined;
  /** Parts of one kind, or all of them, ordered by kind and id. */
  parts(shard: number, guild: string, kind?: PartKind): PartRow[];
  tails(shard: number, guild: string): TailRow[];
}

/** What is skipped because fold cannot apply it. */
export interface AsideRow {
  readonly shard: number;
  readonly epoch: number;
  readonly s: number;
  readonly event: string;
  /** Receipt time, wall ms. */
  readonly at: number;
  readonly error: string;
  readonly bytes: Uint8Array;
}
