import type { Clock } from "../../base/clock.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { evaluateDmarc } from "../../mailauth/dmarc/evaluate_dmarc.ts";
import { checkSpf } from "../../mailauth/spf/check_spf.ts";
import type { SpfResult } from "../../mailauth/spf/spf_result.ts";
import type { CheckResult } from "../check_result.ts";
import { checkDkim, type DkimFacts } from "./dkim_check.ts";
import { checkDmarc } from "./dmarc_check.ts";
import { checkDestinations } from "./report_destinations.ts";
import { checkSpfOfHelo, checkSpfRecord } from "./spf_check.ts";

/** Who we say that we are, and what is known of it. */
export interface Identity {
  readonly sender: string;
  readonly domain: string;
  readonly helo: string;
  /** Addresses that receivers see; empty where they are not known. */
  readonly seen: readonly string[];
  readonly dkim: DkimFacts;
  readonly bulk: boolean;
}

/** What identity is judged with. */
export interface IdentityWorld {
  readonly resolver: Pick<Resolver, "query">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Who asks, for records that want to know (RFC 7208 §7.3). */
const RECEIVER = "receiver.invalid";

/** SPF, DKIM and DMARC, each on what the one before has found. */
export async function checkIdentity(identity: Identity, world: IdentityWorld): Promise<CheckResult[]> {
  const { sender, domain, helo, seen, dkim, bulk } = identity;
  const { resolver, signal } = world;
  const judge = (of: string) =>
    Promise.all(seen.map(async (address) => ({
      address,
      result: await checkSpf({ ip: address, helo, sender: of, receiver: RECEIVER }, world),
    })));
  const [judged, ofNotices] = await Promise.all([judge(sender), judge("")]);
  const [texts, policies, result] = await Promise.all([
    resolver.query(domain, "TXT", signal),
    resolver.query(`_dmarc.${domain}`, "TXT", signal),
    evaluateDmarc({
      fromDomains: [domain],
      spf: { is: worstSpf(judged.map((each) => each.result)), domain },
      dkim: signatures(dkim),
    }, world),
  ]);
  return [
    ...checkSpfRecord({ domain, texts, judged }),
    ...checkSpfOfHelo(helo, ofNotices),
    ...checkDkim(dkim),
    ...checkDmarc({ domain, texts: policies, result, bulk, spfUnknown: seen.length === 0 }),
    ...await checkDestinations(result, resolver, signal),
  ];
}

/** Mail passes only where each address does. */
function worstSpf(results: readonly SpfResult[]): SpfResult["is"] {
  return results.find(({ is }) => is !== "pass")?.is ?? results[0]?.is ?? "none";
}

/** The signatures that receivers could check. */
function signatures({ keys }: DkimFacts) {
  if (keys.is !== "keys") return [];
  return keys.reports.map(({ domain, published }) => ({
    is: published === "published"
      ? "pass" as const
      : published === "unknown"
      ? "temperror" as const
      : "fail" as const,
    domain,
  }));
}
