// Where a setting's value came from, and what is wrong with it. Both exist so that a person can go to the
// right line of the right file without guessing.

import { redact } from '../base/log.ts';

/** Where a value came from. */
export type Origin =
  | { readonly type: 'flag'; readonly name: string }
  | { readonly type: 'environment'; readonly name: string }
  | { readonly type: 'file'; readonly path: string; readonly line?: number }
  | { readonly type: 'credential'; readonly path: string }
  | { readonly type: 'default' };

/** One mistake in the configuration: where, in which setting, and a sentence with what was found and expected. */
export interface Mistake {
  readonly origin: Origin;
  readonly key: string;
  readonly problem: string;
}

/** An origin in words: `holdfast.yaml:12`, `environment HOLDFAST_LISTEN`, `flag --listen`, `default`. */
export function describeOrigin(origin: Origin): string {
  switch (origin.type) {
    case 'flag':
      return `flag ${origin.name}`;
    case 'environment':
      return `environment ${origin.name}`;
    case 'file':
      return origin.line === undefined ? origin.path : `${origin.path}:${origin.line}`;
    case 'credential':
      return `credential ${origin.path}`;
    case 'default':
      return 'default';
  }
}

/** A mistake in one line; anything token-shaped in it is cut. */
export function describeMistake(mistake: Mistake): string {
  return redact(`${describeOrigin(mistake.origin)}: ${mistake.key}: ${mistake.problem}`);
}

const FOUND_CHARACTERS_MAX = 80;

/** A found value as it is shown in a mistake: quoted, and cut when it is long. */
export function describeFound(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > FOUND_CHARACTERS_MAX ? `${text.slice(0, FOUND_CHARACTERS_MAX)}…` : text;
}
