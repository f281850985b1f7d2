import { asciiDomain } from "../../address/idna.ts";
import { associationText } from "../x509/association.ts";
import { type ClientTlsPolicy, mustMatch } from "../client_policy.ts";
import { namesToMatch } from "../x509/names.ts";
import type { PolicyFailure } from "../published_policy.ts";

/** Where a policy counts: a next hop without brackets and port, and a host on the way there. */
export interface PolicyPlace {
  readonly domain: string;
  readonly host: string;
}

/** The name that is asked for (postconf(5), smtp_tls_servername). */
export function serverNameOf({ serverName }: ClientTlsPolicy, { domain, host }: PolicyPlace): string {
  if (serverName === "hostname") return asciiDomain(host);
  return asciiDomain(serverName === "nexthop" ? domain : serverName);
}

/** What a policy table says is wrong with the policy of the domain. */
export function tableFailure({ level, published }: ClientTlsPolicy): PolicyFailure | undefined {
  return published?.own === undefined && mustMatch(level) ? published?.failure : undefined;
}

/** All that two policies for a server may differ in, as text: who demands the same may share a connection. */
export function policyText(
  policy: ClientTlsPolicy,
  { domain, host }: PolicyPlace,
): string {
  const { level, protocols, ciphers, exclude, match, associations, webPki } = policy;
  if (level === "none") return level;
  const names = mustMatch(level) ? namesToMatch(match, { nexthop: domain, hostname: host }) : [];
  const asked = serverNameOf(policy, { domain, host });
  return JSON.stringify([
    level,
    protocols,
    ciphers,
    exclude,
    names,
    asked,
    associations.map(associationText).sort(),
    webPki,
    tableFailure(policy),
  ]);
}
