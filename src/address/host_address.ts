import { parseIp } from "./ip.ts";

// Addresses as Postfix's valid_hostaddr takes them where mail addresses are read: zeros may lead, and 0.x is none. Networks,
// sockets and peers' addresses go by inet_pton(3) (`ip.ts`).

/** Whether a text is a dotted IPv4 address: four decimal octets; the first is 0 only in 0.0.0.0. */
function isIpv4(text: string): boolean {
  const ip = parseIp(text.replace(/(?<=^|\.)0+(?=\d)/g, ""));
  return ip?.family === 4 && (ip.bytes[0] !== 0 || ip.bytes.every((octet) => octet === 0));
}

/** Whether a text is an IPv6 address (RFC 4291 §2.2). */
function isIpv6(text: string): boolean {
  const tail = text.lastIndexOf(":") + 1;
  if (!text.includes(".", tail)) return parseIp(text)?.family === 6;
  return isIpv4(text.slice(tail)) && parseIp(`${text.slice(0, tail)}0:0`)?.family === 6;
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

/** Whether the text between the brackets of an address literal is an address, read strictly (RFC 5321 §4.1.3). */
export function isAddressLiteral(inner: string): boolean {
  const v6 = /^ipv6:/i.test(inner);
  const ip = parseIp(v6 ? inner.slice(5) : inner);
  return ip?.family === (v6 ? 6 : 4);
}
