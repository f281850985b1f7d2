import type { MessageIndex } from "../index/message_index.ts";
import { QueueFault } from "../store.ts";

/** So long loading may hold the event loop before mail has its turn, in milliseconds. */
const STEP = 2;
/** Slots between two looks at the clock. */
const PIECE = 64;
/** A log of more bytes is not read before the service has begun to serve: so many milliseconds are left to that. */
const LARGE = 1024 * 1024;
const BEGINNING = 150;

/** Loading in short steps, which ends when the queue is closed. */
export class Loading {
  readonly #stopped: () => boolean;
  #began = performance.now();

  constructor(stopped: () => boolean) {
    this.#stopped = stopped;
  }

  /** Leaves the start of a service to itself where there is more than a little to load. */
  async afterBeginning(bytes: number): Promise<void> {
    if (bytes <= LARGE) return;
    await new Promise((resolve) => setTimeout(resolve, BEGINNING));
    await this.pause();
  }

  /** Asked between pieces of work: undefined as long as this step is short, else a promise of the next one. Throws when it is over. */
  pause(): Promise<void> | undefined {
    if (this.#stopped()) throw new QueueFault("load the queue", "it is being closed");
    return performance.now() - this.#began < STEP ? undefined : this.#nextStep();
  }

  async #nextStep(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#began = performance.now();
  }

  /** Does something to all messages that are still hidden. */
  async each(index: MessageIndex, call: (slot: number) => Promise<void> | undefined): Promise<void> {
    const { used } = index;
    for (let slot = 0; slot < used; slot++) {
      const pause = slot % PIECE === 0 ? this.pause() : undefined;
      if (pause !== undefined) await pause;
      const done = index.isHidden(slot) ? call(slot) : undefined;
      if (done !== undefined) await done;
    }
  }
}
