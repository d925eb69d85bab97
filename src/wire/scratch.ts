// The one output buffer that all inflaters and deflaters of this thread share: they are synchronous, and each
// message is used before the next is made. 164 shards need one buffer, not 164. It grows for a giant frame and
// shrinks back when giants stop coming.

/** The buffer's size at rest: nearly every event fits, and it stays in the processor's cache. */
export const SCRATCH_BYTES = 64 * 1024;

/** So many fitting messages in a row after a giant one, and the memory is given back. */
const FITTING_BEFORE_SHRINK = 256;

let bytes = Buffer.from(new ArrayBuffer(SCRATCH_BYTES));
let fittingInRow = 0;

/** The shared buffer. Another one after `grow` or `settle`; never keep it. */
export function scratch(): Buffer {
  return bytes;
}

/** Doubles the buffer and keeps its contents. The old memory is freed at once, not when the collector runs. */
export function growScratch(): Buffer {
  bytes = Buffer.from(bytes.buffer.transfer(bytes.length * 2));
  fittingInRow = 0;
  return bytes;
}

/** To be told before each message how long the one before was; shrinks the buffer when it was large for long. */
export function settleScratch(previousLength: number): Buffer {
  if (bytes.length === SCRATCH_BYTES) return bytes;
  if (previousLength >= SCRATCH_BYTES) fittingInRow = 0;
  else if (++fittingInRow >= FITTING_BEFORE_SHRINK) {
    bytes = Buffer.from(bytes.buffer.transfer(SCRATCH_BYTES));
    fittingInRow = 0;
  }
  return bytes;
}
