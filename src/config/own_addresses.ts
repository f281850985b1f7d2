import { formatIp, parseIp } from "../address/ip.ts";
import type { InterfaceAddress } from "../platform/host.ts";
import { splitList } from "./syntax/list.ts";
import type { World } from "./world.ts";

/** The settings that say which addresses are ours. */
export interface AddressSettings {
  readonly inet_interfaces: string;
  readonly inet_protocols: string;
}

/** Our addresses, or why they cannot be told. */
export type OwnAddresses =
  | { readonly is: "addresses"; readonly addresses: readonly InterfaceAddress[] }
  | { readonly is: "bad"; readonly parameter: string; readonly text: string; readonly expected: string };

/** Address families that inet_protocols turns on; undefined for an unknown word. */
export function families(inetProtocols: string): readonly (4 | 6)[] | undefined {
  const known: Readonly<Record<string, readonly (4 | 6)[]>> = { all: [4, 6], ipv4: [4], ipv6: [6] };
  const out = new Set<4 | 6>();
  for (const word of splitList(inetProtocols)) {
    const found = known[word];
    if (found === undefined) return undefined;
    for (const family of found) out.add(family);
  }
  return [...out].sort();
}

/** The system's addresses, IPv4 first as getifaddrs(3) lists them. */
function systemAddresses(world: World, protocols: readonly (4 | 6)[]): InterfaceAddress[] {
  return [...world.interfaceAddresses()].filter((entry) => protocols.includes(entry.family))
    .sort((a, b) => a.family - b.family);
}

/** The addresses that inet_interfaces names, in its order (postconf(5), inet_interfaces). */
export function ownAddresses(settings: AddressSettings, world: World): OwnAddresses {
  const { inet_interfaces: interfaces, inet_protocols: protocols } = settings;
  const enabled = families(protocols);
  if (enabled === undefined) {
    const text = `unknown inet_protocols value "${protocols}" in "${protocols}"`;
    return { is: "bad", parameter: "inet_protocols", text, expected: '"all", "ipv4" or "ipv6"' };
  }
  if (enabled.length === 0) return { is: "addresses", addresses: [] };
  const local = systemAddresses(world, enabled);
  if (interfaces === "all") return { is: "addresses", addresses: local };
  if (interfaces === "loopback-only") {
    return { is: "addresses", addresses: local.filter((entry) => entry.loopback) };
  }
  return named(interfaces, enabled, local, world);
}

function named(
  interfaces: string,
  enabled: readonly (4 | 6)[],
  local: readonly InterfaceAddress[],
  world: World,
): OwnAddresses {
  const found = new Map<string, InterfaceAddress>();
  const bad = (text: string): OwnAddresses => ({
    is: "bad",
    parameter: "inet_interfaces",
    text,
    expected: `"all", "loopback-only", or addresses of this machine (${
      local.map((entry) => entry.address).join(", ")
    })`,
  });
  for (const host of interfaces.split(/[ \t,]+/).filter((word) => word !== "")) {
    const addresses = addressesOf(host, enabled, world);
    if (addresses.length === 0) return bad(`config variable inet_interfaces: host not found: ${host}`);
    for (const address of addresses) {
      const own = local.find((entry) => entry.address === address);
      if (own === undefined) return bad(`parameter inet_interfaces: no local interface found for ${address}`);
      found.set(address, own);
    }
  }
  return { is: "addresses", addresses: [...found.values()] };
}

/** Addresses of a host as written in inet_interfaces or master.cf: a literal, `[literal]`, or a name. */
export function addressesOf(host: string, enabled: readonly (4 | 6)[], world: World): string[] {
  const bare = host.replace(/^\[(?:ipv6:)?(.*)\]$/i, "$1");
  const literal = parseIp(bare);
  if (literal !== undefined) return enabled.includes(literal.family) ? [formatIp(literal)] : [];
  return world.lookupHost(bare).filter((address) => enabled.includes(address.includes(":") ? 6 : 4));
}

const STYLES = ["class", "subnet", "host"];

/** The default of mynetworks, or why there is none (postconf(5), mynetworks_style). */
export function computeMynetworks(
  settings: AddressSettings & { readonly mynetworks_style: string },
  world: World,
): { readonly text: string } | {
  readonly parameter: string;
  readonly why: string;
  readonly expected: string;
} {
  const words = splitList(settings.mynetworks_style);
  const unknown = words.find((word) => !STYLES.includes(word));
  const expected = '"subnet", "host" or "class"';
  if (unknown !== undefined) {
    const why = `unknown mynetworks mask style value "${unknown}" in "${settings.mynetworks_style}"`;
    return { parameter: "mynetworks_style", why, expected };
  }
  if (new Set(words).size !== 1) {
    const why = `bad mynetworks_style value: ${settings.mynetworks_style}; specify exactly one value`;
    return { parameter: "mynetworks_style", why, expected };
  }
  const own = ownAddresses(settings, world);
  if (own.is === "bad") return { parameter: own.parameter, why: own.text, expected: own.expected };
  const networks = own.addresses.map((entry) => networkOf(entry, words[0]!));
  return { text: [...new Set(networks)].map((network) => `${network} `).join("") };
}

function networkOf(entry: InterfaceAddress, style: string): string {
  const bits = entry.family === 4 ? 32 : 128;
  const length = style === "host"
    ? bits
    : style === "class" && entry.family === 4
    ? classLength(entry.address)
    : entry.prefix;
  const masked = maskedText(entry, length);
  return entry.family === 4 ? `${masked}/${length}` : `[${masked}]/${length}`;
}

/** The address with its host bits cleared. */
function maskedText(entry: InterfaceAddress, length: number): string {
  const ip = parseIp(entry.address);
  if (ip === undefined) return entry.address;
  const bytes = ip.bytes.map((byte, at) =>
    byte & (0xff00 >> Math.min(Math.max(length - at * 8, 0), 8)) & 0xff
  );
  return formatIp({ family: ip.family, bytes });
}

/** Network lengths from before CIDR. */
function classLength(address: string): number {
  const first = Number(address.slice(0, address.indexOf(".")));
  return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 4;
}
