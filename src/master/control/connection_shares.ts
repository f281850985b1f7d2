/** Who somebody at the control socket is, as far as his share of it goes. */
export type Caller = "owner" | "mail_owner" | "other";

/**
 * Connections that may be open at a time: of all users of a kind together, and of one of them. What the others have taken leaves
 * the shares of the owner (root) and of mail_owner, who is whatever a taken-over worker is, untouched.
 */
export const SHARES = {
  owner: { together: 64, each: 32 },
  mail_owner: { together: 8, each: 8 },
  other: { together: 64, each: 4 },
} as const satisfies Shares;

/** Listings of the queue among them: each holds some memory of a worker and of master for as long as its reader likes. */
export const LISTING_SHARES = {
  owner: { together: 64, each: 32 },
  mail_owner: { together: 4, each: 4 },
  other: { together: 8, each: 2 },
} as const satisfies Shares;

/** How many may be open at a time, of all users of a kind together and of one of them. */
export type Shares = Readonly<Record<Caller, { readonly together: number; readonly each: number }>>;

/** The account of who has what open. */
export class ConnectionShares {
  readonly #shares: Shares;
  readonly #users = new Map<string, number>();
  readonly #kinds: Record<Caller, number> = { owner: 0, mail_owner: 0, other: 0 };

  constructor(shares: Shares = SHARES) {
    this.#shares = shares;
  }

  /** Takes a place and answers how to give it back; undefined when the user has had his share. */
  take(uid: number, kind: Caller): (() => void) | undefined {
    const key = `${kind} ${uid}`;
    const mine = this.#users.get(key) ?? 0;
    const { together, each } = this.#shares[kind];
    if (mine >= each || this.#kinds[kind] >= together) return undefined;
    this.#users.set(key, mine + 1);
    this.#kinds[kind]++;
    return () => this.#giveBack(key, kind);
  }

  #giveBack(key: string, kind: Caller): void {
    this.#kinds[kind]--;
    const left = (this.#users.get(key) ?? 1) - 1;
    if (left === 0) this.#users.delete(key);
    else this.#users.set(key, left);
  }
}
