import { printable, printableBytes } from "../base/printable.ts";
import { refuse, type Reply } from "./reply.ts";
import { decodeUtf8Xtext, decodeXtext, encodeUtf8Xtext, encodeXtext } from "./xtext.ts";

/** ESMTP parameters of RCPT TO (RFC 3461 §4.1, §4.2). */
export interface RcptParameters {
  /** NOTIFY as bits (1 never, 2 success, 4 failure, 8 delay); 0 = not given. */
  readonly notify: number;
  /** ORCPT as `type;address`, decoded; printable, for it goes into notices and to the next server. */
  readonly orcpt?: string;
}

const NOTIFY_WORDS = [["NEVER", 1], ["SUCCESS", 2], ["FAILURE", 4], ["DELAY", 8]] as const;

const BAD_NOTIFY = refuse(501, "5.5.4", "Error: Bad NOTIFY parameter syntax");
const BAD_ORCPT = refuse(501, "5.5.4", "Error: Bad ORCPT parameter syntax");

/** NOTIFY bits; undefined for an unknown word, or NEVER beside another. Empty words pass, as in Postfix. */
function parseNotify(value: string): number | undefined {
  let bits = 0;
  for (const word of value.toUpperCase().split(",")) {
    if (word === "") continue;
    const row = NOTIFY_WORDS.find(([name]) => name === word);
    if (row === undefined) return undefined;
    bits |= row[1];
  }
  return bits === 0 || (bits & 1 && bits !== 1) ? undefined : bits;
}

/** `NEVER` or a comma-separated list; "" for no bits. */
function printNotify(bits: number): string {
  return NOTIFY_WORDS.filter(([, bit]) => bits & bit).map(([name]) => name).join(",");
}

/** The address of an ORCPT by its type (RFC 3461 §4.2, RFC 6533 §3); control characters are `?`, as Postfix's notices show them. */
function decodeOriginal(type: string, encoded: string): string | undefined {
  if (isUtf8Type(type)) {
    const text = decodeUtf8Xtext(encoded);
    return text === undefined ? undefined : printableBytes(Buffer.from(text));
  }
  const bytes = decodeXtext(encoded);
  return bytes === undefined ? undefined : printableBytes(bytes);
}

const isUtf8Type = (type: string) => type.toLowerCase() === "utf-8";

/** ORCPT `type;xtext`, decoded; undefined when the type is missing or the address is badly encoded. */
function parseOrcpt(value: string): string | undefined {
  const semicolon = value.indexOf(";");
  if (semicolon < 1) return undefined;
  const type = value.slice(0, semicolon);
  const address = decodeOriginal(type, value.slice(semicolon + 1));
  return address === undefined ? undefined : `${printable(type)};${address}`;
}

/** ORCPT as it goes over the wire. */
function printOrcpt(orcpt: string): string {
  const semicolon = orcpt.indexOf(";");
  const type = orcpt.slice(0, semicolon);
  const encode = isUtf8Type(type) ? encodeUtf8Xtext : encodeXtext;
  return `${encodeXtext(type)};${encode(orcpt.slice(semicolon + 1))}`;
}

const NONE: RcptParameters = { notify: 0 };

/** Reads the words after the path; answers the refusal that the first bad one earns. */
export function parseRcptParameters(words: readonly string[]): RcptParameters | Reply {
  if (words.length === 0) return NONE;
  let notify = 0;
  let orcpt: string | undefined;
  for (const word of words) {
    const upper = word.slice(0, 7).toUpperCase();
    if (upper === "NOTIFY=") {
      const bits = notify === 0 ? parseNotify(word.slice(7)) : undefined;
      if (bits === undefined) return BAD_NOTIFY;
      notify = bits;
    } else if (upper.startsWith("ORCPT=")) {
      orcpt = orcpt === undefined ? parseOrcpt(word.slice(6)) : undefined;
      if (orcpt === undefined) return BAD_ORCPT;
    } else return refuse(555, "5.5.4", `Unsupported option: ${word}`);
  }
  return orcpt === undefined ? { notify } : { notify, orcpt };
}

/** The parameters as they follow the path, each after a blank. */
export function printRcptParameters({ notify, orcpt }: RcptParameters): string {
  return (orcpt === undefined ? "" : ` ORCPT=${printOrcpt(orcpt)}`) +
    (notify === 0 ? "" : ` NOTIFY=${printNotify(notify)}`);
}
