import type { Clock } from "../base/clock.ts";
import type { Log } from "../observe/log.ts";

/** So many lines are written within so long, in milliseconds: what more there is, is counted. */
const MOST = 20;
const PERIOD = 60_000;

/** Warnings about what users do: however much that is, the log stays readable. */
export class BoundedWarnings {
  readonly #log: Log;
  readonly #clock: Clock;
  #said = 0;
  #untold = 0;
  #last = "";
  #cancel: (() => void) | undefined;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  say(text: string): void {
    this.#cancel ??= this.#clock.after(PERIOD, () => this.#endPeriod());
    if (++this.#said <= MOST) return this.#log.note("pickup", "warning", text);
    this.#untold++;
    this.#last = text;
  }

  #endPeriod(): void {
    this.#cancel = undefined;
    if (this.#untold > 0) {
      this.#log.note(
        "pickup",
        "warning",
        `${this.#untold} more like that within a minute, the last: ${this.#last}`,
      );
    }
    [this.#said, this.#untold] = [0, 0];
  }

  close(): void {
    this.#cancel?.();
    this.#endPeriod();
  }
}
