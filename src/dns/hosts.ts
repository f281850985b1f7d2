import { systemFile } from "../platform/file/system_file.ts";
import type { Address, AddressAnswer, Families } from "./answer.ts";
import { canonicalAddress, ipv6Groups } from "./name.ts";
import type { Resolver } from "./resolver.ts";

/** The system's table of host names (hosts(5)), in both directions. */
export interface Hosts {
  /** Addresses of a name, in the file's order. */
  addresses(name: string): readonly Address[];
  /** The first name of an address. */
  name(address: string): string | undefined;
}

const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;

/** Parses hosts(5): an address, its name, further names; `#` starts a comment. */
export function parseHosts(text: string): Hosts {
  const byName = new Map<string, Address[]>();
  const byAddress = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const family = IPV4.test(address) ? 4 : ipv6Groups(address) === undefined ? undefined : 6;
    if (family === undefined || names.length === 0) continue;
    const key = canonicalAddress(address);
    if (!byAddress.has(key)) byAddress.set(key, names[0]!);
    for (const name of names) addTo(byName, name.toLowerCase(), { address, family, ttl: 0 });
  }
  return {
    addresses: (name) => byName.get(name.toLowerCase()) ?? [],
    name: (address) => byAddress.get(canonicalAddress(address)),
  };
}

function addTo(map: Map<string, Address[]>, name: string, address: Address): void {
  const list = map.get(name);
  if (list === undefined) map.set(name, [address]);
  else list.push(address);
}

/** `/etc/hosts`, read again when it changes. */
export function systemHosts(path = "/etc/hosts"): Hosts {
  const current = systemFile(path, parseHosts);
  return {
    addresses: (name) => current().addresses(name),
    name: (address) => current().name(address),
  };
}

/** Addresses as the system's own lookup finds them: the hosts file first, then the DNS (smtp_host_lookup = native). */
export async function nativeAddresses(
  hosts: Hosts,
  resolver: Resolver,
  name: string,
  families: Families,
  signal?: AbortSignal,
): Promise<AddressAnswer> {
  const listed = hosts.addresses(name).filter(({ family }) => families.includes(family));
  if (listed.length > 0) return { is: "records", addresses: listed, authentic: false };
  return await resolver.addresses(name, families, signal);
}
