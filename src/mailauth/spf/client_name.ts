import type { Ip } from "../../address/ip.ts";
import { formatIp, parseIp } from "../../address/ip.ts";
import { reverseName } from "../../dns/name.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { askSpf } from "./spf_dns.ts";

/** PTR records that count (RFC 7208 §4.6.4). */
const MOST_NAMES = 10;

/** The names of a client that lead back to it. */
export interface ClientNames {
  readonly names: readonly string[];
  /** There is no PTR record: a void lookup. */
  readonly isVoid: boolean;
}

/**
 * The names of an address that are its own: of its first ten PTR records those that have it among their addresses (RFC 7208 §5.5).
 * What cannot be looked up is left out. Lower case.
 */
export async function clientNames(
  ip: Ip,
  resolver: Pick<Resolver, "query">,
  signal: AbortSignal,
): Promise<ClientNames> {
  const answer = await askSpf(resolver, reverseName(formatIp(ip)) ?? "", "PTR", signal);
  if (answer.is !== "records") return { names: [], isVoid: answer.is === "void" };
  const names: string[] = [];
  for (const { target } of answer.records.slice(0, MOST_NAMES)) {
    const name = target.replace(/\.$/, "").toLowerCase();
    if (await hasAddress(name, ip, resolver, signal)) names.push(name);
  }
  return { names, isVoid: false };
}

async function hasAddress(
  name: string,
  ip: Ip,
  resolver: Pick<Resolver, "query">,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await askSpf(resolver, name, ip.family === 4 ? "A" : "AAAA", signal);
  return answer.is === "records" && answer.records.some(({ address }) => isSame(parseIp(address), ip));
}

function isSame(one: Ip | undefined, other: Ip): boolean {
  return one !== undefined && one.family === other.family &&
    one.bytes.every((byte, at) => byte === other.bytes[at]);
}

/** Whether a name is a domain or lies below it. */
export function isWithin(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

/** The name that `%{p}` stands for: the domain itself, else one below it, else any (RFC 7208 §7.3). */
export function preferredName(names: readonly string[], domain: string): string {
  const folded = domain.toLowerCase();
  return names.find((name) => name === folded) ?? names.find((name) => isWithin(name, folded)) ?? names[0] ??
    "unknown";
}
