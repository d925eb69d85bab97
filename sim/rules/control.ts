// Levers on the simulated Discord: misfortunes that strike at once, faults that wait, and people to move by hand. Every
// lever takes one plain object and returns a plain value, so that the same table serves in process and over HTTP.

import { OP } from '../../src/wire/opcode.ts';
import type { Account } from './account.ts';
import type { GuildActs } from './acts/guild-acts.ts';
import type { InteractionActs } from './acts/interaction-acts.ts';
import { type MessageActs, type Room, textRoom } from './acts/message-acts.ts';
import type { Connection } from './connection.ts';
import type { Counters } from './counters.ts';
import type { Crowd } from './crowd.ts';
import {
  COUNTED_FAULTS,
  type CountedFault,
  DELAYED_MOMENTS,
  type DelayedMoment,
  type Faults,
} from './faults.ts';
import type { CrowdMix } from './habits.ts';
import type { Fields, Part } from './json.ts';
import type { RuleOptions } from './options.ts';
import type { Session, Sessions } from './session.ts';
import type { SessionStart } from './session-start.ts';
import { shardOf } from './snowflake.ts';
import type { StartBudget } from './start-budget.ts';
import type { Timers } from './timers.ts';
import type { Truth } from './truth.ts';
import type { MessageStore } from './world/message.ts';
import { type Place, partId } from './world/place.ts';
import type { Who, World } from './world/world.ts';

/** Which connections or sessions a lever is for; all of them when nothing is said. */
export interface Target {
  readonly shards?: readonly number[] | 'all' | undefined;
  readonly sessionId?: string | undefined;
}

/** Someone in a guild: by user id, or as the guild's `member`th (1 when nothing is said; 0 is the owner). */
export interface Someone {
  readonly guildId?: string | undefined;
  readonly channelId?: string | undefined;
  readonly userId?: string | undefined;
  readonly member?: number | undefined;
}

export interface CrowdOrder {
  readonly eventsPerSecond: number;
  readonly mix?: CrowdMix | undefined;
  readonly shards?: readonly number[] | undefined;
}

export interface ControlContext {
  readonly options: RuleOptions;
  readonly timers: Timers;
  readonly truth: Truth;
  readonly faults: Faults;
  readonly counters: Counters;
  readonly account: Account;
  readonly budget: StartBudget;
  readonly sessions: Sessions;
  readonly world: World;
  readonly messages: MessageStore;
  readonly messageActs: MessageActs;
  readonly guildActs: GuildActs;
  readonly interactionActs: InteractionActs;
  readonly crowd: Crowd;
  readonly sessionStart: SessionStart;
  readonly connections: () => ReadonlySet<Connection>;
}

export type Control = ReturnType<typeof createControl>;

export function createControl(context: ControlContext) {
  return { ...createLevers(context), ...createHands(context) };
}

/** Misfortunes, faults and what can be read. */
function createLevers(context: ControlContext) {
  const { timers, truth, faults, counters, account, budget, sessions, world, crowd } = context;
  const matches = (target: Target, session: Session | null): boolean => {
    if (target.sessionId !== undefined) return session?.id === target.sessionId;
    if (target.shards === undefined || target.shards === 'all') return true;
    return session !== null && target.shards.includes(session.shard);
  };
  const connectionsOf = (target: Target): Connection[] =>
    [...context.connections()].filter((connection) => matches(target, connection.session));
  const sessionsOf = (target: Target): Session[] =>
    [...sessions.all()].filter((session) => matches(target, session));
  const noted = (fault: string, target: object, count: number): { count: number } => {
    truth.record(timers.now(), 'fault', { fault, ...target, count });
    return { count };
  };

  return {
    /** Everything there is to see, apart from the truth log. */
    state: () => ({
      time: timers.now(),
      token: account.token(),
      budget: budget.read(timers.monotonic()),
      counters: { ...counters, connectionsOpen: context.connections().size },
      sessions: [...sessions.all()].map((session) => ({
        id: session.id,
        shard: session.shard,
        shardCount: session.shardCount,
        intents: session.intents,
        s: session.seq,
        attached: session.outlet !== null,
        flowing: session.flowing,
        connection: session.outlet?.id ?? null,
        oldestReplay: session.replay.oldest(),
        presence: session.presence,
      })),
      guilds: world.count(),
      crowd: crowd.read(),
      faults: faults.read(),
      mails: account.mails,
      truthEnd: truth.end(),
    }),
    /** Cuts TCP connections without a close frame; with `expire` their sessions die too. */
    cut(target: Target & { how?: 'fin' | 'rst' | undefined; expire?: boolean | undefined } = {}) {
      const { how = 'rst', expire = false } = target;
      const cut = connectionsOf(target);
      for (const connection of cut) {
        if (expire && connection.session) connection.session.doomed = true;
        connection.drop(how);
      }
      return noted('cut', target, cut.length);
    },
    /** Op 7 (5.6); the server closes by itself after the grace time. */
    op7(target: Target = {}) {
      const told = connectionsOf(target);
      for (const connection of told) {
        connection.say(OP.RECONNECT, null);
        timers.after(context.options.reconnectGraceMs, () => connection.shut(1001));
      }
      return noted('op7', target, told.length);
    },
    /** Op 9 (5.5). The socket stays open; the session waits for a RESUME, or is gone. */
    op9(target: Target & { resumable?: boolean | undefined } = {}) {
      const { resumable = false } = target;
      const hit = connectionsOf(target).filter((connection) => connection.session);
      for (const connection of hit) {
        const session = connection.session!;
        connection.session = null;
        if (resumable) sessions.detach(session);
        else {
          session.outlet = null;
          sessions.end(session, 'op 9');
        }
        connection.say(OP.INVALID_SESSION, resumable);
      }
      return noted('op9', target, hit.length);
    },
    /** Closes with a code of 5.1. */
    close(target: Target & { code: number }) {
      if (!Number.isInteger(target.code)) throw new RangeError('close needs a code');
      const closed = connectionsOf(target);
      for (const connection of closed) connection.shut(target.code);
      return noted('close', target, closed.length);
    },
    /** Asks for a heartbeat (server-sent op 1). */
    beat(target: Target = {}) {
      const asked = connectionsOf(target);
      for (const connection of asked) connection.say(OP.HEARTBEAT, null);
      return noted('beat', target, asked.length);
    },
    /** Sessions die: detached ones now, others when they lose their connection. */
    expire(target: Target = {}) {
      const hit = sessionsOf(target);
      for (const session of hit) {
        if (session.outlet) session.doomed = true;
        else sessions.end(session, 'expired');
      }
      return noted('expire', target, hit.length);
    },
    delay(order: { what: DelayedMoment; ms: number; times?: number | undefined }) {
      oneOf(DELAYED_MOMENTS, order.what);
      faults.delay(order.what, order.ms, order.times);
      return noted('delay', order, 0);
    },
    noAcks(order: { on?: boolean | undefined } = {}) {
      faults.setNoAcks(order.on ?? true);
      return noted('no-acks', order, 0);
    },
    /** Arms a fault of faults.ts for the next `times` occasions (1), on one shard or any. */
    arm(order: { what: CountedFault; times?: number | undefined; shard?: number | undefined }) {
      oneOf(COUNTED_FAULTS, order.what);
      faults.arm(order.what, order.times ?? 1, order.shard);
      return noted(`arm ${order.what}`, order, 0);
    },
    clearFaults() {
      faults.clear();
      return noted('clear', {}, 0);
    },
    setRemaining(order: { remaining: number }) {
      budget.setRemaining(order.remaining, timers.monotonic());
      return budget.read(timers.monotonic());
    },
    /** A person resets the token in the portal; the answer holds the new one. */
    resetToken() {
      context.sessionStart.resetToken('person');
      return { token: account.token() };
    },
  };
}

/** People and guilds moved by hand. */
function createHands(context: ControlContext) {
  const { world, messages, messageActs, guildActs, interactionActs, crowd } = context;

  const mustBe = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw new RangeError(`no such ${what}`);
    return value;
  };
  const guild = (guildId: string | undefined): Place =>
    mustBe(
      guildId === undefined ? world.places.find((place) => world.here(place)) : world.guild(guildId),
      'guild',
    );
  const whoIs = (someone: Someone): Who => {
    if (someone.userId !== undefined) return mustBe(world.who(someone.userId), 'user');
    const place =
      someone.guildId === undefined && someone.channelId !== undefined
        ? mustBe(world.channel(someone.channelId), 'channel').place
        : guild(someone.guildId);
    return { place, n: someone.member ?? 1 };
  };
  const roomOf = (someone: Someone): Room => {
    if (someone.channelId !== undefined) return mustBe(messageActs.room(someone.channelId), 'channel');
    const { place } = whoIs(someone);
    return textRoom(place, partId(place, 'channel', 1));
  };
  const stored = (order: { channelId: string; messageId: string }) =>
    mustBe(messages.find(order.channelId, order.messageId), 'message');
  const place = (order: { guildId: string }): Place => guild(order.guildId);

  return {
    /** Guilds with an id of a text channel, a voice channel and a member each, to act in. */
    guilds(
      order: { shard?: number | undefined; shardCount?: number | undefined; limit?: number | undefined } = {},
    ) {
      const { shard, shardCount = context.options.shards, limit = 100 } = order;
      const some = world.places.filter(
        (each) => world.here(each) && (shard === undefined || shardOf(each.id, shardCount) === shard),
      );
      return some.slice(0, limit).map((each) => ({
        id: each.id,
        name: world.fields(each)['name'],
        textChannelId: partId(each, 'channel', 1),
        voiceChannelId: partId(each, 'channel', 2),
        memberId: world.userId({ place: each, n: 1 }),
        members: world.memberCount(each),
      }));
    },
    /** Someone says something; without a channel in the guild's first text channel. */
    say(order: Someone & { content: string }): Part {
      return messageActs.say(roomOf(order), whoIs(order), { content: order.content }).message;
    },
    /** Someone writes to the bot directly. */
    whisper(order: Someone & { content: string }): Part {
      const who = whoIs(order);
      const channel = messageActs.direct(world.user(who));
      const room = mustBe(messageActs.room(channel.id), 'channel');
      return messageActs.say(room, who, { content: order.content }).message;
    },
    edit(order: { channelId: string; messageId: string; content: string }) {
      messageActs.edit(stored(order), { content: order.content });
    },
    deleteMessage(order: { channelId: string; messageId: string }) {
      messageActs.remove(stored(order));
    },
    /** Someone reacts; `emoji` is a unicode character. */
    react(order: Someone & { channelId: string; messageId: string; emoji: string }) {
      messageActs.react(stored(order), whoIs(order), { id: null, name: order.emoji });
    },
    unreact(order: Someone & { channelId: string; messageId: string; emoji: string }) {
      messageActs.unreact(stored(order), whoIs(order), { id: null, name: order.emoji });
    },
    /** Someone uses a slash command; the answer names the interaction. */
    useCommand(order: Someone & { name: string; options?: Record<string, unknown> | undefined }) {
      const used = interactionActs.useCommand(roomOf(order), whoIs(order), order.name, order.options ?? {});
      const { id, token } = mustBe(used, `command: ${order.name}`);
      return { id, token };
    },
    /** Someone presses a component of a message. */
    useComponent(order: Someone & { channelId: string; messageId: string; customId: string }) {
      const { id, token } = interactionActs.useComponent(stored(order), whoIs(order), order.customId);
      return { id, token };
    },
    /** Where an interaction stands: its answer and original message. */
    interaction(order: { token: string }) {
      const found = mustBe(interactionActs.find(order.token), 'interaction');
      const { id, answer, answerType, ephemeral, original } = found;
      return { id, answer, answerType, ephemeral, original: original?.message ?? null };
    },
    /** The messages of a channel that are still kept, newest first. */
    messages: (order: { channelId: string; limit?: number | undefined }): Part[] =>
      messages.ofChannel(order.channelId, order.limit ?? 50).map(({ message }) => message),
    /** The bot joins a new guild. */
    createGuild(order: { unavailable?: boolean | undefined } = {}) {
      return { id: guildActs.join({ unavailable: order.unavailable ?? false }).id };
    },
    deleteGuild: (order: { guildId: string }) => guildActs.leave(place(order)),
    guildOutage: (order: { guildId: string }) => guildActs.outage(place(order)),
    guildReturn: (order: { guildId: string }) => guildActs.comeBack(place(order)),
    renameGuild: (order: { guildId: string; name: string }) => guildActs.rename(place(order), order.name),
    createChannel: (order: { guildId: string; fields?: Fields | undefined }): Part =>
      guildActs.createChannel(place(order), { type: 0, name: 'new-channel', ...order.fields }),
    addMember: (order: { guildId: string }) => ({ userId: world.userId(guildActs.addMember(place(order))) }),
    removeMember: (order: Someone) => guildActs.removeMember(whoIs(order)),
    changeMember: (order: Someone & { fields: Fields }) => guildActs.changeMember(whoIs(order), order.fields),
    joinVoice: (order: Someone & { channelId: string }) => guildActs.joinVoice(whoIs(order), order.channelId),
    leaveVoice: (order: Someone) => guildActs.leaveVoice(whoIs(order)),

    crowd: {
      /** People act by themselves, at a steady rate, on all shards or some. */
      start(order: CrowdOrder) {
        const { eventsPerSecond, mix, shards } = order;
        const guilds = shards && ((each: Place) => shards.includes(shardOf(each.id, context.options.shards)));
        crowd.start({ eventsPerSecond, mix, guilds });
      },
      stop: () => crowd.stop(),
      /** So many acts at once. */
      burst: (order: { count: number; mix?: CrowdMix | undefined }) => crowd.burst(order.count, order.mix),
    },
  };
}

/** Levers are pulled over HTTP too, where no compiler looks at the words. */
function oneOf(words: readonly string[], word: string): void {
  if (!words.includes(word)) throw new RangeError(`no such word: ${word}; there are ${words.join(', ')}`);
}
