import { isHostname } from "../address/hostname.ts";

const ASCII = /^[\x00-\x7f]*$/;

/** Whether a text is a host name of ASCII letters (RFC 1123 §2.1), no IDNA involved. */
export function isAsciiHostname(text: string): boolean {
  return ASCII.test(text) && isHostname(text);
}

/** Whether a text is a host name, where names beyond ASCII count by their IDNA form (RFC 5891). */
export function isInternationalHostname(text: string): boolean {
  return isAsciiHostname(ASCII.test(text) ? text : asciiDomain(text));
}

/** The IDNA form of a domain; itself when it is ASCII, "" when it has none (RFC 5891 §4.4). */
export function asciiDomain(domain: string): string {
  if (ASCII.test(domain)) return domain;
  const url = URL.parse(`http://${domain}/`);
  return url === null ? "" : url.hostname;
}

const IPV4 = /^\d+(?:\.\d+){3}$/;

/** Whether a text is a dotted IPv4 address: four decimal octets; the first is 0 only in 0.0.0.0. */
function isIpv4(text: string): boolean {
  if (!IPV4.test(text)) return false;
  const octets = text.split(".").map(Number);
  return octets.every((octet) => octet <= 255) && (octets[0] !== 0 || octets.every((octet) => octet === 0));
}

/** Whether a text is an IPv6 address (RFC 4291 §2.2). */
function isIpv6(text: string): boolean {
  const dotted = text.lastIndexOf(":");
  const tail = text.slice(dotted + 1);
  const hex = tail.includes(".") ? (isIpv4(tail) ? `${text.slice(0, dotted + 1)}0:0` : "") : text;
  if (!/^[0-9A-Fa-f:]+$/.test(hex) || !hex.includes(":")) return false;
  const halves = hex.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => half === "" ? [] : half.split(":"));
  if (groups.some((group) => !/^[0-9A-Fa-f]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

/** Whether a text is an IP address without brackets. */
export function isHostAddress(text: string): boolean {
  return isIpv4(text) || isIpv6(text);
}

/** The bare address of an SMTP address literal, given without brackets: IPv4, or IPv6 with its tag (RFC 5321 §4.1.3). */
export function literalAddress(text: string): string | undefined {
  if (/^IPv6:/i.test(text)) {
    const address = text.slice(5);
    return isIpv6(address) ? address : undefined;
  }
  return isIpv4(text) ? text : undefined;
}

/** The bare address of `[...]`, or undefined when it is no valid address literal. */
export function bracketedAddress(domain: string): string | undefined {
  return domain.startsWith("[") && domain.endsWith("]") ? literalAddress(domain.slice(1, -1)) : undefined;
}
