// Ids as numbers without BigInt: the last nine decimal digits, and those before. Both are exact, comparing them
// in that order is comparing the ids, and reading them costs a fifth of making a string.

/** An id as two numbers. Reused between reads. */
export interface Snowflake {
  high: number;
  low: number;
}

export const SNOWFLAKE_DIGITS_MAX = 20;

export function createSnowflake(): Snowflake {
  return { high: 0, low: 0 };
}

/** Reads the digits in `bytes[start, end)`; false when they are not 1 to 20 digits. */
export function readSnowflake(bytes: Uint8Array, start: number, end: number, out: Snowflake): boolean {
  if (start >= end || end - start > SNOWFLAKE_DIGITS_MAX) return false;
  const middle = end - 9;
  let high = 0;
  let low = 0;
  let at = start;
  for (; at < middle; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return false;
    high = high * 10 + digit;
  }
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit < 0 || digit > 9) return false;
    low = low * 10 + digit;
  }
  out.high = high;
  out.low = low;
  return true;
}

/** The same for a string. */
export function parseSnowflake(text: string, out: Snowflake): boolean {
  const end = text.length;
  if (end === 0 || end > SNOWFLAKE_DIGITS_MAX) return false;
  let high = 0;
  let low = 0;
  for (let at = 0; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return false;
    if (at < end - 9) high = high * 10 + digit;
    else low = low * 10 + digit;
  }
  out.high = high;
  out.low = low;
  return true;
}

/** The id's text. */
export function snowflakeText(high: number, low: number): string {
  return high === 0 ? String(low) : `${high}${String(low).padStart(9, '0')}`;
}
