import { formatIp, type Ip, parseIp } from "./ip.ts";

/** A block of addresses, as in `mynetworks` and cidr tables. */
export interface Network {
  readonly family: 4 | 6;
  /** The network's address; bits past `length` are zero. */
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** Why a pattern is no network, in Postfix's words. */
export interface MalformedNetwork {
  readonly malformed: string;
}

/** The bytes with everything past the first `length` bits cleared. */
function masked(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.map((byte, at) => {
    const bits = Math.min(Math.max(length - 8 * at, 0), 8);
    return byte & (0xff << (8 - bits));
  });
}

const malformed = (text: string): MalformedNetwork => ({ malformed: text });

/** Takes the brackets off `[::1]/128` and `[::1]`; IPv6 without them passes too (cidr_table(5)). */
function withoutBrackets(text: string): string | MalformedNetwork {
  if (!text.startsWith("[")) return text;
  const close = text.indexOf("]");
  if (close < 0) return malformed(`missing ']' character after "${text}"`);
  const rest = text.slice(close + 1);
  if (rest !== "" && !rest.startsWith("/")) return malformed(`garbage after "${text.slice(0, close + 1)}"`);
  return text.slice(1, close) + rest;
}

/**
 * Reads `address`, `address/length` or `[address]/length` (cidr_table(5), postconf(5) mynetworks). A network with host
 * bits set is refused with Postfix's text, which names the network that was probably meant.
 */
export function parseNetwork(text: string): Network | MalformedNetwork {
  const pattern = withoutBrackets(text);
  if (typeof pattern !== "string") return pattern;
  const slash = pattern.indexOf("/");
  const ip = parseIp(slash < 0 ? pattern : pattern.slice(0, slash));
  if (slash < 0) {
    if (ip === undefined) return malformed(`bad address pattern: "${pattern}"`);
    return { family: ip.family, bytes: ip.bytes, length: ip.bytes.length * 8 };
  }
  if (ip === undefined) return malformed(`bad network value in "${pattern}"`);
  const digits = pattern.slice(slash + 1);
  const length = Number(digits);
  if (!/^\d+$/.test(digits) || length > ip.bytes.length * 8) {
    return malformed(`bad mask length in "${pattern}"`);
  }
  return withoutHostBits(pattern, ip, length);
}

function withoutHostBits(pattern: string, ip: Ip, length: number): Network | MalformedNetwork {
  const bytes = masked(ip.bytes, length);
  if (ip.bytes.some((byte, at) => byte !== bytes[at])) {
    const meant = `${formatIp({ family: ip.family, bytes })}/${length}`;
    return malformed(`non-null host address bits in "${pattern}", perhaps you should use "${meant}" instead`);
  }
  return { family: ip.family, bytes, length };
}

/**
 * The block of so many leading bits that an address lies in, as smtpd counts its clients by: without a length where the block is
 * one address. Undefined when the text is no address.
 */
export function networkTop(
  address: string,
  lengths: { readonly ipv4: number; readonly ipv6: number },
): string | undefined {
  const ip = parseIp(address);
  if (ip === undefined) return undefined;
  const length = ip.family === 4 ? lengths.ipv4 : lengths.ipv6;
  if (length >= ip.bytes.length * 8) return formatIp(ip);
  return `${formatIp({ family: ip.family, bytes: masked(ip.bytes, length) })}/${length}`;
}

/** Tells whether the address lies in the network; another family never does. */
export function contains(network: Network, ip: Ip): boolean {
  if (network.family !== ip.family) return false;
  const whole = network.length >> 3;
  for (let at = 0; at < whole; at++) {
    if (network.bytes[at] !== ip.bytes[at]) return false;
  }
  const rest = network.length & 7;
  return rest === 0 || (network.bytes[whole]! ^ ip.bytes[whole]!) >> (8 - rest) === 0;
}

/** The network as written in mynetworks: `10.0.0.0/8`, `[::1]/128`. */
export function formatNetwork(network: Network): string {
  const address = formatIp(network);
  return network.family === 4 ? `${address}/${network.length}` : `[${address}]/${network.length}`;
}
