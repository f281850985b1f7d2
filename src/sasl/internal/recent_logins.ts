/** So many are remembered; who has not come for longest goes first. */
const MOST = 10_000;

/**
 * Who has logged in, and from where: the same again goes before strangers while passwords are compared one after the other, so that guesses
 * by the thousand do not shut users out.
 */
export class RecentLogins {
  readonly #known = new Set<string>();

  add(username: string, address: string): void {
    const key = keyOf(username, address);
    this.#known.delete(key);
    this.#known.add(key);
    const [oldest] = this.#known;
    if (this.#known.size > MOST && oldest !== undefined) this.#known.delete(oldest);
  }

  has(username: string, address: string): boolean {
    return this.#known.has(keyOf(username, address));
  }
}

function keyOf(username: string, address: string): string {
  return `${address} ${username}`;
}
