import { decodeBase64 } from "../../base/base64.ts";

const AUTH = /(^|\n)([ \t]*AUTH[ \t]+[^ \t\r\n]+)[ \t\r\n]+[^]+/i;
const VERBS = new Set(["HELO", "EHLO", "DATA", "RSET", "NOOP", "QUIT", "HELP"]);

/** What a client has sent, as the log may have it: nothing of what comes behind AUTH and its mechanism (RFC 4954 §4). */
export function withoutSecrets(text: string): string {
  return text.replace(AUTH, "$1$2 ...");
}

/** Whether a line may be the response to a challenge that was never made: a user name or a password, in base64. */
export function maybeResponse(line: string): boolean {
  return line.length >= 4 && !VERBS.has(line.toUpperCase()) && decodeBase64(line) !== undefined;
}

/** The same for lines that were sent ahead behind AUTH itself: its responses. */
export function withoutResponses(text: string): string {
  return withoutSecrets(text.replace(/[^\r\n]+/g, (line) => maybeResponse(line) ? "..." : line));
}
