import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { AddressAnswer, DnsAnswer, Families } from "./answer.ts";
import { type Hosts, nativeAddresses } from "./hosts.ts";
import { queryName, reverseName, sameAddress } from "./name.ts";
import type { Resolver } from "./resolver.ts";

/** A client's name as smtpd knows it; the fields are those of the access facts. */
export interface ClientName {
  /** The name, when it leads back to the address; else "unknown". */
  readonly name: string;
  /** The name that the address claims, verified or not; else "unknown". */
  readonly reverseName: string;
  /** 2 verified, 4 could not be looked up now, 5 there is none or it lies. */
  readonly nameStatus: 2 | 4 | 5;
  readonly reverseNameStatus: 2 | 4 | 5;
  /** There is a name, and it leads to other addresses. */
  readonly forged?: true;
  /** What smtpd logs as a warning: `hostname H does not resolve to address A: why`, or why H is no host name. */
  readonly warning?: string;
}

/** Finds a client's name. */
export type LookupClient = (address: string, signal?: AbortSignal) => MaybeAsync<ClientName>;

const nameless = (status: 4 | 5, warning?: string): ClientName => ({
  name: "unknown",
  reverseName: "unknown",
  nameStatus: status,
  reverseNameStatus: status,
  ...(warning !== undefined && { warning }),
});

/**
 * smtpd's client lookup: the hosts file and PTR for the name, then the hosts file and A or AAAA to see whether it leads back
 * (smtpd(8), reject_unknown_client_hostname). At once when the hosts file knows both.
 */
export function createClientLookup(
  { resolver, hosts }: { readonly resolver: Resolver; readonly hosts: Hosts },
): LookupClient {
  const verified = (name: string, address: string, signal?: AbortSignal) => {
    const families: Families = address.includes(":") ? [6] : [4];
    const listed = hosts.addresses(name);
    if (listed.some((entry) => sameAddress(entry.address, address))) return verdict(name, address, true);
    return nativeAddresses(hosts, resolver, name, families, signal)
      .then((answer) => verdict(name, address, answer));
  };
  return (address, signal) => {
    const listed = hosts.name(address);
    if (listed !== undefined) return verified(listed, address, signal);
    return resolver.ptr(address, signal).then((answer) => {
      const name = ptrName(answer);
      if (typeof name !== "string") return name;
      return then(verified(name, address, signal), (result) => result);
    });
  };
}

/** The PTR name, or what there is without one. A name that is no host name counts as none. */
function ptrName(answer: DnsAnswer<"PTR">): string | ClientName {
  if (answer.is === "trouble") return nameless(answer.retry ? 4 : 5);
  if (answer.is !== "records") return nameless(5);
  const target = answer.records[0]!.target;
  return queryName(target) === undefined ? nameless(5, flawOf(target)) : target;
}

/** What Postfix says of a name that the C library lets through and it does not; the library's own refusals are silent. */
function flawOf(name: string): string | undefined {
  const short = name.slice(0, 100);
  if (reverseName(name) !== undefined) return `numeric hostname: ${short}`;
  if (/^[0-9.]+$/.test(name)) return `valid_hostname: numeric hostname: ${short}`;
  const passes = /^(?!-)[A-Za-z0-9_.-]+$/.test(name) && !/\.-|\.\./.test(name);
  return passes && /-(?:\.|$)/.test(name) ? `valid_hostname: misplaced hyphen: ${short}` : undefined;
}

/** What the forward lookup says about the claimed name. */
function verdict(name: string, address: string, answer: AddressAnswer | true): ClientName {
  const reverse = { reverseName: name, reverseNameStatus: 2 } as const;
  const matches = answer === true ||
    (answer.is === "records" && answer.addresses.some((found) => sameAddress(found.address, address)));
  if (matches) return { name, nameStatus: 2, ...reverse };
  const why = whyNot(answer);
  return {
    name: "unknown",
    nameStatus: answer.is === "trouble" && answer.retry ? 4 : 5,
    ...reverse,
    ...(why === "" && { forged: true }),
    warning: `hostname ${name} does not resolve to address ${address}${why === "" ? "" : `: ${why}`}`,
  };
}

/** The C library's words for a failed lookup (getaddrinfo(3)). */
export function whyNot(answer: AddressAnswer): string {
  switch (answer.is) {
    case "records":
      return "";
    case "nodata":
      return "No address associated with hostname";
    case "nxdomain":
      return "Name or service not known";
    case "trouble":
      return answer.retry
        ? "Temporary failure in name resolution"
        : "Non-recoverable failure in name resolution";
  }
}
