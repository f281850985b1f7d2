import type { DnsAnswer } from "../../dns/answer.ts";
import type { RecordType } from "../../dns/record.ts";
import { asciiDomain } from "../../address/idna.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** Whether a name has what was asked for; `later`: the DNS did not say. */
export type Existence = "yes" | "no" | "later";

/** Asks the DNS. Without a resolver every answer is trouble. */
export async function ask<Type extends RecordType>(
  deps: RestrictionDeps,
  name: string,
  type: Type,
): Promise<DnsAnswer<Type>> {
  if (deps.dns === undefined) return { is: "trouble", why: "no resolver", retry: true };
  return await deps.dns.query(name, type);
}

/** Whether a host name has an address or MX record; a null MX is one, too (reject_unknown_helo_hostname). */
export async function hostExists(deps: RestrictionDeps, name: string): Promise<Existence> {
  return await anyRecord(deps, name, ["A", "AAAA", "MX"]);
}

async function anyRecord(
  deps: RestrictionDeps,
  name: string,
  types: readonly RecordType[],
): Promise<Existence> {
  let later = false;
  for (const type of types) {
    const answer = await ask(deps, name, type);
    if (answer.is === "records") return "yes";
    if (answer.is === "nxdomain") return later ? "later" : "no";
    if (answer.is === "trouble" && answer.retry) later = true;
  }
  return later ? "later" : "no";
}

/** Whether a mail domain could receive mail: MX, or else an address; `null` says that it accepts none (RFC 7505). */
export async function mailDomainExists(
  deps: RestrictionDeps,
  domain: string,
): Promise<Existence | "null"> {
  const name = asciiDomain(domain) || domain;
  const mx = await ask(deps, name, "MX");
  if (mx.is === "records") return mx.records.length === 1 && mx.records[0]!.exchange === "" ? "null" : "yes";
  if (mx.is === "nxdomain") return "no";
  const address = await anyRecord(deps, name, ["A", "AAAA"]);
  return address === "no" && mx.is === "trouble" && mx.retry ? "later" : address;
}
