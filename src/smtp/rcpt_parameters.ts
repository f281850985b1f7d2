import { refuse, type Reply } from "./reply.ts";
import { decodeXtext, encodeXtext } from "./xtext.ts";

/** ESMTP parameters of RCPT TO (RFC 3461 §4.1, §4.2). */
export interface RcptParameters {
  /** NOTIFY as bits (1 never, 2 success, 4 failure, 8 delay); 0 = not given. */
  readonly notify: number;
  /** ORCPT as `type;address`, decoded. */
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

/** ORCPT `type;xtext`, decoded; undefined when the type is missing or the xtext is bad. */
function parseOrcpt(value: string): string | undefined {
  const semicolon = value.indexOf(";");
  if (semicolon < 1) return undefined;
  const address = decodeXtext(value.slice(semicolon + 1));
  return address === undefined ? undefined : `${value.slice(0, semicolon)};${address}`;
}

/** ORCPT as it goes over the wire. */
function printOrcpt(orcpt: string): string {
  const semicolon = orcpt.indexOf(";");
  return `${orcpt.slice(0, semicolon)};${encodeXtext(orcpt.slice(semicolon + 1))}`;
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
  return (notify === 0 ? "" : ` NOTIFY=${printNotify(notify)}`) +
    (orcpt === undefined ? "" : ` ORCPT=${printOrcpt(orcpt)}`);
}
