/** Counts what comes in over the connections of this process: who has work to share asks whether others are at it, too. */
export class InputCount {
  #seen = 0;
  #round = 0;
  #speakers = 0;

  /** How often bytes have come in: what has grown since the last turn of the event loop says that it is busy. */
  get seen(): number {
    return this.#seen;
  }

  /** How many connections that are still open have had input since `countAnew`. */
  get speakers(): number {
    return this.#speakers;
  }

  countAnew(): void {
    this.#round++;
    this.#speakers = 0;
  }

  /** Input has come over a connection; `last` is what this answered for it the last time, -1 at first. */
  heard(last: number): number {
    this.#seen++;
    if (last !== this.#round) this.#speakers++;
    return this.#round;
  }

  /** A connection has closed; `last` as above. */
  closed(last: number): void {
    if (last === this.#round) this.#speakers--;
  }
}

/** Of all connections of this process. */
export const processInput = new InputCount();
