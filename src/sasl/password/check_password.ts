import { digest, isSameSecret, pbkdf2 } from "../../platform/crypto/digest.ts";
import { isCryptPassword } from "../../platform/crypto/crypt3.ts";
import { isArgon2Password, isBcryptPassword } from "../../platform/crypto/runtime_hash.ts";
import { saslprep } from "./saslprep.ts";
import { scramVerifier } from "./scram_verifier.ts";
import type { StoredPassword } from "./stored_password.ts";

/** Whether a directory lets an entry in with a password. */
export type Bind = (dn: string, password: string) => Promise<boolean>;

/**
 * Whether a password is the stored one. Other programs hash the bytes as they come, so those are tried first; a password beyond ASCII may
 * also have been typed in another form of the same characters. Rejects where this machine cannot tell.
 */
export async function isPassword(
  password: string,
  stored: StoredPassword,
  bind?: Bind,
): Promise<boolean> {
  if (password === "" || password.includes("\0")) return false;
  if (stored.is === "ldap") return await bound(stored.dn, password, bind);
  const prepared = await saslprep(password);
  if (stored.is === "scram") return await fits(prepared ?? password, stored);
  const asTyped = await fits(password, stored);
  return asTyped || prepared === undefined || prepared === password ? asTyped : await fits(prepared, stored);
}

async function bound(dn: string, password: string, bind: Bind | undefined): Promise<boolean> {
  if (bind === undefined) throw new Error("sasl_ldap_bind is not set: no directory can be asked");
  return await bind(dn, password);
}

async function fits(password: string, stored: Exclude<StoredPassword, { is: "ldap" }>): Promise<boolean> {
  const bytes = Buffer.from(password);
  switch (stored.is) {
    case "argon2":
      return await isArgon2Password(bytes, stored.hash);
    case "bcrypt":
      return await isBcryptPassword(bytes, stored.hash);
    case "crypt":
      return await isCryptPassword(bytes, stored.hash);
    case "digest":
      return isSameSecret(digest(stored.name, bytes, stored.salt), stored.hash);
    case "pbkdf2":
      return isSameSecret(
        await pbkdf2(stored.name, bytes, stored.salt, stored.iterations, stored.hash.length),
        stored.hash,
      );
    case "scram": {
      const { salt, iterations, storedKey } = stored.verifier;
      return isSameSecret((await scramVerifier(password, salt, iterations)).storedKey, storedKey);
    }
    case "plain":
      return isSameSecret(digest("sha256", bytes), digest("sha256", stored.secret));
  }
}
