// The shapes of JSON that the rules handle. Discord's objects are open (fields come and go), so they are typed by
// what the rules touch, not in full.

/** Any JSON object. */
export type Fields = Record<string, unknown>;

/** A JSON object with an id: a role, a channel, a user, a message. */
export type Part = Fields & { readonly id: string };

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

export function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value);
}

/** A time as Discord writes it, with six decimals: `2024-01-02T03:04:05.678000+00:00`. */
export function timestamp(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 23)}000+00:00`;
}
