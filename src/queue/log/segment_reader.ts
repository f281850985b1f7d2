import type { DiskFile } from "../../platform/file/disk.ts";
import { decodeHead, HEADER_LENGTH, isIntact, recordLength, recordMark } from "./record.ts";

const WINDOW = 4 * 1024 * 1024;
const SECTOR = 4096;

/** A stretch of a segment that holds no intact record. */
export interface Gap {
  readonly offset: number;
  readonly length: number;
  /** A record's mark stands at its start: it was one, or was about to become one. */
  readonly marked: boolean;
  /** No intact record follows. */
  readonly last: boolean;
  /** It holds nothing but zeros, as space does that was reserved and never used; only asked for the last one. */
  readonly empty: boolean;
  /** Some of the file could not be read: what looks empty may not be. */
  readonly unreadable: boolean;
}

/** Who walks through a segment. `bytes` belongs to the reader: what is kept must be copied. */
export interface Visitor {
  record(bytes: Buffer, at: number, offset: number): void;
  gap(gap: Gap): void;
  /** Asked now and then; a promise is waited for. */
  readonly pause?: (() => Promise<void> | undefined) | undefined;
}

/** Records between two questions whether to pause. */
const PIECE = 64;

/** Walks through the records of a file in order with a window of bounded size, and finds its way again after damage. */
export class SegmentReader {
  readonly #file: DiskFile;
  readonly #nonce: number;
  readonly #end: number;
  #window = Buffer.allocUnsafeSlow(WINDOW);
  /** File offset of the window's first byte. */
  #base = 0;
  #filled = 0;
  /** Some sectors could not be read. */
  #unreadable = false;

  constructor(file: DiskFile, nonce: number, end: number) {
    this.#file = file;
    this.#nonce = nonce;
    this.#end = end;
  }

  /** Visits every record from an offset up to the end; answers where the last intact one ends. */
  async walk(visitor: Visitor, from = 0): Promise<number> {
    let offset = Math.min(from, this.#end);
    for (let count = 1; offset < this.#end; count++) {
      const pause = count % PIECE === 0 ? visitor.pause?.() : undefined;
      if (pause !== undefined) await pause;
      const pending = this.#lengthAt(offset);
      const length = typeof pending === "number" ? pending : await pending;
      if (length > 0) {
        visitor.record(this.#window, offset - this.#base, offset);
        offset += length;
        continue;
      }
      const next = await this.#findNext(offset + 1);
      visitor.gap(await this.#gap(offset, next));
      if (next === undefined) return offset;
      offset = next;
    }
    return offset;
  }

  /** Length of the intact record at an offset, 0 when there is none; a promise only when the window has to move. */
  #lengthAt(offset: number): number | Promise<number> {
    const at = offset - this.#base;
    if (at + HEADER_LENGTH > this.#filled) return this.#lengthAfterMove(offset);
    if (decodeHead(this.#window, at, this.#nonce) === undefined) return 0;
    const length = recordLength(this.#window, at);
    if (offset + length > this.#end) return 0;
    if (at + length > this.#filled) return this.#lengthAfterMove(offset);
    return isIntact(this.#window, at, length) ? length : 0;
  }

  async #lengthAfterMove(offset: number): Promise<number> {
    if (!await this.#have(offset, HEADER_LENGTH)) return 0;
    const at = offset - this.#base;
    if (decodeHead(this.#window, at, this.#nonce) === undefined) return 0;
    const length = recordLength(this.#window, at);
    if (offset + length > this.#end || !await this.#have(offset, length)) return 0;
    return isIntact(this.#window, offset - this.#base, length) ? length : 0;
  }

  /** Brings `length` bytes from `offset` on into the window; false when the file has not that many. */
  async #have(offset: number, length: number): Promise<boolean> {
    if (offset + length > this.#end) return false;
    if (offset >= this.#base && offset + length <= this.#base + this.#filled) return true;
    await this.#moveTo(offset, length);
    return length <= this.#filled;
  }

  async #moveTo(offset: number, length: number): Promise<void> {
    const kept = offset >= this.#base && offset <= this.#base + this.#filled
      ? this.#window.subarray(offset - this.#base, this.#filled)
      : Buffer.alloc(0);
    const window = length > this.#window.length ? Buffer.allocUnsafeSlow(length) : this.#window;
    window.set(kept);
    this.#window = window;
    this.#base = offset;
    this.#filled = kept.length;
    const wanted = Math.min(this.#window.length, this.#end - offset);
    const into = this.#window.subarray(this.#filled, wanted);
    this.#filled += await this.#read(into, offset + this.#filled);
  }

  /** Reads; what the disk cannot read comes as zeros, a sector at a time, so that the rest is not lost with it. */
  async #read(into: Buffer, offset: number): Promise<number> {
    try {
      return await this.#file.read(into, offset);
    } catch {
      this.#unreadable = true;
      for (let at = 0; at < into.length; at += SECTOR) {
        const sector = into.subarray(at, Math.min(at + SECTOR, into.length));
        await this.#file.read(sector, offset + at).catch(() => sector.fill(0));
      }
      return into.length;
    }
  }

  /** Offset of the next intact record from `from` on. */
  async #findNext(from: number): Promise<number | undefined> {
    const mark = recordMark(this.#nonce);
    for (let offset = from; offset + HEADER_LENGTH <= this.#end;) {
      if (!await this.#have(offset, HEADER_LENGTH)) return undefined;
      const found = this.#window.subarray(0, this.#filled).indexOf(mark, offset - this.#base);
      if (found < 0) {
        offset = Math.max(offset + 1, this.#base + this.#filled - mark.length + 1);
        continue;
      }
      offset = this.#base + found;
      if (await this.#lengthAfterMove(offset) > 0) return offset;
      offset++;
    }
    return undefined;
  }

  /** Whether a stretch up to the end holds nothing but zeros: space that was reserved and never used. */
  async #isEmpty(offset: number, next: number | undefined): Promise<boolean> {
    if (next !== undefined || this.#unreadable) return false;
    for (let at = offset; at < this.#end;) {
      const length = Math.min(WINDOW, this.#end - at);
      await this.#have(at, length);
      const part = this.#window.subarray(at - this.#base, at - this.#base + length);
      if (part.some((byte) => byte !== 0)) return false;
      at += length;
    }
    return true;
  }

  async #gap(offset: number, next: number | undefined): Promise<Gap> {
    const empty = await this.#isEmpty(offset, next);
    const marked = await this.#have(offset, 8) &&
      this.#window.subarray(offset - this.#base).indexOf(recordMark(this.#nonce)) === 0;
    return {
      offset,
      length: (next ?? this.#end) - offset,
      marked,
      last: next === undefined,
      empty,
      unreadable: this.#unreadable,
    };
  }
}
