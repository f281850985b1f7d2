import type { MetricsSnapshot } from "../observe/metrics.ts";

/** What `mta status --json` says of address verification, a few seconds old; nothing when no address was asked about yet. */
export function addressVerification(snapshot: MetricsSnapshot): {
  readonly addressVerification?: { readonly cached: number; readonly probesPending: number };
} {
  const valueOf = (name: string) => snapshot.find((family) => family.name === name)?.samples[0]?.value;
  const probesPending = valueOf("mta_address_probes_pending");
  if (probesPending === undefined) return {};
  return { addressVerification: { cached: valueOf("mta_address_verify_cache_entries") ?? 0, probesPending } };
}
