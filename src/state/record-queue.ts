// Where records lie that are known but not folded yet, oldest first: packed numbers, 48 bytes a record, because
// a handler that is away may hold back hundreds of thousands of them.

/** One record that waits. */
export interface QueuedRecord {
  epoch: number;
  s: number;
  type: number;
  segment: number;
  offset: number;
  /** Bytes of the whole record. */
  length: number;
}

export interface RecordQueue {
  readonly size: number;
  push(record: Readonly<QueuedRecord>): void;
  /** The record at `index`, 0 being the oldest. */
  at(index: number): QueuedRecord;
  /** Drops the `count` oldest. */
  shift(count: number): void;
}

const FIELDS = 6;
const CAPACITY_MIN = 64;

/** Creates an empty queue. */
export function createRecordQueue(): RecordQueue {
  let slots = new Float64Array(CAPACITY_MIN * FIELDS);
  let head = 0; // index of the oldest in slots
  let size = 0;

  const resize = (capacity: number): void => {
    const next = new Float64Array(capacity * FIELDS);
    next.set(slots.subarray(head * FIELDS, (head + size) * FIELDS));
    slots = next;
    head = 0;
  };

  return {
    get size() {
      return size;
    },
    push(record) {
      const capacity = slots.length / FIELDS;
      if (head + size === capacity) resize(size * 2 > capacity ? capacity * 2 : capacity);
      const at = (head + size) * FIELDS;
      slots[at] = record.epoch;
      slots[at + 1] = record.s;
      slots[at + 2] = record.type;
      slots[at + 3] = record.segment;
      slots[at + 4] = record.offset;
      slots[at + 5] = record.length;
      size++;
    },
    at(index) {
      const at = (head + index) * FIELDS;
      return {
        epoch: slots[at]!,
        s: slots[at + 1]!,
        type: slots[at + 2]!,
        segment: slots[at + 3]!,
        offset: slots[at + 4]!,
        length: slots[at + 5]!,
      };
    },
    shift(count) {
      head += count;
      size -= count;
      const capacity = slots.length / FIELDS;
      if (size === 0) head = 0;
      if (capacity > CAPACITY_MIN && size * 4 < capacity) resize(Math.max(CAPACITY_MIN, capacity >> 1));
    },
  };
}
