import { WaitQueue } from "../../base/wait_queue.ts";

/** So many passwords are compared at a time, and so many more may wait. */
export interface GateLimits {
  readonly parallel: number;
  readonly waiting: number;
}

/** What comes of work that the gate had no room for. */
export const BUSY = Symbol("busy");

/** Bounds work that is slow on purpose: guesses by the thousand must not take all processors and memory. */
export class Gate {
  readonly #limits: GateLimits;
  readonly #queue = new WaitQueue();
  #running = 0;
  #waiting = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Does the work when it is its turn; BUSY when too many wait already. */
  async pass<T>(work: () => Promise<T>): Promise<T | typeof BUSY> {
    if (this.#running >= this.#limits.parallel) {
      if (this.#waiting >= this.#limits.waiting) return BUSY;
      this.#waiting++;
      try {
        await this.#queue.wait(undefined);
      } finally {
        this.#waiting--;
      }
    } else this.#running++;
    try {
      return await work();
    } finally {
      // The place goes over to who has waited longest.
      if (!this.#queue.next()) this.#running--;
    }
  }
}
