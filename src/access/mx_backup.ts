import { splitAddress } from "../address/address.ts";
import { then } from "../base/maybe_async.ts";
import type { RecordOf } from "../dns/record.ts";
import { asciiDomain } from "../rewrite/hostname.ts";
import { addressSubject } from "./address_restrictions.ts";
import { authorizeDestination, permitRecipient } from "./destination_restrictions.ts";
import { ask } from "./dns_checks.ts";
import type { Restriction } from "./restriction.ts";
import { ownFamilies } from "./server_access.ts";
import { DUNNO, rejectedText, type Verdict } from "./verdict.ts";
import type { Workshop } from "./workshop.ts";

/**
 * permit_mx_backup: we are a secondary mail exchanger of the recipient's domain, not a primary one, and the primaries are in
 * permit_mx_backup_networks where that is set (postconf(5)). What the DNS does not say turns a later reject into a deferral.
 */
export function permitMxBackup(shop: Workshop, name: string): Restriction {
  return (query) => {
    const { recipient } = query.facts;
    if (recipient === undefined) return DUNNO;
    return then(authorizeDestination(shop, query, recipient), (answer) => {
      if (typeof answer === "object") return answer;
      if (answer === "authorized") return permitRecipient(recipient, name);
      return then(query.resolve(query.facts.sender, recipient), (resolution) => {
        if (resolution.is === "trouble" || resolution.malformed) return DUNNO;
        if (resolution.routed && !shop.settings.allow_untrusted_routing) return DUNNO;
        const { domain } = splitAddress(resolution.recipient.toLowerCase());
        return domain.startsWith("[") ? DUNNO : backup(shop, name, recipient, domain);
      });
    });
  };
}

type Mx = RecordOf<"MX">;

async function backup(
  shop: Workshop,
  name: string,
  recipient: string,
  domain: string,
): Promise<Verdict> {
  const answer = await ask(shop, asciiDomain(domain) || domain, "MX");
  if (answer.is === "trouble" && answer.retry) {
    return uncertain(recipient, `Unable to look up mail exchanger information: ${answer.why}`);
  }
  if (answer.is !== "records") return DUNNO;
  const best = Math.min(...answer.records.map((mx) => mx.preference));
  const primaries = answer.records.filter((mx) => mx.preference === best);
  const backups = answer.records.filter((mx) => mx.preference !== best);
  const primary = await amAmong(shop, recipient, primaries);
  if (primary !== false) return primary === true ? DUNNO : primary;
  const secondary = await amAmong(shop, recipient, backups);
  if (secondary !== true) return secondary === false ? DUNNO : secondary;
  const trusted = await allInNetworks(shop, recipient, primaries);
  if (trusted !== true) return trusted === false ? DUNNO : trusted;
  return permitRecipient(recipient, name);
}

function uncertain(recipient: string, why: string): Verdict {
  const text = rejectedText(addressSubject("recipient", recipient), why);
  return { is: "defer_if_reject", refusal: { code: 450, status: "4.4.4", text } };
}

/** Whether one of the hosts is this machine, by name or else by address. */
async function amAmong(
  shop: Workshop,
  recipient: string,
  hosts: readonly Mx[],
): Promise<boolean | Verdict> {
  for (const { exchange } of hosts) {
    if (await shop.local.isLocal(exchange) === true) return true;
  }
  let doubt: Verdict | undefined;
  for (const { exchange } of hosts) {
    const found = await shop.dns?.addresses(exchange, ownFamilies(shop));
    if (found?.is !== "records") {
      const why = found?.is === "trouble" ? found.why : "Host not found";
      doubt ??= uncertain(recipient, `Unable to look up mail exchanger host ${exchange}: ${why}`);
      continue;
    }
    if (found.addresses.some(({ address }) => shop.local.isOurAddress(address))) return true;
  }
  return doubt ?? false;
}

/** Whether every address of the hosts is in permit_mx_backup_networks; no list, no condition. */
async function allInNetworks(
  shop: Workshop,
  recipient: string,
  hosts: readonly Mx[],
): Promise<boolean | Verdict> {
  if (shop.mxBackupNetworks === undefined) return true;
  for (const { exchange } of hosts) {
    const found = await shop.dns?.addresses(exchange, ownFamilies(shop));
    if (found?.is !== "records") {
      const why = found?.is === "trouble" ? found.why : "Host not found";
      return uncertain(recipient, `Unable to look up host ${exchange} as mail exchanger: ${why}`);
    }
    for (const { address } of found.addresses) {
      const match = await shop.mxBackupNetworks.matches(address, exchange);
      if (match.is === "trouble") {
        return uncertain(recipient, `Unable to verify host ${exchange} as mail exchanger`);
      }
      if (match.is === "no") return false;
    }
  }
  return true;
}
