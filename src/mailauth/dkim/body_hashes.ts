import { BodyHasher } from "./body_hasher.ts";
import type { Canonicalization } from "./canonicalization.ts";

/** The hash of a body, and how much of the body it leaves out (`l=`). */
export interface BodyHash {
  readonly hash: Buffer;
  readonly unsigned: number;
}

/** The hashes that the signatures of a message ask for: the body is hashed once for each canonicalization, whatever they are. */
export class BodyHashes {
  readonly #cuts = new Map<Canonicalization, Set<number>>();
  readonly #hashers = new Map<Canonicalization, BodyHasher>();

  /** Says what will be asked for, before the body comes. */
  want(how: Canonicalization, cut: number | undefined): void {
    const cuts = this.#cuts.get(how) ?? new Set();
    if (cut !== undefined) cuts.add(cut);
    this.#cuts.set(how, cuts);
  }

  push(bytes: Uint8Array): void {
    this.#begin();
    for (const hasher of this.#hashers.values()) hasher.push(bytes);
  }

  /** The hash of a body that is complete; undefined where it is shorter than `cut`, or nobody said that it would be asked for. */
  get(how: Canonicalization, cut: number | undefined): BodyHash | undefined {
    this.#begin();
    const hasher = this.#hashers.get(how);
    if (hasher === undefined) return undefined;
    const whole = hasher.digest();
    if (cut === undefined) return { hash: whole, unsigned: 0 };
    const hash = hasher.digestAt(cut);
    return hash === undefined ? undefined : { hash, unsigned: hasher.length - cut };
  }

  #begin(): void {
    for (const [how, cuts] of this.#cuts) {
      if (!this.#hashers.has(how)) this.#hashers.set(how, new BodyHasher(how, [...cuts]));
    }
  }
}
