// What the bot wants to say to Discord (op 3, 4, 8, 31, 43), waiting for a live session and for the send budget.
// Bounded: a full queue says so to its caller. Presences never queue up: a newer one takes the older one's place.
// Heartbeats, IDENTIFY and RESUME are only counted here, they never wait.

import type { Clock, Timer } from '../base/clock.ts';
import { createSendBudget, type SendBudget } from '../upstream/send-budget.ts';
import { SEND_BYTES_MAX } from '../wire/opcode.ts';

/** What a bot may send; see `SendKind` of the send budget. */
export type CommandKind = 'command' | 'presence';

export interface CommandQueue {
  /** Takes a command; false when the queue is full, or the command is larger than Discord takes (4096 bytes). */
  push(text: string, kind: CommandKind): boolean;
  /** A new connection has a new budget. */
  renewBudget(): void;
  /** Counts a heartbeat, IDENTIFY or RESUME that is sent now. */
  countControl(): void;
  /** The session is live: send what the budget allows, now and later. */
  open(): void;
  /** The session is not live: keep what waits. */
  close(): void;
  /** Forgets what waits, and counts it. */
  drop(): void;
  waiting(): number;
  dropped(): number;
}

/** Creates the queue of one shard. `write` hands a text to the socket and says whether it was taken. */
export function createCommandQueue(options: {
  clock: Clock;
  write: (text: string) => boolean;
  lengthMax?: number;
}): CommandQueue {
  const { clock, write, lengthMax = 240 } = options;
  const queue: string[] = [];
  let presence: string | null = null;
  let budget: SendBudget = createSendBudget();
  let timer: Timer | null = null;
  let isOpen = false;
  let droppedCount = 0;

  /** Sends what may be sent; returns how long the rest must wait, 0 when nothing is left or the socket is not open. */
  function pump(): number {
    while (queue.length > 0) {
      const waitMs = budget.tryTake(clock.monotonic(), 'command');
      if (waitMs > 0) return waitMs;
      if (!write(queue[0]!)) return 0;
      queue.shift();
    }
    if (presence !== null) {
      const waitMs = budget.tryTake(clock.monotonic(), 'presence');
      if (waitMs > 0) return waitMs;
      if (write(presence)) presence = null;
    }
    return 0;
  }

  function run(): void {
    timer?.cancel();
    timer = null;
    if (!isOpen) return;
    const waitMs = pump();
    if (waitMs > 0) timer = clock.after(waitMs, run);
  }

  return {
    push(text, kind) {
      if (Buffer.byteLength(text) > SEND_BYTES_MAX) return false;
      if (kind === 'presence') presence = text;
      else if (queue.length >= lengthMax) return false;
      else queue.push(text);
      run();
      return true;
    },
    renewBudget() {
      budget = createSendBudget();
    },
    countControl: () => void budget.tryTake(clock.monotonic(), 'control'),
    open() {
      isOpen = true;
      run();
    },
    close() {
      isOpen = false;
      run();
    },
    drop() {
      droppedCount += queue.length + (presence === null ? 0 : 1);
      queue.length = 0;
      presence = null;
      run();
    },
    waiting: () => queue.length + (presence === null ? 0 : 1),
    dropped: () => droppedCount,
  };
}
