// The people of the world, acting at a steady rate: the same seed acts the same acts in the same order. What
// they do is in habits.ts.

import type { Timer } from '../../src/base/clock.ts';
import { CROWD_MIX, type CrowdAct, type CrowdMix, createHabits, type HabitsContext } from './habits.ts';
import type { Timers } from './timers.ts';
import type { Place } from './world/place.ts';

export interface CrowdOptions {
  readonly eventsPerSecond: number;
  /** Replaces the default mix; acts that are not named do not happen. */
  readonly mix?: CrowdMix | undefined;
  /** Acts happen only in guilds that satisfy this. */
  readonly guilds?: ((place: Place) => boolean) | undefined;
}

export interface Crowd {
  start(options: CrowdOptions): void;
  stop(): void;
  /** So many acts at once. */
  burst(count: number, mix?: CrowdMix): void;
  read(): { eventsPerSecond: number; acts: number };
}

const TICK_MS = 10;
/** Acts that are owed after a stall are not made up for beyond this time. */
const OWED_MS_MAX = 1000;

export function createCrowd(context: HabitsContext & { timers: Timers }): Crowd {
  const { timers, random, world } = context;
  const habits = createHabits(context);
  let acts = 0;
  let rate = 0;
  let timer: Timer | undefined;

  const somePlace = (guilds: CrowdOptions['guilds']): Place | undefined => {
    for (let tries = 0; tries < 50; tries++) {
      const place = world.places[Math.floor(random.next() * world.places.length)];
      if (place && world.here(place) && !world.down(place) && (!guilds || guilds(place))) return place;
    }
    return undefined;
  };

  /** A chooser of acts by weight. */
  const chooser = (mix: CrowdMix): (() => CrowdAct) => {
    const entries = (Object.entries(mix) as Array<[CrowdAct, number]>).filter(([, weight]) => weight > 0);
    const total = entries.reduce((sum, [, weight]) => sum + weight, 0);
    return () => {
      let at = random.next() * total;
      for (const [act, weight] of entries) {
        at -= weight;
        if (at < 0) return act;
      }
      return entries.at(-1)![0];
    };
  };
  const actOnce = (choose: () => CrowdAct, guilds: CrowdOptions['guilds']): void => {
    acts++;
    const place = somePlace(guilds);
    const who = place && habits.someone(place);
    if (who) habits.acts[choose()](who);
  };

  return {
    start(options) {
      timer?.cancel();
      rate = options.eventsPerSecond;
      const choose = chooser(options.mix ?? CROWD_MIX);
      let last = timers.monotonic();
      let owed = 0;
      const tick = (): void => {
        const now = timers.monotonic();
        owed = Math.min(owed + ((now - last) * rate) / 1000, (rate * OWED_MS_MAX) / 1000 + 1);
        last = now;
        for (; owed >= 1; owed--) actOnce(choose, options.guilds);
        timer = timers.after(TICK_MS, tick);
      };
      timer = timers.after(TICK_MS, tick);
    },
    stop() {
      timer?.cancel();
      timer = undefined;
      rate = 0;
    },
    burst(count, mix = CROWD_MIX) {
      const choose = chooser(mix);
      for (let i = 0; i < count; i++) actOnce(choose, undefined);
    },
    read: () => ({ eventsPerSecond: rate, acts }),
  };
}
