import type { Transport } from "./transport.ts";

/** How many deliveries may run at a time, all transports together; those that wait for room get it in turn. */
export class DeliverySlots {
  readonly #most: number;
  readonly #waiting = new Set<Transport>();
  #filling = false;

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether a transport may start one more beside those that run; if not, it is remembered. */
  mayStart(transport: Transport, running: number): boolean {
    if (running < this.#most && (this.#filling || this.#waiting.size === 0)) return true;
    this.#waiting.add(transport);
    return false;
  }

  /** Lets those that wait start, the first first, as long as there is room. */
  fill(running: () => number): void {
    this.#filling = true;
    try {
      for (const transport of [...this.#waiting]) {
        if (running() >= this.#most) return;
        this.#waiting.delete(transport);
        transport.dispatch();
      }
    } finally {
      this.#filling = false;
    }
  }
}
