// From the journal to the links. A link at the tail is fed a tick's records from memory, in one write shared by
// all links of its shard. Everything else (slow, away, resuming, filtered, the end of an epoch) reads from the
// journal until it has caught up.

import type { Journal } from '../journal/journal.ts';
import type { Position } from '../journal/position.ts';
import { createRecordHeader, KIND, type RecordHeader, readRecord } from '../journal/record.ts';
import { EVENT } from '../wire/event-type.ts';
import { isExpired } from './expiry.ts';
import { frameHeaderBytes, TEXT_FRAME, writeFrameHeader } from './frame.ts';
import { type Link, SLOW_BYTES } from './link.ts';
import type { Tally } from './tally.ts';

/** How much one turn of catching up reads before others get theirs. */
const TURN_BYTES = 512 * 1024;

export interface DeliveryOptions {
  journal: () => Journal;
  now: () => number;
  tally: (link: Link) => Tally;
  /** The epoch that the link reads has ended, and all of it was written. */
  onEpochEnd: (link: Link) => void;
  /** What comes next is missing (trimmed or damaged): everything up to `to`. */
  onGap: (link: Link, to: Position) => void;
  /** A replay is through: the link has everything that is written. */
  onCaughtUp: (link: Link) => void;
  /** Records of this shard were appended while links wait for it. */
  onShardMoved: (shard: number) => void;
}

export interface Delivery {
  /** Feeds `buffer[0, end)`, records just written. The hot path. */
  feed(buffer: Buffer, end: number): void;
  /** Begins or goes on catching up. */
  pump(link: Link): void;
  /** Makes a link part of the tail, or takes it out. */
  join(link: Link): void;
  leave(link: Link): void;
  /** Shards whose next records are told to `onShardMoved`. */
  readonly watched: Set<number>;
  /** Dispatch records fed since the start. */
  dispatched(): number;
}

/** One shard's run of records within a tick. */
interface Run {
  offsets: number[];
  bytes: number;
  firstS: number;
  lastS: number;
  epoch: number;
  /** False when the run is not plain consecutive events of one epoch: its links then read it from the journal. */
  plain: boolean;
  events: number;
  touched: boolean;
}

/** Creates the delivery of one daemon. */
export function createDelivery(options: DeliveryOptions): Delivery {
  const links: Array<Link[] | undefined> = [];
  const runs: Array<Run | undefined> = [];
  const touched: number[] = [];
  const watched = new Set<number>();
  const header = createRecordHeader();
  let dispatched = 0;

  const runOf = (shard: number): Run => {
    let run = runs[shard];
    if (!run) {
      run = { offsets: [], bytes: 0, firstS: 0, lastS: 0, epoch: 0, plain: true, events: 0, touched: false };
      runs[shard] = run;
    }
    return run;
  };

  const begin = (run: Run): void => {
    run.touched = true;
    run.offsets.length = 0;
    run.bytes = 0;
    run.events = 0;
    run.plain = true;
    run.epoch = header.epoch;
    run.firstS = header.s;
    run.lastS = header.s - 1;
    touched.push(header.shard);
  };

  /** Sorts the tick's records into one run per shard. */
  const collect = (buffer: Buffer, end: number): number => {
    let total = 0;
    for (let at = 0; at < end; ) {
      const start = at;
      at = readRecord(buffer, at, end, header);
      if (header.kind !== KIND.DISPATCH) continue;
      dispatched++;
      const hasLinks = links[header.shard] !== undefined;
      if (!hasLinks && watched.size === 0) continue;
      const run = runOf(header.shard);
      if (!run.touched) begin(run);
      if (!hasLinks) continue;
      if (header.epoch !== run.epoch || header.s !== run.lastS + 1 || header.type === EVENT.READY)
        run.plain = false;
      run.lastS = header.s;
      // Upstream's RESUMED is a position, not an event for handlers.
      if (header.type === EVENT.RESUMED) continue;
      const size = header.payloadEnd - header.payloadStart;
      run.offsets.push(start);
      run.bytes += frameHeaderBytes(size) + size;
      run.events++;
      total += frameHeaderBytes(size) + size;
    }
    return total;
  };

  const feed = (buffer: Buffer, end: number): void => {
    const total = collect(buffer, end);
    if (touched.length === 0) return;
    const out = Buffer.allocUnsafe(total);
    let at = 0;
    for (const shard of touched) {
      const run = runs[shard]!;
      run.touched = false;
      const from = at;
      const shardLinks = links[shard];
      if (shardLinks) {
        if (run.plain) at = writeRun(buffer, end, run, out, at);
        // A copy, since a link that falls behind leaves the list.
        for (const link of shardLinks.length === 1 ? shardLinks : shardLinks.slice()) {
          if (!run.plain || run.epoch !== link.epoch || run.firstS !== link.s + 1) fallBehind(link);
          else if (link.takesSharedBytes) feedShared(link, run, out.subarray(from, at));
          else feedOwn(link, run, buffer, end);
        }
      }
      if (watched.has(shard)) options.onShardMoved(shard);
    }
    touched.length = 0;
  };

  const writeRun = (buffer: Buffer, end: number, run: Run, out: Buffer, from: number): number => {
    let at = from;
    for (const offset of run.offsets) {
      readRecord(buffer, offset, end, header);
      at = writeFrameHeader(out, at, TEXT_FRAME, header.payloadEnd - header.payloadStart);
      out.set(buffer.subarray(header.payloadStart, header.payloadEnd), at);
      at += header.payloadEnd - header.payloadStart;
    }
    return at;
  };

  const feedShared = (link: Link, run: Run, frames: Buffer): void => {
    link.s = run.lastS;
    link.sentCount += run.events;
    if (frames.length > 0 && !link.write(frames)) fallBehind(link);
  };

  /** A link that filters or compresses gets bytes of its own. */
  const feedOwn = (link: Link, run: Run, buffer: Buffer, end: number): void => {
    const frames: Buffer[] = [];
    const tally = options.tally(link);
    for (const offset of run.offsets) {
      readRecord(buffer, offset, end, header);
      if (link.filter?.[header.type]) tally.filtered++;
      else frames.push(link.frame(buffer.subarray(header.payloadStart, header.payloadEnd)));
    }
    link.s = run.lastS;
    link.sentCount += frames.length;
    if (frames.length > 0 && !link.write(Buffer.concat(frames))) fallBehind(link);
  };

  /** Takes a link out of the tail; it goes on from the journal. */
  const fallBehind = (link: Link): void => {
    leave(link);
    link.phase = 'reading';
    link.reader = undefined;
    schedulePump(link);
  };

  const schedulePump = (link: Link): void => {
    if (link.pumping) return;
    link.pumping = true;
    setImmediate(() => {
      link.pumping = false;
      pump(link);
    });
  };

  const pump = (link: Link): void => {
    if (link.phase !== 'reading' || link.pumping) return;
    if (link.socket.writableLength > SLOW_BYTES) return; // 'drain' calls again
    const journal = options.journal();
    link.reader ??= journal.reader(link.shard, { epoch: link.epoch, s: link.s });
    const turn = createTurn(link, options);
    const outcome = link.reader.read(TURN_BYTES, turn.visit);
    turn.finish();
    if (turn.gap > 0) return options.onGap(link, { epoch: link.epoch, s: link.s + turn.gap });
    if (outcome === 'trimmed') return options.onGap(link, journal.floor(link.shard));
    if (outcome === 'stop') return options.onEpochEnd(link);
    if (outcome === 'more') return schedulePump(link);
    // While the disk fails, what was written is not all there is: only a link that is at the tail already may be.
    if (journal.stats().condition !== 'sound') return void setTimeout(() => pump(link), 250).unref();
    link.reader = undefined;
    join(link);
    options.onCaughtUp(link);
  };

  const join = (link: Link): void => {
    link.phase = 'live';
    const list = links[link.shard];
    if (list) list.push(link);
    else links[link.shard] = [link];
  };

  const leave = (link: Link): void => {
    const list = links[link.shard];
    const at = list?.indexOf(link) ?? -1;
    if (!list || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) links[link.shard] = undefined;
  };

  return { feed, pump, join, leave, watched, dispatched: () => dispatched };
}

/** One turn of catching up: collects frames, leaves out what is filtered or expired, stops at the epoch's end. */
function createTurn(link: Link, options: DeliveryOptions) {
  const now = options.now();
  const tally = options.tally(link);
  const frames: Buffer[] = [];
  const turn = {
    gap: 0,
    visit(header: RecordHeader, buffer: Buffer): boolean {
      if (header.epoch !== link.epoch) return false;
      if (header.s !== link.s + 1) {
        turn.gap = header.s - link.s - 1;
        return false;
      }
      link.s = header.s;
      if (header.type === EVENT.RESUMED || header.type === EVENT.READY) return true;
      const doubtful = link.doubtUpTo !== undefined && isUpTo(header, link.doubtUpTo);
      if (link.filter?.[header.type]) tally.filtered++;
      else if (isExpired(header.type, header.receivedAt, now)) tally.expired++;
      else {
        if (doubtful) tally.inDoubt++;
        link.sentCount++;
        frames.push(link.frame(buffer.subarray(header.payloadStart, header.payloadEnd)));
      }
      return true;
    },
    finish(): void {
      if (frames.length > 0) link.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
    },
  };
  return turn;
}

function isUpTo(header: RecordHeader, position: Position): boolean {
  return header.epoch === position.epoch ? header.s <= position.s : header.epoch < position.epoch;
}
