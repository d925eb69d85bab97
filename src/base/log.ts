// Structured logging: one JSON object per line. Rooms log changes of state, never events on the event path
// (those are counted). Event names are stable nouns with a participle: `shard.resumed`, `handler.parked`.

/** Extra fields of a log line. Values must be JSON-serialisable and must never hold a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A four-level log. `event` is a stable dotted name, `fields` its numbers, `text` a sentence for people. */
export interface Log {
  debug(event: string, fields?: LogFields, text?: string): void;
  info(event: string, fields?: LogFields, text?: string): void;
  warn(event: string, fields?: LogFields, text?: string): void;
  error(event: string, fields?: LogFields, text?: string): void;
  /** A log whose every line carries `fields` too. */
  child(fields: LogFields): Log;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Anything token-shaped (three dotted base64url parts) is cut to its first part before a line leaves. */
const TOKEN_SHAPE = /\b([A-Za-z0-9_-]{18,})\.[A-Za-z0-9_-]{5,8}\.[A-Za-z0-9_-]{20,}/g;

/** Replaces everything that looks like a bot token by its id part and `[secret]`. */
export function redact(text: string): string {
  return text.replace(TOKEN_SHAPE, '$1.[secret]');
}

/** Creates a log that hands each finished line (without newline) to `write`; lines under `level` are dropped. */
export function createLog(options: {
  level: LogLevel;
  now: () => number;
  write: (line: string) => void;
  fields?: LogFields;
}): Log {
  const least = LOG_LEVELS.indexOf(options.level);
  const bound = options.fields ?? {};
  const emit = (level: LogLevel, event: string, fields?: LogFields, text?: string): void => {
    if (LOG_LEVELS.indexOf(level) < least) return;
    const line = {
      time: new Date(options.now()).toISOString(),
      level,
      event,
      ...(text === undefined ? {} : { text }),
      ...bound,
      ...fields,
    };
    options.write(redact(JSON.stringify(line)));
  };
  return {
    debug: (event, fields, text) => emit('debug', event, fields, text),
    info: (event, fields, text) => emit('info', event, fields, text),
    warn: (event, fields, text) => emit('warn', event, fields, text),
    error: (event, fields, text) => emit('error', event, fields, text),
    child: (fields) => createLog({ ...options, fields: { ...bound, ...fields } }),
  };
}

/** A log that keeps nothing; for tests and tools that need no lines. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
