// Which events are not worth replaying: one fixed table, by time since receipt. An interaction's token dies 3 s
// after Discord sent it; a typing indicator or a presence from before an absence tells nothing any more.

import { EVENT } from '../wire/event-type.ts';

/** Milliseconds since receipt after which an event of this type is left out of a replay; 0 = never. */
export const EXPIRES_AFTER_MS: Readonly<Float64Array> = (() => {
  const table = new Float64Array(256);
  table[EVENT.INTERACTION_CREATE] = 2_500;
  table[EVENT.TYPING_START] = 2_500;
  table[EVENT.PRESENCE_UPDATE] = 2_500;
  return table;
})();

/** Whether an event received at `receivedAt` is left out of a replay at `now` (both wall milliseconds). */
export function isExpired(type: number, receivedAt: number, now: number): boolean {
  const after = EXPIRES_AFTER_MS[type]!;
  return after !== 0 && now - receivedAt > after;
}
