import type { DkimWord } from "../auth_result.ts";

/** What became of one signature. */
export interface DkimResult {
  readonly is: DkimWord;
  /** `d=`, in lower case; "" where it could not be read. */
  readonly domain: string;
  /** `s=`. */
  readonly selector: string;
  /** `i=`, or `@` and the domain (RFC 6376 §3.5). */
  readonly identity: string;
  /** `a=`, in lower case. */
  readonly algorithm: string;
  /** Of the public key, where one was found. */
  readonly keyBits?: number;
  /** The start of `b=`, which tells signatures apart (RFC 6008 §4): at least eight letters, more where others begin alike. */
  readonly b: string;
  /** Why it is not a pass; or what there is to say of a pass. */
  readonly why?: string;
  /** The key says that its domain is only testing (`t=y`). */
  readonly testing: boolean;
  /** `l=` left this many bytes of the (canonical) body unsigned. */
  readonly unsignedBytes?: number;
}
