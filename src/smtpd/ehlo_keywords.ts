import { splitList } from "../config/syntax/list.ts";

/** EHLO keywords that can be kept from a client (smtpd_discard_ehlo_keywords). */
const EHLO_KEYWORDS = [
  "PIPELINING",
  "SIZE",
  "VRFY",
  "ETRN",
  "STARTTLS",
  "AUTH",
  "XCLIENT",
  "XFORWARD",
  "ENHANCEDSTATUSCODES",
  "8BITMIME",
  "DSN",
  "SMTPUTF8",
  "CHUNKING",
] as const;

/** One of them. */
export type EhloKeyword = (typeof EHLO_KEYWORDS)[number];

/** The keywords that a list names; others (`silent-discard`) mean nothing here. */
export function keywordsIn(text: string): ReadonlySet<EhloKeyword> {
  const words = new Set(splitList(text).map((word) => word.toUpperCase()));
  return new Set(EHLO_KEYWORDS.filter((keyword) => words.has(keyword)));
}

/** What is kept from a client that is turned away. */
export const ALL_BUT_STATUS: ReadonlySet<EhloKeyword> = new Set(
  EHLO_KEYWORDS.filter((keyword) => keyword !== "ENHANCEDSTATUSCODES"),
);

/** What the EHLO answer depends on. */
export interface EhloFacts {
  readonly myhostname: string;
  readonly messageSizeLimit: number;
  readonly vrfyDisabled: boolean;
  readonly smtputf8: boolean;
  readonly mayXclient: boolean;
  readonly mayXforward: boolean;
  readonly discarded: ReadonlySet<EhloKeyword>;
}

/** Attributes that XCLIENT takes (XCLIENT_README). */
const XCLIENT_ATTRIBUTES = "NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";
/** Attributes that XFORWARD takes (XFORWARD_README). */
const XFORWARD_ATTRIBUTES = "NAME ADDR PROTO HELO SOURCE PORT IDENT";

/** The lines of the EHLO answer, Postfix's order (RFC 5321 §4.1.1.1). */
export function ehloLines(facts: EhloFacts): string[] {
  const size = facts.messageSizeLimit > 0 ? `SIZE ${facts.messageSizeLimit}` : "SIZE";
  const rows: readonly (readonly [EhloKeyword, string | undefined])[] = [
    ["PIPELINING", "PIPELINING"],
    ["SIZE", size],
    ["VRFY", facts.vrfyDisabled ? undefined : "VRFY"],
    ["ETRN", "ETRN"],
    ["XCLIENT", facts.mayXclient ? `XCLIENT ${XCLIENT_ATTRIBUTES}` : undefined],
    ["XFORWARD", facts.mayXforward ? `XFORWARD ${XFORWARD_ATTRIBUTES}` : undefined],
    ["ENHANCEDSTATUSCODES", "ENHANCEDSTATUSCODES"],
    ["8BITMIME", "8BITMIME"],
    ["DSN", "DSN"],
    ["SMTPUTF8", facts.smtputf8 ? "SMTPUTF8" : undefined],
    ["CHUNKING", "CHUNKING"],
  ];
  const lines = [facts.myhostname];
  for (const [keyword, line] of rows) {
    if (line !== undefined && !facts.discarded.has(keyword)) lines.push(line);
  }
  return lines;
}
