// Positions in the journal. Within a shard they are ordered by epoch (one upstream session), then by `s`.

/** A place in one shard's stream: everything up to and including `s` of `epoch`. */
export interface Position {
  readonly epoch: number;
  readonly s: number;
}

/** A place in the log: byte `offset` of segment number `segment`. */
export interface LogPosition {
  readonly segment: number;
  readonly offset: number;
}

/** Negative when `a` is before `b`, 0 when equal, positive when after. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch === b.epoch ? a.s - b.s : a.epoch - b.epoch;
}

/** The same for places in the log. */
export function compareLogPositions(a: LogPosition, b: LogPosition): number {
  return a.segment === b.segment ? a.offset - b.offset : a.segment - b.segment;
}
