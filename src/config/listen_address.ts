import { parseIp } from "../address/ip.ts";
import { isHostname } from "../address/hostname.ts";
import { addressesOf, type AddressSettings, families, ownAddresses } from "./own_addresses.ts";
import type { World } from "./world.ts";

/** `host:port` taken apart; host "" when there is none. */
export interface HostPort {
  readonly host: string;
  /** A number or a service name, as written. */
  readonly port: string;
}

/** Splits `[v6]:port`, `host:port`, `v6:port` or `port`; a string says what is wrong, in Postfix's words. */
export function splitHostPort(text: string): HostPort | string {
  const parsed = text.startsWith("[") ? splitBracketed(text) : splitPlain(text);
  if (typeof parsed === "string") return parsed;
  const { host, port } = parsed;
  if (port === "") return "missing service information";
  if (host !== "" && parseIp(host) === undefined && !isHostname(host)) {
    return "valid hostname or network address required";
  }
  return /^\d/.test(port) && !/^\d+$/.test(port) ? "garbage after numerical service" : parsed;
}

function splitBracketed(text: string): HostPort | string {
  const close = text.indexOf("]");
  if (close < 0) return 'missing "]"';
  const rest = text.slice(close + 1);
  if (rest !== "" && !rest.startsWith(":")) return 'garbage after "]"';
  const inner = text.slice(1, close);
  const tagged = /^ipv6:/i.test(inner);
  const host = tagged ? inner.slice(5) : inner;
  if (tagged && parseIp(host)?.family !== 6) return "malformed IPv6 address";
  return { host, port: rest.slice(1) };
}

function splitPlain(text: string): HostPort {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, Math.max(colon, 0)), port: text.slice(colon + 1) };
}

/** Port names of known_tcp_ports (`smtps=submissions=465` names two), and its bad items in Postfix's words. */
export function knownTcpPorts(
  value: string,
): { readonly ports: ReadonlyMap<string, string>; readonly problems: readonly string[] } {
  const ports = new Map<string, string>();
  const problems: string[] = [];
  for (const item of value.split(",").filter((each) => each !== "")) {
    const parts = item.split("=").map((part) => part.trim());
    const problem = parts.length < 2
      ? `in "${item}" is not in "name = value" form`
      : addPorts(ports, parts.slice(0, -1), parts[parts.length - 1]!, item);
    if (problem !== undefined) problems.push(`known_tcp_ports: ${problem}`);
  }
  return { ports, problems };
}

function addPorts(
  ports: Map<string, string>,
  names: readonly string[],
  port: string,
  item: string,
): string | undefined {
  let problem = port === ""
    ? 'missing port value after "="'
    : /\s/.test(port)
    ? "whitespace in port number"
    : undefined;
  for (const name of problem === undefined ? names : []) {
    if (name === "") problem ??= 'missing service name before "="';
    else if (/\s/.test(name)) problem ??= "whitespace in service name";
    else if (/^\d+$/.test(name)) problem ??= "numerical service name";
    else if (!/^\d+$/.test(port)) problem ??= "non-numerical service port";
    else if (ports.has(name)) problem ??= "duplicate service name";
    else ports.set(name, port);
  }
  return problem === undefined ? undefined : `in "${item}": ${problem}`;
}

/** A port by number or name: known_tcp_ports, then the system's services; undefined when it is neither. */
export function resolvePort(port: string, known: string, world: World): number | undefined {
  const text = knownTcpPorts(known).ports.get(port) ?? port;
  if (!/^\d+$/.test(text)) return world.tcpPort(text);
  const number = Number(text);
  return number <= 65_535 ? number : undefined;
}

/** One address to listen on. */
export interface ListenAddress {
  /** "0.0.0.0" and "::" for all of a family. */
  readonly host: string;
  readonly port: number;
}

/** The settings behind an inet service's addresses. */
export type ListenSettings = AddressSettings & { readonly known_tcp_ports: string };

/** Where an inet service of master.cf listens, or Postfix's complaint. */
export type ListenAddresses = { readonly is: "addresses"; readonly addresses: readonly ListenAddress[] } | {
  readonly is: "bad";
  readonly text: string;
  readonly expected: string;
};

const bad = (text: string, expected: string): ListenAddresses => ({ is: "bad", text, expected });

/** The addresses of field 1 of an inet service: its own host, else every address of inet_interfaces (master(5)). */
export function listenAddresses(name: string, settings: ListenSettings, world: World): ListenAddresses {
  const split = splitHostPort(name);
  if (typeof split === "string") return bad(`${split} in "${name}"`, "port, host:port or [v6address]:port");
  const port = resolvePort(split.port, settings.known_tcp_ports, world);
  if (port === undefined) {
    return bad(`bad port or service name: ${split.port}`, "a port from 0 to 65535, or its name");
  }
  const hosts = split.host === ""
    ? interfaceHosts(settings, world)
    : addressesOf(split.host, families(settings.inet_protocols) ?? [], world);
  if (hosts.length > 0) {
    return { is: "addresses", addresses: [...new Set(hosts)].map((host) => ({ host, port })) };
  }
  return split.host === ""
    ? bad(`no valid IP address found: ${name}`, "inet_interfaces and inet_protocols that leave an address")
    : bad(`bad hostname or network address: ${name}`, "an address of this machine, or a name that has one");
}

function interfaceHosts(settings: ListenSettings, world: World): string[] {
  const enabled = families(settings.inet_protocols) ?? [];
  if (settings.inet_interfaces.toLowerCase() === "all") {
    return enabled.map((family) => family === 4 ? "0.0.0.0" : "::");
  }
  const own = ownAddresses(settings, world);
  return own.is === "addresses" ? own.addresses.map((entry) => entry.address) : [];
}

/** One spelling for each endpoint: `smtp` and `25` are the same service, and so are `[::1]:25` and `::1:smtp`. */
export function endpointKey(name: string, settings: ListenSettings, world: World): string {
  const split = splitHostPort(name);
  if (typeof split === "string") return name;
  const port = resolvePort(split.port, settings.known_tcp_ports, world) ?? split.port;
  if (split.host === "") return String(port);
  return `[${addressesOf(split.host, [4, 6], world)[0] ?? split.host}]:${port}`;
}
