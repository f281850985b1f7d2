import { canonicalIp, withoutMapping } from "../address/ip.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { splitList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Match } from "../table/search/match_list.ts";
import { bracketedAddress } from "../address/host_address.ts";
import type { OpenTables } from "./open_tables.ts";

/** A list or table that could not be asked. */
export interface Trouble {
  readonly trouble: string;
}

/** Which domains are delivered on this machine: mydestination, and `[address]` of an own or proxy interface. */
export interface LocalDomains {
  isLocal(domain: string): MaybeAsync<boolean | Trouble>;
  /** Whether an IP address is one of inet_interfaces (not proxy_interfaces). */
  isOwnAddress(address: string): boolean;
  /** Whether an IP address is one of inet_interfaces or proxy_interfaces. */
  isOurAddress(address: string): boolean;
}

/** The settings that local domains depend on. */
export const LOCAL_DOMAIN_PARAMETERS = [
  "mydestination",
  "proxy_interfaces",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type LocalDomainSettings = SettingsOf<typeof LOCAL_DOMAIN_PARAMETERS>;

/** A match as a plain answer. */
export function matched(match: Match): boolean | Trouble {
  return match.is === "trouble" ? { trouble: match.why } : match.is === "yes";
}

/** Builds the test. `ownAddresses` are those of inet_interfaces, as text. */
export function createLocalDomains(
  settings: LocalDomainSettings,
  ownAddresses: readonly string[],
  openTables: OpenTables,
): LocalDomains {
  const list = openTables.domains(settings.mydestination, {
    parentMatches: false,
    exact: true,
    title: "mydestination",
  });
  const own = new Set(ownAddresses.map(canonicalText));
  const proxies = new Set(
    splitList(settings.proxy_interfaces).map((item) => canonicalText(unbracketed(item))),
  );
  const isOwnAddress = (address: string) => own.has(canonicalText(address));
  const isOurAddress = (address: string) => isOwnAddress(address) || proxies.has(canonicalText(address));
  const isOurLiteral = (domain: string) => {
    const address = bracketedAddress(domain);
    return address !== undefined && isOurAddress(address);
  };
  return {
    isOwnAddress,
    isOurAddress,
    isLocal(text) {
      const domain = text.endsWith(".") ? text.slice(0, -1) : text;
      if (domain === "" || domain.endsWith(".")) return false;
      if (list === undefined) return isOurLiteral(domain);
      return then(list.matches(domain), (match) => {
        const found = matched(match);
        return found === false ? isOurLiteral(domain) : found;
      });
    },
  };
}

/** An IPv4 address is ours in any spelling, also as `::ffff:192.0.2.1`. */
function canonicalText(address: string): string {
  return withoutMapping(canonicalIp(address) ?? address);
}

function unbracketed(item: string): string {
  return item.replace(/^\[(?:ipv6:)?(.*)\]$/i, "$1");
}
