import { relayName } from "../../delivery/smtp/peer.ts";
import type { MxDomain, Target } from "../../delivery/smtp/route/address_list.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { PolicyDraft } from "../../tls/client_policy.ts";
import { recordLines, type TlsaRecord } from "../../tls/dane/dane.ts";
import type { DaneDigests } from "../../tls/dane/dane_digests.ts";
import { daneDraft } from "../../tls/dane/dane_draft.ts";
import { type DaneHost, daneNames, findDaneHost } from "../../tls/dane/dane_host.ts";

/** What the level of a host is found with. */
export interface FingerLevelContext {
  readonly resolver: Resolver;
  readonly digests: DaneDigests;
  readonly insecureMx: "may" | "encrypt" | "dane";
  readonly forceTlsa: boolean;
  readonly verbose: boolean;
  /** The records that were found are shown (-L verbose, dane). */
  readonly tellsRecords: boolean;
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
}

/** A host's level, and the TLSA records that it comes from; or why it is passed over. */
export type HostLevel =
  | { readonly draft: PolicyDraft; readonly records: readonly TlsaRecord[] }
  | { readonly problem: string };

/**
 * What `dane` and `dane-only` come to for a host: without records that can be used it is `secure`, since nothing is sent here
 * (posttls-finger(1), -l).
 */
export async function hostLevel(
  draft: PolicyDraft,
  target: Pick<Target, "host" | "address" | "owner">,
  port: number,
  mx: MxDomain | undefined,
  context: FingerLevelContext,
): Promise<HostLevel> {
  const { level } = draft;
  if (level !== "dane" && level !== "dane-only") return { draft, records: [] };
  if (mx !== undefined && !mx.authentic && context.insecureMx === "may") {
    context.say("MX RRset is insecure: try to encrypt");
    return { draft: { ...draft, level: "may" }, records: [] };
  }
  const found = await findDaneHost(context.resolver, { ...target, port }, context.forceTlsa);
  if (found.is === "trouble") {
    context.warn(found.why);
    return { problem: `TLSA lookup error for ${target.host}:${port}` };
  }
  if (found.is !== "absent") found.warnings.forEach(context.warn);
  if (found.is === "usable") {
    const whom = relayName({ ...target, port });
    return { draft: byRecords({ ...draft, level }, found, mx, whom, context), records: found.records };
  }
  if (context.verbose || level === "dane-only") {
    const which = found.is === "absent" ? "" : "usable ";
    context.say(`no ${which}TLSA records found, resorting to "secure"`);
  }
  return { draft: { ...draft, level: "secure" }, records: [] };
}

/** What records make of the level, as far as the way to their host is signed. */
function byRecords(
  draft: PolicyDraft & { readonly level: "dane" | "dane-only" },
  { base, records, owner }: DaneHost & { is: "usable" },
  mx: MxDomain | undefined,
  whom: string,
  { insecureMx, digests, tellsRecords, say, warn }: FingerLevelContext,
): PolicyDraft {
  if (tellsRecords) recordLines(owner, records).forEach(say);
  const isInsecureMx = mx !== undefined && !mx.authentic;
  if (isInsecureMx && insecureMx === "encrypt") {
    say("TLSA RRs found, MX RRset insecure: just encrypt");
    return { ...draft, level: "encrypt" };
  }
  if (isInsecureMx) say("MX RRset insecure: log verified as trusted");
  const level = isInsecureMx ? "halfdane" : draft.level;
  const verified = daneDraft(draft, { level, base, names: daneNames(base, mx), records }, digests, whom);
  verified.warnings.forEach(warn);
  return verified.is;
}
