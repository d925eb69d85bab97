// How a link ends: its epoch is over, its next events are gone, a newer link took over, its connection closed.
// What it was given is proven first where that can be waited for, and written down in its cursor always.

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { comparePositions, type Position } from '../journal/position.ts';
import type { Cursors } from './cursors.ts';
import type { Delivery } from './delivery.ts';
import type { Link } from './link.ts';
import type { Owners } from './owners.ts';

export interface EndingOptions {
  clock: Clock;
  log: Log;
  cursors: Cursors;
  delivery: Delivery;
  owners: Owners;
}

export interface Ending {
  /** Stops whatever the link does, and writes down how far it got. `died`: its handler ended it, not we. */
  release(link: Link, how: { died: boolean }): void;
  /** Tells a handler that its session is over (op 9). It may identify again on this socket or on a new one. */
  invalidate(link: Link): void;
  /** Sends the RESUMED that is owed. */
  finishResume(link: Link): void;
  /** Upstream's epoch that the link reads is over and written out. */
  epochEnded(link: Link): void;
  /** The events that the link should get next are gone: everything up to `to`. */
  gapMet(link: Link, to: Position): void;
  /** Ends an `ending` link whose handler has proven everything, or was waited for long enough. */
  check(link: Link): void;
  /** Counts events that are gone, and moves the cursor over them. */
  lose(link: Link, to: Position, advice: string): void;
  /** What a handler had been told when its session's last link ended; see `Told`. */
  told(link: Link): Told | undefined;
}

/**
 * How far a session's link had got beyond the last event that its intents let through. A RESUME that names that
 * event goes on at `upTo`: all in between was left out, and may be gone from the journal, or long.
 */
export interface Told {
  readonly sessionId: string;
  readonly s: number;
  readonly upTo: number;
}

export const INVALID_SESSION = '{"t":null,"s":null,"op":9,"d":false}';
/** How long the end of an epoch waits for the proof of its last events. */
const LAST_PROOF_MS = 3_000;

/** Creates the part of downstream that ends links. */
export function createEnding(options: EndingOptions): Ending {
  const { clock, log, cursors, delivery, owners } = options;
  const lastTold = new Map<string, Told>();
  const keyOf = (link: Link): string => `${link.shard}/${link.name}`;

  const release = (link: Link, { died }: { died: boolean }): void => {
    link.cancelSnapshot?.();
    link.until = Number.POSITIVE_INFINITY;
    if (link.isFed) {
      delivery.leave(link);
      link.reader = undefined;
      link.stalled = false;
      const quiet = link.takeQuietProof();
      if (quiet) cursors.prove(link.name, link.shard, quiet);
      cursors.end(link.name, link.shard, { sent: link.position, died, now: clock.now() });
      lastTold.set(keyOf(link), { sessionId: link.sessionId, s: link.toldS, upTo: link.s });
    }
    // A pong that comes later proves what another link is given again.
    link.ping = undefined;
  };

  const invalidate = (link: Link): void => {
    release(link, { died: false });
    owners.leave(link);
    link.phase = 'hello';
    link.resuming = false;
    link.gapTo = undefined;
    link.send(INVALID_SESSION);
  };

  const finishResume = (link: Link): void => {
    if (!link.resuming) return;
    link.resuming = false;
    // An object in `d` and a number in `s`: several libraries break on anything else (protocol reference 5.4).
    link.send(`{"t":"RESUMED","s":${link.s},"op":0,"d":{"_trace":["[\\"holdfast\\",{\\"micros\\":0.0}]"]}}`);
  };

  const end = (link: Link): void => {
    finishResume(link);
    link.reader = undefined;
    link.phase = 'ending';
    link.until = clock.monotonic() + LAST_PROOF_MS;
    link.askForProof();
    check(link);
  };

  const check = (link: Link): void => {
    if (link.phase !== 'ending' || (!link.isProven && clock.monotonic() < link.until)) return;
    if (link.gapTo === undefined) {
      log.info(
        'handler.epoch-ended',
        { name: link.name, shard: link.shard, epoch: link.epoch },
        'upstream had to identify afresh; the handler got everything before it and re-syncs now',
      );
      return invalidate(link);
    }
    const { gapTo } = link;
    const quiet = link.takeQuietProof();
    if (quiet) cursors.prove(link.name, link.shard, quiet);
    // Not proven: the cursor stays, and the next link meets the gap after it was given the rest once more.
    if (link.isProven) lose(link, gapTo, 'the handler is made to re-sync');
    invalidate(link);
  };

  const lose = (link: Link, to: Position, advice: string): void => {
    const from = cursors.get(link.name, link.shard)?.proven ?? link.position;
    if (comparePositions(to, from) <= 0) return;
    const missing = to.epoch === from.epoch ? to.s - from.s : to.s;
    link.tally.lost += missing;
    cursors.jump(link.name, link.shard, to);
    log.warn(
      'handler.gap',
      {
        name: link.name,
        shard: link.shard,
        from: `${from.epoch}:${from.s}`,
        to: `${to.epoch}:${to.s}`,
        missing,
      },
      `${missing} events are gone; ${advice}`,
    );
  };

  return {
    release,
    invalidate,
    finishResume,
    epochEnded(link) {
      link.gapTo = undefined;
      end(link);
    },
    gapMet(link, to) {
      link.gapTo = to;
      end(link);
    },
    check,
    lose,
    told: (link) => lastTold.get(keyOf(link)),
  };
}
