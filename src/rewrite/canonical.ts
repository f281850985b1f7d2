import { type Address, NULL_ADDRESS } from "../address/address.ts";
import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import { isTrouble, type Mapped, type MapTrouble } from "./map_address.ts";

/** A canonical table applied to one address. */
export type MapOnce = (address: Address) => MaybeAsync<Mapped>;

/** Rounds before a table that keeps rewriting is left alone (cleanup(8)). */
const MAX_ROUNDS = 10;

/**
 * Rewrites an address by a canonical table until it stays as it is; the first address of a result counts. A table that
 * never settles leaves the last result (canonical(5)).
 */
export function canonicalAddress(
  address: Address,
  map: MapOnce,
  round = 0,
): MaybeAsync<Address | MapTrouble> {
  let current = address;
  for (let count = round; count < MAX_ROUNDS; count++) {
    const mapped = map(current);
    if (isPromise(mapped)) {
      const before = current;
      return mapped.then((late) => settled(before, late) ?? canonicalAddress(first(late), map, count + 1));
    }
    const done = settled(current, mapped);
    if (done !== undefined) return done;
    current = first(mapped);
  }
  return current;
}

function first(mapped: Mapped): Address {
  return mapped === undefined || isTrouble(mapped) ? NULL_ADDRESS : mapped[0]!;
}

/** The end result, when there is nothing more to map. */
function settled(address: Address, mapped: Mapped): Address | MapTrouble | undefined {
  if (mapped === undefined) return address;
  if (isTrouble(mapped)) return mapped;
  return mapped[0]!.toLowerCase() === address.toLowerCase() ? mapped[0] : undefined;
}
