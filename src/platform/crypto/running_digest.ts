import { createHash } from "node:crypto";

/** A SHA-256 of bytes that come in pieces. */
export interface RunningDigest {
  update(bytes: Uint8Array): void;
  /** The digest of all that has come; more may come. */
  soFar(): Buffer;
}

/** Begins one. */
export function runningSha256(): RunningDigest {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), soFar: () => hash.copy().digest() };
}
