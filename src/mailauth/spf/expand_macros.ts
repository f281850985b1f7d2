import { formatIp, type Ip } from "../../address/ip.ts";
import type { Macro, MacroLetter, MacroString, MacroToken } from "./macro_string.ts";

/** Whom a check is about (RFC 7208 §4.1, §7.2). */
export interface Subject {
  readonly ip: Ip;
  /** `local@domain`, never without a local part (RFC 7208 §4.3). */
  readonly sender: string;
  readonly local: string;
  /** The domain of the sender. */
  readonly senderDomain: string;
  readonly helo: string;
  readonly receiver: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What macros are expanded with beside that. */
export interface Surroundings {
  /** The domain whose record is being evaluated. */
  readonly domain: string;
  /** The client's validated name, or "unknown". */
  readonly clientName: string;
}

/** The value of a macro before it is taken apart (RFC 7208 §7.2, §7.3). */
function valueOf(letter: MacroLetter, subject: Subject, { domain, clientName }: Surroundings): string {
  switch (letter) {
    case "s":
      return subject.sender;
    case "l":
      return subject.local;
    case "o":
      return subject.senderDomain;
    case "d":
      return domain;
    case "i":
      return dotted(subject.ip);
    case "p":
      return clientName;
    case "v":
      return subject.ip.family === 4 ? "in-addr" : "ip6";
    case "h":
      return subject.helo;
    case "c":
      return formatIp(subject.ip);
    case "r":
      return subject.receiver === "" ? "unknown" : subject.receiver;
    case "t":
      return String(Math.floor(subject.now / 1000));
  }
}

/** An address with a dot wherever `%{ir}` may turn it around: by octets, or by hexadecimal digits (RFC 7208 §7.3). */
function dotted({ family, bytes }: Ip): string {
  if (family === 4) return bytes.join(".");
  return [...bytes].flatMap((byte) => [byte >> 4, byte & 15]).map((digit) => digit.toString(16).toUpperCase())
    .join(".");
}

function expandMacro(macro: Macro, subject: Subject, around: Surroundings): string {
  let parts = cut(valueOf(macro.letter, subject, around), macro.delimiters);
  if (macro.reversed) parts = parts.reverse();
  if (macro.parts !== undefined) parts = parts.slice(-macro.parts);
  const text = parts.join(".");
  return macro.escaped ? inUrl(text) : text;
}

function cut(value: string, delimiters: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < value.length; at++) {
    if (!delimiters.includes(value[at]!)) continue;
    parts.push(value.slice(from, at));
    from = at + 1;
  }
  return [...parts, value.slice(from)];
}

/** All but the unreserved characters of RFC 3986 §2.3 as `%XX`. */
function inUrl(text: string): string {
  return text.replace(
    /[^A-Za-z0-9._~-]+/g,
    (odd) =>
      [...Buffer.from(odd)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

const ESCAPES = { "%": "%", _: " ", "-": "%20" } as const;

function expandToken(token: MacroToken, subject: Subject, around: Surroundings): string {
  switch (token.is) {
    case "text":
      return token.text;
    case "escape":
      return ESCAPES[token.letter];
    case "macro":
      return expandMacro(token, subject, around);
  }
}

/** The longest domain name, without its final dot (RFC 7208 §7.3). */
const MAX_NAME = 253;

/**
 * The domain that a domain-spec stands for: without a final dot, and without as many labels on the left as make it longer than a
 * name can be (RFC 7208 §7.3). Whether it is a name that can be looked up is another question.
 */
export function expandDomain(spec: MacroString, subject: Subject, around: Surroundings): string {
  let name = "";
  // From the right: what makes it longer than this is cut off in the end.
  for (let at = spec.length - 1; at >= 0 && name.length <= MAX_NAME + 1; at--) {
    name = expandToken(spec[at]!, subject, around) + name;
  }
  if (name.endsWith(".")) name = name.slice(0, -1);
  if (name.length <= MAX_NAME) return name;
  const dot = name.indexOf(".", name.length - MAX_NAME - 1);
  return dot < 0 ? name : name.slice(dot + 1);
}

/** Longest explanation that is passed on. */
const MAX_EXPLANATION = 400;

/** An explanation on one line of printable ASCII, whatever the sender's address has in it (RFC 7208 §6.2, §11.5). */
export function expandExplanation(spec: MacroString, subject: Subject, around: Surroundings): string {
  let text = "";
  for (const token of spec) {
    if (text.length > MAX_EXPLANATION) break;
    text += expandToken(token, subject, around);
  }
  const shown = text.replace(/[^\x20-\x7e]/g, "?");
  return shown.length > MAX_EXPLANATION ? `${shown.slice(0, MAX_EXPLANATION - 3)}...` : shown;
}
