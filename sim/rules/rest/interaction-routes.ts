// Answers to interactions: the callback, and messages through the interaction's webhook (protocol reference 10). These
// routes need no bot token and stay out of the global limit.

import type { Account } from '../account.ts';
import type { Interaction, InteractionActs } from '../acts/interaction-acts.ts';
import type { MessageActs } from '../acts/message-acts.ts';
import { type Fields, isObject } from '../json.ts';
import type { MessageStore, Stored } from '../world/message.ts';
import { restMessage } from './channel-routes.ts';
import { isReply, readChanges, readDraft } from './message-body.ts';
import { empty, failed, invalidForm, ok, type Reply } from './reply.ts';
import type { Call, Route } from './router.ts';

const WEBHOOK_PATH = '/webhooks/{webhook_id}/{webhook_token}';
const MESSAGE_PATH = `${WEBHOOK_PATH}/messages/{message_id}`;
const UPDATE_MESSAGE = 7;

export function interactionRoutes(context: {
  account: Account;
  interactionActs: InteractionActs;
  messageActs: MessageActs;
  messages: MessageStore;
  mintId: () => string;
}): Route[] {
  const { account, interactionActs, messageActs, messages, mintId } = context;
  const botId = account.applicationId;

  const onInteraction = (act: (interaction: Interaction, call: Call) => Reply) => (call: Call) => {
    if (call.params['webhook_id'] !== botId) return failed(10015);
    const interaction = interactionActs.find(call.params['webhook_token']!);
    // A token that was never answered has no webhook yet; one past its life has none any longer.
    if (!interaction || interaction.answer === 'none') return interaction ? failed(10015) : failed(50027);
    return act(interaction, call);
  };
  const onMessage = (act: (stored: Stored, interaction: Interaction, call: Call) => Reply) =>
    onInteraction((interaction, call) => {
      const id = call.params['message_id']!;
      const stored =
        id === '@original' ? interaction.original : messages.find(interaction.room.channelId, id);
      const known = stored && messages.find(interaction.room.channelId, stored.message.id);
      return known ? act(known, interaction, call) : failed(10008);
    });

  const callback = ({ params, query, body, uploads }: Call): Reply => {
    const type = Number(body['type']);
    const data: Fields = isObject(body['data']) ? body['data'] : {};
    const draft = readDraft(data, uploads, { mintId, mayBeEmpty: type !== 4 });
    if (isReply(draft)) return draft;
    const outcome = interactionActs.callback(
      params['interaction_id']!,
      params['interaction_token']!,
      type,
      draft,
    );
    if (outcome === 50035)
      return invalidForm('type', 'BASE_TYPE_CHOICES', 'Value is not allowed for this interaction.');
    if (outcome !== 0) return failed(outcome);
    const interaction = interactionActs.find(params['interaction_token']!)!;
    if (type === UPDATE_MESSAGE && interaction.original) {
      const changes = readChanges(data, uploads, mintId);
      if (!isReply(changes)) messageActs.edit(interaction.original, changes);
    }
    const original = interaction.original;
    if (!/^(true|1)$/i.test(query.get('with_response') ?? '')) return empty;
    return ok({
      interaction: {
        id: interaction.id,
        type: interaction.type,
        ...(original ? { response_message_id: original.message.id } : {}),
        response_message_loading: interaction.answer === 'deferred',
        response_message_ephemeral: interaction.ephemeral,
      },
      resource: { type, ...(original ? { message: original.message } : {}) },
    });
  };

  const edit = (stored: Stored, interaction: Interaction, { body, uploads }: Call): Reply => {
    const changes = readChanges(body, uploads, mintId);
    if (isReply(changes)) return changes;
    if (stored === interaction.original && interaction.answer === 'deferred') {
      interactionActs.followUp(interaction, { content: String(changes['content'] ?? ''), extra: changes });
    } else messageActs.edit(stored, changes);
    return ok(restMessage(stored, botId));
  };

  return [
    {
      method: 'POST',
      path: '/interactions/{interaction_id}/{interaction_token}/callback',
      open: true,
      limit: null,
      handle: callback,
    },
    {
      method: 'POST',
      path: WEBHOOK_PATH,
      open: true,
      limit: [5, 2000],
      handle: onInteraction((interaction, { body, uploads }) => {
        const draft = readDraft(body, uploads, { mintId });
        if (isReply(draft)) return draft;
        return ok(restMessage(interactionActs.followUp(interaction, draft), botId));
      }),
    },
    {
      method: 'GET',
      path: MESSAGE_PATH,
      open: true,
      limit: [5, 1000],
      handle: onMessage((stored) => ok(restMessage(stored, botId))),
    },
    { method: 'PATCH', path: MESSAGE_PATH, open: true, limit: [5, 2000], handle: onMessage(edit) },
    {
      method: 'DELETE',
      path: MESSAGE_PATH,
      open: true,
      limit: [5, 1000],
      handle: onMessage((stored) => {
        messageActs.remove(stored);
        return empty;
      }),
    },
  ];
}
