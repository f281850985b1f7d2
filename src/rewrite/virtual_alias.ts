import type { Address } from "../address/address.ts";
import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { isTrouble, type Mapped, type MapTrouble } from "./map_address.ts";

/** Bounds of alias expansion (postconf(5)). */
export const EXPANSION_LIMITS_PARAMETERS = [
  "virtual_alias_expansion_limit",
  "virtual_alias_recursion_limit",
  "virtual_alias_address_length_limit",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type ExpansionLimits = SettingsOf<typeof EXPANSION_LIMITS_PARAMETERS>;

/** Asks virtual_alias_maps for one address. */
export type MapAlias = (address: Address) => MaybeAsync<Mapped>;

/**
 * Expands one recipient by virtual_alias_maps, again and again until nothing changes. An address that expands into itself
 * stays, once. What grows or nests past the limits is trouble: the message is refused with 451 4.6.0 (virtual(5)).
 */
export function expandAlias(
  address: Address,
  map: MapAlias,
  limits: ExpansionLimits,
): MaybeAsync<readonly Address[] | MapTrouble> {
  return new Expansion(address, map, limits).run();
}

class Expansion {
  readonly #results: Address[];
  /** Addresses that expanded into themselves: not expanded again. */
  readonly #selves = new Set<string>();
  readonly #map: MapAlias;
  readonly #limits: ExpansionLimits;
  readonly #address: Address;
  #at = 0;
  /** How often the address at hand has been replaced. */
  #nesting = 0;

  constructor(address: Address, map: MapAlias, limits: ExpansionLimits) {
    this.#address = address;
    this.#results = [address];
    this.#map = map;
    this.#limits = limits;
  }

  run(): MaybeAsync<readonly Address[] | MapTrouble> {
    while (this.#at < this.#results.length) {
      const trouble = this.#overrun();
      if (trouble !== undefined) return trouble;
      if (this.#selves.has(this.#results[this.#at]!.toLowerCase())) {
        this.#next();
        continue;
      }
      if (this.#nesting >= this.#limits.virtual_alias_recursion_limit) {
        return this.#unreasonable("map nesting");
      }
      const mapped = this.#map(this.#results[this.#at]!);
      if (isPromise(mapped)) return mapped.then((late) => this.#take(late) ?? this.run());
      const failed = this.#take(mapped);
      if (failed !== undefined) return failed;
    }
    return this.#results;
  }

  #overrun(): MapTrouble | undefined {
    if (this.#results.length <= this.#limits.virtual_alias_expansion_limit) return undefined;
    return this.#unreasonable("map expansion size");
  }

  #unreasonable(what: string): MapTrouble {
    return { trouble: `unreasonable virtual_alias_maps ${what} for ${this.#address}`, unreasonable: true };
  }

  #next(): void {
    this.#at++;
    this.#nesting = 0;
  }

  /** Puts a result in place of the address at hand: its first address there, the others behind. */
  #take(mapped: Mapped): MapTrouble | undefined {
    if (mapped === undefined) return void this.#next();
    if (isTrouble(mapped)) return mapped;
    const limit = this.#limits.virtual_alias_address_length_limit;
    const long = mapped.find((address) => address.length > limit);
    if (long !== undefined) {
      const trouble = `unreasonable virtual_alias_maps result ${long.slice(0, 300)}...`;
      return { trouble, unreasonable: true };
    }
    const before = this.#results[this.#at]!.toLowerCase();
    this.#results[this.#at] = mapped[0]!;
    for (const address of mapped.slice(1)) this.#results.push(address);
    if (mapped.some((address) => address.toLowerCase() === before)) this.#selves.add(before);
    this.#nesting++;
    return undefined;
  }
}
