// What a handler's request is for, decided from its method and target alone. Pure; it also refuses every form
// of target that could mean something else to Discord than it means to us.

/** Methods that Discord's API has. */
export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type Method = (typeof METHODS)[number];

/** A request that is understood. */
export interface Route {
  readonly method: Method;
  /** `v10`, or empty when the handler named no version. */
  readonly version: string;
  /** The path after the version, such as `/channels/1/messages`, still percent-encoded. */
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
  /**
   * - `gateway` and `gateway-bot` are answered here: the handler's gateway is ours.
   * - `token-in-path`: interaction callbacks and webhooks; the path itself is the credential, Discord counts
   *   them outside the bot's global limit, and they must go without the bot's token.
   * - `bot`: everything else.
   */
  readonly kind: 'gateway' | 'gateway-bot' | 'token-in-path' | 'bot';
}

/** A request that is refused. */
export interface Refusal {
  readonly status: 400 | 404 | 405;
  readonly message: string;
}

const TARGET = /^\/api(?:\/(v\d{1,2}))?(\/[^?]*)(\?.*)?$/;
/** The characters of RFC 3986 paths, with whole percent-escapes. */
const PATH = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;
const QUERY = /^[\x21\x22\x24-\x7e]*$/;

/** Understands `method` and `target` (the request line's second part), or says why not. */
export function parseRoute(method: string | undefined, target: string | undefined): Route | Refusal {
  if (!isMethod(method)) {
    return { status: 405, message: `found method ${method}, expected one of ${METHODS.join(', ')}` };
  }
  if (!target?.startsWith('/')) {
    return { status: 400, message: 'expected a path, such as /api/v10/users/@me' };
  }
  const parts = TARGET.exec(target);
  if (!parts) {
    return { status: 404, message: 'expected a path under /api, such as /api/v10/users/@me' };
  }
  const [, version = '', path = '', query = ''] = parts;
  if (!PATH.test(path) || !QUERY.test(query)) {
    return { status: 400, message: 'found a character in the path or query that must be percent-encoded' };
  }
  if (/%2f|%5c/i.test(path)) {
    return { status: 400, message: 'found an encoded slash or backslash in the path' };
  }
  if (path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) {
    return { status: 400, message: 'found . or .. in the path' };
  }
  if (path.includes('//')) return { status: 404, message: 'found an empty part in the path' };
  const kind = kindOf(path);
  if (kind.startsWith('gateway') && method !== 'GET') {
    return { status: 405, message: `found method ${method}, expected GET` };
  }
  return { method, version, path, query, kind };
}

function kindOf(path: string): Route['kind'] {
  if (path === '/gateway') return 'gateway';
  if (path === '/gateway/bot') return 'gateway-bot';
  if (/^\/(?:webhooks|interactions)\/\d+\/[^/]/.test(path)) return 'token-in-path';
  return 'bot';
}

function isMethod(method: string | undefined): method is Method {
  return (METHODS as readonly (string | undefined)[]).includes(method);
}
