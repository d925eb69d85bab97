// Bytes that arrive in pieces and are wanted whole. Memory follows the bytes that came, not the length that was
// announced, and is let go by `clear`: an idle connection holds none.

const EMPTY = Buffer.alloc(0);

/** Up to here the announced length is believed, and taken at once. */
const RESERVE_BYTES_MAX = 64 * 1024;

export class Gathered {
  #bytes: Buffer = EMPTY;
  #length = 0;

  /** The bytes so far are `bytes[0, length)`. Still valid for who holds it after `clear`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a copy of `from[start, end)`. `expectedLength` is how long the whole may become. */
  append(from: Buffer, start: number, end: number, expectedLength: number): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) {
      const wished = Math.min(expectedLength, Math.max(2 * length, RESERVE_BYTES_MAX));
      const larger = Buffer.allocUnsafeSlow(Math.max(length, wished));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    from.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
  }

  clear(): void {
    this.#bytes = EMPTY;
    this.#length = 0;
  }
}
