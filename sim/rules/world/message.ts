// Messages that can still be read, edited, reacted to or deleted. The newest are kept, the bot's own longer than
// those of people, because a bot answers, edits and deletes its own.

import { type Fields, type Part, timestamp } from '../json.ts';
import type { Place } from './place.ts';

export interface Stored {
  /** The message object as REST gives it. */
  message: Part;
  /** Null in a direct message. */
  readonly place: Place | null;
  readonly channelId: string;
  readonly channelType: number;
  readonly fromBot: boolean;
  /** Seen only by the person whose interaction it answers (8.4: dispatched as a direct message). */
  readonly ephemeral: boolean;
  readonly reactions: Map<string, { readonly emoji: Fields; readonly users: Set<string> }>;
}

export interface MessageStore {
  add(stored: Stored): void;
  find(channelId: string, messageId: string): Stored | undefined;
  remove(messageId: string): void;
  /** The newest messages of a channel, newest first. */
  ofChannel(channelId: string, limit: number): Stored[];
  /** One of the newest messages of the bot, or of people, by a fraction in [0, 1). */
  pick(from: 'bot' | 'people', choice: number): Stored | undefined;
}

/** How many of the newest messages a random act chooses from. */
const PICK_FROM = 500;

export function createMessageStore(options: { botMessages: number; memberMessages: number }): MessageStore {
  const all = new Map<string, Stored>();
  const recent = {
    bot: { ids: [] as string[], most: options.botMessages },
    people: { ids: [] as string[], most: options.memberMessages },
  };
  return {
    add(stored) {
      const { ids, most } = stored.fromBot ? recent.bot : recent.people;
      all.set(stored.message.id, stored);
      ids.push(stored.message.id);
      if (ids.length < most * 1.25 + 16) return;
      for (const id of ids.splice(0, ids.length - most)) all.delete(id);
    },
    find(channelId, messageId) {
      const stored = all.get(messageId);
      return stored?.channelId === channelId ? stored : undefined;
    },
    remove: (messageId) => void all.delete(messageId),
    ofChannel(channelId, limit) {
      const found: Stored[] = [];
      for (const stored of [...all.values()].reverse()) {
        if (found.length >= limit) break;
        if (stored.channelId === channelId && !stored.ephemeral) found.push(stored);
      }
      return found;
    },
    pick(from, choice) {
      const { ids } = recent[from];
      const span = Math.min(PICK_FROM, ids.length);
      const id = ids[ids.length - 1 - Math.floor(choice * span)];
      return id === undefined ? undefined : all.get(id);
    },
  };
}

/** A message object with every field that is always there. */
export function messageObject(
  fields: { id: string; channelId: string; author: Part; content: string; nowMs: number } & {
    extra?: Fields;
  },
): Part {
  return {
    type: 0,
    tts: false,
    timestamp: timestamp(fields.nowMs),
    pinned: false,
    mentions: [],
    mention_roles: [],
    mention_everyone: false,
    id: fields.id,
    flags: 0,
    embeds: [],
    edited_timestamp: null,
    content: fields.content,
    components: [],
    channel_id: fields.channelId,
    author: fields.author,
    attachments: [],
    ...fields.extra,
  };
}

/** Key of an emoji in a message's reactions: its id, or its name for a unicode one. */
export function emojiKey(emoji: Fields): string {
  return String(emoji['id'] ?? emoji['name']);
}
