// Discord's verdict on an IDENTIFY (4.2), apart from the concurrency bucket and the daily limit, which count.

import { ALL_INTENTS } from '../../src/wire/intents.ts';
import type { RuleOptions } from './options.ts';
import type { Identify } from './payload.ts';

/**
 * The close code that answers an IDENTIFY of well-formed shape, or 0 when a session may start.
 * `guilds` is how many guilds would land on the shard.
 */
export function identifyVerdict(
  identify: Identify,
  facts: { tokenValid: boolean; guilds: number; options: RuleOptions },
): number {
  const { options } = facts;
  if (!facts.tokenValid) return 4004;
  if (identify.shardCount % options.shardMultiple !== 0) return 4010;
  const { intents } = identify;
  if (!(intents >= 0) || intents > ALL_INTENTS || (intents & ~ALL_INTENTS) !== 0) return 4013;
  if ((intents & ~options.allowedIntents) !== 0) return 4014;
  if (facts.guilds > options.guildsPerShardMax) return 4011;
  return 0;
}
