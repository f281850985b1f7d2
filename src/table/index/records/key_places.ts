/** Most of the slots that may be taken: a key that is not there is looked for in some eight. */
const LOAD = 0.75;
const LEAST = 1024;
/** How many hashes there are. */
const HASHES = 0x1_0000_0000;
/** What stands for a record that has been removed: no record is there. */
const REMOVED = -1;

/**
 * Where the records of keys are, by the hash of the key: ten bytes or so a key. Whether what is there is the key is for the
 * caller to see; other keys have the same hash now and then.
 */
export class KeyPlaces {
  /** Of each slot the hash, and behind it the place; 0 where it is free. */
  #slots: Int32Array<ArrayBuffer>;
  #capacity: number;
  /** What a hash is multiplied by to be a slot. */
  #scale: number;
  /** Slots that may still be taken. */
  #left: number;
  #expected: number;

  /** `expected`: how many keys there may be. More are room enough for too. */
  constructor(expected = 0) {
    this.#expected = expected;
    this.#capacity = Math.max(LEAST, Math.ceil(expected / LOAD));
    this.#scale = this.#capacity / HASHES;
    this.#left = Math.floor(LOAD * this.#capacity);
    this.#slots = new Int32Array(2 * this.#capacity);
  }

  /** Says how many keys there will be, by what has been seen so far. */
  expect(keys: number): void {
    this.#expected = keys;
  }

  /** The slot of the first record with that hash that `isKey` takes, or the free one where the next would go. */
  slotOf(hash: number, isKey: (place: number) => boolean): number {
    const slots = this.#slots;
    const spread = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ (hash >>> 12); // the hash of some keys is weak
    let at = 2 * Math.floor((spread >>> 0) * this.#scale);
    for (;;) {
      const place = slots[at + 1]!;
      if (place === 0) break;
      if (slots[at] === hash && place !== REMOVED && isKey(place)) break;
      at += 2;
      if (at === slots.length) at = 0;
    }
    return at;
  }

  /** The place of a slot, 0 for none. */
  placeIn(slot: number): number {
    return this.#slots[slot + 1]!;
  }

  /** Puts a place into a slot that was found just now. */
  put(slot: number, hash: number, place: number): void {
    const slots = this.#slots;
    const isNew = slots[slot + 1] === 0;
    slots[slot] = hash;
    slots[slot + 1] = place;
    if (isNew && --this.#left < 0) this.#grow();
  }

  /** Adds a place, behind all others with that hash. */
  add(hash: number, place: number): void {
    this.put(this.slotOf(hash, () => false), hash, place);
  }

  /** Forgets what is in a slot. */
  remove(slot: number): void {
    this.#slots[slot + 1] = REMOVED;
  }

  #grow(): void {
    const old = this.#slots;
    const size = this.#capacity;
    const expected = Math.ceil(this.#expected / LOAD) + 1;
    this.#capacity = expected > size ? Math.max(expected, size + (size >> 3)) : size + (size >> 1);
    this.#slots = new Int32Array(2 * this.#capacity);
    this.#scale = this.#capacity / HASHES;
    this.#left = Math.floor(LOAD * this.#capacity);
    // from a free slot on, so that of equal hashes the first stays the first
    let first = 0;
    while (old[2 * first + 1] !== 0) first++;
    for (let at = 0; at < size; at++) {
      const slot = (first + at) % size;
      const place = old[2 * slot + 1]!;
      if (place !== 0 && place !== REMOVED) this.add(old[2 * slot]!, place);
    }
    old.buffer.transfer(0);
  }

  /** Gives its memory to another use; there are no keys any more. */
  takeMemory(): ArrayBuffer {
    const { buffer } = this.#slots;
    this.#slots = new Int32Array(2);
    return buffer;
  }
}
