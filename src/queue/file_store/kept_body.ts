import type { LentContent } from "../store.ts";
import { BLOCK, type BodyBlocks } from "./body_blocks.ts";

/** Blocks of one message; a larger one is read from its file. */
const MOST_BLOCKS = 32;
/** Blocks that go to the file together. */
const TOGETHER = 2;
/** What goes out at a time, so that a slow peer shows that bytes move. */
const PIECE = 65_536;

/** The body of a message that has just come, kept for its first delivery as far as there are blocks for it. */
export class KeptBody {
  readonly #pool: BodyBlocks;
  readonly #blocks: Buffer[] = [];
  #size = 0;
  /** How much of it was handed out to be written. */
  #taken = 0;
  #loans = 0;
  #isDropped = false;
  /** Somebody may look at the blocks after they were given back. */
  #isTouched = false;

  constructor(pool: BodyBlocks) {
    this.#pool = pool;
  }

  /** Copies bytes behind those that are there; answers how many: fewer than all when there is no room for them. */
  add(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length) {
      const used = this.#size % BLOCK;
      if (used === 0 && !this.#grow()) break;
      const count = Math.min(bytes.length - at, BLOCK - used);
      this.#blocks[this.#blocks.length - 1]!.set(bytes.subarray(at, at + count), used);
      this.#size += count;
      at += count;
    }
    return at;
  }

  #grow(): boolean {
    const block = this.#blocks.length < MOST_BLOCKS ? this.#pool.take() : undefined;
    if (block !== undefined) this.#blocks.push(block);
    return block !== undefined;
  }

  /** What came since the last time and is worth a write, or all that came. It stays as it is until the body is dropped. */
  takeUnwritten(which: "much" | "all"): readonly Buffer[] {
    const whole = Math.floor(this.#size / BLOCK) * BLOCK;
    if (which === "much" && whole - this.#taken < TOGETHER * BLOCK) return [];
    const end = which === "all" ? this.#size : whole;
    const pieces = this.#between(this.#taken, end, BLOCK);
    this.#taken = end;
    return pieces;
  }

  #between(from: number, end: number, most: number): Buffer[] {
    const pieces: Buffer[] = [];
    for (let at = from; at < end;) {
      const inBlock = at % BLOCK;
      const count = Math.min(end - at, BLOCK - inBlock, most);
      pieces.push(this.#blocks[Math.floor(at / BLOCK)]!.subarray(inBlock, inBlock + count));
      at += count;
    }
    return pieces;
  }

  /** The body, behind a head, for somebody who says when they are done; undefined when it is no longer here. */
  lend(head: Uint8Array): LentContent | undefined {
    if (this.#isDropped) return undefined;
    this.#loans++;
    const body = this.#between(0, this.#size, PIECE);
    return {
      pieces: head.length > 0 ? [head, ...body] : body,
      giveBack: (isUntouched) => {
        if (!isUntouched) this.#isTouched = true;
        this.#loans--;
        this.#giveBack();
      },
    };
  }

  /** It is no longer wanted: the blocks are free when those that have it on loan are done. */
  drop(): void {
    this.#isDropped = true;
    this.#giveBack();
  }

  #giveBack(): void {
    if (!this.#isDropped || this.#loans > 0) return;
    const blocks = this.#blocks.splice(0);
    if (this.#isTouched) this.#pool.forget(blocks);
    else this.#pool.giveBack(blocks);
  }
}
