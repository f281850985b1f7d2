/** What libldap calls the result codes of RFC 4511 §4.1.9 and its own (negative) ones; log lines of ldap tables show them. */
const TEXTS: Readonly<Record<number, string>> = {
  0: "Success",
  1: "Operations error",
  2: "Protocol error",
  3: "Time limit exceeded",
  4: "Size limit exceeded",
  5: "Compare False",
  6: "Compare True",
  7: "Authentication method not supported",
  8: "Strong(er) authentication required",
  10: "Referral",
  11: "Administrative limit exceeded",
  12: "Critical extension is unavailable",
  13: "Confidentiality required",
  14: "SASL bind in progress",
  16: "No such attribute",
  17: "Undefined attribute type",
  18: "Inappropriate matching",
  19: "Constraint violation",
  20: "Type or value exists",
  21: "Invalid syntax",
  32: "No such object",
  33: "Alias problem",
  34: "Invalid DN syntax",
  36: "Alias dereferencing problem",
  48: "Inappropriate authentication",
  49: "Invalid credentials",
  50: "Insufficient access",
  51: "Server is busy",
  52: "Server is unavailable",
  53: "Server is unwilling to perform",
  54: "Loop detected",
  71: "Operation affects multiple DSAs",
  80: "Other (e.g., implementation specific) error",
  [-1]: "Can't contact LDAP server",
  [-4]: "Decoding error",
  [-5]: "Timed out",
  [-7]: "Bad search filter",
};

/** The base of a search is not there (RFC 4511 §A.2, as all above 0). */
export const NO_SUCH_OBJECT = 32;
/** Another server has it. */
export const REFERRAL = 10;
/** The server asks to come back. */
export const BUSY = 51;
/** The server is shutting down or not ready. */
export const UNAVAILABLE = 52;
/** No connection (this and all below 0 are libldap's own). */
export const SERVER_DOWN = -1;
/** What the server said is no LDAP. */
export const DECODING_ERROR = -4;
/** The time limit of the lookup has passed. */
export const TIMED_OUT = -5;
/** The query filter breaks the grammar (RFC 4515). */
export const BAD_FILTER = -7;

/** The words for a result code. */
export function resultText(code: number): string {
  return TEXTS[code] ?? `Unknown error (${code})`;
}

/** An operation that the directory server refused or could not be asked for. */
export class LdapFault extends Error {
  override readonly name = "LdapFault";
  readonly code: number;
  /** Other servers that may know, when the code is REFERRAL. */
  readonly urls: readonly string[];

  /** `detail` is what the server or the system said about it. */
  constructor(code: number, detail = "", options: ErrorOptions & { readonly urls?: readonly string[] } = {}) {
    super(detail === "" ? resultText(code) : `${resultText(code)}: ${detail}`, options);
    this.code = code;
    this.urls = options.urls ?? [];
  }
}
