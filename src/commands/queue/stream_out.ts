import { systemClock } from "../../base/clock.ts";
import { writeOut } from "../../platform/process/this_process.ts";

const ENOUGH = 64 * 1024;
/** What is there is shown after so many milliseconds, however little it is. */
const SOON = 50;

/** Standard output for what may be long: in large pieces, but soon; ends quietly when nobody reads any more (`mailq | head`). */
export class StreamOut {
  readonly #gone = new AbortController();
  #text = "";
  #bytes: Buffer[] = [];
  #size = 0;
  #cancel: (() => void) | undefined;

  /** The reader has gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  write(...parts: readonly (string | Buffer)[]): void {
    for (const part of parts) {
      if (typeof part === "string") this.#text += part;
      else this.#add(part);
      this.#size += part.length;
    }
    if (this.#size >= ENOUGH) return this.flush();
    this.#cancel ??= systemClock.after(SOON, () => this.flush());
  }

  #add(bytes: Buffer): void {
    if (this.#text !== "") this.#bytes.push(Buffer.from(this.#text));
    this.#text = "";
    this.#bytes.push(bytes);
  }

  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#add(Buffer.alloc(0));
    const bytes = Buffer.concat(this.#bytes);
    [this.#bytes, this.#size] = [[], 0];
    if (bytes.length === 0 || this.#gone.signal.aborted) return;
    try {
      writeOut(bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
      this.#gone.abort(error);
    }
  }
}
