import type { Resolver } from "../../dns/resolver.ts";
import { findTlsa } from "../../dns/tlsa.ts";
import type { MxDomain, Target } from "../../delivery/smtp/route/address_list.ts";
import { relayName } from "../../delivery/smtp/peer.ts";
import type { PolicyDraft } from "../../tls/client_policy.ts";
import { choosePurposes, recordLines, type TlsaRecord } from "../../tls/dane.ts";
import type { DaneDigests } from "../../tls/dane_digests.ts";
import { daneDraft } from "../../tls/dane_draft.ts";

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
  { host, address, owner }: Pick<Target, "host" | "address" | "owner">,
  port: number,
  mx: MxDomain | undefined,
  context: FingerLevelContext,
): Promise<HostLevel> {
  const { level } = draft;
  const other = (to: PolicyDraft["level"]): HostLevel => ({ draft: { ...draft, level: to }, records: [] });
  if (level !== "dane" && level !== "dane-only") return { draft, records: [] };
  const isInsecureMx = mx !== undefined && !mx.authentic;
  if (isInsecureMx && context.insecureMx === "may") {
    context.say("MX RRset is insecure: try to encrypt");
    return other("may");
  }
  const answer = await findTlsa(context.resolver, { name: host, owner }, port, context.forceTlsa);
  if (answer.is === "trouble") {
    context.warn(answer.why);
    return { problem: `TLSA lookup error for ${host}:${port}` };
  }
  const { usable, warnings } = answer.is === "absent"
    ? { usable: [], warnings: [] }
    : choosePurposes(answer.records, answer);
  warnings.forEach(context.warn);
  if (answer.is === "records" && context.tellsRecords) {
    recordLines(answer.canonical, usable).forEach(context.say);
  }
  if (answer.is === "absent" || usable.length === 0) {
    const which = answer.is === "absent" ? "" : "usable ";
    if (context.verbose || level === "dane-only") {
      context.say(`no ${which}TLSA records found, resorting to "secure"`);
    }
    return other("secure");
  }
  if (isInsecureMx && context.insecureMx === "encrypt") {
    context.say("TLSA RRs found, MX RRset insecure: just encrypt");
    return { draft: { ...draft, level: "encrypt" }, records: usable };
  }
  if (isInsecureMx) context.say("MX RRset insecure: log verified as trusted");
  const names = mx === undefined ? [answer.base] : [answer.base, mx.canonical, mx.name];
  const dane = {
    level: isInsecureMx ? "halfdane" as const : level,
    base: answer.base,
    names,
    records: usable,
  };
  const verified = daneDraft(draft, dane, context.digests, relayName({ host, address, port }));
  verified.warnings.forEach(context.warn);
  return { draft: verified.is, records: usable };
}
