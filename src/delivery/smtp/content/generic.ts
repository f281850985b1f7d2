import { type MaybeAsync, then } from "../../../base/maybe_async.ts";
import { rewriteField } from "../../../address/address_list.ts";
import { ADDRESS_HEADERS } from "../../../cleanup/header_addresses.ts";
import { splitList } from "../../../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../../../config/parameters/settings_type.ts";
import { type AddressFormSettings, createAddressForm } from "../../../rewrite/address_form.ts";
import type { FindAddress } from "../../../rewrite/find_address.ts";
import { isTrouble, mapAddress } from "../../../rewrite/map_address.ts";
import type { OpenTables } from "../../../rewrite/open_tables.ts";
import type { RewriteField } from "./header_filter.ts";

/** The parameters of address mapping on the way out. */
export const GENERIC_PARAMETERS = [
  "propagate_unmatched_extensions",
  "header_address_token_limit",
] as const satisfies readonly ParameterName[];

/** Settings that address mapping on the way out depends on. */
export type GenericSettings =
  & AddressFormSettings
  & SettingsOf<typeof GENERIC_PARAMETERS>;

/** Tables and lookup that the rooms for rewriting provide. */
export interface RewritingTools {
  readonly openTables: OpenTables;
  readonly find: FindAddress;
}

/** Addresses as the world outside shall see them (generic(5)). */
export interface Generic {
  /** An envelope address. Throws when the table cannot be asked: the mail waits. */
  readonly address: (address: string) => MaybeAsync<string>;
  /** The addresses in a field of the message's header. */
  readonly field: RewriteField;
}

/** Opens smtp_generic_maps or lmtp_generic_maps; undefined when it is empty. */
export function openGeneric(
  maps: string,
  title: string,
  settings: GenericSettings,
  { openTables, find }: RewritingTools,
): Generic | undefined {
  const opened = openTables.maps(maps, title);
  if (opened === undefined) return undefined;
  const form = createAddressForm(settings);
  const propagate = splitList(settings.propagate_unmatched_extensions).includes("generic");
  const address = (given: string): MaybeAsync<string> =>
    given === "" ? "" : then(mapAddress(find, form, opened, given, propagate), (mapped) => {
      if (mapped === undefined) return given;
      if (isTrouble(mapped)) throw new Error(mapped.trouble);
      return mapped[0]!;
    });
  return { address, field: fieldRewriter(settings.header_address_token_limit, address) };
}

/** Rewrites the addresses of a field. It goes through as Latin-1, but for the addresses: those are looked up as UTF-8. */
function fieldRewriter(limit: number, address: (address: string) => MaybeAsync<string>): RewriteField {
  const mapped = (bytes: string) => {
    const given = Buffer.from(bytes, "latin1").toString("utf8");
    return then(
      address(given),
      (now) => now === given ? undefined : { address: Buffer.from(now, "utf8").toString("latin1") },
    );
  };
  return (name, text) => {
    if (ADDRESS_HEADERS[name] === undefined) return text;
    return rewriteField(text, limit, mapped);
  };
}
