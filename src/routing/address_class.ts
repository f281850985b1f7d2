import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { matched, type Trouble } from "../rewrite/local_domains.ts";
import { type OpenTables, parentMatches } from "../rewrite/open_tables.ts";
import type { DomainList } from "../table/search/match_list.ts";
import type { AddressClass } from "./route.ts";

/** The settings that make the address classes. */
export const CLASS_PARAMETERS = [
  "virtual_alias_domains",
  "virtual_mailbox_domains",
  "relay_domains",
  "parent_domain_matches_subdomains",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type ClassSettings = SettingsOf<typeof CLASS_PARAMETERS>;

/** The class of a domain that is not local (ADDRESS_CLASS_README). */
export type ClassOf = (domain: string) => MaybeAsync<AddressClass | Trouble>;

interface Row {
  readonly class: AddressClass;
  readonly list: DomainList;
}

/** Builds the classification: virtual alias, virtual mailbox, relay, and whatever is left, in that order. */
export function createAddressClass(settings: ClassSettings, openTables: OpenTables): ClassOf {
  const whole = { parentMatches: false, exact: true };
  const relay = { parentMatches: parentMatches(settings, "relay_domains"), title: "relay_domains" };
  const rows = [
    row(
      "virtual alias",
      openTables.domains(settings.virtual_alias_domains, { ...whole, title: "virtual_alias_domains" }),
    ),
    row(
      "virtual mailbox",
      openTables.domains(settings.virtual_mailbox_domains, { ...whole, title: "virtual_mailbox_domains" }),
    ),
    row("relay", openTables.domains(settings.relay_domains, relay)),
  ].flat();
  return (domain) => classFrom(rows, domain, 0);
}

function row(kind: AddressClass, list: DomainList | undefined): Row[] {
  return list === undefined ? [] : [{ class: kind, list }];
}

function classFrom(rows: readonly Row[], domain: string, at: number): MaybeAsync<AddressClass | Trouble> {
  if (at >= rows.length) return "default";
  return then(rows[at]!.list.matches(domain), (match) => {
    const found = matched(match);
    if (typeof found === "object") return found;
    return found ? rows[at]!.class : classFrom(rows, domain, at + 1);
  });
}
