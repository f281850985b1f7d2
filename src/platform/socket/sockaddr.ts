import { isIPv6 } from "node:net";

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_CLOEXEC = 0o2000000;

/** The bytes of an IPv6 address in text. */
function ipv6Bytes(text: string): Uint8Array {
  const [head, tail] = text.split("::") as [string, string | undefined];
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").flatMap((group) => {
      if (!group.includes(".")) return [parseInt(group, 16)];
      const [a, b, c, d] = group.split(".").map(Number) as [number, number, number, number];
      return [(a << 8) | b, (c << 8) | d];
    });
  const [first, last] = [groups(head), groups(tail ?? "")];
  const all = tail === undefined
    ? first
    : [...first, ...Array(8 - first.length - last.length).fill(0), ...last];
  const bytes = new Uint8Array(16);
  all.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 255;
  });
  return bytes;
}

/** An address and a port as the system takes them. */
export function sockaddr(address: string, port: number): Uint8Array {
  const v6 = isIPv6(address);
  const bytes = new Uint8Array(v6 ? 28 : 16);
  new DataView(bytes.buffer).setUint16(0, v6 ? AF_INET6 : AF_INET, true);
  bytes[2] = port >> 8;
  bytes[3] = port & 255;
  if (v6) bytes.set(ipv6Bytes(address), 8);
  else bytes.set(address.split(".").map(Number), 4);
  return bytes;
}
