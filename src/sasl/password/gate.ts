import { WaitQueue } from "../../base/wait_queue.ts";

/** So many passwords are compared at a time, and so many more may wait; of those that go first, as many again. */
export interface GateLimits {
  readonly parallel: number;
  readonly waiting: number;
}

/** One of the two rows before the gate. */
class Row {
  readonly queue = new WaitQueue();
  length = 0;
}

/** What comes of work that the gate had no room for. */
export const BUSY = Symbol("busy");

/** Bounds work that is slow on purpose: guesses by the thousand must not take all processors and memory. */
export class Gate {
  readonly #limits: GateLimits;
  readonly #first = new Row();
  readonly #others = new Row();
  #running = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Does the work when it is its turn; BUSY when too many wait already. `first`: before all who are not. */
  async pass<T>(work: () => Promise<T>, first = false): Promise<T | typeof BUSY> {
    if (this.#running >= this.#limits.parallel) {
      const row = first ? this.#first : this.#others;
      if (row.length >= this.#limits.waiting) return BUSY;
      row.length++;
      try {
        await row.queue.wait(undefined);
      } finally {
        row.length--;
      }
    } else this.#running++;
    try {
      return await work();
    } finally {
      // The place goes over to who has waited longest.
      if (!this.#first.queue.next() && !this.#others.queue.next()) this.#running--;
    }
  }
}
