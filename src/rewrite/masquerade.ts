import { type Address, internalAddress, quoteLocal, splitAddress } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { splitList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { matched } from "./local_domains.ts";
import { isTrouble, type MapTrouble } from "./map_address.ts";
import type { OpenTables } from "./open_tables.ts";

/** The settings of address masquerading. */
export const MASQUERADE_PARAMETERS = [
  "masquerade_domains",
  "masquerade_exceptions",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type MasqueradeSettings = SettingsOf<typeof MASQUERADE_PARAMETERS>;

/** Cuts a domain down to the masquerade domain that it is below (ADDRESS_REWRITING_README, masquerade_domains). */
export type Masquerade = (address: Address) => MaybeAsync<Address | MapTrouble>;

/** Builds the rule; undefined when masquerade_domains is empty. The order of domains counts; `!domain` stays as it is. */
export function createMasquerade(
  settings: MasqueradeSettings,
  openTables: OpenTables,
): Masquerade | undefined {
  const domains = splitList(settings.masquerade_domains).map((item) => item.toLowerCase());
  if (domains.length === 0) return undefined;
  const title = "masquerade_exceptions";
  const exceptions = openTables.domains(settings.masquerade_exceptions, {
    parentMatches: false,
    exact: true,
    title,
  });
  return (address) => {
    const { local, domain } = splitAddress(address);
    if (domain === "") return address;
    if (exceptions === undefined) return cut(address, local, domain, domains);
    return then(exceptions.matches(quoteLocal(local)), (match) => {
      const excluded = matched(match);
      if (isTrouble(excluded)) return excluded;
      return excluded ? address : cut(address, local, domain, domains);
    });
  };
}

function cut(address: Address, local: string, domain: string, masks: readonly string[]): Address {
  const folded = domain.toLowerCase();
  for (const item of masks) {
    const mask = item.replace(/^!+/, "");
    if (mask === "") continue;
    if (mask === folded) return address;
    if (folded.endsWith(`.${mask}`)) {
      return (item.length - mask.length) % 2 === 0 ? internalAddress(`${local}@${mask}`) : address;
    }
  }
  return address;
}
