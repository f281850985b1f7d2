import { systemClock } from "../../base/clock.ts";
import { writeOut } from "../../platform/process/this_process.ts";

const ENOUGH = 64 * 1024;
/** What is there is shown after so many milliseconds, however little it is. */
const SOON = 50;

/** Standard output for what may be long: in large pieces, but soon; ends quietly when nobody reads any more (`mailq | head`). */
export class StreamOut {
  readonly #gone = new AbortController();
  #text = "";
  #cancel: (() => void) | undefined;

  /** The reader has gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  write(text: string): void {
    this.#text += text;
    if (this.#text.length >= ENOUGH) return this.flush();
    this.#cancel ??= systemClock.after(SOON, () => this.flush());
  }

  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const text = this.#text;
    this.#text = "";
    if (text === "" || this.#gone.signal.aborted) return;
    try {
      writeOut(text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
      this.#gone.abort(error);
    }
  }
}
