import { printable } from "../base/printable.ts";
import { classed, refuse, type Reply } from "./reply.ts";
import { isVerpDelimiters } from "../address/verp.ts";
import { decodeXtext, encodeXtext } from "./xtext.ts";

/** ESMTP parameters of MAIL FROM. */
export interface MailParameters {
  /** RFC 1870; what the client says the message will be. */
  readonly size?: number;
  /** RFC 6152. */
  readonly body?: "7BIT" | "8BITMIME";
  /** RFC 6531. */
  readonly smtputf8?: boolean;
  /** RFC 8689 §3. */
  readonly requireTls?: boolean;
  /** RFC 3461 §4.3. */
  readonly ret?: "FULL" | "HDRS";
  /** RFC 3461 §4.4, decoded: printable ASCII. */
  readonly envid?: string;
  /** RFC 4954 §5, the xtext as it was sent, control characters as `?`; undefined also for `<>`, which tells nothing. */
  readonly auth?: string;
  /** XVERP: the two delimiters (VERP_README). */
  readonly verp?: string;
}

/** What XVERP may say, where a client may use it at all. */
export interface VerpRules {
  /** What it means without a value (default_verp_delimiters). */
  readonly delimiters: string;
  /** verp_delimiter_filter. */
  readonly filter: string;
}

type Draft = { -readonly [Name in keyof MailParameters]: MailParameters[Name] };

const bad = (name: string) => refuse(501, "5.5.4", `Bad ${name} parameter syntax`);

const TOO_BIG_FOR_A_FILE = classed(
  refuse(552, "5.3.4", "Message size exceeds file system imposed limit"),
  "policy",
);

function readSize(draft: Draft, value: string): Reply | undefined {
  if (!/^\d+$/.test(value)) return refuse(501, "5.5.4", "Bad message size syntax");
  const size = Number(value);
  if (size > Number.MAX_SAFE_INTEGER) return TOO_BIG_FOR_A_FILE;
  draft.size = size;
}

function readRet(draft: Draft, value: string): Reply | undefined {
  const ret = value.toUpperCase();
  if (draft.ret !== undefined || (ret !== "FULL" && ret !== "HDRS")) return bad("RET");
  draft.ret = ret;
}

/** What an envelope id may be made of before it is encoded (RFC 3461 §4.4). */
const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;

function readEnvid(draft: Draft, value: string): Reply | undefined {
  const envid = decodeXtext(value)?.toString("latin1");
  if (draft.envid !== undefined || envid === undefined || !PRINTABLE_ASCII.test(envid)) return bad("ENVID");
  draft.envid = envid;
}

const SECOND_AUTH = refuse(503, "5.5.4", "Error: multiple AUTH= options");

/** Postfix takes what is no xtext too: it only goes to logs and policy servers. */
function readAuth(draft: Draft, value: string): Reply | undefined {
  if (draft.auth !== undefined) return SECOND_AUTH;
  if (value !== "<>") draft.auth = printable(value);
}

function readVerp(
  draft: Draft,
  value: string | undefined,
  { delimiters, filter }: VerpRules,
): Reply | undefined {
  if (value !== undefined && !isVerpDelimiters(value, filter)) {
    return refuse(501, "5.5.4", `Error: XVERP needs two characters from ${filter}`);
  }
  draft.verp = value ?? delimiters;
}

/** Reads one word; answers false when it is no parameter of ours. */
function readParameter(draft: Draft, word: string, verp: VerpRules | undefined): Reply | undefined | false {
  const equals = word.indexOf("=");
  const name = (equals < 0 ? word : word.slice(0, equals)).toUpperCase();
  if (name === "XVERP" && verp !== undefined) {
    return readVerp(draft, equals < 0 ? undefined : word.slice(equals + 1), verp);
  }
  if (equals < 0) {
    if (name === "SMTPUTF8") return void (draft.smtputf8 = true);
    return name === "REQUIRETLS" ? void (draft.requireTls = true) : false;
  }
  const value = word.slice(equals + 1);
  switch (name) {
    case "SIZE":
      return readSize(draft, value);
    case "BODY": {
      const body = value.toUpperCase();
      return body === "7BIT" || body === "8BITMIME" ? void (draft.body = body) : false;
    }
    case "RET":
      return readRet(draft, value);
    case "ENVID":
      return readEnvid(draft, value);
    case "AUTH":
      return readAuth(draft, value);
    default:
      return false;
  }
}

const NONE: MailParameters = {};

/** Reads the words after the path; answers the refusal that the first bad one earns. */
export function parseMailParameters(words: readonly string[], verp?: VerpRules): MailParameters | Reply {
  if (words.length === 0) return NONE;
  const draft: Draft = {};
  for (const word of words) {
    const refusal = readParameter(draft, word, verp);
    if (refusal === false) return refuse(555, "5.5.4", `Unsupported option: ${word}`);
    if (refusal !== undefined) return refusal;
  }
  return draft;
}

/** The parameters as they follow the path, each after a blank. */
export function printMailParameters(parameters: MailParameters): string {
  const { size, body, smtputf8, requireTls, ret, envid, auth, verp } = parameters;
  return (size === undefined ? "" : ` SIZE=${size}`) +
    (body === undefined ? "" : ` BODY=${body}`) +
    (envid === undefined ? "" : ` ENVID=${encodeXtext(envid)}`) +
    (ret === undefined ? "" : ` RET=${ret}`) +
    (smtputf8 ? " SMTPUTF8" : "") +
    (requireTls ? " REQUIRETLS" : "") +
    (auth === undefined ? "" : ` AUTH=${auth}`) +
    (verp === undefined ? "" : ` XVERP=${verp}`);
}
