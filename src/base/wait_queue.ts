/** Those who wait for something of which there is not enough; who came first is first. */
export class WaitQueue {
  readonly #waiting = new Set<PromiseWithResolvers<void>>();

  /** Waits for its turn; rejects with the signal's reason when that comes before. */
  async wait(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const turn = Promise.withResolvers<void>();
    const giveUp = () => {
      this.#waiting.delete(turn);
      turn.reject(signal?.reason);
    };
    this.#waiting.add(turn);
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      await turn.promise;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** It is the turn of who has waited longest; false when nobody waits. */
  next(): boolean {
    const [turn] = this.#waiting;
    if (turn === undefined) return false;
    this.#waiting.delete(turn);
    turn.resolve();
    return true;
  }

  /** All who wait have waited in vain. */
  end(reason: unknown): void {
    for (const turn of this.#waiting) turn.reject(reason);
    this.#waiting.clear();
  }
}
