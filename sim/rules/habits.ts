// What people do: one act of one person each, with its details left to luck.

import type { Random } from '../../src/base/random.ts';
import type { GuildActs } from './acts/guild-acts.ts';
import type { InteractionActs } from './acts/interaction-acts.ts';
import { type MessageActs, textRoom } from './acts/message-acts.ts';
import type { MessageStore, Stored } from './world/message.ts';
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

/** Scissors with the variation selector, as Discord's clients send it (11.2). */
export const SCISSORS = '\u2702\uFE0F';
const EMOJI = ['👍', '🎲', '😂', '❤️', '🔥'];

export interface Habits {
  /** A random member of a guild; undefined when luck hits one who has left. */
  someone(place: Place): Who | undefined;
  readonly acts: Readonly<Record<CrowdAct, (who: Who) => void>>;
}

export interface HabitsContext {
  readonly random: Random;
  readonly world: World;
  readonly messages: MessageStore;
  readonly messageActs: MessageActs;
  readonly guildActs: GuildActs;
  readonly interactionActs: InteractionActs;
}

export function createHabits(context: HabitsContext): Habits {
  const { random, world, messages, messageActs, guildActs, interactionActs } = context;
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const someone = (place: Place): Who | undefined => {
    const who = { place, n: below(world.memberNumbers(place)) };
    return world.isMember(who) ? who : undefined;
  };
  const somewhere = (place: Place) => {
    const room = textRoom(place, partId(place, 'channel', textChannel(place, random.next())));
    return world.part(place, 'channel', room.channelId) ? room : undefined;
  };
  const talk = (who: Who): void => {
    const room = somewhere(who.place);
    if (room) messageActs.say(room, who, { content: sentence(below(0xffff_ffff), 20 + below(160)) });
  };
  const onMessage = (from: 'bot' | 'people', act: (found: Stored, who: Who) => void) => (): void => {
    const stored = messages.pick(from, random.next());
    if (!stored?.place || stored.ephemeral) return;
    if (!world.here(stored.place) || world.down(stored.place)) return;
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

  const acts: Habits['acts'] = {
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
      messageActs.react(stored, who, emoji(EMOJI[below(EMOJI.length)]!)),
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
  return { someone, acts };
}
