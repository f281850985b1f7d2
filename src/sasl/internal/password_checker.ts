import { then } from "../../base/maybe_async.ts";
import type { AuthSession } from "../auth_backend.ts";
import type { CheckPassword, PasswordVerdict } from "../mechanism/exchange.ts";
import { type Bind, isPassword } from "../password/check_password.ts";
import { BUSY, type Gate } from "../password/gate.ts";
import { parseStored, type StoredPassword } from "../password/stored_password.ts";
import { Decoys } from "./decoys.ts";
import { RecentLogins } from "./recent_logins.ts";
import { findUser, type UserTable, wholeName } from "./users.ts";

/** A hash of nobody's password, such as `mta user add` makes: what unknown users are compared with until a known one was seen. */
const NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$vQ6xgQuZ5Zqns1ySW9VdaMFBNXC9LQfm8orA3MLKFCI$" +
  "woFsjMeaaxi0V7l9/FY27CGpjZ6dZGcJ6V+h1Z1iwkc";

/** A directory counts wrong passwords: those of users who are not there are nobody's, beside the entry of one who is. */
function decoyFor(stored: StoredPassword): StoredPassword {
  if (stored.is !== "ldap") return stored;
  return { is: "ldap", dn: stored.dn.replace(/^[^,]*/, "cn=no such user") };
}

/** What comparing passwords needs. */
export interface PasswordCheckerContext {
  readonly table: UserTable;
  readonly gate: Gate;
  /** The gate for those whose password the directory has. */
  readonly binds: Gate;
  /** For users whose password the directory has. */
  readonly bind: Bind | undefined;
  /** What decides which kind of password a user who is not there seems to have: the same for every worker. */
  readonly decoyKey: Buffer;
}

/** What counts of a session when its password is compared. */
type PasswordSession = Pick<AuthSession, "realm" | "rank" | "client">;

/** Who it is that a password is compared for; nobody where no user was found. */
interface Login extends Pick<AuthSession, "rank"> {
  readonly username: string | undefined;
  readonly address: string;
}

/** Compares passwords with what the table of users has. One for all sessions: it remembers what users' hashes cost. */
export class PasswordChecker {
  readonly #context: PasswordCheckerContext;
  readonly #recent = new RecentLogins();
  readonly #decoys: Decoys;

  constructor(context: PasswordCheckerContext) {
    this.#context = context;
    const nobody = parseStored(NOBODY);
    if ("is" in nobody) throw new Error(nobody.why);
    this.#decoys = new Decoys(context.decoyKey, nobody[0]!);
  }

  /** The check for a session. */
  checkFor({ realm, rank, client }: PasswordSession): CheckPassword {
    return (name, password) =>
      then(findUser(this.#context.table, name, realm), (user) => {
        if (user.is === "trouble") return user;
        const stored = user.is === "found" ? user.stored[0]! : this.#decoys.for(wholeName(name, realm));
        if (user.is === "found") this.#decoys.saw(user.username, decoyFor(stored));
        const username = user.is === "found" ? user.username : undefined;
        return this.#compare(password, stored, { username, address: client.address, rank });
      });
  }

  async #compare(
    password: string,
    stored: StoredPassword,
    { username, address, rank }: Login,
  ): Promise<PasswordVerdict> {
    try {
      const { bind, binds, gate: hashes } = this.#context;
      const gate = stored.is === "ldap" ? binds : hashes;
      const isKnown = username !== undefined && this.#recent.has(username, address);
      const same = await gate.pass(() => isPassword(password, stored, bind), isKnown ? 0 : rank);
      if (same === BUSY) return { is: "trouble", why: "too many passwords to compare at a time" };
      if (!same || username === undefined) return { is: "refused" };
      this.#recent.add(username, address);
      return { is: "accepted", username };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { is: "trouble", why: `cannot compare a password: ${why}` };
    }
  }
}
