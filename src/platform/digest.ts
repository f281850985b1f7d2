import { createHash, getHashes } from "node:crypto";

let known: ReadonlySet<string> | undefined;

/** Whether a digest algorithm of that name (`sha256`, any case) is there. */
export function isDigest(algorithm: string): boolean {
  known ??= new Set(getHashes().map((name) => name.toLowerCase()));
  return known.has(algorithm.toLowerCase());
}

/** The digest of the bytes. Throws where `isDigest` says no. */
export function digest(algorithm: string, bytes: Uint8Array | string): Buffer {
  return createHash(algorithm.toLowerCase()).update(bytes).digest();
}
