import type { Owner } from "../../dns/answer.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { findTlsa } from "../../dns/tlsa.ts";
import { choosePurposes, type TlsaRecord } from "./dane.ts";

/** What a host publishes that is of use for mail. */
export type DaneHost =
  | {
    readonly is: "usable";
    /** The name to ask for, and that certificates under a trust anchor must be for (RFC 7672 §3.2). */
    readonly base: string;
    readonly records: readonly TlsaRecord[];
    /** Whose the records are: the end of their aliases. */
    readonly owner: string;
    readonly warnings: readonly string[];
  }
  | { readonly is: "unusable"; readonly warnings: readonly string[] }
  | { readonly is: "absent" }
  | { readonly is: "trouble"; readonly why: string };

/** A service on a host. */
export interface DaneService {
  readonly host: string;
  readonly port: number;
  /** Whose its address is; undefined where that did not come from the DNS. */
  readonly owner: Owner | undefined;
}

/** Looks for it; `force` also where the host's own zone is not signed (smtp_tls_force_insecure_host_tlsa_lookup). */
export async function findDaneHost(
  resolver: Resolver,
  { host, port, owner }: DaneService,
  force: boolean,
): Promise<DaneHost> {
  const answer = await findTlsa(resolver, { name: host, owner }, port, force);
  if (answer.is !== "records") return answer;
  const { usable, warnings } = choosePurposes(answer.records, answer);
  return usable.length === 0
    ? { is: "unusable", warnings }
    : { is: "usable", base: answer.base, records: usable, owner: answer.canonical, warnings };
}

/** The domain whose MX records led to a host. */
export type DaneDomain = Owner & { readonly name: string };

/** A certificate under a trust anchor may also be for the domain whose mail the host takes (RFC 7672 §3.2.2). */
export function daneNames(base: string, mx: DaneDomain | undefined): readonly string[] {
  return mx === undefined ? [base] : [...new Set([base, mx.canonical, mx.name])];
}
