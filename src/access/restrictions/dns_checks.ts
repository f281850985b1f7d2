import type { DnsAnswer } from "../../dns/answer.ts";
import type { RecordType } from "../../dns/record.ts";
import { asciiDomain } from "../../rewrite/ascii_domain.ts";
import type { Workshop } from "../restriction_deps.ts";

/** Whether a name has what was asked for; `later`: the DNS did not say. */
export type Existence = "yes" | "no" | "later";

/** Asks the DNS. Without a resolver every answer is trouble. */
export async function ask<Type extends RecordType>(
  shop: Workshop,
  name: string,
  type: Type,
): Promise<DnsAnswer<Type>> {
  if (shop.dns === undefined) return { is: "trouble", why: "no resolver", retry: true };
  return await shop.dns.query(name, type);
}

/** Whether a host name has an address or MX record; a null MX is one, too (reject_unknown_helo_hostname). */
export async function hostExists(shop: Workshop, name: string): Promise<Existence> {
  return await anyRecord(shop, name, ["A", "AAAA", "MX"]);
}

async function anyRecord(
  shop: Workshop,
  name: string,
  types: readonly RecordType[],
): Promise<Existence> {
  let later = false;
  for (const type of types) {
    const answer = await ask(shop, name, type);
    if (answer.is === "records") return "yes";
    if (answer.is === "nxdomain") return later ? "later" : "no";
    if (answer.is === "trouble" && answer.retry) later = true;
  }
  return later ? "later" : "no";
}

/** Whether a mail domain could receive mail: MX, or else an address; `null` says that it accepts none (RFC 7505). */
export async function mailDomainExists(
  shop: Workshop,
  domain: string,
): Promise<Existence | "null"> {
  const name = asciiDomain(domain) || domain;
  const mx = await ask(shop, name, "MX");
  if (mx.is === "records") return mx.records.length === 1 && mx.records[0].exchange === "" ? "null" : "yes";
  if (mx.is === "nxdomain") return "no";
  const address = await anyRecord(shop, name, ["A", "AAAA"]);
  return address === "no" && mx.is === "trouble" && mx.retry ? "later" : address;
}
