// A secret that does not leak by accident: every way of turning it into text gives `[secret]`, and only
// `reveal` gives the value. It does not hide the value from a debugger or a core dump.

import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/** Holds a secret text; printing, interpolating, inspecting or serialising it shows `[secret]`. */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  /** The value itself; call it where it is used, and keep the result nowhere. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return HIDDEN;
  }
  toJSON(): string {
    return HIDDEN;
  }
  [inspect.custom](): string {
    return HIDDEN;
  }
}
