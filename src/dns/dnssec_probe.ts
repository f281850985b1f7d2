import type { RecordType } from "./record.ts";
import type { Resolver } from "./resolver.ts";

const TYPES: readonly RecordType[] = ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TLSA", "TXT"];

/** A question whose answer a validating resolver vouches for (dnssec_probe). */
export interface DnssecProbe {
  readonly text: string;
  readonly type: RecordType;
  readonly name: string;
}

/** Reads `type:name`; undefined when nothing is to be asked, a text when it is malformed. */
export function parseDnssecProbe(text: string): DnssecProbe | string | undefined {
  if (text === "") return undefined;
  const [word = "", name = ""] = splitAtColon(text);
  const type = TYPES.find((known) => known === word.toUpperCase());
  if (type === undefined || name === "") {
    return `malformed dnssec_probe value: ${text} format is qtype:qname`;
  }
  return { text, type, name };
}

function splitAtColon(text: string): readonly string[] {
  const colon = text.indexOf(":");
  return colon < 0 ? [text] : [text.slice(0, colon), text.slice(colon + 1)];
}

/** Asks, and answers what Postfix warns of when nobody vouches for the answer. */
export async function probeDnssec(resolver: Resolver, probe: DnssecProbe): Promise<readonly string[]> {
  const answer = await resolver.query(probe.name, probe.type);
  if (answer.is !== "trouble" && answer.authentic) return [];
  const unavailable = "DNSSEC validation may be unavailable";
  const reason = `reason: dnssec_probe '${probe.text}' received`;
  if (answer.is !== "trouble") {
    return [unavailable, `${reason} a response that is not DNSSEC validated`];
  }
  const why =
    `Host or domain name not found. Name service error for name=${probe.name} type=${probe.type}: ` +
    (answer.retry ? "Host not found, try again" : "Non-recoverable error");
  return [unavailable, `${reason} no response: ${why}`];
}
