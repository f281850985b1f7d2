import type { PolicyDraft, Warned } from "../client_policy.ts";
import { daneAssociations } from "./dane.ts";
import type { DaneDigests } from "./dane_digests.ts";
import type { DaneLevel } from "./dane_level.ts";

/**
 * A policy whose server TLSA records vouch for. Where none of them can, `dane` goes on without knowing who the server is, and
 * `dane-only` with nobody who could vouch. `whom` is `host[address]:port`.
 */
export function daneDraft(
  draft: PolicyDraft,
  { level, base, names, records }: Pick<DaneLevel & { is: "dane" }, "level" | "base" | "names" | "records">,
  digests: DaneDigests,
  whom: string,
): Warned<PolicyDraft> {
  const { usable, warnings } = daneAssociations(records, digests, whom);
  const own: PolicyDraft = { ...draft, level, serverName: base, match: names, associations: usable };
  if (usable.length > 0) return { is: own, warnings };
  const unusable = `${whom}: all TLSA records unusable`;
  if (level === "dane-only") return { is: own, warnings: [...warnings, unusable] };
  return {
    is: { ...own, level: "encrypt", match: [], saysUntrusted: true },
    warnings: [...warnings, `${unusable}, fallback to unauthenticated TLS`],
  };
}
