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

/** What the EHLO answer depends on, whoever the client is. */
export interface EhloSettings {
  readonly myhostname: string;
  readonly messageSizeLimit: number;
  readonly vrfyDisabled: boolean;
  readonly smtputf8: boolean;
}

/** What of the EHLO answer depends on the client. */
export interface EhloFacts {
  readonly mayXclient: boolean;
  readonly mayXforward: boolean;
  readonly discarded: ReadonlySet<EhloKeyword>;
}

/** Attributes that XCLIENT takes (XCLIENT_README). */
const XCLIENT_ATTRIBUTES = "NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";
/** Attributes that XFORWARD takes (XFORWARD_README). */
const XFORWARD_ATTRIBUTES = "NAME ADDR PROTO HELO SOURCE PORT IDENT";

/** A keyword, and the line that says it; undefined where it is not offered. */
type Row = readonly [EhloKeyword, (settings: EhloSettings, facts: EhloFacts) => string | undefined];

/** In Postfix's order. */
const ROWS: readonly Row[] = [
  ["PIPELINING", () => "PIPELINING"],
  ["SIZE", ({ messageSizeLimit: most }) => most > 0 ? `SIZE ${most}` : "SIZE"],
  ["VRFY", ({ vrfyDisabled }) => vrfyDisabled ? undefined : "VRFY"],
  ["ETRN", () => "ETRN"],
  ["XCLIENT", (_, { mayXclient }) => mayXclient ? `XCLIENT ${XCLIENT_ATTRIBUTES}` : undefined],
  ["XFORWARD", (_, { mayXforward }) => mayXforward ? `XFORWARD ${XFORWARD_ATTRIBUTES}` : undefined],
  ["ENHANCEDSTATUSCODES", () => "ENHANCEDSTATUSCODES"],
  ["8BITMIME", () => "8BITMIME"],
  ["DSN", () => "DSN"],
  ["SMTPUTF8", ({ smtputf8 }) => smtputf8 ? "SMTPUTF8" : undefined],
  ["CHUNKING", () => "CHUNKING"],
];

/** The lines of the EHLO answer (RFC 5321 §4.1.1.1). */
export function ehloLines(settings: EhloSettings, facts: EhloFacts): string[] {
  const lines = [settings.myhostname];
  for (const [keyword, say] of ROWS) {
    const line = facts.discarded.has(keyword) ? undefined : say(settings, facts);
    if (line !== undefined) lines.push(line);
  }
  return lines;
}
