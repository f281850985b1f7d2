import { contains, type Network, parseNetwork } from "./network.ts";
import { parseIp } from "./ip.ts";

/** Who can be reached at an address: everybody, a network of one's own, or this machine alone. */
export type AddressKind = "public" | "private" | "loopback";

function networks(...texts: readonly string[]): readonly Network[] {
  return texts.flatMap((text) => {
    const network = parseNetwork(text);
    return "malformed" in network ? [] : [network];
  });
}

const LOOPBACK = networks("127.0.0.0/8", "::1/128");

/** RFC 1918, RFC 6598 (behind a provider's NAT), RFC 3927, RFC 4193, RFC 4291 §2.5.6, and "this network" (RFC 1122 §3.2.1.3). */
const PRIVATE = networks(
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "::/128",
  "fc00::/7",
  "fe80::/10",
);

/** The kind of an address; undefined when it is none. */
export function addressKind(address: string): AddressKind | undefined {
  const ip = parseIp(address);
  if (ip === undefined) return undefined;
  if (LOOPBACK.some((network) => contains(network, ip))) return "loopback";
  return PRIVATE.some((network) => contains(network, ip)) ? "private" : "public";
}
