// One event on its way into state: where its bytes are, and how fold reads them. Shared by the files of fold.

import { elementId } from './contents.ts';
import type { GuildOverlay, Overlay } from './overlay.ts';
import { ELEMENT_ARRAYS, type ElementArray, type PartKind } from './part.ts';
import { GUILD_STATUS, type Place } from './port.ts';
import { findValue, idOf, type Range, SpliceError, splice } from './splice.ts';

export interface FoldOptions {
  /** Keep members other than the bot's own and those in voice channels. */
  readonly keepMembers: boolean;
  /** Keep presences that GUILD_CREATE did not bring. */
  readonly keepPresences: boolean;
}

/** An event being folded. Reused between events; `bytes` are valid only while it is folded. */
export interface FoldEvent {
  overlay: Overlay;
  options: FoldOptions;
  bytes: Uint8Array;
  /** Range of the value of `d`. */
  start: number;
  end: number;
  /** Where in the journal `bytes[start]` is, when big values may be left there; else undefined. */
  place: Place | undefined;
}

/** A member of `d` that must be there. */
export function required(event: FoldEvent, name: string): Range {
  const range = findValue(event.bytes, event.start, event.end, name);
  if (!range) throw new SpliceError(`${name} is missing`);
  return range;
}

/** An id in `d`, or undefined where it is absent or null. */
export function idAt(event: FoldEvent, name: string): string | undefined {
  return idOf(event.bytes, findValue(event.bytes, event.start, event.end, name));
}

/** An id in `d` that must be there. */
export function requiredId(event: FoldEvent, name: string): string {
  const id = idOf(event.bytes, required(event, name));
  if (id === undefined) throw new SpliceError(`${name} is not an id`);
  return id;
}

/**
 * The guild an event is about, or undefined when there is nothing to change: its data has not come (it will
 * hold the change), or it is down (its next GUILD_CREATE will). Throws when the event names no guild.
 */
export function guildOf(event: FoldEvent): GuildOverlay | undefined {
  return available(event, requiredId(event, 'guild_id'));
}

/** The same for events that also come for direct messages, which are no part of state. */
export function guildOfAny(event: FoldEvent): GuildOverlay | undefined {
  const id = idAt(event, 'guild_id');
  return id === undefined ? undefined : available(event, id);
}

export function available(event: FoldEvent, guildId: string): GuildOverlay | undefined {
  const guild = event.overlay.guild(guildId);
  return guild?.status === GUILD_STATUS.AVAILABLE ? guild : undefined;
}

/** An own copy of a range of the event's bytes. */
export function copyOf(event: FoldEvent, range: Range): Buffer {
  return splice(event.bytes, range.start, range.end, []);
}

const arrayByKind: ElementArray[] = [];
for (const array of ELEMENT_ARRAYS) arrayByKind[array.kind] = array;

/** The id of an element of this kind in the event's bytes; it must have one. */
export function elementIdOf(event: FoldEvent, kind: PartKind, range: Range): string {
  const array = arrayByKind[kind]!;
  const id = elementId(event.bytes, range.start, range.end, array);
  if (id === undefined) throw new SpliceError(`${array.id.join('.')} is missing`);
  return id;
}
