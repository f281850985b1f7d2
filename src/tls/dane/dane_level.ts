import type { Resolver } from "../../dns/resolver.ts";
import { CONFIGURATION_PROBLEM, type PolicyFault } from "../client_policy.ts";
import type { TlsaRecord } from "./dane.ts";
import { type DaneDomain, daneNames, type DaneService, findDaneHost } from "./dane_host.ts";

/** The server for which the level is `dane` or `dane-only`; the port of a socket of this machine is 0. */
export interface DaneSubject extends DaneService {
  /** The next hop as written. */
  readonly nexthop: string;
  /** Undefined where no MX record led to it. */
  readonly mx: DaneDomain | undefined;
}

/** What DANE is done with. */
export interface DaneContext {
  /** One whose answers say whether they were validated. */
  readonly resolver: Resolver;
  /** Hosts are looked up in the DNS, and validation is asked for (smtp_dns_support_level, smtp_host_lookup). */
  readonly dnssec: boolean;
  /** ignore_mx_lookup_error. */
  readonly ignoresMxErrors: boolean;
  /** smtp_tls_dane_insecure_mx_policy. */
  readonly insecureMx: "may" | "encrypt" | "dane";
  /** smtp_tls_force_insecure_host_tlsa_lookup. */
  readonly forceTlsa: boolean;
}

/** What the level comes to for a server. */
export type DaneLevel =
  /** It has nothing that could be verified. */
  | { readonly is: "other"; readonly level: "may" | "encrypt" }
  | {
    readonly is: "dane";
    /** `halfdane`: verified, but found by an MX record that is not (RFC 7672 §2.2.1). */
    readonly level: "dane" | "dane-only" | "halfdane";
    /** The name to ask for, and what certificates under a trust anchor must be for. */
    readonly base: string;
    readonly names: readonly string[];
    readonly records: readonly TlsaRecord[];
    /** Whose the records are: the end of their aliases. */
    readonly owner: string;
  }
  | { readonly is: "fault"; readonly fault: PolicyFault };

/** A level, and what the operator is to be told. */
export interface WarnedLevel {
  readonly found: DaneLevel;
  readonly warnings: readonly string[];
}

/** Finds out what `dane` or `dane-only` means for a server (postconf(5), smtp_tls_security_level; RFC 7672 §2). */
export async function daneLevel(
  level: "dane" | "dane-only",
  subject: DaneSubject,
  context: DaneContext,
): Promise<WarnedLevel> {
  const { nexthop, host, port, mx } = subject;
  const impossible = whyNeverDane(level, subject, context);
  if (impossible !== undefined) {
    const open = level === "dane" && port !== 0;
    return { found: open ? OPPORTUNISTIC : MISCONFIGURED, warnings: [`${nexthop}: ${impossible}`] };
  }
  const isInsecureMx = mx !== undefined && !mx.authentic;
  const without = (reason: string, other: "may" | "encrypt" = "may"): DaneLevel =>
    level === "dane" ? { is: "other", level: other } : fault(reason);
  if (isInsecureMx && (level === "dane-only" || context.insecureMx === "may")) {
    return quietly(without("non DNSSEC destination"));
  }
  const found = await findDaneHost(context.resolver, subject, context.forceTlsa);
  switch (found.is) {
    case "trouble":
      return { found: fault(`TLSA lookup error for ${host}:${port}`), warnings: [found.why] };
    case "absent":
      return quietly(without("no TLSA records found"));
    case "unusable":
      return { found: without("TLSA records unusable", "encrypt"), warnings: found.warnings };
    case "usable":
      break;
  }
  const { base, records, owner, warnings } = found;
  if (isInsecureMx && context.insecureMx === "encrypt") {
    return { found: without("Verification not possible, MX RRset is insecure", "encrypt"), warnings };
  }
  const verified = { level: isInsecureMx ? "halfdane" as const : level, base, names: daneNames(base, mx) };
  return { found: { is: "dane", ...verified, records, owner }, warnings };
}

const OPPORTUNISTIC: DaneLevel = { is: "other", level: "may" };
const MISCONFIGURED: DaneLevel = { is: "fault", fault: CONFIGURATION_PROBLEM };

const quietly = (found: DaneLevel): WarnedLevel => ({ found, warnings: [] });

function fault(text: string): DaneLevel {
  return { is: "fault", fault: { status: "4.7.5", text } };
}

/** What in the configuration leaves no host to be verified. */
function whyNeverDane(level: string, { port }: DaneSubject, context: DaneContext): string | undefined {
  if (port === 0) return 'the "dane" security level is invalid for delivery via unix-domain sockets';
  if (!context.dnssec) return `${level} configured with dnssec lookups disabled`;
  return context.ignoresMxErrors ? `${level} configured with MX lookup errors ignored` : undefined;
}
