import { addressKind } from "../address/address_kind.ts";
import type { AddressAnswer, DnsAnswer } from "../dns/answer.ts";
import { sameAddress } from "../dns/name.ts";
import type { Resolver } from "../dns/resolver.ts";

/** A name, its addresses, and the names that these lead back to: as the world sees it. */
export interface NameLookup {
  readonly name: string;
  readonly addresses: AddressAnswer;
  /** For each of its public addresses. */
  readonly reverse: readonly ReverseLookup[];
}

/** An address and its names. */
export interface ReverseLookup {
  readonly address: string;
  readonly ptr: DnsAnswer<"PTR">;
}

/** More addresses of a name than are looked at. */
const MOST = 8;

/** Looks a name up in the DNS and back; the hosts file counts for nobody else. */
export async function lookUpName(
  name: string,
  resolver: Pick<Resolver, "addresses" | "ptr">,
  signal: AbortSignal,
): Promise<NameLookup> {
  const addresses = await resolver.addresses(name, [4, 6], signal);
  const found = addresses.is === "records" ? addresses.addresses.map(({ address }) => address) : [];
  const open = found.filter((address) => addressKind(address) === "public").slice(0, MOST);
  const reverse = await Promise.all(open.map(async (address) => ({
    address,
    ptr: await resolver.ptr(address, signal),
  })));
  return { name, addresses, reverse };
}

/** Whether one of the names of an address is this one. */
export function leadsTo(ptr: DnsAnswer<"PTR">, name: string): boolean {
  return ptr.is === "records" &&
    ptr.records.some(({ target }) => target.toLowerCase() === name.toLowerCase());
}

/** Whether a name has an address. */
export function hasAddress(answer: AddressAnswer, address: string): boolean {
  return answer.is === "records" && answer.addresses.some((each) => sameAddress(each.address, address));
}

/** Why a lookup has brought nothing, for people. */
export function whyNothing(answer: DnsAnswer | AddressAnswer): string {
  switch (answer.is) {
    case "records":
      return "";
    case "nodata":
      return "has no such record";
    case "nxdomain":
      return answer.invalid === true ? "is no name of the DNS" : "does not exist";
    case "trouble":
      return `cannot be looked up now: ${answer.why}`;
  }
}
