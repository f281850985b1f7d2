import type { DnsAnswer } from "../dns/answer.ts";
import type { RecordType } from "../dns/record.ts";
import { asciiDomain } from "../rewrite/hostname.ts";
import type { Query } from "./restriction.ts";
import type { Workshop } from "./workshop.ts";

/** Whether a name has what was asked for; `later`: the DNS did not say. */
export type Existence = "yes" | "no" | "later";

/** Asks the DNS and writes the question down. Without a resolver every answer is trouble. */
export async function ask<Type extends RecordType>(
  shop: Workshop,
  name: string,
  type: Type,
  query: Query,
): Promise<DnsAnswer<Type>> {
  const answer: DnsAnswer<Type> = shop.dns === undefined
    ? { is: "trouble", why: "no resolver", retry: true }
    : await shop.dns.query(name, type);
  query.lookups?.push({ source: `dns:${type}`, key: name, answer: answerText(answer) });
  return answer;
}

function answerText(answer: DnsAnswer): string | undefined {
  if (answer.is === "records") return `${answer.records.length} record(s)`;
  return answer.is === "trouble" ? `trouble: ${answer.why}` : undefined;
}

/** Whether a host name has an address or MX record; a null MX is one, too (reject_unknown_helo_hostname). */
export async function hostExists(shop: Workshop, name: string, query: Query): Promise<Existence> {
  return await anyRecord(shop, name, ["A", "AAAA", "MX"], query);
}

async function anyRecord(
  shop: Workshop,
  name: string,
  types: readonly RecordType[],
  query: Query,
): Promise<Existence> {
  let later = false;
  for (const type of types) {
    const answer = await ask(shop, name, type, query);
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
  query: Query,
): Promise<Existence | "null"> {
  const name = asciiDomain(domain) || domain;
  const mx = await ask(shop, name, "MX", query);
  if (mx.is === "records") return mx.records.length === 1 && mx.records[0].exchange === "" ? "null" : "yes";
  if (mx.is === "nxdomain") return "no";
  const address = await anyRecord(shop, name, ["A", "AAAA"], query);
  return address === "no" && mx.is === "trouble" && mx.retry ? "later" : address;
}
