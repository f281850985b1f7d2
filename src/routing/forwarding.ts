import { type Address, splitAddress } from "../address/address.ts";
import { asciiDomain } from "../address/idna.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Recipient } from "../queue/envelope.ts";
import type { LocalDomains, Trouble } from "../rewrite/local_domains.ts";
import { matched } from "../rewrite/local_domains.ts";
import type { OpenTables } from "../rewrite/open_tables.ts";
import type { Srs } from "../rewrite/srs.ts";
import { type ClassSettings, createAddressClass } from "./address_class.ts";

/** Whose senders are left alone. */
export const FORWARDING_PARAMETERS = [
  "srs_exclude_domains",
] as const satisfies readonly ParameterName[];

/** What the decision stands on. */
export type ForwardingSettings = ClassSettings & SettingsOf<typeof FORWARDING_PARAMETERS>;

/** Which mail is sent on from here for somebody else, and under which sender. */
export interface Forwarding {
  /** The sender under which a stranger's mail is sent on; undefined where it is ours, or stays as it is. */
  senderOf(sender: Address): MaybeAsync<Address | undefined | Trouble>;
  /** Whether a recipient came for an address of ours and goes to one that is not: by an alias, a .forward file, a virtual alias. */
  isForwarded(recipient: Recipient): MaybeAsync<boolean | Trouble>;
}

/** Builds the decision; undefined where senders are not rewritten. */
export function createForwarding(
  settings: ForwardingSettings,
  { local, openTables, srs }: {
    readonly local: LocalDomains;
    readonly openTables: OpenTables;
    readonly srs: Srs | undefined;
  },
): Forwarding | undefined {
  if (srs === undefined) return undefined;
  const classOf = createAddressClass(settings, openTables);
  const excluded = openTables.domains(settings.srs_exclude_domains, {
    parentMatches: false,
    title: "srs_exclude_domains",
  });
  const isOurs = (given: string): MaybeAsync<boolean | Trouble> => {
    const domain = given.replace(/\.$/, "");
    // A bare name is a user of this machine.
    if (domain === "" || asciiDomain(domain).toLowerCase() === srs.domain) return true;
    return then(local.isLocal(domain), (found) => {
      if (found !== false) return found;
      return then(classOf(domain), (kind) => typeof kind === "object" ? kind : kind !== "default");
    });
  };
  const isExcluded = (domain: string): MaybeAsync<boolean | Trouble> =>
    excluded === undefined ? false : then(excluded.matches(domain), matched);
  return {
    senderOf(sender) {
      const { domain } = splitAddress(sender);
      const left = then(isOurs(domain), (found) => found === false ? isExcluded(domain) : found);
      return then(left, (found) => {
        if (typeof found === "object") return found;
        return found ? undefined : srs.forward(sender);
      });
    },
    isForwarded({ original, address }) {
      if (original === "") return false;
      return then(isOurs(splitAddress(address).domain), (stays) => {
        if (stays !== false) return typeof stays === "object" ? stays : false;
        return isOurs(splitAddress(original).domain);
      });
    },
  };
}
