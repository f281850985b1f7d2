import { parseIp } from "../../address/ip.ts";
import { type Fault, type MacroString, parseDomainSpec, parseMacroString, quoted } from "./macro_string.ts";
import type { Directive, Mechanism, PrefixLengths, Qualifier, SpfRecord } from "./spf_record.ts";

/** Whether a TXT record is meant for SPF: the version, and then a blank or the end (RFC 7208 §4.5). */
export function isSpfRecord(text: string): boolean {
  return /^v=spf1(?: |$)/i.test(text);
}

/** Reads an SPF record; anything in it that the grammar does not have is a fault of the whole (RFC 7208 §4.6, §12). */
export function parseSpfRecord(text: string): SpfRecord | Fault {
  if (!isSpfRecord(text)) return { fault: "no SPF record" };
  const directives: Directive[] = [];
  const modifiers = new Map<string, MacroString>();
  for (const term of text.slice(VERSION_LENGTH).split(" ")) {
    if (term === "") continue;
    const modifier = MODIFIER.exec(term);
    if (modifier === null) {
      const directive = parseDirective(term);
      if ("fault" in directive) return directive;
      directives.push(directive);
    } else {
      const fault = addModifier(modifiers, modifier[1]!.toLowerCase(), modifier[2]!);
      if (fault !== undefined) return fault;
    }
  }
  const [redirect, explanation] = [modifiers.get("redirect"), modifiers.get("exp")];
  return {
    directives,
    ...(redirect !== undefined && { redirect }),
    ...(explanation !== undefined && { explanation }),
  };
}

const VERSION_LENGTH = "v=spf1".length;
const MODIFIER = /^([a-z][a-z0-9_.-]*)=(.*)$/is;
const DIRECTIVE = /^([-+?~]?)([a-z][a-z0-9_.-]*)(.*)$/is;

/** `redirect` and `exp` may come once each (RFC 7208 §6); others are only checked. */
function addModifier(known: Map<string, MacroString>, name: string, value: string): Fault | undefined {
  const ours = name === "redirect" || name === "exp";
  const parsed = ours ? parseDomainSpec(value) : parseMacroString(value);
  if ("fault" in parsed) return { fault: `${name}=: ${parsed.fault}` };
  if (!ours) return undefined;
  if (known.has(name)) return { fault: `more than one ${name}=` };
  known.set(name, parsed);
  return undefined;
}

function parseDirective(term: string): Directive | Fault {
  const match = DIRECTIVE.exec(term);
  if (match === null) return { fault: `bad term ${quoted(term)}` };
  const [, sign = "", name = "", rest = ""] = match;
  const mechanism = parseMechanism(name.toLowerCase(), rest);
  if ("fault" in mechanism) return { fault: `${quoted(term)}: ${mechanism.fault}` };
  const qualifier = sign === "" ? "+" : sign as Qualifier; // the expression lets no other through
  return { qualifier, mechanism, text: term };
}

function parseMechanism(name: string, rest: string): Mechanism | Fault {
  switch (name) {
    case "all":
      return rest === "" ? { is: "all" } : { fault: "nothing may follow" };
    case "include":
    case "exists": {
      const target = targetIn(rest);
      if (target === undefined) return { fault: "no domain" };
      return "fault" in target ? target : { is: name, target };
    }
    case "ptr": {
      const target = targetIn(rest);
      if (target === undefined) return { is: name };
      return "fault" in target ? target : { is: name, target };
    }
    case "a":
    case "mx":
      return withLengths(name, rest);
    case "ip4":
      return network(name, rest, 4);
    case "ip6":
      return network(name, rest, 6);
    default:
      return { fault: "unknown mechanism" };
  }
}

/** What stands behind a colon; undefined where nothing stands at all. */
function targetIn(rest: string): MacroString | Fault | undefined {
  if (rest === "") return undefined;
  return rest.startsWith(":") ? parseDomainSpec(rest.slice(1)) : { fault: `bad text ${quoted(rest)}` };
}

/** dual-cidr-length stands at the very end: a domain-spec may have slashes, too (RFC 7208 §12). */
const LENGTHS = /^(.*?)(?:\/(\d+))?(?:\/\/(\d+))?$/s;

function withLengths(is: "a" | "mx", rest: string): Mechanism | Fault {
  const [, before = "", four, six] = LENGTHS.exec(rest) ?? [];
  const lengths = lengthsOf(four, six);
  if ("fault" in lengths) return lengths;
  const target = targetIn(before);
  if (target === undefined) return { is, lengths };
  return "fault" in target ? target : { is, target, lengths };
}

function lengthsOf(four: string | undefined, six: string | undefined): PrefixLengths | Fault {
  const ipv4 = four === undefined ? 32 : prefixLength(four, 32);
  const ipv6 = six === undefined ? 128 : prefixLength(six, 128);
  if (ipv4 === undefined || ipv6 === undefined) return { fault: "bad prefix length" };
  return { ipv4, ipv6 };
}

/** No number has leading zeros (RFC 7208 §12), and none is longer than the address. */
function prefixLength(digits: string, most: number): number | undefined {
  if (!/^(?:0|[1-9]\d{0,2})$/.test(digits)) return undefined;
  const length = Number(digits);
  return length <= most ? length : undefined;
}

function network(is: "ip4" | "ip6", rest: string, family: 4 | 6): Mechanism | Fault {
  const match = /^:([^/]+)(?:\/(\d+))?$/s.exec(rest);
  const ip = match === null ? undefined : parseIp(match[1]!);
  if (ip === undefined || ip.family !== family) return { fault: `no IPv${family} address or network` };
  const whole = ip.bytes.length * 8;
  const length = match?.[2] === undefined ? whole : prefixLength(match[2], whole);
  return length === undefined ? { fault: "bad prefix length" } : { is, network: ip, length };
}
