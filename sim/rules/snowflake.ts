// Discord's ids: milliseconds since 2015 in the upper bits, 22 bits of luck below (protocol reference 9.1).

export const DISCORD_EPOCH_MS = 1_420_070_400_000;

/** The id minted `timeMs` milliseconds after Discord's epoch; `low` fills the 22 lower bits. */
export function snowflake(timeMs: number, low: number): string {
  return ((BigInt(timeMs) << 22n) | BigInt(low)).toString();
}

export function isSnowflake(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,20}$/.test(value);
}

/** Milliseconds since Discord's epoch; this is also the number that decides a guild's shard (7). */
export function snowflakeTimeMs(id: string): number {
  return Number(BigInt(id) >> 22n);
}

/** The shard that a guild's events go to (7). */
export function shardOf(guildId: string, shardCount: number): number {
  return snowflakeTimeMs(guildId) % shardCount;
}

/** A mint of ids that never repeats and never goes back, whatever the wall clock does. */
export function createIds(now: () => number): () => string {
  let timeMs = 0;
  let low = 0;
  return () => {
    const wanted = Math.floor(now()) - DISCORD_EPOCH_MS;
    if (wanted > timeMs) {
      timeMs = wanted;
      low = 0;
    } else if (++low >= 1 << 22) {
      timeMs++;
      low = 0;
    }
    return snowflake(timeMs, low);
  };
}
