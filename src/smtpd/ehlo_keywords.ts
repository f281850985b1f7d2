import { splitList } from "../config/syntax/list.ts";
import { EHLO_KEYWORDS, type EhloKeyword, ehloKeywordsOf } from "../smtp/ehlo_keywords.ts";
import { XFORWARD_ATTRIBUTES } from "../smtp/xforward.ts";

/** What is kept from a client, and whether the log hears of it at each EHLO. */
export interface Discarded {
  readonly keywords: ReadonlySet<EhloKeyword>;
  readonly isSilent: boolean;
}

/** The keywords that a list of smtpd_discard_ehlo_keywords names; `silent-discard` among them keeps the log out of it. */
export function discardedIn(text: string): Discarded {
  const words = splitList(text);
  return {
    keywords: ehloKeywordsOf(words),
    isSilent: words.some((word) => word.toLowerCase() === "silent-discard"),
  };
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
  readonly tls: { readonly offered: boolean };
  readonly requireTls: boolean;
  readonly brokenAuthClients: boolean;
}

/** What of the EHLO answer depends on the client. */
export interface EhloFacts {
  readonly mayXclient: boolean;
  /** TLS has begun. */
  readonly encrypted: boolean;
  readonly mayXforward: boolean;
  readonly mayXverp: boolean;
  /** Mechanisms that are announced, if any. */
  readonly auth: string | undefined;
  readonly discarded: ReadonlySet<EhloKeyword>;
}

/** Attributes that XCLIENT takes (XCLIENT_README). */
const XCLIENT_ATTRIBUTES = "NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";

/** A keyword, and the line that says it; undefined where it is not offered. */
type Row = readonly [EhloKeyword, (settings: EhloSettings, facts: EhloFacts) => string | undefined];

/** In Postfix's order. */
const ROWS: readonly Row[] = [
  ["PIPELINING", () => "PIPELINING"],
  ["SIZE", ({ messageSizeLimit: most }) => most > 0 ? `SIZE ${most}` : "SIZE"],
  ["VRFY", ({ vrfyDisabled }) => vrfyDisabled ? undefined : "VRFY"],
  ["ETRN", () => "ETRN"],
  ["STARTTLS", ({ tls }, { encrypted }) => tls.offered && !encrypted ? "STARTTLS" : undefined],
  ["AUTH", (_, { auth }) => auth === undefined ? undefined : `AUTH ${auth}`],
  [
    "AUTH",
    ({ brokenAuthClients }, { auth }) =>
      auth === undefined || !brokenAuthClients ? undefined : `AUTH=${auth}`,
  ],
  ["VERP", (_, { mayXverp }) => mayXverp ? "XVERP" : undefined],
  ["XCLIENT", (_, { mayXclient }) => mayXclient ? `XCLIENT ${XCLIENT_ATTRIBUTES}` : undefined],
  ["XFORWARD", (_, { mayXforward }) => mayXforward ? `XFORWARD ${XFORWARD_ATTRIBUTES.join(" ")}` : undefined],
  ["ENHANCEDSTATUSCODES", () => "ENHANCEDSTATUSCODES"],
  ["8BITMIME", () => "8BITMIME"],
  ["DSN", () => "DSN"],
  ["SMTPUTF8", ({ smtputf8 }) => smtputf8 ? "SMTPUTF8" : undefined],
  ["CHUNKING", () => "CHUNKING"],
  ["REQUIRETLS", ({ requireTls }, { encrypted }) => requireTls && encrypted ? "REQUIRETLS" : undefined],
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
