// The people of the world, acting at a steady rate: the same seed acts the same acts in the same order. They talk,
// type, react (also with scissors on the bot's messages), use commands, come and go.

import type { Timer } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import type { GuildActs } from './acts/guild-acts.ts';
import type { InteractionActs } from './acts/interaction-acts.ts';
import { type MessageActs, textRoom } from './acts/message-acts.ts';
import type { Timers } from './timers.ts';
import type { MessageStore } from './world/message.ts';
import { sentence } from './world/noise.ts';
import { CHANNEL, type Place, partId, textChannel } from './world/place.ts';
import type { Who, World } from './world/world.ts';

/** Weights of acts. The default follows what a bot in public guilds sees (perf-baselines: corpus). */
export const CROWD_MIX = {
  message: 45,
  presence: 20,
  typing: 10,
  memberUpdate: 8,
  reaction: 5,
  messageEdit: 4,
  voice: 3,
  command: 2,
  messageDelete: 1.5,
  scissors: 0.5,
  memberAdd: 0.4,
  memberRemove: 0.3,
  directMessage: 0.1,
  channel: 0.1,
  role: 0.1,
  thread: 0.1,
  guildUpdate: 0.1,
} as const;

export type CrowdAct = keyof typeof CROWD_MIX;
export type CrowdMix = { readonly [act in CrowdAct]?: number };

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

/** Scissors with the variation selector, as Discord's clients send it (11.2). */
export const SCISSORS = '\u2702\uFE0F';
const EMOJI = ['👍', '🎲', '😂', '❤️', '🔥', SCISSORS];

export function createCrowd(context: {
  timers: Timers;
  random: Random;
  world: World;
  messages: MessageStore;
  messageActs: MessageActs;
  guildActs: GuildActs;
  interactionActs: InteractionActs;
}): Crowd {
  const { timers, random, world, messages, messageActs, guildActs, interactionActs } = context;
  let acts = 0;
  let rate = 0;
  let timer: Timer | undefined;

  const below = (limit: number): number => Math.floor(random.next() * limit);
  const someone = (place: Place): Who | undefined => {
    const who = { place, n: below(world.memberNumbers(place)) };
    return world.isMember(who) ? who : undefined;
  };
  const somewhere = (place: Place) => {
    const room = textRoom(place, partId(place, 'channel', textChannel(place, random.next())));
    return world.part(place, 'channel', room.channelId) ? room : undefined;
  };
  const somePlace = (guilds: CrowdOptions['guilds']): Place | undefined => {
    for (let tries = 0; tries < 50; tries++) {
      const place = world.places[below(world.places.length)];
      if (place && world.here(place) && !world.down(place) && (!guilds || guilds(place))) return place;
    }
    return undefined;
  };

  const talk = (who: Who): void => {
    const room = somewhere(who.place);
    if (room) messageActs.say(room, who, { content: sentence(below(0xffff_ffff), 20 + below(160)) });
  };
  const onMessage =
    (from: 'bot' | 'people', act: (found: NonNullable<ReturnType<MessageStore['pick']>>, who: Who) => void) =>
    (): void => {
      const stored = messages.pick(from, random.next());
      if (!stored?.place || !world.here(stored.place) || stored.ephemeral) return;
      const who = someone(stored.place);
      if (who) act(stored, who);
    };
  const emoji = (name: string) => ({ name, id: null });
  const created: Record<'channel' | 'role' | 'thread', Array<{ place: Place; id: string }>> = {
    channel: [],
    role: [],
    thread: [],
  };
  /** Creates a part, or changes or deletes one that the crowd created before. */
  const tinker = (kind: 'channel' | 'role' | 'thread', place: Place): void => {
    const old = created[kind];
    const dice = random.next();
    if (old.length === 0 || dice < 0.4) {
      const fields = { name: sentence(below(0xffff_ffff), 8).replaceAll(' ', '-') };
      const parentId = partId(place, 'channel', 1);
      const part =
        kind === 'role'
          ? guildActs.createRole(place, fields)
          : kind === 'channel'
            ? guildActs.createChannel(place, { ...fields, type: CHANNEL.text })
            : guildActs.createThread(place, parentId, fields);
      old.push({ place, id: part.id });
      return;
    }
    const at = below(old.length);
    const { place: home, id } = old[at]!;
    const part = world.here(home) && !world.down(home) ? world.part(home, kind, id) : undefined;
    const remove = !part || dice > 0.7;
    if (remove) old.splice(at, 1);
    if (!part) return;
    const fields = { name: sentence(below(0xffff_ffff), 8).replaceAll(' ', '-') };
    if (kind === 'role') remove ? guildActs.deleteRole(home, id) : guildActs.changeRole(home, part, fields);
    else if (remove) guildActs.deletePart(home, kind, part);
    else guildActs.changePart(home, kind, part, fields);
  };
  const inVoice = (who: Who): boolean =>
    world.voiceStates(who.place).some((state) => state['user_id'] === world.userId(who));

  const does: Record<CrowdAct, (who: Who) => void> = {
    message: talk,
    presence: (who) =>
      guildActs.setStatus(who, ['online', 'idle', 'dnd', 'offline'][below(4)]!, below(3) === 0),
    typing(who) {
      const room = somewhere(who.place);
      if (room) messageActs.type(room, who);
    },
    memberUpdate: (who) =>
      guildActs.changeMember(who, { nick: below(4) === 0 ? null : sentence(below(0xffff_ffff), 10) }),
    reaction: onMessage('people', (stored, who) =>
      messageActs.react(stored, who, emoji(EMOJI[below(EMOJI.length - 1)]!)),
    ),
    scissors: onMessage('bot', (stored, who) => messageActs.react(stored, who, emoji(SCISSORS))),
    messageEdit: onMessage('people', (stored) =>
      messageActs.edit(stored, { content: sentence(below(0xffff_ffff), 60) }),
    ),
    messageDelete: onMessage('people', (stored) => messageActs.remove(stored)),
    voice(who) {
      if (inVoice(who)) guildActs.leaveVoice(who);
      else guildActs.joinVoice(who, partId(who.place, 'channel', 2));
    },
    command(who) {
      const room = somewhere(who.place);
      const dice = `${1 + below(9)}d${[4, 6, 8, 10, 12, 20][below(6)]}`;
      if (room) interactionActs.useCommand(room, who, 'roll', { dice });
    },
    memberAdd: (who) => void guildActs.addMember(who.place),
    memberRemove(who) {
      // The owner stays.
      if (who.n > 0) guildActs.removeMember(who);
    },
    directMessage(who) {
      const channel = messageActs.direct(world.user(who));
      const room = messageActs.room(channel.id);
      if (room) messageActs.say(room, who, { content: sentence(below(0xffff_ffff), 40) });
    },
    channel: (who) => tinker('channel', who.place),
    role: (who) => tinker('role', who.place),
    thread: (who) => tinker('thread', who.place),
    guildUpdate: (who) => guildActs.rename(who.place, sentence(below(0xffff_ffff), 14)),
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
    const who = place && someone(place);
    if (who) does[choose()](who);
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
