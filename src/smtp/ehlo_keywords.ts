/** Extensions that are offered in the answer to EHLO, in the order in which Postfix names them (RFC 5321 §4.1.1.1). */
export const EHLO_KEYWORDS = [
  "8BITMIME",
  "AUTH",
  "ETRN",
  "PIPELINING",
  "SIZE",
  "VERP",
  "VRFY",
  "XCLIENT",
  "XFORWARD",
  "STARTTLS",
  "ENHANCEDSTATUSCODES",
  "DSN",
  "SMTPUTF8",
  "CHUNKING",
  "REQUIRETLS",
] as const;

/** One of them. */
export type EhloKeyword = (typeof EHLO_KEYWORDS)[number];

/** Those of the words that are one of them, in any case; others (`silent-discard`) mean nothing here. */
export function ehloKeywordsOf(words: Iterable<string>): ReadonlySet<EhloKeyword> {
  const known = new Set([...words].map((word) => word.toUpperCase()));
  return new Set(EHLO_KEYWORDS.filter((keyword) => known.has(keyword)));
}
