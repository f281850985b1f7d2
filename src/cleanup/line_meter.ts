const LF = 10;
// RFC 5322 §2.1.1: lines of up to 998 bytes need no care.
const USUAL = 998;

/**
 * Measures the longest line without looking at every byte: from each line end it looks backwards from as far as a usual line may
 * reach, so that only messages with longer lines cost more.
 */
export class LineMeter {
  /** Length of the line under way, CR not yet taken off. */
  #open = 0;
  #longest = USUAL;

  /** Longest line without CR LF; 998 stands for any length up to it. */
  get longest(): number {
    return Math.max(this.#longest, this.#open);
  }

  push(bytes: Uint8Array): void {
    let lineStart = -this.#open;
    for (;;) {
      const reach = lineStart + USUAL + 1;
      if (reach >= bytes.length) break;
      const back = reach < 0 ? -1 : bytes.lastIndexOf(LF, reach);
      if (back >= 0 && back >= lineStart) {
        lineStart = back + 1;
        continue;
      }
      const end = bytes.indexOf(LF, Math.max(reach, 0));
      if (end < 0) break;
      this.#longest = Math.max(this.#longest, end - lineStart - 1);
      lineStart = end + 1;
    }
    const last = bytes.lastIndexOf(LF);
    this.#open = last < 0 ? this.#open + bytes.length : bytes.length - last - 1;
  }
}
