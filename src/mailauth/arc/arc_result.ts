import type { ArcWord } from "../auth_result.ts";

/** One link of a chain, as far as it could be read. */
export interface ArcLink {
  readonly instance: number;
  /** `d=` and `s=` of the ARC-Seal, in lower case. */
  readonly domain: string;
  readonly selector: string;
  /** `d=` of the ARC-Message-Signature. */
  readonly signatureDomain: string;
  /** What the ARC-Authentication-Results field says behind its `i=N;`, unfolded. */
  readonly authenticationResults: string;
}

/** What became of the ARC chain of a message. */
export interface ArcResult {
  readonly is: ArcWord;
  /** Why it is no pass. */
  readonly why?: string;
  /** It could not be looked at for a reason that may pass (a key that could not be asked for). Nobody should seal over it. */
  readonly temporary?: true;
  /** From the newest. Empty for `none`, and where the structure is broken. */
  readonly links: readonly ArcLink[];
  /** The highest instance that is there, 0 for none: what is sealed next is one more. */
  readonly highest: number;
  /** The lowest instance whose message signature still holds, 0 where all do (RFC 8617 §5.2 step 5). */
  readonly oldestPass?: number;
  /** The newest message signature leaves this many bytes of body unsigned (`l=`): anybody can have added them. */
  readonly unsignedBytes?: number;
}
