// Channels, their messages and reactions.

import type { Account } from '../account.ts';
import type { GuildActs } from '../acts/guild-acts.ts';
import type { MessageActs, Room } from '../acts/message-acts.ts';
import type { Fields, Part } from '../json.ts';
import type { MessageStore, Stored } from '../world/message.ts';
import { emojiKey } from '../world/message.ts';
import type { Who, World } from '../world/world.ts';
import { isReply, readChanges, readDraft } from './message-body.ts';
import { empty, failed, ok, type Reply } from './reply.ts';
import type { Call, Route } from './router.ts';

export interface ChannelRoutesContext {
  readonly account: Account;
  readonly world: World;
  readonly messages: MessageStore;
  readonly messageActs: MessageActs;
  readonly guildActs: GuildActs;
  readonly mintId: () => string;
}

const CHANNEL_PATH = '/channels/{channel_id}';
const MESSAGES_PATH = `${CHANNEL_PATH}/messages`;
const MESSAGE_PATH = `${MESSAGES_PATH}/{message_id}`;

/** A stored message as REST gives it: with its reactions. */
export function restMessage(stored: Stored, botId: string): Fields {
  const reactions = [...stored.reactions.values()]
    .filter(({ users }) => users.size > 0)
    .map(({ emoji, users }) => ({
      emoji,
      count: users.size,
      count_details: { burst: 0, normal: users.size },
      burst_colors: [],
      me: users.has(botId),
      burst_me: false,
      me_burst: false,
      burst_count: 0,
    }));
  return reactions.length === 0 ? stored.message : { ...stored.message, reactions };
}

export function channelRoutes(context: ChannelRoutesContext): Route[] {
  const { account, world, messages, messageActs, guildActs, mintId } = context;
  const bot = (room: Room): Who => ({ place: room.place ?? world.places[0]!, n: -1 });
  const inRoom = (act: (room: Room, call: Call) => Reply) => (call: Call) => {
    const room = messageActs.room(call.params['channel_id']!);
    return room ? act(room, call) : failed(10003);
  };
  const onMessage = (act: (stored: Stored, room: Room, call: Call) => Reply) =>
    inRoom((room, call) => {
      const stored = messages.find(room.channelId, call.params['message_id']!);
      return stored ? act(stored, room, call) : failed(10008);
    });
  const inGuildChannel =
    (act: (found: NonNullable<ReturnType<World['channel']>>, call: Call) => Reply) => (call: Call) => {
      const found = world.channel(call.params['channel_id']!);
      return found ? act(found, call) : failed(10003);
    };
  return [
    {
      method: 'GET',
      path: CHANNEL_PATH,
      handle({ params }) {
        const id = params['channel_id']!;
        const channel: Part | undefined = world.channel(id)?.channel ?? messageActs.directChannel(id);
        return channel ? ok(channel) : failed(10003);
      },
    },
    {
      method: 'PATCH',
      path: CHANNEL_PATH,
      handle: inGuildChannel(({ place, kind, channel }, { body }) =>
        ok({ ...guildActs.changePart(place, kind, channel, body), guild_id: place.id }),
      ),
    },
    {
      method: 'DELETE',
      path: CHANNEL_PATH,
      handle: inGuildChannel(({ place, kind, channel }) => {
        guildActs.deletePart(place, kind, channel);
        return ok(channel);
      }),
    },
    {
      method: 'GET',
      path: MESSAGES_PATH,
      handle: inRoom((room, { query }) => {
        const limit = Math.max(1, Math.min(100, Number(query.get('limit') ?? 50) || 50));
        return ok(
          messages
            .ofChannel(room.channelId, limit)
            .map((stored) => restMessage(stored, account.applicationId)),
        );
      }),
    },
    {
      method: 'POST',
      path: MESSAGES_PATH,
      limit: [5, 5000],
      handle: inRoom((room, { body, uploads }) => {
        const draft = readDraft(body, uploads, { mintId });
        if (isReply(draft)) return draft;
        return ok(messageActs.say(room, bot(room), { ...draft, ephemeral: false }).message);
      }),
    },
    {
      method: 'POST',
      path: `${MESSAGES_PATH}/bulk-delete`,
      limit: [1, 1000],
      handle: inRoom((room, { body }) => {
        const ids = Array.isArray(body['messages']) ? body['messages'].map(String) : [];
        const found = ids
          .map((id) => messages.find(room.channelId, id))
          .filter((stored) => stored !== undefined);
        messageActs.removeMany(room, found);
        return empty;
      }),
    },
    {
      method: 'GET',
      path: MESSAGE_PATH,
      handle: onMessage((stored) => ok(restMessage(stored, account.applicationId))),
    },
    {
      method: 'PATCH',
      path: MESSAGE_PATH,
      limit: [5, 5000],
      handle: onMessage((stored, _room, { body, uploads }) => {
        if (!stored.fromBot) return failed(50005);
        const changes = readChanges(body, uploads, mintId);
        if (isReply(changes)) return changes;
        messageActs.edit(stored, changes);
        return ok(restMessage(stored, account.applicationId));
      }),
    },
    {
      method: 'DELETE',
      path: MESSAGE_PATH,
      limit: [5, 1000],
      handle: onMessage((stored) => {
        messageActs.remove(stored);
        return empty;
      }),
    },
    {
      method: 'POST',
      path: `${CHANNEL_PATH}/typing`,
      handle: inRoom((room) => {
        messageActs.type(room, bot(room));
        return empty;
      }),
    },
    ...reactionRoutes(context, { bot, onMessage }),
  ];
}

function reactionRoutes(
  { world, messageActs }: ChannelRoutesContext,
  with_: {
    bot: (room: Room) => Who;
    onMessage: (act: (stored: Stored, room: Room, call: Call) => Reply) => (call: Call) => Reply;
  },
): Route[] {
  const { bot, onMessage } = with_;
  const path = `${MESSAGE_PATH}/reactions`;
  const shared = { bucket: 'reactions', limit: [1, 250] as const };
  return [
    {
      ...shared,
      method: 'PUT',
      path: `${path}/{emoji}/@me`,
      handle: onMessage((stored, room, { params }) => {
        messageActs.react(stored, bot(room), readEmoji(params['emoji']!));
        return empty;
      }),
    },
    {
      ...shared,
      method: 'DELETE',
      path: `${path}/{emoji}/{user_id}`,
      handle: onMessage((stored, room, { params }) => {
        const userId = params['user_id']!;
        const who = userId === '@me' ? bot(room) : world.who(userId, room.place ?? undefined);
        if (!who) return failed(10013);
        messageActs.unreact(stored, who, readEmoji(params['emoji']!));
        return empty;
      }),
    },
    {
      method: 'GET',
      path: `${path}/{emoji}`,
      handle: onMessage((stored, _room, { params }) => {
        const reaction = stored.reactions.get(emojiKey(readEmoji(params['emoji']!)));
        const users = [...(reaction?.users ?? [])].map((id) => world.who(id, stored.place ?? undefined));
        return ok(users.filter((who) => who !== undefined).map((who) => world.user(who)));
      }),
    },
    {
      ...shared,
      method: 'DELETE',
      path: `${path}/{emoji}`,
      handle: onMessage((stored, _room, { params }) => {
        messageActs.unreactAll(stored, readEmoji(params['emoji']!));
        return empty;
      }),
    },
    {
      ...shared,
      method: 'DELETE',
      path,
      handle: onMessage((stored) => {
        messageActs.unreactAll(stored, null);
        return empty;
      }),
    },
  ];
}

/** `name:id` for a custom emoji, the character itself for a unicode one. */
function readEmoji(text: string): Fields {
  const custom = /^(?:a:)?(\w+):(\d{15,20})$/.exec(text);
  return custom ? { id: custom[2], name: custom[1] } : { id: null, name: text };
}
