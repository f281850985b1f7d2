import { quoteAddress, quoteLocal, splitAddress } from "../../address/address.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { ExtensionSettings } from "../../rewrite/find_address.ts";
import { splitExtension } from "../../table/search/extension.ts";
import { parentKeys } from "../../table/search/host_keys.ts";
import { ABSENT, type Answer, type Table } from "../../table/table.ts";

/** How access tables are searched. */
export interface AccessLookup extends ExtensionSettings {
  /** Parent domains match their subdomains; else `.domain` does (parent_domain_matches_subdomains, smtpd_access_maps). */
  readonly parentMatches: boolean;
  /** `@domain` keys too, after Postfix's own (access_at_domain_keys). What they permit is no leave to relay. */
  readonly access_at_domain_keys: boolean;
}

/** Asks for the keys in order until one is there, or cannot be looked up. Pattern tables get the first `whole` keys only. */
export function firstFound(table: Table, keys: readonly string[], whole = 1): MaybeAsync<Answer> {
  return ask(table, keys, table.pattern ? Math.min(whole, keys.length) : keys.length, 0);
}

function ask(table: Table, keys: readonly string[], end: number, from: number): MaybeAsync<Answer> {
  for (let at = from; at < end; at++) {
    const answer = table.lookup(keys[at]!);
    if (isPromise(answer)) {
      return answer.then((late) => late.is === "absent" ? ask(table, keys, end, at + 1) : late);
    }
    if (answer.is !== "absent") return answer;
  }
  return ABSENT;
}

/** The keys of a mail address, and how many of them hold the whole of it (access(5), EMAIL ADDRESS PATTERNS). */
export function mailKeys(
  address: string,
  lookup: AccessLookup,
): { readonly keys: string[]; readonly whole: number } {
  const keys = bothForms(address);
  const whole = keys.length;
  const { local, domain } = splitAddress(address);
  const split = splitExtension(local, lookup.recipient_delimiter, lookup.owner_request_special);
  if (split.extension !== undefined) keys.push(...bothForms(`${split.base}@${domain}`));
  keys.push(...parentKeys(domain, lookup.parentMatches));
  keys.push(...bothLocalForms(local));
  if (split.extension !== undefined) keys.push(...bothLocalForms(split.base));
  return { keys, whole };
}

/** As written outside, then as it is inside, when the two differ. */
function bothForms(address: string): string[] {
  const external = quoteAddress(address);
  return external === address ? [address] : [external, address];
}

function bothLocalForms(local: string): string[] {
  const external = quoteLocal(local);
  return external === local ? [`${local}@`] : [`${external}@`, `${local}@`];
}
