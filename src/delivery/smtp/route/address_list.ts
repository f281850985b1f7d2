import type { AddressAnswer, DnsAnswer, Owner } from "../../../dns/answer.ts";
import { type Hosts, nativeAddresses } from "../../../dns/hosts.ts";
import { ipv6Groups, sameAddress } from "../../../dns/name.ts";
import type { Resolver } from "../../../dns/resolver.ts";
import { whyNot } from "../../../dns/reverse.ts";
import type { ClientSettings } from "../client_settings.ts";
import { type Failure, isSoft, localFailure } from "../failure.ts";

/** One address that may be connected to. */
export interface Target {
  readonly host: string;
  readonly address: string;
  readonly family: 4 | 6;
  /** MX preference; 0 for a host that was named directly. */
  readonly preference: number;
  /** Whose the address is by the DNS; undefined where it did not come from there. */
  readonly owner: Owner | undefined;
}

/** The domain whose MX records led to the targets. */
export interface MxDomain extends Owner {
  /** As it was asked for. */
  readonly name: string;
}

/** Where to try, in order; or why there is nowhere. */
export interface AddressList {
  readonly targets: readonly Target[];
  /** Undefined where no MX record was followed. */
  readonly mx?: MxDomain;
  /** Set when `targets` is empty; may be set beside addresses when some exchangers could not be looked up. */
  readonly failure?: Failure;
  /** This machine is one of the exchangers: hosts that are no exchangers (the fallback relays) are not for this mail. */
  readonly iAmMx?: boolean;
  /** For the log. */
  readonly warnings?: readonly string[];
}

/** What looking up needs from the world. */
export interface LookupContext {
  readonly settings: ClientSettings;
  readonly resolver: Resolver;
  readonly hosts: Hosts;
  /** Addresses on which this mail system, or a proxy in front of it, receives. */
  readonly isOwnAddress: (address: string) => boolean;
  /** 0 <= n < 1. */
  readonly random: () => number;
}

/** Exchangers that are looked up; a domain with more is served by its most preferred ones. */
const MAX_EXCHANGERS = 50;

/** Postfix's words for a failed lookup (dns_lookup(3)). */
function lookupFailure(
  name: string,
  type: string,
  answer: Exclude<DnsAnswer, { is: "records" }>,
): Failure {
  const because = (why: string) =>
    `Host or domain name not found. Name service error for name=${name} type=${type}: ${why}`;
  switch (answer.is) {
    case "nodata":
      return localFailure("5.4.4", because("Host found but no data record of requested type"));
    case "nxdomain":
      return answer.invalid
        ? localFailure("5.4.4", `Name service error for ${name}: invalid host or domain name`)
        : localFailure("5.4.4", because("Host not found"));
    case "trouble":
      if (answer.filter !== undefined) {
        const status = answer.filter === "empty" ? "4.7.0" : "4.4.3";
        return localFailure(status, `Error looking up name=${name} type=${type}: ${answer.why}`);
      }
      if (answer.malformed !== undefined) {
        return localFailure("5.4.4", `Name service error for name=${name} type=${type}: ${answer.why}`);
      }
      return answer.retry
        ? localFailure("4.4.3", because("Host not found, try again"))
        : localFailure("5.4.3", because("Non-recoverable error"));
  }
}

/** A temporary failure that came before outweighs a lasting one (smtp_addr(3)). */
function softened(failure: Failure, before: Failure | undefined): Failure {
  if (before === undefined || !isSoft(before) || isSoft(failure)) return failure;
  return { ...failure, status: `4${failure.status.slice(1)}` };
}

function familyOf(address: string): 4 | 6 | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(address)) return 4;
  return ipv6Groups(address) === undefined ? undefined : 6;
}

/** Addresses of one host, by the DNS and the system's own lookup as smtp_host_lookup says. */
async function addressesOf(
  context: LookupContext,
  host: string,
  preference: number,
  before: Failure | undefined,
): Promise<AddressList> {
  const { settings, resolver, hosts } = context;
  const numeric = familyOf(host);
  if (numeric !== undefined && settings.families.includes(numeric)) {
    return { targets: [{ host, address: host, family: numeric, preference, owner: undefined }] };
  }
  let failure: Failure | undefined;
  for (const source of settings.hostLookup) {
    const answer = source === "dns"
      ? await resolver.addresses(host, settings.families)
      : await nativeAddresses(hosts, resolver, host, settings.families);
    if (answer.is === "records") {
      return {
        targets: answer.addresses.map(({ address, family, owner }) => ({
          host,
          address,
          family,
          preference,
          owner: source === "dns" ? owner : undefined,
        })),
      };
    }
    failure = softened(
      source === "dns" ? lookupFailure(host, answer.type, answer) : nativeFailure(host, answer),
      before,
    );
    // Only absence in the DNS leaves the question open for the hosts file.
    if (answer.is === "trouble") break;
  }
  return {
    targets: [],
    failure: failure ?? localFailure("4.4.3", `no way to look up host ${host} is enabled`),
  };
}

function nativeFailure(host: string, answer: AddressAnswer): Failure {
  const status = answer.is !== "trouble" ? "5.4.4" : answer.retry ? "4.4.4" : "5.3.0";
  return localFailure(status, `unable to look up host ${host}: ${whyNot(answer)}`);
}

/** Puts the targets in the order in which they are tried: by preference, within one at random or by family. */
function ordered(context: LookupContext, targets: readonly Target[]): readonly Target[] {
  if (targets.length < 2) return targets;
  const { settings } = context;
  const list = settings.randomizeAddresses ? shuffled(targets, context.random) : [...targets];
  const rank = ({ family }: Target) =>
    settings.addressPreference === "any" ? 0 : settings.addressPreference === `ipv${family}` ? 0 : 1;
  list.sort((a, b) => a.preference - b.preference || rank(a) - rank(b));
  return settings.balanceProtocols ? balanced(list, settings.mxAddressLimit) : list;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j]!, list[i]!];
  }
  return list;
}

/**
 * Keeps one family from using up all the attempts: where the first `limit` addresses would be of one family alone, the best of
 * the other takes the place of the last (smtp_balance_inet_protocols).
 */
function balanced(list: readonly Target[], limit: number): readonly Target[] {
  if (limit < 2 || list.length <= limit) return list;
  const family = list[0]!.family;
  if (list.slice(0, limit).some((target) => target.family !== family)) return list;
  const other = list.findIndex((target) => target.family !== family);
  if (other < 0) return list;
  return [
    ...list.slice(0, limit - 1),
    list[other]!,
    ...list.slice(limit - 1, other),
    ...list.slice(other + 1),
  ];
}

/** Addresses of a host that was named directly (`[host]`, LMTP, or without DNS). `detectLoop` on port 25 only. */
export async function hostTargets(
  context: LookupContext,
  host: string,
  detectLoop: boolean,
): Promise<AddressList> {
  const list = await addressesOf(context, host, 0, undefined);
  if (detectLoop && list.targets.some(({ address }) => context.isOwnAddress(address))) {
    return { targets: [], failure: localFailure("5.4.6", `mail for ${host} loops back to myself`) };
  }
  return { ...list, targets: ordered(context, list.targets) };
}

/** Mail exchangers of a domain, or its own addresses when it has none (RFC 5321 §5.1). */
export async function domainTargets(
  context: LookupContext,
  domain: string,
  detectLoop: boolean,
): Promise<AddressList> {
  const answer = await context.resolver.mx(domain);
  if (answer.is === "nodata" || answer.is === "nxdomain") {
    return await hostTargets(context, domain, detectLoop);
  }
  if (answer.is === "trouble") {
    if (context.settings.ignoreMxLookupError) return await hostTargets(context, domain, detectLoop);
    return {
      targets: [],
      failure: lookupFailure(domain, "MX", answer),
      warnings: malformedNames(domain, answer),
    };
  }
  if (answer.records.length === 1 && answer.records[0]!.exchange === "") {
    return { targets: [], failure: localFailure("5.1.0", `Domain ${domain} does not accept mail (nullMX)`) };
  }
  return await exchangerTargets(context, domain, answer, detectLoop);
}

function malformedNames(
  domain: string,
  { malformed = [] }: { readonly malformed?: readonly string[] },
): string[] {
  return malformed.map((name) =>
    `malformed domain name in resource data of MX record for ${domain}: ${name.slice(0, 100)}`
  );
}

async function exchangerTargets(
  context: LookupContext,
  domain: string,
  answer: DnsAnswer<"MX"> & { is: "records" },
  detectLoop: boolean,
): Promise<AddressList> {
  const exchangers = [...answer.records].sort((a, b) => a.preference - b.preference).slice(0, MAX_EXCHANGERS);
  const lists = await Promise.all(
    exchangers.map(({ exchange, preference }) => addressesOf(context, exchange, preference, undefined)),
  );
  const targets = lists.flatMap((list) => list.targets);
  const numeric = exchangers.filter(({ exchange }) => familyOf(exchange) !== undefined)
    .map(({ exchange }) => `numeric domain name in resource data of MX record for ${domain}: ${exchange}`);
  const warnings = [...malformedNames(domain, answer), ...numeric];
  let failure: Failure | undefined;
  for (const list of lists) if (list.failure !== undefined) failure = softened(list.failure, failure);
  if (targets.length === 0) {
    const soft = context.settings.deferIfNoMxAddress && failure !== undefined && !isSoft(failure);
    return {
      targets,
      failure: soft ? { ...failure!, status: `4${failure!.status.slice(1)}` } : failure,
      warnings: [...warnings, `no MX host for ${domain} has a valid address record`],
    };
  }
  const mx = { name: domain, canonical: answer.canonical, authentic: answer.authentic };
  const self = targets.find(({ address }) => context.isOwnAddress(address));
  if (self === undefined) return { targets: ordered(context, targets), mx, warnings };
  return {
    ...belowSelf(context, domain, targets, self, exchangers[0]!.preference, detectLoop),
    mx,
    warnings,
  };
}

/** A backup exchanger sends to those that are preferred to itself, and to no others (RFC 5321 §5.1). */
function belowSelf(
  context: LookupContext,
  domain: string,
  targets: readonly Target[],
  self: Target,
  bestPreference: number,
  detectLoop: boolean,
): AddressList {
  // On another port than 25 this machine's own addresses are another server (smtp(8): content filters).
  if (!detectLoop) return { targets: ordered(context, targets) };
  const better = targets.filter(({ preference }) => preference < self.preference);
  if (better.length > 0) return { targets: ordered(context, better), iAmMx: true };
  const bestFound = Math.min(...targets.map(({ preference }) => preference));
  return {
    targets: [],
    iAmMx: true,
    failure: bestPreference !== bestFound
      ? localFailure("4.4.4", `unable to find primary relay for ${domain}`)
      : localFailure("5.4.6", `mail for ${domain} loops back to myself`),
  };
}

/** Whether an address is one of a list, whatever its spelling. */
export function addressIn(list: readonly string[]): (address: string) => boolean {
  return (address) => list.some((own) => sameAddress(own, address));
}
