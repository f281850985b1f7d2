import { Misfit, type Shape } from "../../base/shape.ts";
import { ServiceFault } from "./service_fault.ts";

/** Items that wait before the client has to. */
const HIGH = 1000;

/** Items on their way from a client to who works on them; a client that is faster waits. */
export class ItemQueue<Item = unknown> implements AsyncIterable<Item> {
  readonly #shape: Shape<Item>;
  readonly #most: number;
  readonly #full: (full: boolean) => void;
  #waiting: Item[] = [];
  #count = 0;
  #state: "open" | "ended" | { readonly failure: Error } = "open";
  #wake: (() => void) | undefined;

  /** `full` hears when enough wait, and when there is room again. */
  constructor(shape: Shape<Item>, most: number, full: (full: boolean) => void) {
    this.#shape = shape;
    this.#most = most;
    this.#full = full;
  }

  push(given: unknown): void {
    if (this.#state !== "open") return;
    if (++this.#count > this.#most) {
      return this.fail(new ServiceFault("busy", `more than ${this.#most} items`));
    }
    const item = this.#shape(given);
    if (item instanceof Misfit) {
      return this.fail(new ServiceFault("malformed", `item ${this.#count}: ${item}`));
    }
    if (this.#waiting.push(item) === HIGH) this.#full(true);
    this.#wake?.();
  }

  /** There are no more. */
  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#wake?.();
  }

  /** Nothing that has not been taken is of use. */
  fail(failure: Error): void {
    if (this.#state === "open") this.#state = { failure };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item> {
    while (true) {
      const taken = this.#waiting;
      this.#waiting = [];
      if (taken.length >= HIGH) this.#full(false);
      yield* taken;
      if (this.#waiting.length > 0) continue;
      if (typeof this.#state === "object") throw this.#state.failure;
      if (this.#state === "ended") return;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
