import type { Owner } from "../dns/answer.ts";
import type { Resolver } from "../dns/resolver.ts";
import { findTlsa } from "../dns/tlsa.ts";
import { CONFIGURATION_PROBLEM, type PolicyFault } from "./client_policy.ts";
import { choosePurposes, type TlsaRecord } from "./dane.ts";

/** The server for which the level is `dane` or `dane-only`. */
export interface DaneSubject {
  /** The next hop as written. */
  readonly nexthop: string;
  readonly host: string;
  /** 0 for a socket of this machine. */
  readonly port: number;
  /** Whose its address is; undefined where that did not come from the DNS. */
  readonly owner: Owner | undefined;
  /** The domain whose MX records led to it; undefined for none. */
  readonly mx: (Owner & { readonly name: string }) | undefined;
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
  const answer = await findTlsa(
    context.resolver,
    { name: host, owner: subject.owner },
    port,
    context.forceTlsa,
  );
  if (answer.is === "trouble") {
    return { found: fault(`TLSA lookup error for ${host}:${port}`), warnings: [answer.why] };
  }
  if (answer.is === "absent") return quietly(without("no TLSA records found"));
  const { usable, warnings } = choosePurposes(answer.records, answer);
  if (usable.length === 0) return { found: without("TLSA records unusable", "encrypt"), warnings };
  if (isInsecureMx && context.insecureMx === "encrypt") {
    return { found: without("Verification not possible, MX RRset is insecure", "encrypt"), warnings };
  }
  const found: DaneLevel = {
    is: "dane",
    level: isInsecureMx ? "halfdane" : level,
    base: answer.base,
    names: namesFor(answer.base, mx),
    records: usable,
    owner: answer.canonical,
  };
  return { found, warnings };
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

/** A certificate may also be for the domain whose mail it takes (RFC 7672 §3.2.2). */
function namesFor(base: string, mx: DaneSubject["mx"]): readonly string[] {
  return mx === undefined ? [base] : [...new Set([base, mx.canonical, mx.name])];
}
