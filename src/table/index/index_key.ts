import { foldingOf } from "../text/fold.ts";

/** Turns keys into the bytes that an index holds: folded, with room for a terminating NUL. The buffer is used again. */
export class KeyEncoder {
  readonly #fold: boolean;
  readonly #encoding: "utf8" | "latin1";
  readonly #foldText: (text: string) => string;
  bytes = new Uint8Array(1024);

  constructor(fold: boolean, encoding: "utf8" | "latin1") {
    this.#fold = fold;
    this.#encoding = encoding;
    this.#foldText = foldingOf({ fold, encoding });
  }

  /** Encodes a key; answers its length, or -1 for a key that no table can hold (a NUL, half a surrogate pair). */
  encode(key: string): number {
    const length = key.length;
    if (length >= this.bytes.length) this.bytes = new Uint8Array(2 * length);
    const { bytes } = this;
    for (let at = 0; at < length; at++) {
      const code = key.charCodeAt(at);
      if (code > 127 || code === 0) return code === 0 ? -1 : this.#slow(key);
      bytes[at] = this.#fold && code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    }
    bytes[length] = 0;
    return length;
  }

  /** Encodes a key of ASCII bytes; answers its length, or -1 for any other. */
  encodePlain(key: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length >= this.bytes.length) return -1;
    const { bytes } = this;
    for (let at = 0; at < length; at++) {
      const byte = key[start + at]!;
      if (byte > 127 || byte === 0) return -1;
      bytes[at] = this.#fold && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
    bytes[length] = 0;
    return length;
  }

  #slow(key: string): number {
    if (key.includes("\0") || !key.isWellFormed()) return -1;
    const encoded = Buffer.from(this.#foldText(key), this.#encoding);
    if (encoded.length >= this.bytes.length) this.bytes = new Uint8Array(2 * encoded.length);
    this.bytes.set(encoded);
    this.bytes[encoded.length] = 0;
    return encoded.length;
  }
}
