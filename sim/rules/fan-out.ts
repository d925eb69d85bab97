// Who gets an event: sessions of the guild's shard, or of shard 0 for what belongs to no guild (7), if their intents
// open it (8.4), with message content blanked where they may not read it. The body is serialised once for all.

import { crc32 } from 'node:zlib';
import { eventTypeId } from '../../src/wire/event-type.ts';
import { EVENT_INTENTS, INTENTS } from '../../src/wire/intents.ts';
import type { Fields } from './json.ts';
import type { RuleOptions } from './options.ts';
import type { Session, Sessions } from './session.ts';
import { guildCreate } from './world/guild-view.ts';
import type { Place } from './world/place.ts';
import type { World } from './world/world.ts';

/** Something that happened in the world. */
export interface WorldEvent {
  readonly t: string;
  readonly d: Fields;
  /** The guild it happened in; null for direct messages and the bot's own affairs. */
  readonly place: Place | null;
  /** A snowflake that no other event has; minted and added to `d` as `sim_event_id` when missing. */
  readonly id?: string;
  /** `private`: content is hidden from sessions without MESSAGE_CONTENT (8.4). */
  readonly content?: 'private';
  /** Delivered whatever the intents: changes of the bot's own member (8.4, note 2). */
  readonly always?: true;
}

export interface FanOut {
  publish(event: WorldEvent): void;
  /** One session only, whatever its intents: READY, replies to requests. */
  reply(session: Session, t: string, d: Fields, id: string): void;
  /** GUILD_CREATE of a guild the bot joined, or that came back; it differs from session to session. */
  publishGuild(place: Place, why: 'backfill' | 'join'): void;
  /** GUILD_CREATE to one session. */
  replyGuild(session: Session, place: Place, why: 'backfill' | 'join'): void;
}

interface Body {
  readonly text: string;
  readonly hash: number;
}

export function createFanOut(context: {
  options: RuleOptions;
  sessions: Sessions;
  world: World;
  mintId: () => string;
}): FanOut {
  const { options, sessions, world, mintId } = context;
  const body = (d: Fields): Body => {
    const text = JSON.stringify(d);
    return { text, hash: crc32(text) };
  };
  const guildBody = (session: Session, place: Place, why: 'backfill' | 'join'): Body =>
    body(guildCreate(world, place, session, why));
  return {
    publish(event) {
      const { t, place } = event;
      const opens = event.always ? undefined : EVENT_INTENTS[eventTypeId(t)];
      const needs = opens ? (place ? opens.guild : opens.direct) : 0;
      if (opens && needs === 0) return;
      if (place && world.down(place) && t !== 'GUILD_DELETE' && t !== 'GUILD_CREATE') return;
      const id = event.id ?? mintId();
      const d = event.id || !options.markEvents ? event.d : { ...event.d, sim_event_id: id };
      let full: Body | undefined;
      let blank: Body | undefined;
      for (const session of place ? sessions.ofGuild(place.timeMs) : sessions.ofDirect()) {
        if (needs && (session.intents & needs) === 0) continue;
        if (place && session.awaited.has(place.index) && t !== 'INTERACTION_CREATE') continue;
        let seen: Body;
        if (event.content === 'private' && (session.intents & INTENTS.MESSAGE_CONTENT) === 0) {
          blank ??= body(withoutContent(d));
          seen = blank;
        } else {
          full ??= body(d);
          seen = full;
        }
        sessions.dispatch(session, t, seen.text, id, seen.hash);
      }
    },
    reply(session, t, d, id) {
      const { text, hash } = body(d);
      sessions.dispatch(session, t, text, id, hash);
    },
    publishGuild(place, why) {
      for (const session of sessions.ofGuild(place.timeMs)) {
        if ((session.intents & INTENTS.GUILDS) === 0 || session.awaited.has(place.index)) continue;
        const { text, hash } = guildBody(session, place, why);
        sessions.dispatch(session, 'GUILD_CREATE', text, place.id, hash);
      }
    },
    replyGuild(session, place, why) {
      const { text, hash } = guildBody(session, place, why);
      sessions.dispatch(session, 'GUILD_CREATE', text, place.id, hash);
    },
  };
}

/** A message as a session without MESSAGE_CONTENT sees it: content fields empty, `poll` omitted (8.4). */
export function withoutContent(message: Fields): Fields {
  const { poll: _poll, ...rest } = message;
  const referenced = rest['referenced_message'];
  return {
    ...rest,
    content: '',
    embeds: [],
    attachments: [],
    components: [],
    ...(typeof referenced === 'object' && referenced !== null
      ? { referenced_message: withoutContent(referenced as Fields) }
      : {}),
  };
}
