/** The sign behind SRS0 and SRS1; what stands further on is always separated by `=`. */
export const SRS_SEPARATORS = ["=", "+", "-"] as const;

/** How addresses are rewritten for mail that is forwarded (the Sender Rewriting Scheme, libsrs2). */
export interface SrsRules {
  /** The domain that rewritten addresses are in. */
  readonly domain: string;
  /** The first signs, all verify. Never empty. */
  readonly secrets: readonly Uint8Array[];
  readonly separator: (typeof SRS_SEPARATORS)[number];
  /** Letters of the hash in what is rewritten here. */
  readonly hashLength: number;
  /** Letters that the hash must have at least in what comes back. */
  readonly hashMinimum: number;
  /** Days for which an address is good. */
  readonly maximumAge: number;
}

/** Days that a timestamp can tell apart; after that they begin again. */
export const SRS_DAYS = 1024;
/** Letters of a whole hash: 160 bits, six a letter. */
export const WHOLE_HASH = 27;
