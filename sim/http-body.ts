// Reads the body of a REST request: JSON, or multipart with `payload_json` and files (protocol reference 9.1).

import type { IncomingMessage } from 'node:http';
import type { Upload } from './rules/rest/reply.ts';

export interface Body {
  readonly body: unknown;
  readonly malformed: boolean;
  readonly uploads: readonly Upload[];
}

const BODY_BYTES_MAX = 32 * 1024 * 1024;
const MALFORMED: Body = { body: undefined, malformed: true, uploads: [] };

/** The bytes of a request; cut at a limit, which makes them malformed. */
export async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads a request's body. One without bytes has an undefined body, whatever its content type. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const bytes = await readBytes(request);
  if (bytes.length === 0) return { body: undefined, malformed: false, uploads: [] };
  const type = request.headers['content-type'] ?? '';
  try {
    if (type.startsWith('application/json')) {
      return { body: JSON.parse(bytes.toString()), malformed: false, uploads: [] };
    }
    if (type.startsWith('multipart/form-data')) return await readForm(bytes, type);
  } catch {
    return MALFORMED;
  }
  return MALFORMED;
}

async function readForm(bytes: Buffer, type: string): Promise<Body> {
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData();
  const uploads: Upload[] = [];
  let body: unknown;
  for (const [field, value] of form) {
    if (typeof value !== 'string') {
      uploads.push({ field, name: value.name, contentType: value.type, size: value.size });
    } else if (field === 'payload_json') body = JSON.parse(value);
  }
  return { body, malformed: false, uploads };
}
