import { splitList } from "../../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { digest } from "../../platform/digest.ts";
import { isMxPattern } from "./mx_pattern.ts";
import { printStsPolicy, type StsMode, type StsPolicy } from "./sts_policy.ts";

/** The parameters that say what our domains demand of others. */
export const OWN_POLICY_PARAMETERS = [
  "mta_sts_domains",
  "mta_sts_max_age",
  "mta_sts_mode",
  "mta_sts_mx",
] as const satisfies readonly ParameterName[];

export type OwnPolicySettings = SettingsOf<typeof OWN_POLICY_PARAMETERS>;

/** The domains that have it, in lower case. */
export function stsDomains({ mta_sts_domains }: OwnPolicySettings): readonly string[] {
  return splitList(mta_sts_domains).map((domain) => domain.toLowerCase());
}

const MODES: Readonly<Record<string, StsMode>> = { testing: "testing", enforce: "enforce", none: "none" };

/** Our own policy, or the word of mta_sts_mx that is no host name. */
export function ownStsPolicy(
  { mta_sts_max_age, mta_sts_mode, mta_sts_mx }: OwnPolicySettings,
): StsPolicy | { readonly problem: string } {
  const mx = splitList(mta_sts_mx).map((pattern) => pattern.toLowerCase());
  const bad = mx.find((pattern) => !isMxPattern(pattern));
  if (bad !== undefined) return { problem: `mta_sts_mx: "${bad}" is no host name` };
  const mode = MODES[mta_sts_mode.toLowerCase()] ?? "testing";
  if (mx.length === 0 && mode !== "none") return { problem: "mta_sts_mx is empty: nobody could send mail" };
  return { mode, mx, maxAge: mta_sts_max_age };
}

/** The id for the record of `_mta-sts`: another one for each policy, as whoever has the old one looks at the id alone (RFC 8461 §3.1). */
export function ownPolicyId(policy: StsPolicy): string {
  return digest("sha256", printStsPolicy(policy)).toString("hex").slice(0, 20);
}

/** What is served to somebody who asks for a host (`mta-sts.DOMAIN`); undefined when that is none of ours. */
export function policyServedFor(host: string, settings: OwnPolicySettings): string | undefined {
  const domain = /^mta-sts\.([^:]+?)\.?(?::\d+)?$/i.exec(host)?.[1]?.toLowerCase();
  if (domain === undefined || !stsDomains(settings).includes(domain)) return undefined;
  const policy = ownStsPolicy(settings);
  return "problem" in policy ? undefined : printStsPolicy(policy);
}
