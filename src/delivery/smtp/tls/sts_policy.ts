import { asciiDomain } from "../../../address/idna.ts";
import { type MaybeAsync, then } from "../../../base/maybe_async.ts";
import {
  isPolicyFault,
  type PolicyDraft,
  type PolicyFault,
  type Warned,
} from "../../../tls/client_policy.ts";
import { parseProtocols } from "../../../tls/protocols.ts";
import type { PublishedPolicy } from "../../../tls/published_policy.ts";
import { matchesMxPattern } from "../../../tls/sts/mx_pattern.ts";
import type { StsAnswer } from "../../../tls/sts/sts_policies.ts";
import type { RefinePolicy } from "./client_policies.ts";
import { stsPolicyLines } from "../../../tls/sts/sts_policy.ts";

/** Finds the MTA-STS policy of a domain. */
export type FindSts = (domain: string) => Promise<StsAnswer>;

/** What MTA-STS goes by. */
export interface StsRules {
  /** smtp_mta_sts_enable. */
  readonly find: FindSts | undefined;
  /** smtp_tls_enforce_sts_mx_patterns: the patterns of a table count too. */
  readonly enforcesTables: boolean;
  /** smtp_tls_mandatory_protocols. */
  readonly protocols: string;
}

/** Levels that leave it to the domain to ask for more. */
const OPEN_TO_MORE: ReadonlySet<string> = new Set(["may", "encrypt", "dane"]);

/** Adds to the policy of a next hop what its domain demands by MTA-STS. What a table says of the domain stands. */
export function withSts(
  draft: PolicyDraft,
  { domain, nexthop }: { readonly domain: string; readonly nexthop: string },
  { find }: StsRules,
): MaybeAsync<PolicyDraft> {
  if (find === undefined || nexthop.startsWith("[") || draft.isGiven || !OPEN_TO_MORE.has(draft.level)) {
    return draft;
  }
  const name = asciiDomain(domain).toLowerCase();
  return find(name).then((answer) => {
    const published = publishedBy(name, answer);
    return published === undefined ? draft : { ...draft, published };
  });
}

function publishedBy(domain: string, answer: StsAnswer): PublishedPolicy | undefined {
  switch (answer.is) {
    case "none":
      return undefined;
    case "failed":
      return { type: "sts", domain, strings: [], mxHosts: [], failure: answer.failure, own: "failed" };
    case "policy": {
      const { mode, mx } = answer.policy;
      if (mode === "none") return undefined;
      return { type: "sts", domain, strings: stsPolicyLines(answer.policy), mxHosts: mx, own: mode };
    }
  }
}

/** Refines a policy by what the domain demands, behind what is found out about the server otherwise. */
export function refineBySts(refine: RefinePolicy, rules: StsRules): RefinePolicy {
  return (draft, server) =>
    then(refine(draft, server), ({ is, warnings }) => {
      if (isPolicyFault(is)) return { is, warnings };
      const enforced = enforceSts(is, server.host, rules);
      return { is: enforced.is, warnings: [...warnings, ...enforced.warnings] };
    });
}

/**
 * What the policy asks of one server, behind DANE: whoever has usable TLSA records is judged by these alone (RFC 8461 §2). A host that
 * no pattern means is not spoken to.
 */
export function enforceSts(
  draft: PolicyDraft,
  host: string,
  rules: StsRules,
): Warned<PolicyDraft | PolicyFault> {
  const { published } = draft;
  if (published?.type !== "sts") return { is: draft, warnings: [] };
  if (published.own === undefined) return { is: fromTable(draft, published, host, rules), warnings: [] };
  if (!isOpen(draft)) return { is: draft, warnings: [] };
  // What would be enforced is looked at in any case, to tell of it.
  if (published.own !== "enforce") return { is: { ...draft, webPki: true }, warnings: [] };
  if (!isNamed(published, host)) return { is: otherHost(published, host), warnings: [] };
  return {
    is: {
      ...draft,
      level: "secure",
      match: ["hostname"],
      associations: [],
      webPki: true,
      serverName: "hostname",
      protocols: notBelow12(rules.protocols),
    },
    warnings: [],
  };
}

function isOpen({ level }: PolicyDraft): boolean {
  return level === "may" || level === "encrypt";
}

/** Plug-ins say by which names certificates match; where they tell the patterns too, these are for host names (RFC 8461 §4.1). */
function fromTable(
  draft: PolicyDraft,
  published: PublishedPolicy,
  host: string,
  { enforcesTables }: StsRules,
): PolicyDraft | PolicyFault {
  if (!enforcesTables || draft.match === undefined || published.mxHosts.length === 0) return draft;
  return isNamed(published, host) ? { ...draft, match: ["hostname"] } : otherHost(published, host);
}

function isNamed({ mxHosts }: PublishedPolicy, host: string): boolean {
  const name = asciiDomain(host);
  return mxHosts.some((pattern) => matchesMxPattern(pattern, name));
}

function otherHost(published: PublishedPolicy, host: string): PolicyFault {
  const { domain } = published;
  return {
    published,
    status: "4.7.5",
    text: `the MTA-STS policy of ${domain} does not name the host ${host}`,
    logged: `MX name '${asciiDomain(host)}' does not match STS MX pattern for '${domain}'`,
  };
}

/** TLS 1.2 at least (RFC 8461 §7.2), or what the operator demands beyond. */
function notBelow12(protocols: string): string {
  const own = parseProtocols(protocols);
  return "problem" in own || own.lowest === "TLSv1.2" || own.lowest === "TLSv1.3" ? protocols : ">=TLSv1.2";
}
