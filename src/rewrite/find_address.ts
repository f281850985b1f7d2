import { quoteAddress } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import {
  type AddressForm,
  type EmailAnswer,
  findAddress,
  REWRITE_FORMS,
} from "../table/search/email_lookup.ts";
import type { Answer } from "../table/table.ts";
import type { LocalDomains } from "./local_domains.ts";
import type { OpenMaps } from "./open_tables.ts";

/** The settings that say what an address extension is. */
export const EXTENSION_PARAMETERS = [
  "recipient_delimiter",
  "owner_request_special",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type ExtensionSettings = SettingsOf<typeof EXTENSION_PARAMETERS>;

/** Looks addresses up as canonical(5), virtual(5) and the recipient tables do, internal form. */
export type FindAddress = (
  maps: OpenMaps,
  address: string,
  forms?: readonly AddressForm[],
) => MaybeAsync<EmailAnswer>;

/** Whose addresses count as local beside local domains. */
export const ORIGIN_PARAMETERS = [
  "myorigin",
] as const satisfies readonly ParameterName[];

/** Builds the lookup of one configuration. Bare local parts are tried for $myorigin and local domains only. */
export function createFindAddress(
  settings: ExtensionSettings & SettingsOf<typeof ORIGIN_PARAMETERS>,
  local: LocalDomains,
): FindAddress {
  const origin = settings.myorigin.toLowerCase();
  return (maps, address, forms = REWRITE_FORMS) => {
    const domain = address.slice(address.lastIndexOf("@") + 1);
    const usesLocal = forms.includes("local-part") && domain !== address && domain.toLowerCase() !== origin;
    return then(usesLocal ? local.isLocal(domain) : true, (isLocal) => {
      if (typeof isLocal === "object") return trouble(isLocal.trouble);
      return findAddress(asker(maps, address), address, {
        delimiters: settings.recipient_delimiter,
        ownerRequestSpecial: settings.owner_request_special,
        forms,
        isLocal: () => isLocal,
      });
    });
  };
}

function asker(maps: OpenMaps, address: string): (key: string) => MaybeAsync<Answer> {
  if (maps.partial.tables.length === maps.whole.tables.length) return maps.whole.find;
  const external = quoteAddress(address);
  return (key) => key === address || key === external ? maps.whole.find(key) : maps.partial.find(key);
}

function trouble(why: string): EmailAnswer {
  return { answer: { is: "trouble", retry: true, why }, key: "", extension: "" };
}
