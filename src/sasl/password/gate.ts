import { WaitQueue } from "../../base/wait_queue.ts";

/** So many passwords are compared at a time, and so many more of each rank may wait. */
export interface GateLimits {
  readonly parallel: number;
  readonly waiting: number;
}

/** Whose turn it is first: 0 before 1 before 2. */
export type GateRank = 0 | 1 | 2;

/** What comes of work that the gate had no room for. */
export const BUSY = Symbol("busy");

/** Those of one rank who wait. */
interface Rank {
  readonly queue: WaitQueue;
  waiting: number;
}

/** Bounds work that is slow on purpose: guesses by the thousand must not take all processors and memory, nor the turn of others. */
export class Gate {
  readonly #limits: GateLimits;
  readonly #ranks: readonly [Rank, Rank, Rank] = [newRank(), newRank(), newRank()];
  #running = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** Does the work when it is its turn; BUSY when too many of its rank wait already. */
  async pass<T>(work: () => Promise<T>, rank: GateRank = 1): Promise<T | typeof BUSY> {
    if (this.#running >= this.#limits.parallel) {
      const mine = this.#ranks[rank];
      if (mine.waiting >= this.#limits.waiting) return BUSY;
      mine.waiting++;
      try {
        await mine.queue.wait(undefined);
      } finally {
        mine.waiting--;
      }
    } else this.#running++;
    try {
      return await work();
    } finally {
      // The place goes over to who has waited longest of the first rank in which anybody waits.
      if (!this.#ranks.some(({ queue }) => queue.next())) this.#running--;
    }
  }
}

const newRank = (): Rank => ({ queue: new WaitQueue(), waiting: 0 });
