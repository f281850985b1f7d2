import { splitAddress } from "../../address/address.ts";
import { siteName } from "../../address/site.ts";

/** A site as the index knows it: 32 bits of its name. Two names with the same bits are one site, whose mail goes out together. */
export type SiteKey = number;

/** FNV-1a over the name's characters. */
export function siteKey(site: string): SiteKey {
  let hash = 0x811c9dc5;
  for (let at = 0; at < site.length; at++) hash = Math.imul(hash ^ site.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** The sites of recipients, each once. */
export function sitesOf(addresses: Iterable<string>): SiteKey[] {
  const sites = new Set<SiteKey>();
  for (const address of addresses) {
    const { domain } = splitAddress(address);
    if (domain !== "") sites.add(siteKey(siteName(domain)));
  }
  return [...sites];
}

const NONE = 0xffff_ffff;

/**
 * Which messages have recipients at a site, so that its mail is found without a look at other mail: entries of a message and a site, 20
 * bytes each, chained by site in both directions and by message in one.
 */
export class SiteIndex {
  #slot = new Uint32Array(0);
  #site = new Uint32Array(0);
  #next = new Uint32Array(0);
  #before = new Uint32Array(0);
  /** The next entry of the same message; of an unused entry, the next unused one. */
  #sibling = new Uint32Array(0);
  /** First entry of each message, by slot. */
  #first = new Uint32Array(0);
  #buckets = new Uint32Array(1024).fill(NONE);
  #unused = NONE;
  #used = 0;
  #count = 0;

  /** Entries that there are. */
  get count(): number {
    return this.#count;
  }

  add(slot: number, sites: readonly SiteKey[]): void {
    this.#makeRoomFor(slot);
    for (const site of sites) {
      const entry = this.#fresh();
      this.#slot[entry] = slot;
      this.#site[entry] = site;
      this.#sibling[entry] = this.#first[slot]!;
      this.#first[slot] = entry;
      this.#link(entry);
      if (++this.#count > this.#buckets.length) this.#rehash();
    }
  }

  /** A message leaves. */
  remove(slot: number): void {
    let entry = this.#first[slot] ?? NONE;
    if (entry !== NONE) this.#first[slot] = NONE;
    while (entry !== NONE) {
      const sibling = this.#sibling[entry]!;
      this.#unlink(entry);
      this.#sibling[entry] = this.#unused;
      this.#unused = entry;
      this.#count--;
      entry = sibling;
    }
  }

  /** The messages of a site, as they are now. */
  slotsOf(site: SiteKey): number[] {
    const slots: number[] = [];
    for (let entry = this.#buckets[this.#bucket(site)]!; entry !== NONE; entry = this.#next[entry]!) {
      if (this.#site[entry] === site) slots.push(this.#slot[entry]!);
    }
    return slots;
  }

  /** Whether a message has recipients at a site. */
  has(slot: number, site: SiteKey): boolean {
    for (let entry = this.#first[slot] ?? NONE; entry !== NONE; entry = this.#sibling[entry]!) {
      if (this.#site[entry] === site) return true;
    }
    return false;
  }

  /** Whether a message has recipients at more than one site. */
  hasSeveral(slot: number): boolean {
    const first = this.#first[slot] ?? NONE;
    return first !== NONE && this.#sibling[first] !== NONE;
  }

  #bucket(site: SiteKey): number {
    return site & (this.#buckets.length - 1);
  }

  #link(entry: number): void {
    const bucket = this.#bucket(this.#site[entry]!);
    const head = this.#buckets[bucket]!;
    this.#next[entry] = head;
    this.#before[entry] = NONE;
    if (head !== NONE) this.#before[head] = entry;
    this.#buckets[bucket] = entry;
  }

  #unlink(entry: number): void {
    const [next, before] = [this.#next[entry]!, this.#before[entry]!];
    if (next !== NONE) this.#before[next] = before;
    if (before !== NONE) this.#next[before] = next;
    else this.#buckets[this.#bucket(this.#site[entry]!)] = next;
  }

  #fresh(): number {
    const reused = this.#unused;
    if (reused !== NONE) {
      this.#unused = this.#sibling[reused]!;
      return reused;
    }
    if (this.#used === this.#slot.length) this.#grow();
    return this.#used++;
  }

  #grow(): void {
    const length = Math.max(64, Math.ceil(this.#slot.length * 1.5));
    [this.#slot, this.#site] = [grown(this.#slot, length), grown(this.#site, length)];
    [this.#next, this.#before] = [grown(this.#next, length), grown(this.#before, length)];
    this.#sibling = grown(this.#sibling, length);
  }

  #makeRoomFor(slot: number): void {
    const { length } = this.#first;
    if (slot < length) return;
    this.#first = grown(this.#first, Math.max(64, slot + 1, Math.ceil(length * 1.5)));
    this.#first.fill(NONE, length);
  }

  #rehash(): void {
    this.#buckets = new Uint32Array(this.#buckets.length * 2).fill(NONE);
    for (let slot = 0; slot < this.#first.length; slot++) {
      for (let entry = this.#first[slot]!; entry !== NONE; entry = this.#sibling[entry]!) this.#link(entry);
    }
  }
}

function grown(old: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(length);
  bigger.set(old);
  return bigger;
}
