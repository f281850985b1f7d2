import { splitAddress } from "../../address/address.ts";
import { then } from "../../base/maybe_async.ts";
import type { RecordOf } from "../../dns/record.ts";
import { whyNot } from "../../dns/reverse.ts";
import { isHostAddress } from "../../address/host_address.ts";
import { asciiDomain } from "../../address/idna.ts";
import { addressSubject } from "./address_restrictions.ts";
import { authorizeDestination, permitRecipient } from "./destination_restrictions.ts";
import { ask } from "./dns_checks.ts";
import type { Restriction, Verdict } from "../restriction.ts";
import { ownFamilies } from "./server_access.ts";
import { DUNNO, rejectedText } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/**
 * permit_mx_backup: we are a secondary mail exchanger of the recipient's domain, not a primary one, and the primaries are in
 * permit_mx_backup_networks where that is set (postconf(5)). What the DNS does not say turns a later reject into a deferral.
 */
export function permitMxBackup(deps: RestrictionDeps, name: string): Restriction {
  return (query) => {
    const { recipient } = query.facts;
    if (recipient === undefined) return DUNNO;
    return then(authorizeDestination(deps, query, recipient), (answer) => {
      if (typeof answer === "object") return answer;
      if (answer === "authorized") return permitRecipient(recipient, name);
      return then(query.resolve(query.facts.sender, recipient), (resolution) => {
        if (resolution.is === "trouble" || resolution.malformed) return DUNNO;
        if (resolution.routed && !deps.settings.allow_untrusted_routing) return DUNNO;
        const { domain } = splitAddress(resolution.recipient.toLowerCase());
        return domain.startsWith("[") ? DUNNO : backup(deps, name, recipient, domain);
      });
    });
  };
}

type Mx = RecordOf<"MX">;

async function backup(
  deps: RestrictionDeps,
  name: string,
  recipient: string,
  domain: string,
): Promise<Verdict> {
  const answer = await ask(deps, asciiDomain(domain) || domain, "MX");
  if (answer.is === "trouble" && answer.retry) {
    return uncertain(recipient, `Unable to look up mail exchanger information: ${answer.why}`);
  }
  if (answer.is !== "records") return DUNNO;
  const best = Math.min(...answer.records.map((mx) => mx.preference));
  const primaries = answer.records.filter((mx) => mx.preference === best);
  const backups = answer.records.filter((mx) => mx.preference !== best);
  const exchangers = new Exchangers(deps, recipient);
  const permitted = !await exchangers.includeUs(primaries) && await exchangers.includeUs(backups) &&
    await exchangers.areTrusted(primaries);
  return permitted ? permitRecipient(recipient, name) : exchangers.doubt ?? DUNNO;
}

function uncertain(recipient: string, why: string): Verdict {
  const text = rejectedText(addressSubject("recipient", recipient), why);
  return { is: "defer_if_reject", refusal: { code: 450, status: "4.4.4", text } };
}

/** Questions about a domain's mail exchangers. What cannot be looked up counts as no, and leaves a doubt. */
class Exchangers {
  readonly #deps: RestrictionDeps;
  readonly #recipient: string;
  /** The first thing that could not be looked up: a later reject is only for now. */
  doubt: Verdict | undefined;

  constructor(deps: RestrictionDeps, recipient: string) {
    this.#deps = deps;
    this.#recipient = recipient;
  }

  /** Whether one of the hosts is this machine, by name or else by address. */
  async includeUs(hosts: readonly Mx[]): Promise<boolean> {
    const { local } = this.#deps;
    for (const { exchange } of hosts) {
      if (await local.isLocal(exchange) === true) return true;
    }
    for (const { exchange } of hosts) {
      const found = await this.#addresses(exchange);
      if (typeof found === "string") {
        this.#doubt(`Unable to look up mail exchanger host ${exchange}: ${found}`);
      } else if (found.some((address) => local.isOurAddress(address))) return true;
    }
    return false;
  }

  /** Whether every address of the hosts is in permit_mx_backup_networks; no list, no condition. */
  async areTrusted(hosts: readonly Mx[]): Promise<boolean> {
    const { mxBackupNetworks: networks } = this.#deps;
    if (networks === undefined) return true;
    for (const { exchange } of hosts) {
      const found = await this.#addresses(exchange);
      if (typeof found === "string") {
        this.#doubt(`Unable to look up host ${exchange} as mail exchanger: ${found}`);
        return false;
      }
      for (const address of found) {
        const match = await networks.matches(address, exchange);
        if (match.is === "trouble") this.#doubt(`Unable to verify host ${exchange} as mail exchanger`);
        if (match.is !== "yes") return false;
      }
    }
    return true;
  }

  /** A host's addresses, or why there are none in the C library's words. */
  async #addresses(host: string): Promise<readonly string[] | string> {
    if (isHostAddress(host)) return [host];
    const found = await this.#deps.dns?.addresses(host, ownFamilies(this.#deps));
    if (found === undefined) return "Temporary failure in name resolution";
    return found.is === "records" ? found.addresses.map(({ address }) => address) : whyNot(found);
  }

  #doubt(why: string): void {
    this.doubt ??= uncertain(this.#recipient, why);
  }
}
