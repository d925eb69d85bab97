// Which link has a name's shard. A newer link takes it over, and the older one is parked: its heartbeats are
// answered and nothing else, and it is not told to reconnect, or the two would chase each other for ever.

import type { Clock, Timer } from '../base/clock.ts';
import type { Link } from './link.ts';

export interface Owners {
  /** Gives the link its name's shard; returns the link that had it, now parked. */
  take(link: Link): Link | undefined;
  /** The link has no claim any more: its connection ended, or its session did. */
  leave(link: Link): void;
}

/** How long a shard without an owner is kept for its last one: libraries reconnect within six seconds. */
const RETURN_MS = 10_000;

interface Claim {
  owner: Link | undefined;
  /** Oldest first. */
  readonly parked: Link[];
  timer: Timer | undefined;
}

/** Creates the table. `onHeir` is told which parked link gets a shard whose owner has not come back. */
export function createOwners(clock: Clock, onHeir: (link: Link) => void): Owners {
  const claims = new Map<string, Claim>();
  const keyOf = (link: Link): string => `${link.shard}/${link.name}`;

  /** An owner, or nobody who waits for the shard: no timer. Otherwise one, from when the owner left. */
  const keepTime = (key: string, claim: Claim): void => {
    if (!claim.owner && claim.parked.length > 0) {
      claim.timer ??= clock.after(RETURN_MS, () => {
        claim.timer = undefined;
        onHeir(claim.parked.at(-1)!);
      });
      return;
    }
    claim.timer?.cancel();
    claim.timer = undefined;
    if (!claim.owner) claims.delete(key);
  };

  return {
    take(link) {
      const key = keyOf(link);
      const claim = claims.get(key) ?? { owner: undefined, parked: [], timer: undefined };
      claims.set(key, claim);
      const older = claim.owner === link ? undefined : claim.owner;
      claim.owner = link;
      if (older) claim.parked.push(older);
      keepTime(key, claim);
      return older;
    },
    leave(link) {
      const key = keyOf(link);
      const claim = claims.get(key);
      if (!claim) return;
      const at = claim.parked.indexOf(link);
      if (claim.owner === link) claim.owner = undefined;
      if (at >= 0) claim.parked.splice(at, 1);
      keepTime(key, claim);
    },
  };
}
