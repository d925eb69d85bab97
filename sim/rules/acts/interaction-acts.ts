// Interactions: a person uses a command or a component, the bot has three seconds to answer, and fifteen minutes to
// say more (protocol reference 10).

import type { Random } from '../../../src/base/random.ts';
import type { Account } from '../account.ts';
import type { Counters } from '../counters.ts';
import type { FanOut } from '../fan-out.ts';
import type { Fields, Part } from '../json.ts';
import type { RuleOptions } from '../options.ts';
import type { Timers } from '../timers.ts';
import type { Truth } from '../truth.ts';
import type { Stored } from '../world/message.ts';
import type { Who, World } from '../world/world.ts';
import type { Commands } from './command-registry.ts';
import type { Draft, MessageActs, Room } from './message-acts.ts';

/** `deferred`: answered by type 5, the original message is still "thinking". */
export interface Interaction {
  readonly id: string;
  readonly token: string;
  readonly type: number;
  readonly room: Room;
  readonly who: Who;
  readonly createdAt: number;
  answer: 'none' | 'deferred' | 'done';
  /** The type of the callback that answered it; 0 before. */
  answerType: number;
  original: Stored | null;
  ephemeral: boolean;
}

/** What became of a callback: an API error code of 9.8, or 0. */
export type CallbackOutcome = 0 | 10062 | 40060 | 50035;

export interface InteractionActs {
  /** `who` uses a registered command; undefined when there is no such command. */
  useCommand(room: Room, who: Who, name: string, values: Record<string, unknown>): Interaction | undefined;
  /** `who` presses a button (or the like) of a message of the bot. */
  useComponent(stored: Stored, who: Who, customId: string): Interaction;
  find(token: string): Interaction | undefined;
  /** The bot's first answer: `POST /interactions/{id}/{token}/callback`. */
  callback(id: string, token: string, type: number, draft: Draft): CallbackOutcome;
  /** A follow-up; after a deferred answer the first one becomes the original (10). */
  followUp(interaction: Interaction, draft: Draft): Stored;
  /** Every interaction that is still known, newest last. */
  all(): Iterable<Interaction>;
}

const LOADING = 1 << 7;
const EPHEMERAL = 1 << 6;
/** Callback types a bot may answer with, by interaction type: 2 command, 3 component, 4 autocomplete, 5 modal. */
const ANSWERS: Readonly<Record<number, readonly number[]>> = {
  2: [4, 5, 9, 10, 12],
  3: [4, 5, 6, 7, 9, 10, 12],
  4: [8],
  5: [4, 5, 6, 7, 10, 12],
};

export function createInteractionActs(context: {
  options: RuleOptions;
  timers: Timers;
  random: Random;
  truth: Truth;
  counters: Counters;
  account: Account;
  world: World;
  commands: Commands;
  messageActs: MessageActs;
  fanOut: FanOut;
  mintId: () => string;
}): InteractionActs {
  const { options, timers, random, truth, counters, account, world, commands, messageActs, fanOut } = context;
  const byToken = new Map<string, Interaction>();

  const start = (type: number, room: Room, who: Who, data: Fields, extra: Fields = {}): Interaction => {
    const interaction: Interaction = {
      id: context.mintId(),
      token: `aW50ZXJhY3Rpb246${random.hex(64)}`,
      ...{ type, room, who, createdAt: timers.monotonic(), answer: 'none', answerType: 0 },
      ...{ original: null, ephemeral: false },
    };
    forgetOld();
    byToken.set(interaction.token, interaction);
    counters.interactions++;
    const d = interactionObject(world, account, interaction, data, extra);
    fanOut.publish({ t: 'INTERACTION_CREATE', place: room.place, d, id: interaction.id });
    return interaction;
  };
  const expired = (interaction: Interaction): boolean =>
    timers.monotonic() - interaction.createdAt > options.interactionLifeMs;
  const forgetOld = (): void => {
    for (const interaction of byToken.values()) {
      if (!expired(interaction)) return;
      byToken.delete(interaction.token);
    }
  };
  const bot = (interaction: Interaction): Who => ({ place: interaction.who.place, n: -1 });
  const metadata = (interaction: Interaction): Fields => ({
    webhook_id: account.applicationId,
    application_id: account.applicationId,
    interaction_metadata: {
      user: world.user(interaction.who),
      type: interaction.type,
      id: interaction.id,
      authorizing_integration_owners: { '0': interaction.room.place?.id ?? '0' },
    },
  });
  const post = (interaction: Interaction, draft: Draft, flags: number, type: number): Stored => {
    const ephemeral = draft.ephemeral === true;
    return messageActs.say(interaction.room, bot(interaction), {
      ...draft,
      extra: {
        ...draft.extra,
        ...metadata(interaction),
        type,
        flags: flags | (ephemeral ? EPHEMERAL : 0),
      },
    });
  };
  const settle = (interaction: Interaction, stored: Stored, draft: Draft): void => {
    const flags = interaction.ephemeral ? EPHEMERAL : 0;
    messageActs.edit(stored, { ...draft.extra, content: draft.content ?? '', flags });
    interaction.answer = 'done';
  };

  return {
    useCommand(room, who, name, values) {
      const command = commands.named(name, room.place?.id ?? null);
      if (!command) return undefined;
      const options = Object.entries(values).map(([option, value]) => ({
        value,
        type: typeof value === 'string' ? 3 : typeof value === 'boolean' ? 5 : 4,
        name: option,
      }));
      const guild = command['guild_id'] === undefined ? {} : { guild_id: command['guild_id'] };
      return start(2, room, who, { type: 1, options, name, id: command.id, ...guild });
    },
    useComponent(stored, who, customId) {
      const room = stored;
      const data = { id: 1, custom_id: customId, component_type: 2 };
      return start(3, room, who, data, { message: stored.message });
    },
    find(token) {
      const interaction = byToken.get(token);
      return interaction && !expired(interaction) ? interaction : undefined;
    },
    callback(id, token, type, draft) {
      const interaction = byToken.get(token);
      const outcome = judge(interaction, id, type);
      if (outcome !== 0 || !interaction) return outcome || 10062;
      counters.interactionsAnswered++;
      const tookMs = timers.monotonic() - interaction.createdAt;
      truth.record(timers.now(), 'interaction.answered', { id, type, tookMs });
      interaction.answer = 'done';
      interaction.answerType = type;
      interaction.ephemeral = draft.ephemeral === true;
      const kind = interaction.type === 2 ? 20 : 19;
      if (type === 4) interaction.original = post(interaction, draft, 0, kind);
      if (type === 5) {
        interaction.answer = 'deferred';
        interaction.original = post(interaction, { ...draft, content: '' }, LOADING, kind);
      }
      return 0;
    },
    followUp(interaction, draft) {
      if (interaction.answer === 'deferred' && interaction.original) {
        settle(interaction, interaction.original, draft);
        return interaction.original;
      }
      return post(interaction, draft, 0, 0);
    },
    all: () => byToken.values(),
  };

  function judge(interaction: Interaction | undefined, id: string, type: number): CallbackOutcome {
    if (!interaction || interaction.id !== id) return 10062;
    if (interaction.answer !== 'none') return 40060;
    if (timers.monotonic() - interaction.createdAt > options.interactionDeadlineMs) {
      counters.interactionsLate++;
      return 10062;
    }
    return ANSWERS[interaction.type]?.includes(type) ? 0 : 50035;
  }
}

/** INTERACTION_CREATE's `d` (10). */
function interactionObject(
  world: World,
  account: Account,
  interaction: Interaction,
  data: Fields,
  extra: Fields,
): Fields {
  const { room, who } = interaction;
  const { place } = room;
  const user = world.user(who);
  const channel = world.channel(room.channelId)?.channel ?? { id: room.channelId, type: 1, flags: 0 };
  const inGuild = place && {
    guild_locale: 'en-US',
    guild_id: place.id,
    guild: { locale: 'en-US', id: place.id, features: [] },
    member: { user, ...world.member(who), permissions: '2222085186637377', unusual_dm_activity_until: null },
  };
  return {
    version: 1,
    type: interaction.type,
    token: interaction.token,
    locale: 'en-US',
    id: interaction.id,
    entitlements: [],
    entitlement_sku_ids: [],
    data,
    context: place ? 0 : 1,
    channel_id: room.channelId,
    channel: { ...(channel as Part), permissions: '2222085186637377' },
    authorizing_integration_owners: { '0': place?.id ?? '0' },
    attachment_size_limit: 10_485_760,
    application_id: account.applicationId,
    app_permissions: '2248473465835073',
    ...(inGuild ?? { user }),
    ...extra,
  };
}
