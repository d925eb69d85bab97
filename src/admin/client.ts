// Asks a running daemon over its admin socket. Used by the command line; a daemon that is not there is an
// ordinary answer here, with its own error code.

import * as http from 'node:http';
import { ERRORS, type ErrorCode, OperatingError } from '../base/errors.ts';
import { findSocketPath } from './socket-path.ts';

/** A daemon answers at once, except for actions that wait for Discord. */
const TIMEOUT_MS = 30_000;

/**
 * Sends one request to the daemon that holds `stateDir` and returns its JSON answer.
 * @throws ADMIN_UNREACHABLE when no daemon answers; the daemon's own operating error when it refuses.
 */
export async function callAdmin<T>(
  stateDir: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<T> {
  const socketPath = findSocketPath(stateDir);
  const { status, text } = await exchange(socketPath, method, path, body).catch((error: Error) => {
    const code = (error as NodeJS.ErrnoException).code;
    const cause =
      code === 'ENOENT' ? 'there is no socket' : code === 'ECONNREFUSED' ? 'nobody listens' : error.message;
    throw new OperatingError('ADMIN_UNREACHABLE', `no Holdfast answers at ${socketPath}: ${cause}`, {
      cause: error,
    });
  });
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    throw new OperatingError(
      'ADMIN_UNREACHABLE',
      `${socketPath} answered ${status} with something that is not JSON`,
      {
        cause: error,
      },
    );
  }
  if (status === 200) return answer as T;
  const { code, message } = (answer as { error: { code?: string; message: string } }).error;
  if (code !== undefined && Object.hasOwn(ERRORS, code)) throw new OperatingError(code as ErrorCode, message);
  throw new Error(`the daemon failed at ${method} ${path}: ${message}`);
}

function exchange(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        socketPath,
        method,
        path,
        headers: { 'content-type': 'application/json' },
        timeout: TIMEOUT_MS,
        agent: false,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer in 30 seconds')));
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
