// Changes of one shard on top of a reader's view, in memory. Fold works on one and has it stored in batches;
// a snapshot works on one over a pinned view and throws it away. It decides nothing about events.

import type { Contents } from './contents.ts';
import type { Ids } from './ids.ts';
import { kindBit, type PartKind } from './part.ts';
import {
  GUILD_STATUS,
  type GuildBlob,
  type GuildHead,
  type GuildStatus,
  type PartRow,
  type ReadyRow,
  type StateReader,
  type TailRow,
} from './port.ts';
import { asBuffer } from './splice.ts';
import { type TailChange, TailTable } from './tail-table.ts';

/** A part whose row goes away altogether: the guild's blob is right about it again, or never had it. */
const DROPPED = Symbol('dropped');
type PartChange = Uint8Array | null | typeof DROPPED;

// About what an entry costs in memory beside its bytes.
const ROW_WEIGHT_BYTES = 128;
const TAIL_WEIGHT_BYTES = 64;

/** What an overlay that created or replaced a guild says of it. */
interface Created extends GuildHead {
  readonly blob: GuildBlob | undefined;
}

/** One guild with its changes. Valid until the guild is replaced or deleted (`dead`). */
export class GuildOverlay {
  readonly id: string;
  /** Set for a guild that this overlay created or replaced: nothing stored below belongs to it. */
  readonly fresh: boolean;
  readonly blob: GuildBlob | undefined;
  dead = false;
  readonly changes = new Map<string, PartChange>();
  readonly #owner: Overlay;
  // Undefined until someone asks: messages touch a guild without wanting to know anything about it.
  #head: GuildHead | 'unknown' | undefined;
  #kinds = 0;
  // The ids of rows below, of the kinds that were asked for.
  #listed: Map<PartKind, ReadonlySet<string> | 'many'> | undefined;

  constructor(owner: Overlay, id: string, created?: Created) {
    this.#owner = owner;
    this.id = id;
    this.#head = created;
    this.fresh = created !== undefined;
    this.blob = created?.blob;
  }

  /** Undefined when the guild is not known at all. */
  get status(): GuildStatus | undefined {
    return this.#load()?.status;
  }

  /** Kinds that may have rows, here or below. */
  get kinds(): number {
    return this.#kinds | (this.#load()?.kinds ?? 0);
  }

  /** Whether kinds of parts have been added to those stored. */
  get kindsChanged(): boolean {
    return this.kinds !== (this.#load()?.kinds ?? 0);
  }

  get contents(): Contents | undefined {
    return this.#load()?.contents;
  }

  /** Whether the blob's array of this kind holds this id. */
  has(kind: PartKind, id: string): boolean {
    return this.contents?.has(kind, id) ?? false;
  }

  /** Whether nothing at all is known of the element whose id's digits are `bytes[start, end)`. */
  isStranger(kind: PartKind, bytes: Uint8Array, start: number, end: number): boolean {
    return (this.kinds & kindBit(kind)) === 0 && !this.contents?.hasIn(kind, bytes, start, end);
  }

  /** Undefined when untouched, null when removed. */
  part(kind: PartKind, id: string): Uint8Array | null | undefined {
    if ((this.kinds & kindBit(kind)) === 0) return undefined;
    const change = this.changes.get(partKey(kind, id));
    if (change !== undefined) return change === DROPPED ? undefined : change;
    return this.fresh || this.#isAbsent(kind, id)
      ? undefined
      : this.#base.part(this.#shard, this.id, kind, id);
  }

  /** Stores a part; the bytes are kept, not copied. Null marks it as removed from what the blob holds. */
  put(kind: PartKind, id: string, value: Uint8Array | null): void {
    this.#kinds |= kindBit(kind);
    this.#change(partKey(kind, id), value);
  }

  /** Forgets a part, so that what the blob says counts again. */
  drop(kind: PartKind, id: string): void {
    if ((this.kinds & kindBit(kind)) === 0) return;
    const key = partKey(kind, id);
    if (this.fresh) this.changes.delete(key);
    else this.#change(key, DROPPED);
  }

  /** Removes an element: marked where the blob holds it, else forgotten without a trace. */
  remove(kind: PartKind, id: string): void {
    if (this.has(kind, id)) this.put(kind, id, null);
    else this.drop(kind, id);
  }

  /** Touched parts of one kind, or of all, ordered by kind and id. */
  parts(kind?: PartKind): PartRow[] {
    if (kind === undefined ? this.kinds === 0 : (this.kinds & kindBit(kind)) === 0) return [];
    const rows = this.fresh ? [] : this.#base.parts(this.#shard, this.id, kind);
    if (this.changes.size === 0) return rows;
    const merged = new Map<string, PartRow>();
    for (const row of rows) merged.set(partKey(row.kind, row.id), row);
    for (const [key, change] of this.changes) {
      const row = keyPart(key);
      if (kind !== undefined && row.kind !== kind) continue;
      if (change === DROPPED) merged.delete(key);
      else merged.set(key, { ...row, value: change });
    }
    return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }

  /** Forgets what messages did to a channel, because its own object has just come, or it is gone. */
  dropTail(channel: string): void {
    this.#owner.voidTail(this, channel);
  }

  /** Tails of the guild's channels. */
  tails(): TailRow[] {
    const rows = new Map<string, TailRow>();
    if (!this.fresh) {
      for (const row of this.#base.tails(this.#shard, this.id)) rows.set(row.channel, row);
    }
    for (const change of this.#owner.tailsOf(this)) {
      const below = change.fresh ? undefined : rows.get(change.channel);
      if (change.last === '') rows.delete(change.channel);
      else
        rows.set(change.channel, {
          channel: change.channel,
          last: change.last,
          count: change.count + (below?.count ?? 0),
        });
    }
    return [...rows.values()];
  }

  get #base(): StateReader {
    return this.#owner.base;
  }

  get #shard(): number {
    return this.#owner.shard;
  }

  /**
   * Whether there is surely no such row below. Most that is asked for is not there: members and presences that
   * pass. So the first to ask has the ids listed, if they are few.
   */
  #isAbsent(kind: PartKind, id: string): boolean {
    this.#listed ??= new Map();
    let ids = this.#listed.get(kind);
    if (ids === undefined) {
      ids = this.#base.partIds(this.#shard, this.id, kind) ?? 'many';
      this.#listed.set(kind, ids);
      this.#owner.meter.bytes += ROW_WEIGHT_BYTES;
    }
    return ids !== 'many' && !ids.has(id);
  }

  #load(): GuildHead | undefined {
    if (this.#head === undefined) {
      this.#head = this.#base.head(this.#shard, this.id) ?? 'unknown';
      this.#owner.meter.bytes += ROW_WEIGHT_BYTES;
    }
    return this.#head === 'unknown' ? undefined : this.#head;
  }

  #change(key: string, change: PartChange): void {
    this.changes.set(key, change);
    this.#owner.meter.bytes += ROW_WEIGHT_BYTES + (change instanceof Uint8Array ? change.length : 0);
  }
}

/** About how many bytes the changes of overlays hold in memory; several may share one meter. */
export interface Meter {
  bytes: number;
}

/** One shard with its changes. */
export class Overlay {
  readonly base: StateReader;
  readonly shard: number;
  readonly meter: Meter;
  /** A READY in this overlay: nothing stored below belongs to the shard any more. */
  readyRow: ReadyRow | undefined;
  /** A USER_UPDATE in this overlay, without a READY. */
  userChange: Uint8Array | undefined;
  /** Guilds looked at or changed; null where deleted. */
  readonly guildChanges = new Map<string, GuildOverlay | null>();
  readonly tails = new TailTable();
  #tailIndex: Map<GuildOverlay, TailChange[]> | undefined;
  #self: string | undefined;

  constructor(base: StateReader, shard: number, meter: Meter = { bytes: 0 }) {
    this.base = base;
    this.shard = shard;
    this.meter = meter;
  }

  /** The bot's user id. Asked for every member that passes, so it is read once. */
  get self(): string | undefined {
    this.#self ??= this.ready()?.self;
    return this.#self;
  }

  /** The shard's READY with its user as of now. */
  ready(): ReadyRow | undefined {
    if (this.readyRow) return this.readyRow;
    const below = this.base.ready(this.shard);
    return below && this.userChange ? { ...below, user: this.userChange } : below;
  }

  /** A new epoch: forgets the shard and lists the guilds of its READY. */
  reset(ready: Uint8Array, self: string, guilds: Iterable<string>): void {
    for (const guild of this.guildChanges.values()) if (guild) guild.dead = true;
    this.guildChanges.clear();
    this.tails.clear();
    this.#tailIndex = undefined;
    this.userChange = undefined;
    this.#self = self;
    this.readyRow = { ready, self, user: undefined };
    this.meter.bytes += ready.length;
    for (const id of guilds) this.#create(id, GUILD_STATUS.LISTED, undefined, undefined);
  }

  setUser(user: Uint8Array): void {
    if (this.readyRow) this.readyRow = { ...this.readyRow, user };
    else this.userChange = user;
    this.meter.bytes += user.length;
  }

  /** A known guild, or undefined. */
  guild(id: string): GuildOverlay | undefined {
    const guild = this.#entry(id);
    return guild?.status === undefined ? undefined : guild;
  }

  /** Every known guild, in the order in which they became known. */
  guilds(): Array<{ id: string; status: GuildStatus }> {
    const statuses = new Map<string, GuildStatus>();
    if (!this.readyRow) {
      for (const { id, status } of this.base.guilds(this.shard)) statuses.set(id, status);
    }
    for (const [id, guild] of this.guildChanges) {
      if (guild === null) statuses.delete(id);
      else if (guild.fresh) statuses.set(id, guild.status!);
    }
    return [...statuses].map(([id, status]) => ({ id, status }));
  }

  /** A guild's data has come: everything known of it before is void. */
  putGuild(id: string, blob: GuildBlob, contents: Contents): void {
    this.meter.bytes += contents.bytes.length + ('bytes' in blob ? blob.bytes.length : 0);
    this.#create(id, GUILD_STATUS.AVAILABLE, blob, contents);
  }

  putUnavailable(id: string): void {
    this.#create(id, GUILD_STATUS.UNAVAILABLE, undefined, undefined);
  }

  deleteGuild(id: string): void {
    this.#kill(id);
    this.guildChanges.set(id, null);
    this.meter.bytes += ROW_WEIGHT_BYTES;
  }

  /**
   * Counts a message as the newest of its channel. Does not ask whether the guild is available: what a tail says
   * of one that is not goes when its GUILD_CREATE comes. Direct messages, without a guild, are no part of state.
   */
  noteMessage(bytes: Uint8Array, ids: Readonly<Ids>): void {
    const { tails } = this;
    let slot = tails.find(bytes, ids.channelStart, ids.channelEnd);
    if (slot < 0 || tails.guildAt(slot).dead) {
      if (ids.guildStart < 0) return;
      const guild = this.#entry(asBuffer(bytes).toString('latin1', ids.guildStart, ids.guildEnd));
      if (!guild) return;
      slot = tails.open(bytes, ids.channelStart, ids.channelEnd, guild, guild.fresh);
      this.meter.bytes += TAIL_WEIGHT_BYTES;
    }
    tails.count(slot, bytes, ids.idStart, ids.idEnd);
    this.#tailIndex = undefined;
  }

  /** A channel's own object is right about its newest message again. */
  voidTail(guild: GuildOverlay, channel: string): void {
    const bytes = Buffer.from(channel);
    // Only snowflakes have tails; an odd id has none to forget.
    if (bytes.length > 20 || !/^[0-9]+$/.test(channel)) return;
    this.tails.open(bytes, 0, bytes.length, guild, true);
    this.meter.bytes += TAIL_WEIGHT_BYTES;
    this.#tailIndex = undefined;
  }

  /** Changed tails of one guild. */
  tailsOf(guild: GuildOverlay): readonly TailChange[] {
    if (!this.#tailIndex) {
      this.#tailIndex = new Map();
      for (const tail of this.tails.changes()) {
        const list = this.#tailIndex.get(tail.guild);
        if (list) list.push(tail);
        else this.#tailIndex.set(tail.guild, [tail]);
      }
    }
    return this.#tailIndex.get(guild) ?? [];
  }

  #entry(id: string): GuildOverlay | undefined {
    const known = this.guildChanges.get(id);
    if (known !== undefined) return known ?? undefined;
    if (this.readyRow) return undefined;
    const guild = new GuildOverlay(this, id);
    this.guildChanges.set(id, guild);
    this.meter.bytes += ROW_WEIGHT_BYTES;
    return guild;
  }

  #create(
    id: string,
    status: GuildStatus,
    blob: GuildBlob | undefined,
    contents: Contents | undefined,
  ): void {
    this.#kill(id);
    this.guildChanges.set(id, new GuildOverlay(this, id, { status, kinds: 0, contents, blob }));
    this.meter.bytes += ROW_WEIGHT_BYTES;
  }

  #kill(id: string): void {
    const before = this.guildChanges.get(id);
    if (before) before.dead = true;
  }
}

function partKey(kind: PartKind, id: string): string {
  return String.fromCharCode(kind) + id;
}

function keyPart(key: string): { kind: PartKind; id: string } {
  return { kind: key.charCodeAt(0) as PartKind, id: key.slice(1) };
}

/** The rows that an overlay's guild changes, for a store: value undefined where the row goes. */
export function* changedParts(
  guild: GuildOverlay,
): Iterable<{ kind: PartKind; id: string; value: Uint8Array | null | undefined }> {
  for (const [key, change] of guild.changes) {
    yield { ...keyPart(key), value: change === DROPPED ? undefined : change };
  }
}
