// The bot token: where it may come from, and whether it looks like one. It is read once, kept in a `Secret`,
// and appears in no message, whatever is wrong with it. It is never taken from a flag or from holdfast.yaml.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { describeOrigin, type Mistake, type Origin } from './origin.ts';
import { Secret } from './secret.ts';

/** A token that was found and has the right shape. */
export interface BotToken {
  readonly secret: Secret;
  /** The bot's user id, which is the token's first part. */
  readonly botId: string;
  readonly origin: Origin;
}

/** What looking for the token gave: at most one of `token` and `mistakes`; neither when there is none anywhere. */
export interface TokenSearch {
  readonly token?: BotToken;
  readonly mistakes: readonly Mistake[];
  readonly warnings: readonly string[];
}

/**
 * Looks in DISCORD_TOKEN, then in `tokenFile`, then in the systemd credential `discord_token`, and takes the
 * first that is set. DISCORD_TOKEN is removed from `environment`, so that no child process inherits it.
 */
export function findToken(options: {
  environment: Record<string, string | undefined>;
  tokenFile: string | undefined;
}): TokenSearch {
  const { environment, tokenFile } = options;
  const fromEnvironment = environment['DISCORD_TOKEN'];
  delete environment['DISCORD_TOKEN'];
  if (fromEnvironment !== undefined && fromEnvironment.trim() !== '') {
    const warnings =
      tokenFile === undefined ? [] : [`token_file ${tokenFile} is not used, because DISCORD_TOKEN is set`];
    return { ...checked(fromEnvironment, { type: 'environment', name: 'DISCORD_TOKEN' }), warnings };
  }
  if (tokenFile !== undefined) {
    return fromFile(tokenFile, { type: 'file', path: tokenFile }, { ownerOnly: true });
  }
  const folder = environment['CREDENTIALS_DIRECTORY'];
  const credential = folder && path.join(folder, 'discord_token');
  if (credential && fs.existsSync(credential)) {
    return fromFile(credential, { type: 'credential', path: credential }, { ownerOnly: false });
  }
  return { mistakes: [], warnings: [] };
}

/** Reads a token's text: the secret and the bot's id, or what is wrong with it, in words that do not show it. */
export function parseToken(text: string): { secret: Secret; botId: string } | { problem: string } {
  const bare = text.trim().replace(/^Bot\s+/i, '');
  if (bare === '') return { problem: 'found nothing, expected a bot token' };
  if (/^["'].*["']$/s.test(bare))
    return { problem: 'found quotes around the token, expected the bare token' };
  const parts = bare.split('.');
  if (parts.length !== 3) {
    const hint = parts.length === 1 ? '; a client secret or an application id is not a bot token' : '';
    return {
      problem: `found ${parts.length} dotted part${parts.length === 1 ? '' : 's'}, expected the three of a bot token${hint}`,
    };
  }
  if (!parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part))) {
    return { problem: 'found a character that no bot token has, expected letters, digits, - and _' };
  }
  const botId = Buffer.from(parts[0]!, 'base64url').toString('latin1');
  if (!/^\d{15,20}$/.test(botId)) {
    return { problem: 'found a first part that is no bot id, expected a token of the Bot page' };
  }
  return { secret: new Secret(bare), botId };
}

/** A token's file is a line of text; anything much longer is not one. */
const TOKEN_FILE_BYTES_MAX = 4096;

function fromFile(file: string, origin: Origin, options: { ownerOnly: boolean }): TokenSearch {
  let text: string;
  const warnings: string[] = [];
  try {
    const facts = fs.statSync(file);
    if (!facts.isFile()) throw new Error('not a file');
    if (facts.size > TOKEN_FILE_BYTES_MAX) throw new Error(`${facts.size} bytes are too many for a token`);
    const mode = facts.mode & 0o777;
    if (options.ownerOnly && (mode & 0o077) !== 0) {
      const shown = mode.toString(8).padStart(4, '0');
      warnings.push(`token_file ${file} has mode ${shown}, so others can reach it; chmod 600 it`);
    }
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    const problem = `cannot read ${describeOrigin(origin)}: ${(error as Error).message}`;
    return { mistakes: [{ origin, key: 'token', problem }], warnings };
  }
  return { ...checked(text, origin), warnings };
}

function checked(text: string, origin: Origin): Omit<TokenSearch, 'warnings'> {
  const parsed = parseToken(text);
  if ('problem' in parsed) return { mistakes: [{ origin, key: 'token', problem: parsed.problem }] };
  return { token: { ...parsed, origin }, mistakes: [] };
}
