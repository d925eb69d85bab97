// What a handler's intents leave out of what upstream's let in: by event type, as Discord would (protocol
// reference 8.4). Which of two places a message came from (guild or direct) is not looked at: either intent lets
// it in. Content is not blanked.

import { EVENT_INTENTS } from '../wire/intents.ts';

/** By event type id: 1 for an event that is left out. Undefined when nothing is. */
export function filterOf(intents: number, upstream: number): Uint8Array | undefined {
  if ((intents & upstream) === upstream) return undefined;
  const filter = new Uint8Array(256);
  EVENT_INTENTS.forEach((bits, type) => {
    if (bits && (intents & (bits.guild | bits.direct)) === 0) filter[type] = 1;
  });
  return filter;
}
