import type { AddressAnswer, DnsAnswer } from "../../dns/answer.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { addressRecord, pointerRecord } from "../dns_record.ts";
import { hasAddress, whyNothing } from "../name_lookup.ts";

/** What is known of an address that receivers see. */
export interface ReverseFacts {
  readonly address: string;
  readonly ptr: DnsAnswer<"PTR">;
  /** The addresses of each name that it leads to. */
  readonly names: readonly { readonly name: string; readonly addresses: AddressAnswer }[];
  /** Our name in HELO: the one to publish. */
  readonly helo: string;
}

const NAME = "PTR";
const BY_PROVIDER = "let the provider of the address publish it";

/** Whether an address has a name that leads back to it: without one large receivers refuse all mail. */
export function checkReverse({ address, ptr, names, helo }: ReverseFacts): CheckResult[] {
  const record = pointerRecord(address, helo);
  if (ptr.is === "trouble") return [warning(NAME, `the name of ${address} ${whyNothing(ptr)}`)];
  if (names.length === 0) {
    return [problem(NAME, `${address} has no name (PTR)`, { fix: BY_PROVIDER, record })];
  }
  const confirmed = names.find(({ addresses }) => hasAddress(addresses, address));
  const [first] = names;
  if (confirmed === undefined) {
    if (first!.addresses.is === "trouble") {
      return [warning(NAME, `${address} is ${first!.name}, whose address ${whyNothing(first!.addresses)}`)];
    }
    return [problem(NAME, `${address} is ${first!.name}, and that name does not lead back`, {
      fix: `publish the address of ${first!.name}; or ${BY_PROVIDER}: ${record}`,
      record: addressRecord(first!.name, address),
    })];
  }
  if (looksGeneric(confirmed.name, address)) {
    return [
      warning(NAME, `${address} is ${confirmed.name}, a name as dial-up lines have it: many refuse those`, {
        fix: BY_PROVIDER,
        record,
      }),
    ];
  }
  return [ok(NAME, `${address} is ${confirmed.name}, and back`)];
}

const WORDS =
  /(?:^|[.-])(?:dyn(?:amic)?|dial(?:up|in)?|dhcp|pool|ppp|[avx]?dsl|cable|broadband|cust(?:omers?)?)\d*(?=[.-])/i;

/** A name that is made of the address, or of a word for lines that change hands. */
function looksGeneric(name: string, address: string): boolean {
  if (WORDS.test(name)) return true;
  if (address.includes(":")) return false;
  const octets = address.split(".");
  const runs = [octets, [...octets].reverse()].flatMap((
    parts,
  ) => [parts.join("-"), parts.join("."), parts.join("_")]);
  return runs.some((run) => name.includes(run));
}
