import { RecentMap } from "../../base/recent_map.ts";
import { hmac } from "../../platform/crypto/digest.ts";
import type { StoredPassword } from "../password/stored_password.ts";

/** So many users are remembered for what their passwords cost to compare, at least. */
const LEAST_USERS = 4096;

/** Passwords that cost the same, and how many users have such. */
interface Kind {
  readonly stored: StoredPassword;
  readonly users: number;
}

/**
 * What users who are not there are compared with: kinds of password that users have, each for as many names as in proportion have it, and
 * the same for a name each time. The answer then takes as long as for one of the users, whoever logged in meanwhile.
 */
export class Decoys {
  readonly #key: Buffer;
  readonly #nobody: StoredPassword;
  /** Of users who were found: what their password costs, by name. */
  readonly #users = new RecentMap<string, string>(LEAST_USERS);
  /** A password of each cost. */
  readonly #examples = new Map<string, StoredPassword>();
  #kinds: readonly Kind[] | undefined;

  /** `key` is the same for all workers; `nobody` counts until a user was found. */
  constructor(key: Buffer, nobody: StoredPassword) {
    this.#key = key;
    this.#nobody = nobody;
  }

  /** A user was found. */
  saw(username: string, stored: StoredPassword): void {
    const cost = costOf(stored);
    if (this.#users.get(username) === cost) return;
    if (!this.#examples.has(cost)) this.#examples.set(cost, stored);
    this.#users.set(username, cost);
    this.#kinds = undefined;
  }

  /** What a name that was not found is compared with. */
  for(name: string): StoredPassword {
    const kinds = this.#kinds ??= this.#counted();
    const all = kinds.reduce((sum, { users }) => sum + users, 0);
    let at = hmac("sha256", this.#key, "kind", name).readUInt32BE() / 2 ** 32 * all;
    return kinds.find(({ users }) => (at -= users) < 0)?.stored ?? this.#nobody;
  }

  #counted(): readonly Kind[] {
    const counts = new Map<string, number>();
    for (const [, cost] of this.#users.entries()) counts.set(cost, (counts.get(cost) ?? 0) + 1);
    for (const cost of this.#examples.keys()) if (!counts.has(cost)) this.#examples.delete(cost);
    return [...counts].sort(([one], [other]) => one < other ? -1 : 1)
      .map(([cost, users]) => ({ stored: this.#examples.get(cost) ?? this.#nobody, users }));
  }
}

/** What of a stored password says how long comparing with it takes. */
function costOf(stored: StoredPassword): string {
  switch (stored.is) {
    case "argon2":
    case "bcrypt":
    case "crypt":
      return `${stored.is} ${
        /^\$\w+(?:\$(?:v=\d+|m=[\d,tp=]+|rounds=\d+|\d\d|j[./A-Za-z0-9]{1,6})(?=\$))*/.exec(stored.hash)?.[0]
      }`;
    case "digest":
      return `digest ${stored.name}`;
    case "pbkdf2":
      return `pbkdf2 ${stored.name} ${stored.iterations}`;
    case "scram":
      return `scram ${stored.verifier.iterations}`;
    case "plain":
    case "ldap":
      return stored.is;
  }
}
