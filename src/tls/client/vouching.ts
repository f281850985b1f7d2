import { type Association, isPossible } from "../x509/association.ts";
import { type ClientTlsPolicy, isDane, mustMatch } from "../client_policy.ts";
import { namesToMatch } from "../x509/names.ts";
import type { PolicyPlace } from "./policy_identity.ts";

/** What a certificate must bear and who may vouch for it, as far as it is of use. */
export interface Vouching {
  readonly names: readonly string[] | undefined;
  readonly associations: readonly Association[];
  readonly hopeless: boolean;
  readonly warnings: readonly string[];
}

/** What of a policy counts towards one server. */
export function vouchingFor(
  policy: ClientTlsPolicy,
  { domain, host, whom }: PolicyPlace & { readonly whom: string },
): Vouching {
  const { level, match, associations } = policy;
  if (!mustMatch(level)) return { names: undefined, associations: [], hopeless: false, warnings: [] };
  const possible = associations.filter(isPossible);
  const warnings = associations.filter((each) => !isPossible(each)).map(({ of, data }) =>
    `${whom}: unusable TLSA RR: 3 ${of === "key" ? 1 : 0} 255 ${data.toString("hex").toUpperCase()}`
  );
  // TLSA records that can match nothing are no reason to ask the authorities instead.
  const useless = possible.length === 0 && (associations.length > 0 || isDane(level));
  if (useless && !isDane(level)) warnings.push(`${whom}: all fingerprints unusable`);
  if (level === "fingerprint") {
    return { names: undefined, associations: possible, hopeless: useless, warnings };
  }
  if (match.includes(".")) warnings.push(`${whom}: ignoring invalid match name: "."`);
  const names = namesToMatch(match, { nexthop: domain, hostname: host });
  if (names.length === 0) warnings.push(`${whom}: could not configure peer name checks`);
  return { names, associations: possible, hopeless: useless || names.length === 0, warnings };
}
