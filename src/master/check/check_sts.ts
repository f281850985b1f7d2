import type { Configuration } from "../../config/service.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { matchesMxPattern } from "../../tls/sts/mx_pattern.ts";
import { ownPolicyId, ownStsPolicy, stsDomains } from "../../tls/sts/own_policy.ts";
import type { StsPolicy } from "../../tls/sts/sts_policy.ts";
import { printStsRecord, stsRecordId } from "../../tls/sts/sts_record.ts";
import type { Finding } from "./finding.ts";

/** Whether the MTA-STS policy that we serve is one that others can find, and by which mail still comes (RFC 8461). */
export async function checkSts(
  { directory, settings }: Configuration,
  resolver: Pick<Resolver, "mx" | "txt">,
): Promise<Finding[]> {
  const domains = stsDomains(settings);
  if (domains.length === 0) return [];
  const finding = (parameter: string, consequence: string): Finding => {
    const file = `${directory}/main.cf`;
    return {
      severity: "warning",
      text: `${file}: ${consequence}`,
      consequence,
      file,
      parameter,
    };
  };
  const policy = ownStsPolicy(settings);
  if ("problem" in policy) return [finding("mta_sts_mx", `no MTA-STS policy is served: ${policy.problem}`)];
  const problems = await Promise.all(domains.map(async (domain) => [
    ...await recordProblems(domain, policy, resolver),
    ...await exchangerProblems(domain, policy, resolver),
  ]));
  return problems.flat().map((text) => finding("mta_sts_domains", text));
}

async function recordProblems(
  domain: string,
  policy: StsPolicy,
  resolver: Pick<Resolver, "txt">,
): Promise<readonly string[]> {
  const name = `_mta-sts.${domain}`;
  const wanted = `${name} TXT "${printStsRecord(ownPolicyId(policy))}"`;
  const answer = await resolver.txt(name);
  if (answer.is === "trouble") return [`${name}: ${answer.why}: whether there is a record cannot be told`];
  const id = answer.is === "records" ? stsRecordId(answer.records.map(({ text }) => text)) : undefined;
  if (id === undefined) return [`nobody finds the MTA-STS policy of ${domain}: publish ${wanted}`];
  if (id === ownPolicyId(policy)) return [];
  return [`the record of ${name} has id ${id}, as for another policy: publish ${wanted}`];
}

/** Exchangers that the policy does not name: with `enforce` nobody sends them mail. */
async function exchangerProblems(
  domain: string,
  { mx, mode }: StsPolicy,
  resolver: Pick<Resolver, "mx">,
): Promise<readonly string[]> {
  const answer = await resolver.mx(domain);
  const hosts = answer.is === "records" ? answer.records.map(({ exchange }) => exchange) : [];
  const missing = hosts.filter((host) =>
    host !== "" && !mx.some((pattern) => matchesMxPattern(pattern, host))
  );
  if (missing.length === 0 || mode === "none") return [];
  return [`mta_sts_mx does not name ${missing.join(", ")}, where the MX records of ${domain} send mail`];
}
