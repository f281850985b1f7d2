/**
 * A name in the form that queries use: lower case, no final dot; undefined when no server could know it. Rules of
 * Postfix's host names: labels of letters, digits, `-` and `_` (and `*`), up to 63 bytes, 253 in all,
 * not all digits, no label that begins or ends with `-` (RFC 1035 §2.3.4). IP addresses are no names.
 */
export function queryName(text: string): string | undefined {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (name.length > 253 || !NAME.test(name) || ALL_DIGITS.test(name)) return undefined;
  return name.toLowerCase();
}

/**
 * The same for a name that need be no host's: the DNS takes any bytes in a label (RFC 2181 §11), and this takes printable ASCII.
 * For names that others make up of what senders write (RFC 7208 §7).
 */
export function anyName(text: string): string | undefined {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  return name.length <= 253 && /^[ -\-/-~]{1,63}(?:\.[ -\-/-~]{1,63})*$/.test(name)
    ? name.toLowerCase()
    : undefined;
}

/** Which names are looked up: those of hosts, or any. */
export type NameKind = "hosts" | "any";

const NAME = /^(?!-)[A-Za-z0-9_*-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_*-]{1,63}(?<!-))*$/;
const ALL_DIGITS = /^[0-9.]+$/;

/** The name below which an address has its PTR records (RFC 1035 §3.5, RFC 3596 §2.5); undefined if it is no IP address. */
export function reverseName(address: string): string | undefined {
  if (IPV4.test(address)) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const groups = ipv6Groups(address);
  if (groups === undefined) return undefined;
  const nibbles = groups.map((group) => group.toString(16).padStart(4, "0")).join("");
  return `${[...nibbles].reverse().join(".")}.ip6.arpa`;
}

const IPV4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

/** The eight 16-bit groups of an IPv6 address (RFC 4291 §2.2), or undefined. */
export function ipv6Groups(address: string): number[] | undefined {
  const halves = dottedTailAsGroups(address).split("::");
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  const given = [...head, ...(tail ?? [])];
  if (given.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const missing = 8 - given.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const filled = tail === undefined ? head : [...head, ...new Array<string>(missing).fill("0"), ...tail];
  return filled.map((group) => Number.parseInt(group, 16));
}

/** `::ffff:192.0.2.1` with its dotted end as two groups. */
function dottedTailAsGroups(address: string): string {
  const at = address.lastIndexOf(":") + 1;
  const tail = address.slice(at);
  if (at === 0 || !IPV4.test(tail)) return address;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split(".").map(Number);
  return `${address.slice(0, at)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/** Whether two texts are the same IP address. */
export function sameAddress(a: string, b: string): boolean {
  return a === b || ((a + b).includes(":") && canonicalAddress(a) === canonicalAddress(b));
}

/** One spelling for each IP address: IPv4 for v4-mapped, full lower-case groups for IPv6; other text stays. */
export function canonicalAddress(address: string): string {
  const groups = ipv6Groups(address);
  if (groups === undefined) return address;
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join(".");
  }
  return groups.map((group) => group.toString(16)).join(":");
}
