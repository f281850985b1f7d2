import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Canonicalization } from "./canonicalization.ts";
import type { SigningKey } from "./signing_key.ts";

/** How a message is signed. */
export interface SigningOptions {
  /** Of the header; default relaxed. */
  readonly header?: Canonicalization;
  /** What the body hash was made with; default relaxed. */
  readonly body?: Canonicalization;
  /** Names of fields that are signed as often as they are there, in lower case. */
  readonly signed: readonly string[];
  /** Those that are named once more than they are there, so that nobody can add one (RFC 6376 §5.4.2, §8.15). */
  readonly oversigned: readonly string[];
  /** Milliseconds: `t=`. */
  readonly now: number;
  /** Seconds until the signature expires: `x=`. */
  readonly lifetime?: number;
  /** `i=`; left out unless asked for. */
  readonly identity?: string;
}

/**
 * The whole `DKIM-Signature: ...` field with its CR LF, folded, to be put at the top. `fields` are whole header fields in wire form, one character a
 * byte, from the top; `bodyHash` is a `BodyHasher`'s of the same canonicalization. One body hash does for several keys.
 */
export function signContent(
  _fields: readonly string[],
  _bodyHash: Uint8Array,
  _key: SigningKey,
  _options: SigningOptions,
): MaybeAsync<string> {
  throw new Error("not yet");
}
