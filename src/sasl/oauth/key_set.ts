import { createLocalJWKSet, type JSONWebKeySet, type LocalJWKSet } from "jose";

/** Where the text of a key set comes from. */
export type ReadKeys = () => Promise<{ readonly text: string } | { readonly why: string }>;

/** Keys are fetched again after so long, and for an unknown key no more often than that, in milliseconds. */
const FRESH = 600_000;
const LEAST_BETWEEN = 30_000;

/** The keys that tokens are signed with, kept as long as nothing newer is to be had. */
export class KeySet {
  readonly #read: ReadKeys;
  readonly #now: () => number;
  #keys: LocalJWKSet | undefined;
  #triedAt = -Infinity;
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;
  #why = "";

  constructor(read: ReadKeys, now: () => number) {
    this.#read = read;
    this.#now = now;
  }

  /** The keys, fetched when they are old; or why there are none. */
  async current(): Promise<LocalJWKSet | { readonly why: string }> {
    if (this.#now() - this.#readAt >= FRESH) await this.#refresh();
    return this.#keys ?? { why: this.#why };
  }

  /** A key was not among them: perhaps it is new. Answers whether the keys are other ones now. */
  async renewed(): Promise<boolean> {
    const before = this.#keys;
    await this.#refresh();
    return this.#keys !== before;
  }

  /** Strangers may send what key ids they like: they do not decide how often keys are fetched. */
  async #refresh(): Promise<void> {
    if (this.#reading === undefined && this.#now() - this.#triedAt >= LEAST_BETWEEN) {
      this.#triedAt = this.#now();
      this.#reading = this.#load().finally(() => this.#reading = undefined);
    }
    await this.#reading;
  }

  async #load(): Promise<void> {
    const answer = await this.#read();
    const keys = "why" in answer ? answer : parseKeys(answer.text);
    if ("why" in keys) {
      this.#why = keys.why;
      return;
    }
    this.#keys = keys;
    this.#readAt = this.#now();
  }
}

/** Reads a key set (RFC 7517 §5). */
export function parseKeys(text: string): LocalJWKSet | { readonly why: string } {
  try {
    return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
  } catch {
    return { why: "no JSON Web Key Set" };
  }
}
