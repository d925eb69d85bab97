// Acts on messages, by people or by the bot: each changes the world and publishes the events that follow from it
// (protocol reference 8.5, 11).

import type { Account } from '../account.ts';
import type { FanOut } from '../fan-out.ts';
import { type Fields, type Part, timestamp } from '../json.ts';
import type { Timers } from '../timers.ts';
import { emojiKey, type MessageStore, messageObject, type Stored } from '../world/message.ts';
import { CHANNEL, type Place } from '../world/place.ts';
import { publicUser, type Who, type World } from '../world/world.ts';

/** A channel that messages can be in: of a guild, or direct. */
export interface Room {
  readonly channelId: string;
  readonly channelType: number;
  readonly place: Place | null;
}

/** What a message is made of. */
export interface Draft {
  readonly content?: string;
  /** Further message fields: `embeds`, `components`, `flags`, `message_reference`, … */
  readonly extra?: Fields;
  readonly ephemeral?: boolean;
}

export interface MessageActs {
  /** `who` speaks; in a direct channel `who` is the person or, with `n` -1, the bot. */
  say(room: Room, who: Who, draft: Draft): Stored;
  edit(stored: Stored, changes: Fields): void;
  remove(stored: Stored): void;
  removeMany(room: Room, all: readonly Stored[]): void;
  react(stored: Stored, who: Who, emoji: Fields): void;
  unreact(stored: Stored, who: Who, emoji: Fields): void;
  unreactAll(stored: Stored, emoji: Fields | null): void;
  type(room: Room, who: Who): void;
  /** The room behind a channel id. */
  room(channelId: string): Room | undefined;
  /** The direct channel with a user, opened when there is none: the channel object. */
  direct(recipient: Part): Part;
  directChannel(channelId: string): Part | undefined;
}

export function createMessageActs(context: {
  timers: Timers;
  account: Account;
  world: World;
  messages: MessageStore;
  fanOut: FanOut;
  mintId: () => string;
}): MessageActs {
  const { timers, account, world, messages, fanOut, mintId } = context;
  const directs = new Map<string, Part>();
  const directByUser = new Map<string, Part>();

  /** Where a message's events go: an ephemeral one is a direct message to every session (8.4, row 12). */
  const scope = (stored: Stored): { place: Place | null; ids: Fields } => {
    const place = stored.ephemeral ? null : stored.place;
    return { place, ids: place ? { guild_id: place.id } : {} };
  };
  /** People's words in guilds are private, unless they mention the bot (8.4). */
  const privacy = (stored: Stored): { content?: 'private' } => {
    const mentions = stored.message['mentions'] as Part[];
    const open =
      stored.fromBot || !stored.place || mentions.some((user) => user.id === account.applicationId);
    return open ? {} : { content: 'private' };
  };
  const memberOf = (place: Place | null, who: Who): Fields =>
    place ? { member: world.member(who) ?? {} } : {};
  const publishMessage = (t: 'MESSAGE_CREATE' | 'MESSAGE_UPDATE', stored: Stored, who: Who): void => {
    const { place, ids } = scope(stored);
    const d = { ...stored.message, channel_type: stored.channelType, ...memberOf(place, who), ...ids };
    const id = t === 'MESSAGE_CREATE' ? { id: stored.message.id } : {};
    fanOut.publish({ t, place, d, ...id, ...privacy(stored) });
  };
  const mentionsIn = (content: string, place: Place | null): Part[] => {
    if (!content.includes(`<@${account.applicationId}>`)) return [];
    const bot = publicUser(account.user);
    return [place ? ({ ...bot, member: world.member({ place, n: -1 }) } as Part) : bot];
  };

  return {
    say(room, who, draft) {
      const { place, channelId, channelType } = room;
      const content = draft.content ?? '';
      const id = mintId();
      const message = messageObject({
        ...{ id, channelId, content, author: world.user(who), nowMs: timers.now() },
        extra: { mentions: mentionsIn(content, place), ...draft.extra },
      });
      const stored: Stored = {
        ...{ message, place, channelId, channelType },
        fromBot: who.n < 0,
        ephemeral: draft.ephemeral === true,
        reactions: new Map(),
      };
      messages.add(stored);
      if (place && !stored.ephemeral) world.sawMessage(place, channelId, id);
      publishMessage('MESSAGE_CREATE', stored, who);
      return stored;
    },
    edit(stored, changes) {
      stored.message = { ...stored.message, edited_timestamp: timestamp(timers.now()), ...changes };
      const author = stored.message['author'] as Part;
      const place = stored.place ?? world.places[0]!;
      publishMessage('MESSAGE_UPDATE', stored, world.who(author.id, place) ?? { place, n: -1 });
    },
    remove(stored) {
      messages.remove(stored.message.id);
      const { place, ids } = scope(stored);
      const d = { id: stored.message.id, channel_id: stored.channelId, ...ids };
      fanOut.publish({ t: 'MESSAGE_DELETE', place, d });
    },
    removeMany(room, all) {
      for (const stored of all) messages.remove(stored.message.id);
      const ids = all.map((stored) => stored.message.id);
      const d = { ids, channel_id: room.channelId, ...(room.place ? { guild_id: room.place.id } : {}) };
      fanOut.publish({ t: 'MESSAGE_DELETE_BULK', place: room.place, d });
    },
    react(stored, who, emoji) {
      const key = emojiKey(emoji);
      const reaction = stored.reactions.get(key) ?? { emoji, users: new Set<string>() };
      const userId = world.userId(who);
      if (reaction.users.has(userId)) return;
      reaction.users.add(userId);
      stored.reactions.set(key, reaction);
      const { place, ids } = scope(stored);
      const member = place ? { member: { ...world.member(who), user: world.user(who) } } : {};
      const d = {
        user_id: userId,
        type: 0,
        message_id: stored.message.id,
        message_author_id: (stored.message['author'] as Part).id,
        ...member,
        emoji,
        channel_id: stored.channelId,
        burst: false,
        ...ids,
      };
      fanOut.publish({ t: 'MESSAGE_REACTION_ADD', place, d });
    },
    unreact(stored, who, emoji) {
      const userId = world.userId(who);
      if (!stored.reactions.get(emojiKey(emoji))?.users.delete(userId)) return;
      const { place, ids } = scope(stored);
      const { channelId: channel_id } = stored;
      const d = { user_id: userId, type: 0, message_id: stored.message.id, emoji, channel_id, burst: false };
      fanOut.publish({ t: 'MESSAGE_REACTION_REMOVE', place, d: { ...d, ...ids } });
    },
    unreactAll(stored, emoji) {
      const { place, ids } = scope(stored);
      if (emoji) stored.reactions.delete(emojiKey(emoji));
      else stored.reactions.clear();
      const d = { message_id: stored.message.id, channel_id: stored.channelId, ...ids };
      if (emoji) fanOut.publish({ t: 'MESSAGE_REACTION_REMOVE_EMOJI', place, d: { ...d, emoji } });
      else fanOut.publish({ t: 'MESSAGE_REACTION_REMOVE_ALL', place, d });
    },
    type(room, who) {
      const { place, channelId } = room;
      const d = {
        user_id: world.userId(who),
        timestamp: Math.floor(timers.now() / 1000),
        ...(place ? { member: { ...world.member(who), user: world.user(who) } } : {}),
        channel_id: channelId,
        ...(place ? { guild_id: place.id } : {}),
      };
      fanOut.publish({ t: 'TYPING_START', place, d });
    },
    room(channelId) {
      const found = world.channel(channelId);
      if (found) return { channelId, channelType: Number(found.channel['type']), place: found.place };
      return directs.has(channelId) ? { channelId, channelType: 1, place: null } : undefined;
    },
    direct(recipient) {
      const known = directByUser.get(recipient.id);
      if (known) return known;
      const channel: Part = {
        type: 1,
        recipients: [recipient],
        last_message_id: null,
        id: mintId(),
        flags: 0,
      };
      directByUser.set(recipient.id, channel);
      directs.set(channel.id, channel);
      return channel;
    },
    directChannel: (channelId) => directs.get(channelId),
  };
}

/** The room of a guild's text channel. */
export function textRoom(place: Place, channelId: string): Room {
  return { channelId, channelType: CHANNEL.text, place };
}
