import { asciiDomain } from "../../address/idna.ts";
import { canonicalIp } from "../../address/ip.ts";
import type { Certificate } from "./certificate.ts";
import { commonNames } from "./distinguished_name.ts";

/** What the words of a match list stand for. */
export interface MatchContext {
  /** The destination, without brackets and port. */
  readonly nexthop: string;
  /** The name of the server, as it was found. */
  readonly hostname: string;
}

/** The names that a match list means (postconf(5), smtp_tls_verify_cert_match); `.example.com` means all names below. */
export function namesToMatch(list: readonly string[], context: MatchContext): readonly string[] {
  return list.map((word) => nameOf(word, context)).filter((name) => name !== "" && name !== ".");
}

function nameOf(word: string, { nexthop, hostname }: MatchContext): string {
  switch (word.toLowerCase()) {
    case "nexthop":
      return asciiDomain(nexthop);
    case "dot-nexthop":
      return `.${asciiDomain(nexthop)}`;
    case "hostname":
      return asciiDomain(hostname);
    default:
      // An ideographic full stop parts labels too (RFC 3490 §3.1).
      return /^[.\u3002\uff0e\uff61]/.test(word) ? `.${asciiDomain(word.slice(1))}` : asciiDomain(word);
  }
}

/** What in a certificate bears one of the names; undefined when nothing does (RFC 6125 §6.4). An address asks for an address. */
export function matchedName(certificate: Certificate, names: readonly string[]): string | undefined {
  for (const name of names) {
    const address = canonicalIp(name);
    if (address !== undefined) {
      if (certificate.addresses.includes(address)) return address;
      continue;
    }
    const found = hostsOf(certificate).find((host) => isHostMatch(host, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Common names count only where no alternative names a host (RFC 6125 §6.4.4). */
function hostsOf({ hosts, subject }: Certificate): readonly string[] {
  return hosts.length > 0 ? hosts : commonNames(subject);
}

/**
 * Whether a name of a certificate is the one that is looked for. `*` stands for one whole label, the first, of at least three. A name
 * with a NUL is nobody's: who reads up to there sees another one.
 */
export function isHostMatch(host: string, name: string): boolean {
  const [presented, wanted] = [host.toLowerCase(), name.toLowerCase()];
  if (presented.includes("\0")) return false;
  if (wanted.startsWith(".")) return presented.length > wanted.length && presented.endsWith(wanted);
  if (presented === wanted) return true;
  if (!/^\*(\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?){2,}$/.test(presented)) return false;
  const dot = wanted.indexOf(".");
  return dot > 0 && wanted.slice(dot) === presented.slice(1) && /^[a-z0-9-]+$/.test(wanted.slice(0, dot));
}
