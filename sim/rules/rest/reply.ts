// Requests and replies of the REST API as the routes see them, and the error bodies of protocol reference 9.8.

import type { Fields } from '../json.ts';

/** One uploaded file of a multipart body; its bytes are not kept. */
export interface Upload {
  readonly field: string;
  readonly name: string;
  readonly contentType: string;
  readonly size: number;
}

export interface RestRequest {
  readonly method: string;
  /** Path under `/api` or `/api/v10`, still percent-encoded, without query. */
  readonly path: string;
  /** The API version in the path; 10 when there was none. */
  readonly version: number;
  readonly query: URLSearchParams;
  readonly authorization: string | null;
  /** The JSON body, or `payload_json` of a multipart one; undefined when there is none. */
  readonly body: unknown;
  /** The body could not be read: wrong content type or no JSON. */
  readonly malformed: boolean;
  readonly uploads: readonly Upload[];
}

/** A route's answer; `json` undefined means an empty body. */
export interface Reply {
  readonly status: number;
  readonly json?: unknown;
}

/** A whole response. `delayMs` asks the carrier to wait first. */
export interface RestResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly delayMs: number;
}

export const ok = (json: unknown): Reply => ({ status: 200, json });
export const created = (json: unknown): Reply => ({ status: 201, json });
export const empty: Reply = { status: 204 };

const ERRORS: Readonly<Record<number, { status: number; message: string }>> = {
  10002: { status: 404, message: 'Unknown Application' },
  10003: { status: 404, message: 'Unknown Channel' },
  10004: { status: 404, message: 'Unknown Guild' },
  10007: { status: 404, message: 'Unknown Member' },
  10008: { status: 404, message: 'Unknown Message' },
  10011: { status: 404, message: 'Unknown Role' },
  10013: { status: 404, message: 'Unknown User' },
  10015: { status: 404, message: 'Unknown Webhook' },
  10062: { status: 404, message: 'Unknown interaction' },
  10063: { status: 404, message: 'Unknown application command' },
  40060: { status: 400, message: 'Interaction has already been acknowledged.' },
  50001: { status: 403, message: 'Missing Access' },
  50005: { status: 403, message: 'Cannot edit a message authored by another user' },
  50006: { status: 400, message: 'Cannot send an empty message' },
  50027: { status: 401, message: 'Invalid Webhook Token' },
  50041: { status: 400, message: 'Invalid API version' },
};

/** An error by its JSON code. */
export function failed(code: number): Reply {
  const { status, message } = ERRORS[code] ?? { status: 400, message: 'Bad Request' };
  return { status, json: { message, code } };
}

/** An error without a code of its own: `404: Not Found` and the like. */
export function httpError(status: 401 | 404 | 405 | 500): Reply {
  const words = {
    401: 'Unauthorized',
    404: 'Not Found',
    405: 'Method Not Allowed',
    500: 'Internal Server Error',
  };
  return { status, json: { message: `${status}: ${words[status]}`, code: 0 } };
}

/** 50035 with the field that is wrong; `path` mirrors the request body (9.8). */
export function invalidForm(path: string, code: string, message: string): Reply {
  let errors: Fields = { _errors: [{ code, message }] };
  for (const key of path.split('.').reverse()) errors = { [key]: errors };
  return { status: 400, json: { message: 'Invalid Form Body', code: 50035, errors } };
}
