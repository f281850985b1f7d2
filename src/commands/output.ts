import { writeOut } from "../platform/process/this_process.ts";

/** Gathers output and writes it in large pieces. */
export class Output {
  #parts: Uint8Array[] = [];
  #size = 0;

  write(...parts: readonly (Uint8Array | string)[]): void {
    for (const part of parts) {
      const bytes = typeof part === "string" ? Buffer.from(part) : part;
      this.#parts.push(bytes);
      this.#size += bytes.length;
    }
    if (this.#size > 1 << 16) this.flush();
  }

  flush(): void {
    if (this.#size === 0) return;
    writeOut(Buffer.concat(this.#parts));
    this.#parts = [];
    this.#size = 0;
  }
}
