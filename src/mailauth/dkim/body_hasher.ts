import { type RunningDigest, runningSha256 } from "../../platform/crypto/running_digest.ts";
import type { Canonicalization } from "./canonicalization.ts";
import { BlankSqueezer } from "./_blank_squeezer.ts";
import { LineEndings } from "./_line_endings.ts";

/**
 * The SHA-256 of a canonical body (RFC 6376 §3.4.3, §3.4.4), of pieces in wire form that may be split anywhere. Holds none of them. `cuts` are the
 * lengths (`l=`) after which it is wanted as well.
 */
export class BodyHasher {
  readonly #digest: RunningDigest = runningSha256();
  readonly #endings: LineEndings;
  readonly #squeezer: BlankSqueezer | undefined;
  /** Lengths still to come, the least first. */
  readonly #cuts: number[];
  readonly #atCut = new Map<number, Buffer>();
  #length = 0;

  constructor(canonicalization: Canonicalization, cuts: readonly number[] = []) {
    this.#cuts = [...new Set(cuts)].sort((one, other) => one - other);
    const isRelaxed = canonicalization === "relaxed";
    this.#endings = new LineEndings((bytes) => this.#take(bytes), { emptyIsLine: !isRelaxed });
    this.#squeezer = isRelaxed ? new BlankSqueezer((bytes) => this.#endings.push(bytes)) : undefined;
    this.#passCuts();
  }

  /** The next bytes of the body: what is behind the empty line that ends the header, lines ending in CR LF. */
  push(bytes: Uint8Array): void {
    if (bytes.length > 0) (this.#squeezer ?? this.#endings).push(bytes);
  }

  /** The body is complete. */
  end(): void {
    this.#squeezer?.end();
    this.#endings.end();
  }

  /** The hash of all of it, when it is complete. */
  digest(): Buffer {
    this.end();
    return this.#digest.soFar();
  }

  /** The hash of the first `cut` bytes; undefined where there are not so many. */
  digestAt(cut: number): Buffer | undefined {
    return this.#atCut.get(cut);
  }

  /** Canonical bytes so far. */
  get length(): number {
    return this.#length;
  }

  #take(bytes: Uint8Array): void {
    let rest = bytes;
    while (this.#cuts.length > 0 && this.#cuts[0]! <= this.#length + rest.length) {
      const till = this.#cuts[0]! - this.#length;
      this.#add(rest.subarray(0, till));
      rest = rest.subarray(till);
      this.#passCuts();
    }
    this.#add(rest);
  }

  #add(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (bytes.length > 0) this.#digest.update(bytes);
  }

  #passCuts(): void {
    while (this.#cuts[0] === this.#length) this.#atCut.set(this.#cuts.shift()!, this.#digest.soFar());
  }
}
