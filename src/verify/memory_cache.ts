import type { VerifyCache } from "./verify_cache.ts";
import type { Entry } from "./entry.ts";

interface Kept {
  readonly entry: Entry;
  readonly end: number;
}

/** A cache that is gone with the process (an empty address_verify_map). The oldest bad news goes first when it is full. */
export class MemoryCache implements VerifyCache {
  readonly name = "internal:verify";
  readonly isShared = false;
  readonly #most: number;
  /** In order of their last change: good news is worth more than bad. */
  readonly #good = new Map<string, Kept>();
  readonly #bad = new Map<string, Kept>();

  constructor(most: number) {
    this.#most = most;
  }

  get(address: string): Entry | undefined {
    return (this.#good.get(address) ?? this.#bad.get(address))?.entry;
  }

  put(address: string, entry: Entry, end: number): void {
    this.delete(address);
    if (this.count() >= this.#most) this.#dropOldest();
    (entry.status === "deliverable" ? this.#good : this.#bad).set(address, { entry, end });
  }

  #dropOldest(): void {
    const from = this.#bad.size > 0 ? this.#bad : this.#good;
    for (const address of from.keys()) return void from.delete(address);
  }

  delete(address: string): void {
    this.#good.delete(address);
    this.#bad.delete(address);
  }

  count(): number {
    return this.#good.size + this.#bad.size;
  }

  sweep(now: number, limit: number): number {
    let dropped = 0;
    for (const map of [this.#good, this.#bad]) {
      for (const [address, { end }] of map) {
        if (dropped >= limit) return dropped;
        if (end >= now) continue;
        map.delete(address);
        dropped++;
      }
    }
    return dropped;
  }

  close(): void {}
}
