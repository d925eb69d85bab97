// The body of a message as a bot sends it, read into a draft (content, embeds, components, flags, uploads).

import type { Draft } from '../acts/message-acts.ts';
import type { Fields } from '../json.ts';
import { failed, invalidForm, type Reply, type Upload } from './reply.ts';

const CONTENT_CHARS_MAX = 2000;
const EPHEMERAL = 1 << 6;

/** Reads a message body. `mintId` names the uploads. An empty message is refused, unless `mayBeEmpty`. */
export function readDraft(
  body: Fields,
  uploads: readonly Upload[],
  options: { mintId: () => string; mayBeEmpty?: boolean },
): Draft | Reply {
  const changes = readChanges(body, uploads, options.mintId);
  if ('status' in changes) return changes as unknown as Reply;
  const { content, ...extra } = changes;
  const text = typeof content === 'string' ? content : '';
  const filled = (value: unknown): boolean => Array.isArray(value) && value.length > 0;
  const says =
    text !== '' ||
    ['embeds', 'components', 'attachments', 'sticker_ids'].some((field) =>
      filled(body[field] ?? extra[field]),
    ) ||
    body['poll'] !== undefined;
  if (!says && !options.mayBeEmpty) return failed(50006);
  const flags = typeof body['flags'] === 'number' ? body['flags'] : 0;
  const reference = body['message_reference'];
  return {
    content: text,
    ephemeral: (flags & EPHEMERAL) !== 0,
    extra: {
      ...extra,
      ...(flags === 0 ? {} : { flags }),
      ...(reference === undefined ? {} : { message_reference: reference, type: 19 }),
      ...(body['nonce'] === undefined ? {} : { nonce: body['nonce'] }),
      ...(body['tts'] === true ? { tts: true } : {}),
    },
  };
}

/** Reads the fields of an edit: only those that were sent change. */
export function readChanges(body: Fields, uploads: readonly Upload[], mintId: () => string): Fields | Reply {
  const content = body['content'];
  if (typeof content === 'string' && content.length > CONTENT_CHARS_MAX)
    return invalidForm('content', 'BASE_TYPE_MAX_LENGTH', `Must be ${CONTENT_CHARS_MAX} or fewer in length.`);
  const changes: Fields = {};
  if (content !== undefined) changes['content'] = content ?? '';
  if (Array.isArray(body['embeds'])) {
    changes['embeds'] = body['embeds'].map((embed: Fields) => ({
      type: 'rich',
      content_scan_version: 0,
      ...embed,
    }));
  }
  if (Array.isArray(body['components'])) changes['components'] = body['components'];
  if (uploads.length > 0) {
    changes['attachments'] = uploads.map((upload) => ({
      id: mintId(),
      filename: upload.name,
      size: upload.size,
      content_type: upload.contentType,
      url: `https://cdn.discord.invalid/attachments/${upload.name}`,
      proxy_url: `https://media.discord.invalid/attachments/${upload.name}`,
    }));
  }
  return changes;
}

/** Whether `readDraft` or `readChanges` refused. */
export function isReply(value: object): value is Reply {
  return 'status' in value && typeof value.status === 'number';
}
