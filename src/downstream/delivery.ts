// From the journal to the links. A link at the tail is fed a tick's records from memory, in one write shared by
// all links of its shard. Everything else (slow, away, resuming, the end of an epoch) reads from the journal until
// it has caught up.

import type { Journal } from '../journal/journal.ts';
import type { Position } from '../journal/position.ts';
import { createRecordHeader, KIND, type RecordHeader, readRecord } from '../journal/record.ts';
import { EVENT } from '../wire/event-type.ts';
import { isExpired } from './expiry.ts';
import { frameHeaderBytes, TEXT_FRAME, writeFrameHeader } from './frame.ts';
import { type Link, SLOW_BYTES } from './link.ts';

/** How much one turn of catching up reads before others get theirs. */
const TURN_BYTES = 512 * 1024;

export interface DeliveryOptions {
  journal: () => Journal;
  now: () => number;
  /** The epoch that the link reads has ended, and all of it was written. */
  onEpochEnd: (link: Link) => void;
  /** What comes next is missing (trimmed or damaged): everything up to `to`. */
  onGap: (link: Link, to: Position) => void;
  /** A replay is through: the link has everything that is written. */
  onCaughtUp: (link: Link) => void;
}

export interface Delivery {
  /** Feeds `buffer[0, end)`, records just written. The hot path. */
  feed(buffer: Buffer, end: number): void;
  /** Lets a link that is `reading` go on, when its turn comes. */
  read(link: Link): void;
  /** Takes a link out of the tail. */
  leave(link: Link): void;
  /** Events fed since the start; READY and RESUMED are not events. */
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
  touched: boolean;
}

/** Creates the delivery of one daemon. */
export function createDelivery(options: DeliveryOptions): Delivery {
  const links: Array<Link[] | undefined> = [];
  const runs: Array<Run | undefined> = [];
  const touched: number[] = [];
  const turns: Link[] = [];
  const header = createRecordHeader();
  let dispatched = 0;

  const runOf = (shard: number): Run => {
    let run = runs[shard];
    if (!run) {
      run = { offsets: [], bytes: 0, firstS: 0, lastS: 0, epoch: 0, plain: true, touched: false };
      runs[shard] = run;
    }
    if (run.touched) return run;
    run.touched = true;
    run.offsets.length = 0;
    run.bytes = 0;
    run.plain = true;
    run.epoch = header.epoch;
    run.firstS = header.s;
    run.lastS = header.s - 1;
    touched.push(shard);
    return run;
  };

  /** Sorts the tick's records into one run per shard; returns the bytes of their frames. */
  const collect = (buffer: Buffer, end: number): number => {
    let total = 0;
    for (let at = 0; at < end; ) {
      const start = at;
      at = readRecord(buffer, at, end, header);
      if (header.kind !== KIND.DISPATCH) continue;
      // Upstream's READY and RESUMED are positions, not events for handlers.
      const isEvent = header.type !== EVENT.READY && header.type !== EVENT.RESUMED;
      if (isEvent) dispatched++;
      if (links[header.shard] === undefined) continue;
      const run = runOf(header.shard);
      if (header.epoch !== run.epoch || header.s !== run.lastS + 1) run.plain = false;
      run.lastS = header.s;
      if (!isEvent) continue;
      const size = header.payloadEnd - header.payloadStart;
      run.offsets.push(start);
      run.bytes += frameHeaderBytes(size) + size;
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
      if (run.plain) at = writeRun(buffer, end, run, out, at);
      const shardLinks = links[shard] ?? [];
      // A copy, since a link that falls behind leaves the list.
      for (const link of shardLinks.length === 1 ? shardLinks : shardLinks.slice()) {
        if (!run.plain || run.epoch !== link.epoch || run.firstS !== link.s + 1) fallBehind(link);
        else if (link.takesSharedBytes) feedShared(link, run, out.subarray(from, at));
        else feedOwn(link, run, buffer, end);
      }
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
    link.toldS = run.lastS;
    link.passed.sent += run.offsets.length;
    link.passed.delivered += run.offsets.length;
    if (frames.length > 0 && !link.write(frames)) fallBehind(link);
  };

  /** A link that filters or compresses gets bytes of its own. */
  const feedOwn = (link: Link, run: Run, buffer: Buffer, end: number): void => {
    const frames: Buffer[] = [];
    for (const offset of run.offsets) {
      readRecord(buffer, offset, end, header);
      if (link.filter?.[header.type]) {
        link.passed.filtered++;
        continue;
      }
      link.toldS = header.s;
      frames.push(link.frame(buffer.subarray(header.payloadStart, header.payloadEnd)));
    }
    link.s = run.lastS;
    link.passed.sent += frames.length;
    link.passed.delivered += frames.length;
    if (frames.length > 0 && !link.write(Buffer.concat(frames))) fallBehind(link);
  };

  /** Takes a link out of the tail; it goes on from the journal. */
  const fallBehind = (link: Link): void => {
    leave(link);
    link.phase = 'reading';
    link.reader = undefined;
    read(link);
  };

  /** One link's turn per turn of the event loop, so that many which are behind don't hold up what is new. */
  const read = (link: Link): void => {
    if (link.pumping) return;
    link.pumping = true;
    turns.push(link);
    if (turns.length === 1) setImmediate(nextTurn);
  };

  const nextTurn = (): void => {
    const link = turns[0]!;
    link.pumping = false;
    readTurn(link);
    turns.shift();
    if (turns.length > 0) setImmediate(nextTurn);
  };

  const readTurn = (link: Link): void => {
    if (link.phase !== 'reading') return;
    if (link.socket.writableLength > SLOW_BYTES) return; // 'drain' calls again
    const journal = options.journal();
    link.reader ??= journal.reader(link.shard, link.position);
    const turn = createTurn(link, options.now());
    const outcome = link.reader.read(TURN_BYTES, turn.visit);
    turn.finish();
    if (turn.gap > 0) return options.onGap(link, { epoch: link.epoch, s: link.s + turn.gap });
    if (outcome === 'trimmed') return options.onGap(link, journal.floor(link.shard));
    if (outcome === 'stop') return options.onEpochEnd(link);
    if (outcome === 'more') return read(link);
    // While the disk fails, what was written is not all there is: only a link that is at the tail already may be.
    link.stalled = journal.stats().condition !== 'sound';
    if (link.stalled) return;
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

  return { feed, read, leave, dispatched: () => dispatched };
}

/** One turn of catching up: collects frames, leaves out what is filtered or expired, stops at the epoch's end. */
function createTurn(link: Link, now: number) {
  const { passed } = link;
  const frames: Buffer[] = [];
  const turn = {
    gap: 0,
    visit(header: RecordHeader, buffer: Buffer): boolean {
      if (header.epoch !== link.epoch) return false;
      if (header.s <= link.s) return true; // written twice, by a disk that failed in between
      if (header.s !== link.s + 1) {
        turn.gap = header.s - link.s - 1;
        return false;
      }
      link.s = header.s;
      if (header.type === EVENT.RESUMED || header.type === EVENT.READY) return true;
      const counts = header.s > link.countedUpToS ? 1 : 0;
      if (link.filter?.[header.type]) passed.filtered += counts;
      else if (isExpired(header.type, header.receivedAt, now)) passed.expired += counts;
      else {
        if (header.s <= link.doubtUpToS) passed.inDoubt += counts;
        else passed.delivered += counts;
        passed.sent++;
        link.toldS = header.s;
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
