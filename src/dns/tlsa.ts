import type { DnsAnswer, Owner } from "./answer.ts";
import { queryName } from "./name.ts";
import type { RecordOf } from "./record.ts";
import type { Resolver } from "./resolver.ts";

/** Records of a host that are looked at: no host needs that many, and each may cost a check of signatures for every delivery. */
const MOST_RECORDS = 50;

/** What a host publishes about its certificates, validated (RFC 6698). */
export type TlsaAnswer =
  | {
    readonly is: "records";
    readonly records: readonly RecordOf<"TLSA">[];
    /** The TLSA base domain: the name that the server is asked for and its certificate is for (RFC 7671 §7). */
    readonly base: string;
    /** The name asked for, and where its aliases ended: for warnings. */
    readonly asked: string;
    readonly canonical: string;
  }
  | { readonly is: "absent" }
  /** It cannot be found out now, so it must be taken that there is something (RFC 7672 §2.1). */
  | { readonly is: "trouble"; readonly why: string };

/** A host, and whose its addresses are; no owner where they did not come from the DNS. */
export interface TlsaHost {
  readonly name: string;
  readonly owner: Owner | undefined;
}

/**
 * The TLSA records of a service on a host: of the expanded name where all of the chain that leads there is secure, then of the name
 * itself where the alias is (RFC 7671 §7, RFC 7672 §2.2.2). `force` asks also for hosts whose own zone is not signed
 * (smtp_tls_force_insecure_host_tlsa_lookup).
 */
export async function findTlsa(
  resolver: Resolver,
  { name, owner }: TlsaHost,
  port: number,
  force: boolean,
): Promise<TlsaAnswer> {
  if (queryName(name) === undefined) return { is: "absent" };
  const isAlias = owner !== undefined && owner.canonical.toLowerCase() !== name.toLowerCase();
  if (owner?.authentic !== true && !force) {
    const alias = isAlias ? await isSecureAlias(resolver, name) : false;
    if (alias !== true) return alias === false ? { is: "absent" } : alias;
  }
  if (owner?.authentic === true) {
    const found = await recordsOf(resolver, owner.canonical, port);
    if (found.is !== "absent" || !isAlias) return found;
  }
  return await recordsOf(resolver, name, port);
}

/** Whether the first step of an alias is secure, though not all of the way is. */
async function isSecureAlias(
  resolver: Resolver,
  name: string,
): Promise<boolean | TlsaAnswer & { is: "trouble" }> {
  const answer = await resolver.query(name, "CNAME");
  if (answer.is === "records") return answer.authentic;
  const why = answer.is === "trouble" ? lookupTrouble(name, "CNAME", answer) : "no longer a CNAME";
  return { is: "trouble", why: `DNSSEC status lookup error for ${name}: ${why}` };
}

async function recordsOf(resolver: Resolver, base: string, port: number): Promise<TlsaAnswer> {
  const asked = `_${port}._tcp.${base}`;
  const answer = await resolver.tlsa(asked);
  if (answer.is === "trouble") {
    return { is: "trouble", why: `DANE TLSA lookup problem: ${lookupTrouble(asked, "TLSA", answer)}` };
  }
  if (answer.is !== "records" || !answer.authentic) return { is: "absent" };
  const records = answer.records.slice(0, MOST_RECORDS);
  return { is: "records", records, base, asked, canonical: answer.canonical };
}

/** dns_lookup(3)'s words. */
function lookupTrouble(name: string, type: string, answer: DnsAnswer & { is: "trouble" }): string {
  if (!answer.retry && answer.malformed !== undefined) {
    return `Name service error for name=${name} type=${type}: ${answer.why}`;
  }
  const why = answer.retry ? "Host not found, try again" : "Non-recoverable error";
  return `Host or domain name not found. Name service error for name=${name} type=${type}: ${why}`;
}
