import { quoteAddress, splitAddress } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { OpenTables } from "../rewrite/open_tables.ts";
import { splitExtension } from "../table/search/extension.ts";

/** The settings that say which sender addresses a login name may use. */
export const LOGIN_SENDER_PARAMETERS = [
  "local_login_sender_maps",
  "empty_address_local_login_sender_maps_lookup_key",
  "recipient_delimiter",
  "owner_request_special",
] as const satisfies readonly ParameterName[];

export type LoginSenderSettings = SettingsOf<typeof LOGIN_SENDER_PARAMETERS>;

/** Undefined when the login name may use the sender; else why not, in postdrop(1)'s words. */
export type SenderRefusal = { readonly is: "forbidden" | "trouble"; readonly why: string } | undefined;

/** Builds the check of local_login_sender_maps (postconf(5)). Senders are in internal form, as they were given. */
export function openLoginSenders(
  settings: LoginSenderSettings,
  openTables: OpenTables,
): (login: string, sender: string) => MaybeAsync<SenderRefusal> {
  const { local_login_sender_maps: spec } = settings;
  const maps = spec === "static:*" ? undefined : openTables.maps(spec, "local_login_sender_maps");
  const forbidden = (sender: string): SenderRefusal => ({
    is: "forbidden",
    why: `not authorized to use sender='${sender}'`,
  });
  return (login, sender) => {
    if (spec === "static:*") return undefined;
    if (maps === undefined) return forbidden(sender);
    return then(maps.whole.find(login), (answer): SenderRefusal => {
      if (answer.is === "trouble") {
        return {
          is: "trouble",
          why: `local_login_sender_maps table lookup error for '${spec}': ${answer.why}`,
        };
      }
      const isAllowed = answer.is === "found" &&
        patternsIn(answer.value).some((pattern) => matches(pattern.toLowerCase(), sender, settings));
      return isAllowed ? undefined : forbidden(sender);
    });
  };
}

/** Parted by blanks and commas, but not between double quotes. */
function patternsIn(value: string): readonly string[] {
  return value.match(/(?:"(?:\\.|[^"\\])*"|[^\s,"])+/g) ?? [];
}

/** A pattern, in lower case, is for a domain, for all, for the null sender, or an address in external form without extension. */
function matches(pattern: string, sender: string, settings: LoginSenderSettings): boolean {
  const { local, domain } = splitAddress(sender);
  if (pattern.startsWith("@")) return sender.includes("@") && pattern === `@${domain}`.toLowerCase();
  if (pattern === "*") return true;
  if (pattern === settings.empty_address_local_login_sender_maps_lookup_key.toLowerCase()) {
    return sender === "";
  }
  const { recipient_delimiter, owner_request_special } = settings;
  const { base } = splitExtension(local, recipient_delimiter, owner_request_special);
  const stripped = sender.includes("@") ? `${base}@${domain}` : base;
  return pattern === quoteAddress(stripped).toLowerCase();
}
