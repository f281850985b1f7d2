/** Results of SPF (RFC 8601 §2.7.2). */
export type SpfWord = "none" | "neutral" | "pass" | "fail" | "softfail" | "temperror" | "permerror";

/** Results of DKIM (RFC 8601 §2.7.1). */
export type DkimWord = "none" | "pass" | "fail" | "policy" | "neutral" | "temperror" | "permerror";

/** Results of DMARC (RFC 7489 §11.2). */
export type DmarcWord = "none" | "pass" | "fail" | "temperror" | "permerror";

/** Results of ARC, as `cv=` has them too (RFC 8617 §4.4). */
export type ArcWord = "none" | "pass" | "fail";

/** What a method looked at (RFC 8601 §2.3). */
export interface AuthProperty {
  readonly type: "smtp" | "header" | "body" | "policy";
  /** `mailfrom`, `d`, `from` and so on. */
  readonly name: string;
  readonly value: string;
}

/** One result of one method, as Authentication-Results has it (RFC 8601 §2.2). */
export interface AuthResult {
  /** `spf`, `dkim`, `dmarc`, `arc`. */
  readonly method: string;
  readonly result: string;
  /** For people, behind the result: a comment. */
  readonly comment?: string;
  /** The `reason=` of the grammar. */
  readonly reason?: string;
  readonly properties: readonly AuthProperty[];
}
