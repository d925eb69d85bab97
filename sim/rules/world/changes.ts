// What has changed in a guild since the world began. Only this is kept in memory: the rest is computed (noise.ts).

import type { Fields, Part } from '../json.ts';

/** Kinds of parts that can be created, changed and deleted in a guild. */
export type ChangedKind = 'channel' | 'role' | 'thread' | 'emoji';

export interface Changes {
  /** Guild fields that were set. */
  readonly fields: Fields;
  /** Parts by id: the whole part as it is now, or null when deleted. */
  readonly parts: Readonly<Record<ChangedKind, Map<string, Part | null>>>;
  /** Members by number: fields that were set, or null when gone. */
  readonly members: Map<number, Fields | null>;
  /** People who joined since; their numbers follow those who were there. */
  joined: number;
  left: number;
  /** Voice states by user id: the state now, or null when not in voice. */
  readonly voice: Map<string, Fields | null>;
  /** Newest message of each channel. */
  readonly lastMessages: Map<string, string>;
  /** Presences by user id. */
  readonly presences: Map<string, Fields>;
}

export function createChanges(): Changes {
  return {
    fields: {},
    parts: { channel: new Map(), role: new Map(), thread: new Map(), emoji: new Map() },
    members: new Map(),
    joined: 0,
    left: 0,
    voice: new Map(),
    lastMessages: new Map(),
    presences: new Map(),
  };
}

/** `pristine` parts with the changes applied: changed ones replaced in place, deleted ones gone, new ones at the end. */
export function applyChanges(pristine: readonly Part[], changed: ReadonlyMap<string, Part | null>): Part[] {
  if (changed.size === 0) return pristine as Part[];
  const rest = new Map(changed);
  const parts: Part[] = [];
  for (const part of pristine) {
    const now = rest.get(part.id);
    rest.delete(part.id);
    if (now === undefined) parts.push(part);
    else if (now !== null) parts.push(now);
  }
  for (const part of rest.values()) if (part !== null) parts.push(part);
  return parts;
}
