import { hmac } from "../../platform/crypto/digest.ts";
import type { AuthSession } from "../auth_backend.ts";
import type { FindScram } from "../mechanism/scram.ts";
import { ITERATIONS } from "../password/make_password.ts";
import { BUSY, type Gate } from "../password/gate.ts";
import { saslprep } from "../password/saslprep.ts";
import { scramVerifier } from "../password/scram_verifier.ts";
import type { ScramVerifier, StoredPassword } from "../password/stored_password.ts";
import { findUser, type UserTable, wholeName } from "./users.ts";

/** What finding verifiers needs. */
export interface ScramFinderContext {
  readonly table: UserTable;
  readonly gate: Gate;
  /** What salts of users who are not there are made with: the same at every attempt, and by every worker. */
  readonly decoyKey: Buffer;
}

const TOO_MANY = { is: "trouble", why: "too many passwords to compare at a time" } as const;

/** What counts of a session when a user of SCRAM is looked for. */
type ScramSession = Pick<AuthSession, "realm" | "rank">;

/** Finds what SCRAM needs of a user. One for all sessions: it remembers how many iterations users have. */
export class ScramFinder {
  readonly #context: ScramFinderContext;
  #iterations = ITERATIONS;
  /** Verifiers are derived from plain secrets here: then that is done for users who are not there too. */
  #derives = false;

  constructor(context: ScramFinderContext) {
    this.#context = context;
  }

  /** The search for a session. */
  findFor({ realm, rank }: ScramSession): FindScram {
    return async (name) => {
      const user = await findUser(this.#context.table, name, realm);
      if (user.is === "trouble") return user;
      if (user.is === "absent") return this.#decoy(name, { realm, rank });
      for (const stored of user.stored) {
        if (stored.is !== "scram" && stored.is !== "plain") continue;
        const verifier = await this.#verifierOf(stored, user.username, rank);
        if (verifier === BUSY) return TOO_MANY;
        return { is: "verifier", username: user.username, verifier };
      }
      return this.#decoy(name, { realm, rank });
    };
  }

  async #verifierOf(
    stored: Extract<StoredPassword, { is: "scram" | "plain" }>,
    username: string,
    rank: AuthSession["rank"],
  ): Promise<ScramVerifier | typeof BUSY> {
    if (stored.is === "scram") {
      this.#iterations = stored.verifier.iterations;
      return stored.verifier;
    }
    const { secret } = stored;
    this.#derives = true;
    return await this.#derive(secret, this.#saltOf(username), rank);
  }

  #derive(
    secret: string,
    salt: Buffer,
    rank: AuthSession["rank"],
  ): Promise<ScramVerifier | typeof BUSY> {
    const iterations = this.#iterations;
    const work = async () => scramVerifier((await saslprep(secret)) ?? secret, salt, iterations);
    return this.#context.gate.pass(work, rank);
  }

  async #decoy(name: string, { realm, rank }: ScramSession): Promise<Awaited<ReturnType<FindScram>>> {
    const salt = this.#saltOf(wholeName(name, realm));
    if (this.#derives && await this.#derive(name, salt, rank) === BUSY) return TOO_MANY;
    const key = hmac("sha256", this.#context.decoyKey, "stored", name);
    const verifier = { salt, iterations: this.#iterations, storedKey: key, serverKey: key };
    return { is: "verifier", username: undefined, verifier };
  }

  #saltOf(name: string): Buffer {
    return hmac("sha256", this.#context.decoyKey, "salt", name).subarray(0, 16);
  }
}
