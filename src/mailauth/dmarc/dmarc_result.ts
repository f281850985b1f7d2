import type { DmarcWord } from "../auth_result.ts";
import type { DmarcPolicy, DmarcRecord } from "./dmarc_record.ts";

/** What DMARC says of a message (RFC 9989 §5.3). */
export interface DmarcResult {
  readonly is: DmarcWord;
  /** The domain of From:, lower case, A-labels; "" where there is none. */
  readonly domain: string;
  /**
   * What the domain asks to be done where it is `fail` (`t` and the kind of subdomain count already), or would, where it is temperror and
   * the record is known; "none" for all other results.
   */
  readonly policy: DmarcPolicy;
  /** The record found, and where (`example.com`, without `_dmarc`). */
  readonly record?: DmarcRecord;
  readonly policyDomain?: string;
  /** Which of the record's policies counts. */
  readonly source?: "p" | "sp" | "np";
  /** The organizational domain of the author's, where it was looked for. */
  readonly organizational?: string;
  /** Whether a pass of SPF, of DKIM, is for the author's domain. */
  readonly spfAligned: boolean;
  readonly dkimAligned: boolean;
  /** From: names no domain, or more than are asked about: nobody can tell whose the message claims to be. */
  readonly author?: "none" | "many";
  /** What went wrong: temperror and permerror. */
  readonly why?: string;
}
