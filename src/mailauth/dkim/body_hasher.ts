import type { Canonicalization } from "./canonicalization.ts";

/** The SHA-256 of a canonical body (RFC 6376 §3.4.3, §3.4.4), of pieces in wire form that may be split anywhere. Holds none of them. */
export class BodyHasher {
  constructor(canonicalization: Canonicalization, _limit?: number) {
    throw new Error(`not yet: ${canonicalization}`);
  }

  /** The next bytes of the body: what is behind the empty line that ends the header, lines ending in CR LF. */
  push(_bytes: Uint8Array): void {}

  /** The hash; no more bytes after it. */
  digest(): Buffer {
    return Buffer.alloc(32);
  }
}
