import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { type Address, internalAddress, quoteAddress } from "../address/address.ts";
import type { AddressForm } from "./address_form.ts";
import type { FindAddress } from "./find_address.ts";
import type { OpenMaps } from "./open_tables.ts";
import { parseAddressList } from "./result_addresses.ts";

/** What a rewriting table makes of an address: undefined when it says nothing. */
export type Mapped = readonly Address[] | undefined | MapTrouble;

/** The table could not be asked, or its result is no address. */
export interface MapTrouble {
  readonly trouble: string;
  /** An expansion without end or measure, not a table that fails: it has a reply of its own. */
  readonly unreasonable?: true;
}

/** Tells trouble from a result. */
export function isTrouble<T>(value: T | MapTrouble): value is MapTrouble {
  return typeof value === "object" && value !== null && "trouble" in value;
}

/**
 * Maps one address (internal form) to the addresses of a table's result, complete and with the extension that the key left
 * out, where `propagate` asks for it (propagate_unmatched_extensions). `@other` as result keeps the user and changes the domain.
 */
export function mapAddress(
  find: FindAddress,
  form: AddressForm,
  maps: OpenMaps,
  address: string,
  propagate: boolean,
): MaybeAsync<Mapped> {
  return then(find(maps, address), ({ answer, key, extension: unmatched }): Mapped => {
    // A key for the whole domain leaves nothing out: the extension is part of what it matches (virtual(5)).
    const extension = key.startsWith("@") ? "" : unmatched;
    if (answer.is === "absent") return undefined;
    if (answer.is === "trouble") return { trouble: `${maps.title} map lookup problem: ${answer.why}` };
    const text = answer.value.startsWith("@") ? otherDomain(address, extension, answer.value) : answer.value;
    const results = parseAddressList(text).map((result) => {
      const full = form.rewrite(result, "local");
      return propagate && extension !== "" ? withExtension(full, extension) : full;
    });
    if (results.length > 0) return results;
    return { trouble: `${maps.title} lookup of ${address} returns non-address result "${answer.value}"` };
  });
}

/** The user without its extension at the domain of the result. */
function otherDomain(address: string, extension: string, domain: string): string {
  const at = address.lastIndexOf("@");
  const local = at < 0 ? address : address.slice(0, at);
  return quoteAddress(local.slice(0, local.length - extension.length) + domain);
}

/** `user@domain` and `+ext` give `user+ext@domain`. */
function withExtension(address: Address, extension: string): Address {
  const at = address.lastIndexOf("@");
  return internalAddress(
    at < 0 ? address + extension : address.slice(0, at) + extension + address.slice(at),
  );
}
