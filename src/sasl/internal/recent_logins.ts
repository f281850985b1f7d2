import { RecentMap } from "../../base/recent_map.ts";

/** So many are remembered at least, those that came last. */
const LEAST = 10_000;

/**
 * Who has logged in, and from where: the same again goes before strangers while passwords are compared one after the other, so that guesses
 * by the thousand do not shut users out.
 */
export class RecentLogins {
  readonly #known = new RecentMap<string, true>(LEAST);

  add(username: string, address: string): void {
    this.#known.set(keyOf(username, address), true);
  }

  has(username: string, address: string): boolean {
    return this.#known.has(keyOf(username, address));
  }
}

function keyOf(username: string, address: string): string {
  return `${address} ${username}`;
}
