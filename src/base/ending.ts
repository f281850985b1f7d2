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

  /** Begins it, or goes on faster; `within` milliseconds it is over. */
  begin(within: number, hurry: boolean): void {
    this.#clock.after(within, () => this.#cut.abort());
    if (hurry) this.#hurry.abort(new Error("the mail system is stopping"));
  }
}
