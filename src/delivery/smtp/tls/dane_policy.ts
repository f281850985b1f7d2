import type { MaybeAsync } from "../../../base/maybe_async.ts";
import type { SettingsOf } from "../../../config/parameters/settings_type.ts";
import type { PolicyDraft } from "../../../tls/client_policy.ts";
import { recordLines } from "../../../tls/dane/dane.ts";
import { readDaneDigests } from "../../../tls/dane/dane_digests.ts";
import { daneDraft } from "../../../tls/dane/dane_draft.ts";
import { type DaneContext, daneLevel } from "../../../tls/dane/dane_level.ts";
import type { ClientSettings } from "../client_settings.ts";
import { relayName } from "../peer.ts";
import type { PolicyServer, RefinePolicy } from "./client_policies.ts";
import { ToldLately } from "./told_lately.ts";

/** What DANE goes by (postconf(5)). */
export const DANE_PARAMETERS = [
  "lmtp_tls_force_insecure_host_tlsa_lookup",
  "smtp_tls_dane_insecure_mx_policy",
  "smtp_tls_force_insecure_host_tlsa_lookup",
  "tls_dane_digests",
] as const;

/** Their values. */
export type DaneSettings = SettingsOf<typeof DANE_PARAMETERS>;

/** What is told of it, and when. */
interface DaneWorld {
  readonly now: () => number;
  readonly warn: (text: string) => void;
  readonly note: (text: string) => void;
  /** The records that were found for a server are told of. */
  readonly tellsRecords: (server: { readonly name: string; readonly address: string }) => MaybeAsync<boolean>;
}

/** Turns `dane` and `dane-only` into what a server's TLSA records say (RFC 7672); all else stays as it is. */
export function refineByDane(
  client: ClientSettings,
  settings: DaneSettings,
  resolver: DaneContext["resolver"],
  { now, warn, note, tellsRecords }: DaneWorld,
): RefinePolicy {
  const { program } = client;
  const { digests, warnings } = readDaneDigests(settings.tls_dane_digests);
  warnings.forEach(warn);
  const insecureMx = settings.smtp_tls_dane_insecure_mx_policy;
  const context: DaneContext = {
    resolver,
    dnssec: client.dns === "dnssec" && client.hostLookup.includes("dns"),
    ignoresMxErrors: program === "smtp" && client.ignoreMxLookupError,
    insecureMx: insecureMx === "dane" || insecureMx === "encrypt" ? insecureMx : "may",
    forceTlsa: settings[`${program}_tls_force_insecure_host_tlsa_lookup`],
  };
  const lately = new ToldLately(now);
  const refined = async (draft: PolicyDraft, level: "dane" | "dane-only", server: PolicyServer) => {
    const { host, nexthop, port, target, mx } = server;
    const subject = { host, nexthop, port, mx, owner: target?.owner };
    const { found, warnings } = await daneLevel(level, subject, context);
    if (found.is === "fault") return { is: found.fault, warnings: lately.news(warnings) };
    if (found.is === "other") {
      return { is: { ...draft, level: found.level }, warnings: lately.news(warnings) };
    }
    if (await tellsRecords({ name: host, address: target?.address ?? "" })) {
      lately.news(recordLines(found.owner, found.records)).forEach(note);
    }
    const verified = daneDraft(draft, found, digests, whomOf(server));
    return { is: verified.is, warnings: lately.news([...warnings, ...verified.warnings]) };
  };
  return (draft, server) =>
    draft.level === "dane" || draft.level === "dane-only"
      ? refined(draft, draft.level, server)
      : { is: draft, warnings: [] };
}

function whomOf({ host, target, port }: PolicyServer): string {
  return relayName({ host, address: target?.address ?? host, port });
}
