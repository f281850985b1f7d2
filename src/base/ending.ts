import type { Clock } from "./clock.ts";

/** How the end of a service goes on. */
export interface Ending {
  /** Aborts when what can be given up without loss is given up: at once at a stop, later or never at a reload. */
  readonly hurry: AbortSignal;
  /** Aborts when nothing is waited for any more. */
  readonly cut: AbortSignal;
}

/** Calls when the signal aborts, at once when it has. */
export function onAbort(signal: AbortSignal, call: () => void): void {
  if (signal.aborted) call();
  else signal.addEventListener("abort", call, { once: true });
}

/** So many milliseconds before it is over an ending without a hurry gets into one. */
const LAST_CALL = 2000;

/** An ending that can be made shorter while it lasts: a stop overtakes a reload. */
export class ServiceEnd implements Ending {
  readonly #clock: Pick<Clock, "after">;
  readonly #hurry = new AbortController();
  readonly #cut = new AbortController();

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  get cut(): AbortSignal {
    return this.#cut.signal;
  }

  /** Begins it, or goes on faster; `within` milliseconds it is over, and what is left then has to hurry a little before. */
  begin(within: number, hurry: boolean): void {
    this.#clock.after(within, () => this.#cut.abort());
    if (hurry) this.#hasten();
    else this.#clock.after(Math.max(0, within - LAST_CALL), () => this.#hasten());
  }

  #hasten(): void {
    this.#hurry.abort(new Error("the mail system is stopping"));
  }
}
