// The kinds of value a setting can have: how each is read from text, what is expected of it in words, and how
// it is written so that it can be read again. A kind knows nothing of any particular setting.

import { z } from 'zod';
import { ALL_INTENTS, intentNames, parseIntents, UNPRIVILEGED_INTENTS } from '../wire/intents.ts';

/** How one kind of value is read and written. */
export interface Kind<T> {
  /** From raw (text of a flag or variable, or a YAML value) to the value in its unit. */
  readonly schema: z.ZodType<T>;
  /** Ends the sentence "expected …". */
  readonly expected: string;
  /** The value as a person would write it. */
  format(value: T): string;
  /** True for a path, which the loader makes absolute before the schema sees it. */
  readonly isPath?: boolean;
}

/** A network address. `host` carries no brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const DURATION_UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_UNITS_BYTES: Record<string, number> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** Milliseconds, written as a number and a unit. */
export function duration(range: { leastMs: number; mostMs: number }): Kind<number> {
  return {
    schema: measured(DURATION_UNITS_MS).pipe(z.number().min(range.leastMs).max(range.mostMs)),
    expected: `a duration with its unit (ms, s, m, h or d), such as 30m or 5.25s, from ${formatDuration(range.leastMs)} to ${formatDuration(range.mostMs)}`,
    format: formatDuration,
  };
}

/** Bytes, written as a number and a unit, or as a plain number of bytes. */
export function size(range: { leastBytes: number; mostBytes: number }): Kind<number> {
  return {
    schema: z
      .union([z.number(), z.string().regex(/^\d+$/).transform(Number), measured(SIZE_UNITS_BYTES)])
      .pipe(z.int().min(range.leastBytes).max(range.mostBytes)),
    expected: `a size such as 512MiB or 2GiB, from ${formatSize(range.leastBytes)} to ${formatSize(range.mostBytes)}`,
    format: formatSize,
  };
}

/** A whole number. */
export function integer(range: { least: number; most: number }): Kind<number> {
  return {
    schema: wholeNumber.pipe(z.int().min(range.least).max(range.most)),
    expected: `a whole number from ${range.least} to ${range.most}`,
    format: String,
  };
}

/** A whole number, or the word `auto`. */
export function autoOrInteger(range: { least: number; most: number }): Kind<'auto' | number> {
  const number = integer(range);
  return {
    schema: z.union([z.literal('auto'), number.schema]),
    expected: `auto, or ${number.expected}`,
    format: String,
  };
}

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]): Kind<T> {
  return {
    schema: z.enum(words) as unknown as z.ZodType<T>,
    expected: `one of ${words.join(', ')}`,
    format: String,
  };
}

/** True or false. */
export const yesOrNo: Kind<boolean> = {
  schema: z.union([z.boolean(), z.stringbool({ truthy: ['true', 'yes', '1'], falsy: ['false', 'no', '0'] })]),
  expected: 'true or false',
  format: String,
};

/** A path. */
export const filePath: Kind<string> = {
  isPath: true,
  schema: z.string().min(1),
  expected: 'a path',
  format: (value) => value,
};

/** A host and a port. */
export const address: Kind<Address> = {
  schema: z.string().transform((text, context) => {
    const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text.trim());
    const host = parts?.[1] ?? parts?.[2];
    const port = Number(parts?.[3]);
    if (host === undefined || port > 65_535) return refuse(context);
    return { host, port };
  }),
  expected: 'host:port such as 127.0.0.1:4600, or [::1]:4600 (in quotes in YAML)',
  format: (value) =>
    value.host.includes(':') ? `[${value.host}]:${value.port}` : `${value.host}:${value.port}`,
};

/**
 * A URL with one of the schemes, without query or fragment; kept without a trailing slash. `unversioned` refuses
 * one that ends in an API version.
 */
export function url(options: {
  schemes: readonly string[];
  example: string;
  unversioned?: boolean;
}): Kind<string> {
  const schema = z.string().transform((text, context) => {
    const parsed = URL.canParse(text) ? new URL(text) : undefined;
    if (!parsed || !options.schemes.includes(parsed.protocol.slice(0, -1))) return refuse(context);
    if (parsed.username || parsed.password) return refuse(context, 'leave the user name out');
    if (parsed.search || parsed.hash) return refuse(context, 'leave everything from ? or # on out');
    const bare = parsed.href.replace(/\/+$/, '');
    if (options.unversioned && /\/v\d+$/.test(bare)) return refuse(context, 'leave the version out');
    return bare;
  });
  return {
    schema,
    expected: `a URL beginning with ${options.schemes.map((scheme) => `${scheme}://`).join(' or ')}, such as ${options.example}`,
    format: (value) => value,
  };
}

/** Gateway intents as bits, or the word `auto`. */
export const intents: Kind<'auto' | number> = {
  schema: z.unknown().transform((raw, context): 'auto' | number => {
    if (raw === 'auto') return 'auto';
    const bits = parseIntents(raw);
    if (typeof bits === 'number') return bits;
    return refuse(context, bits.wrong);
  }),
  expected: 'auto, a number, or a list of intent names (ALL and UNPRIVILEGED are names too)',
  format(value) {
    if (value === 'auto') return value;
    if (value === ALL_INTENTS) return 'ALL';
    if (value === UNPRIVILEGED_INTENTS) return 'UNPRIVILEGED';
    return intentNames(value).join(', ') || '0';
  },
};

const wholeNumber = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]);

/** Refuses a value; `detail` is for what "expected …" does not say. */
function refuse(context: z.RefinementCtx, detail?: string): never {
  context.addIssue({ code: 'custom', params: { detail } });
  return z.NEVER;
}

/** The detail with which a kind refused a value, if it gave one. */
export function detailOf(error: z.ZodError): string | undefined {
  for (const issue of error.issues) {
    if (issue.code === 'custom' && typeof issue.params?.['detail'] === 'string')
      return issue.params['detail'];
  }
  return undefined;
}

function measured(units: Record<string, number>): z.ZodType<number> {
  return z.string().transform((text, context) => {
    const parts = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim());
    const unit = parts && Object.hasOwn(units, parts[2]!) ? units[parts[2]!] : undefined;
    if (unit === undefined) return refuse(context);
    return Math.round(Number(parts![1]) * unit);
  });
}

/** 1800000 → `30m`; what `duration` reads. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm'] as const) {
    if (ms > 0 && ms % DURATION_UNITS_MS[unit]! === 0) return `${ms / DURATION_UNITS_MS[unit]!}${unit}`;
  }
  return ms % 10 === 0 && ms !== 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** 536870912 → `512MiB`; what `size` reads. */
export function formatSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB'] as const) {
    if (bytes > 0 && bytes % SIZE_UNITS_BYTES[unit]! === 0)
      return `${bytes / SIZE_UNITS_BYTES[unit]!}${unit}`;
  }
  return `${bytes}B`;
}

/** True when a host names this machine only. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || /^127(?:\.\d{1,3}){3}$/.test(bare);
}
