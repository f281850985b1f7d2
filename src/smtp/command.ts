import type { Address } from "../address/address.ts";
import { parsePath, type PathOptions } from "../address/path.ts";
import { type MailParameters, parseMailParameters, type VerpRules } from "./mail_parameters.ts";
import { parseRcptParameters, type RcptParameters } from "./rcpt_parameters.ts";
import { printableBytes } from "../base/printable.ts";
import { refuse, type Reply } from "./reply.ts";
import { decodeXtext } from "./xtext.ts";

/** A line that breaks the grammar, with the reply it earns. */
export interface Malformed {
  readonly verb: "malformed";
  readonly reply: Reply;
  /** The path that could not be read, for the log. */
  readonly badPath?: string;
}

/** MAIL FROM (RFC 5321 §4.1.1.2). Addresses are internal form, "" is the null sender. */
export interface MailCommand {
  readonly verb: "MAIL";
  readonly from: Address;
  readonly parameters: MailParameters;
}

/** RCPT TO (RFC 5321 §4.1.1.3). */
export interface RcptCommand {
  readonly verb: "RCPT";
  readonly to: Address;
  readonly parameters: RcptParameters;
}

/** BDAT (RFC 3030 §2). */
export interface BdatCommand {
  readonly verb: "BDAT";
  readonly size: number;
  readonly last: boolean;
}

/** XCLIENT and XFORWARD: attributes in the order given, values decoded and printable (XCLIENT_README). */
export interface AttributesCommand {
  readonly verb: "XCLIENT" | "XFORWARD";
  readonly attributes: readonly (readonly [name: string, value: string])[];
}

/** The refusal of a line that breaks the grammar. */
function malformed(reply: Reply, badPath?: string): Malformed {
  return badPath === undefined ? { verb: "malformed", reply } : { verb: "malformed", reply, badPath };
}

const syntax = (text: string) => malformed(refuse(501, "5.5.4", `Syntax: ${text}`));

/** Whether a command has the form `VERB keyword:path ...`; what follows the keyword may still be no path. */
export function pathAfter(keyword: string, words: readonly string[]): boolean {
  return words.length >= 3 && words[1]!.toLowerCase() === keyword;
}

/** `MAIL FROM:<path> parameters`, split in words; with `verp` the client may use XVERP. */
export function parseMail(
  words: readonly string[],
  options: PathOptions = {},
  verp?: VerpRules,
): MailCommand | Malformed {
  if (!pathAfter("from:", words)) return syntax("MAIL FROM:<address>");
  const path = words[2]!;
  const utf8 = options.utf8 || words.some((word, i) => i > 2 && word.toUpperCase() === "SMTPUTF8");
  const from = parsePath(path, !utf8 || options.utf8 ? options : { ...options, utf8 });
  if (from === undefined) return malformed(refuse(501, "5.1.7", "Bad sender address syntax"), path);
  const parameters = parseMailParameters(words.slice(3), verp);
  return "code" in parameters ? malformed(parameters) : { verb: "MAIL", from, parameters };
}

/** A path with a source route: that is the original recipient, though the mail does not go that way. */
const ROUTED = /^<(@[\x21-\x3b\x3d\x3f-\x7e]+:[\x21-\x3b\x3d\x3f-\x7e]+)>$/;

/** `RCPT TO:<path> parameters`, split in words. */
export function parseRcpt(words: readonly string[], options: PathOptions = {}): RcptCommand | Malformed {
  if (!pathAfter("to:", words)) return syntax("RCPT TO:<address>");
  const path = words[2]!;
  const to = parsePath(path, options);
  if (to === undefined || to === "") {
    return malformed(refuse(501, "5.1.3", "Bad recipient address syntax"), path);
  }
  const parameters = parseRcptParameters(words.slice(3));
  if ("code" in parameters) return malformed(parameters);
  const [, route] = ROUTED.exec(path) ?? [];
  if (route === undefined || parameters.orcpt !== undefined) return { verb: "RCPT", to, parameters };
  return { verb: "RCPT", to, parameters: { ...parameters, orcpt: `rfc822;${route}` } };
}

/** `BDAT size [LAST]`; sizes of more than 15 digits are no sizes. */
export function parseBdat(words: readonly string[]): BdatCommand | Malformed {
  const [, size = "", last] = words;
  const good = /^\d{1,15}$/.test(size) && words.length <= 3 && (last === undefined || /^last$/i.test(last));
  if (!good) return malformed(refuse(521, "5.5.4", "Syntax: BDAT count [LAST]"));
  return { verb: "BDAT", size: Number(size), last: last !== undefined };
}

/** Longest value of an attribute, in bytes as sent. */
const LONGEST_ATTRIBUTE = 255;

/**
 * `XCLIENT NAME=value ...`; names come out in upper case. Control characters in a value are `?`, a value that is no xtext is taken
 * as it is, as in Postfix.
 */
export function parseAttributes(words: readonly string[]): AttributesCommand | Malformed {
  const verb = words[0]!.toUpperCase() === "XFORWARD" ? "XFORWARD" : "XCLIENT";
  if (words.length < 2) return syntax(`${verb} attribute=value...`);
  const attributes: (readonly [string, string])[] = [];
  for (const word of words.slice(1)) {
    const equals = word.indexOf("=");
    if (equals < 0 || equals === word.length - 1) {
      return malformed(refuse(501, "5.5.4", "Error: attribute=value expected"));
    }
    const value = Buffer.from(word.slice(equals + 1));
    if (value.length > LONGEST_ATTRIBUTE) {
      return malformed(refuse(501, "5.5.4", "Error: attribute value too long"));
    }
    const decoded = decodeXtext(word.slice(equals + 1)) ?? value;
    attributes.push([word.slice(0, equals).toUpperCase(), printableBytes(decoded)]);
  }
  return { verb, attributes };
}
