/** Bytes of a block. */
export const BLOCK = 131_072;

/**
 * Memory for bodies that have just come and are about to go out, in blocks that are used again: a new buffer costs a page fault for
 * every 4 KiB of it, and is not given back before the collector comes to it. There are never more blocks than the limit allows.
 */
export class BodyBlocks {
  readonly #most: number;
  #made = 0;
  #free: Buffer[] = [];

  constructor(bytes: number) {
    this.#most = Math.floor(bytes / BLOCK);
  }

  /** A block, whatever is in it; undefined when all are in use. */
  take(): Buffer | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#made >= this.#most) return free;
    this.#made++;
    return Buffer.allocUnsafeSlow(BLOCK);
  }

  /** Nobody looks at these any more. */
  giveBack(blocks: readonly Buffer[]): void {
    this.#free.push(...blocks);
  }

  /** These are for the collector: somebody may look at them yet. */
  forget(blocks: readonly Buffer[]): void {
    this.#made -= blocks.length;
  }

  /** Lets go of what is not in use. */
  shrink(): void {
    this.#made -= this.#free.length;
    this.#free = [];
  }
}
