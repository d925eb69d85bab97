// What a fresh IDENTIFY must be told, as complete gateway messages: READY, then one frame per guild, numbered
// backwards so that the last has the position's `s` and live events follow without a gap (protocol 8.1, 8.2).

import { withAvailable } from './fold.ts';
import type { GuildOverlay, Overlay } from './overlay.ts';
import { GUILD_STATUS, type Place, type ReadyRow } from './port.ts';
import { rejoin } from './rejoin.ts';
import { findValue, SpliceError, withMembers } from './splice.ts';

/** What makes a snapshot the snapshot of one downstream session. */
export interface SnapshotSession {
  readonly shard: number;
  readonly shardCount: number;
  readonly sessionId: string;
  readonly resumeUrl: string;
}

export interface Snapshot {
  /** How many guild frames follow READY. */
  readonly guilds: number;
  /** Each frame as pieces to be written one after another. */
  frames(): Generator<Uint8Array[]>;
}

const END = Buffer.from('}');

/**
 * The snapshot of a shard as an overlay has it, its last frame numbered `s`. Undefined when the overlay has no
 * READY. `read` gets bytes that an overlay left in the journal.
 */
export function createSnapshot(
  overlay: Overlay,
  session: SnapshotSession,
  s: number,
  read: (place: Place) => Uint8Array,
): Snapshot | undefined {
  const row = overlay.ready();
  if (!row) return undefined;
  const listed = overlay.guilds();
  // A guild that READY lists and whose data has not come is listed, and comes from the journal later.
  const sent = listed.filter(({ status }) => status !== GUILD_STATUS.LISTED);
  return {
    guilds: sent.length,
    *frames() {
      // Never below 1: only a `s` older than this state (a stale start) can make it come to that.
      let number = s - sent.length;
      const head = (event: string): Buffer =>
        Buffer.from(`{"t":"${event}","s":${Math.max(1, number)},"op":0,"d":`);
      yield [head('READY'), readyData(row, listed, session), END];
      for (const { id, status } of sent) {
        number++;
        const data = status === GUILD_STATUS.AVAILABLE ? guildData(overlay, id, read) : undefined;
        if (data) yield [head('GUILD_CREATE'), ...data, END];
        else
          yield [head('GUILD_DELETE'), Buffer.from(`{"id":${JSON.stringify(id)},"unavailable":true}`), END];
      }
    },
  };
}

/** READY as Discord sent it, but for what is ours to say. */
function readyData(
  { ready, user }: ReadyRow,
  guilds: ReadonlyArray<{ id: string }>,
  session: SnapshotSession,
): Uint8Array {
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const members: Array<[string, Uint8Array]> = [
    ['guilds', json(guilds.map(({ id }) => ({ id, unavailable: true })))],
    ['session_id', json(session.sessionId)],
    ['resume_gateway_url', json(session.resumeUrl)],
    ['shard', json([session.shard, session.shardCount])],
  ];
  if (user) members.push(['user', user]);
  // Undocumented today, and JDA and eris throw without it.
  if (!findValue(ready, 0, ready.length, 'private_channels')) members.push(['private_channels', json([])]);
  return withMembers(ready, members);
}

/** A guild's object, or undefined when its data can't be read any more. */
function guildData(
  overlay: Overlay,
  id: string,
  read: (place: Place) => Uint8Array,
): Uint8Array[] | undefined {
  const guild = overlay.guild(id);
  const blob = guild && guildBlob(overlay, guild, read);
  return blob && rejoin(blob, guild.parts(), guild.tails());
}

function guildBlob(
  overlay: Overlay,
  guild: GuildOverlay,
  read: (place: Place) => Uint8Array,
): Uint8Array | undefined {
  if (!guild.fresh) return overlay.base.blob(overlay.shard, guild.id);
  if (!guild.blob) return undefined;
  if ('bytes' in guild.blob) return guild.blob.bytes;
  const bytes = read(guild.blob.place);
  return guild.blob.insert ? withAvailable(bytes, 0, bytes.length) : bytes;
}

/** Chunks are about this large; a larger frame is a chunk of its own. */
export const CHUNK_BYTES = 256 * 1024;

/**
 * Packs frames into chunks of `[u32 length, little-endian][payload]…`, each in a memory of its own that can be
 * transferred to another thread.
 */
export function* packFrames(frames: Iterable<Uint8Array[]>, chunkBytes = CHUNK_BYTES): Generator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  const pack = (): Uint8Array => {
    const chunk = new Uint8Array(bytes);
    let at = 0;
    for (const piece of waiting) {
      chunk.set(piece, at);
      at += piece.length;
    }
    waiting = [];
    bytes = 0;
    return chunk;
  };
  for (const pieces of frames) {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes > 0 && bytes + 4 + length > chunkBytes) yield pack();
    const prefix = Buffer.allocUnsafe(4);
    prefix.writeUInt32LE(length);
    waiting.push(prefix, ...pieces);
    bytes += 4 + length;
    if (bytes >= chunkBytes) yield pack();
  }
  if (bytes > 0) yield pack();
}

/** Visits the frames of a chunk: `chunk[start, end)` is one complete gateway message. */
export function forEachFrame(chunk: Uint8Array, visit: (start: number, end: number) => void): void {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let at = 0; at < chunk.length; ) {
    const start = at + 4;
    const end = start + view.getUint32(at, true);
    if (end > chunk.length) throw new SpliceError('a chunk ends inside a frame');
    visit(start, end);
    at = end;
  }
}
