import type { SpfWord } from "../auth_result.ts";

/** Which of the client's names was judged: the sender of MAIL, or for the null sender its HELO name (RFC 7208 §2.3, §2.4). */
export type SpfIdentity = "mailfrom" | "helo";

/** What SPF says of a client that uses a domain's name (RFC 7208 §2.6). */
export interface SpfResult {
  readonly is: SpfWord;
  readonly identity: SpfIdentity;
  /** The domain that was judged: lower case, A-labels, without a final dot; "" where the sender has none. */
  readonly domain: string;
  /** The directive that decided, as the record has it but of limited length; `default` where none matched. */
  readonly mechanism?: string;
  /** What the domain says to those whom it refuses: printable ASCII on one line, of limited length (RFC 7208 §6.2). */
  readonly explanation?: string;
  /** Why there is no better answer: none, temperror and permerror. */
  readonly why?: string;
}
