// The guilds after READY: one GUILD_CREATE each, or GUILD_DELETE for one in an outage (8.2), back to back but never so
// many at once that a slow socket makes them pile up in memory.

import { INTENTS } from '../../src/wire/intents.ts';
import type { FanOut } from './fan-out.ts';
import type { Session, Sessions } from './session.ts';
import type { Timers } from './timers.ts';
import type { Place } from './world/place.ts';
import type { World } from './world/world.ts';

/** Guilds per turn, unsent bytes above which a turn is skipped, and the time between turns. */
const GUILDS_PER_TURN = 25;
const BUFFERED_MAX = 4 * 1024 * 1024;
const TURN_MS = 2;

/**
 * Starts the backfill of a session that has just been told READY. It goes on when the connection is lost: the session
 * buffers it. `buffered` says how many bytes its socket still holds.
 */
export function startBackfill(
  session: Session,
  guilds: readonly Place[],
  context: { sessions: Sessions; world: World; fanOut: FanOut; timers: Timers; buffered: () => number },
): void {
  const { world, fanOut, timers, buffered } = context;
  if ((session.intents & INTENTS.GUILDS) === 0) {
    session.awaited.clear();
    return;
  }
  let next = 0;
  const turn = (): void => {
    if (session.ended) return;
    if (!session.outlet || buffered() < BUFFERED_MAX) {
      for (const last = Math.min(guilds.length, next + GUILDS_PER_TURN); next < last; next++) {
        const place = guilds[next]!;
        // Left meanwhile: the session was never told of it, so READY's list is corrected by GUILD_DELETE.
        session.awaited.delete(place.index);
        if (!world.here(place)) fanOut.reply(session, 'GUILD_DELETE', { id: place.id }, place.id);
        else if (world.down(place))
          fanOut.reply(session, 'GUILD_DELETE', { id: place.id, unavailable: true }, place.id);
        else fanOut.replyGuild(session, place, 'backfill');
        if (session.ended) return;
      }
    }
    if (next < guilds.length) timers.after(TURN_MS, turn);
  };
  turn();
}
