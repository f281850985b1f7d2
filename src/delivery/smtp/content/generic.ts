import { isPromise, type MaybeAsync, then } from "../../../base/maybe_async.ts";
import { ADDRESS_HEADERS, rewriteAddresses } from "../../../cleanup/header_addresses.ts";
import { splitList } from "../../../config/syntax/list.ts";
import type { Settings } from "../../../config/parameters/settings_type.ts";
import { scanHeader } from "../../../message/header.ts";
import { type AddressFormSettings, createAddressForm } from "../../../rewrite/address_form.ts";
import type { FindAddress } from "../../../rewrite/find_address.ts";
import { isTrouble, mapAddress } from "../../../rewrite/map_address.ts";
import type { OpenTables } from "../../../rewrite/open_tables.ts";
import type { RewriteHeader } from "./header_filter.ts";

/** Settings that address mapping on the way out depends on. */
export type GenericSettings =
  & AddressFormSettings
  & Pick<Settings, "propagate_unmatched_extensions" | "header_address_token_limit">;

/** Tables and lookup that the rooms for rewriting provide. */
export interface RewritingTools {
  readonly openTables: OpenTables;
  readonly find: FindAddress;
}

/** Addresses as the world outside shall see them (generic(5)). */
export interface Generic {
  /** An envelope address. Throws when the table cannot be asked: the mail waits. */
  readonly address: (address: string) => MaybeAsync<string>;
  /** The addresses of the primary header. */
  readonly header: RewriteHeader;
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
  const header: RewriteHeader = (block) => rewriteHeader(block, settings.header_address_token_limit, address);
  return { address, header };
}

/** Bytes go through as Latin-1, but for the addresses: those are looked up as UTF-8. */
async function rewriteHeader(
  block: Buffer,
  limit: number,
  address: (address: string) => MaybeAsync<string>,
): Promise<Uint8Array> {
  const text = block.toString("latin1");
  const utf8 = (given: string) => {
    const mapped = address(Buffer.from(given, "latin1").toString("utf8"));
    return then(mapped, (now) => Buffer.from(now, "utf8").toString("latin1"));
  };
  let out = "";
  let kept = 0;
  for (const field of scanHeader(text, 0, true, true).fields) {
    if (ADDRESS_HEADERS[field.name] === undefined) continue;
    const changed = rewriteAddresses(text.slice(field.value, field.end), limit, utf8);
    out += text.slice(kept, field.value) + (isPromise(changed) ? await changed : changed);
    kept = field.end;
  }
  return Buffer.from(out + text.slice(kept), "latin1");
}
