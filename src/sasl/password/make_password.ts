import { randomBytes } from "../../platform/crypto/digest.ts";
import { argon2idHash } from "../../platform/crypto/runtime_hash.ts";
import { saslprep } from "./saslprep.ts";
import { scramVerifier } from "./scram_verifier.ts";
import type { ScramVerifier } from "./stored_password.ts";

/** What we store of passwords, in the order of a value that has several; who stores something else has his own tools for it. */
export const MADE_SCHEMES = ["ARGON2ID", "SCRAM-SHA-256", "PLAIN"] as const;
export type MadeScheme = (typeof MADE_SCHEMES)[number];

/** Ten times what RFC 7677 asks for at least: each client has to do it as well, telephones too. */
export const ITERATIONS = 40_960;
const SALT = 16;

/** A password in stored form; undefined for one that has no prepared form, as with control characters. */
export async function storedForm(password: string, scheme: MadeScheme): Promise<string | undefined> {
  const prepared = await saslprep(password, "stored");
  if (prepared === undefined || prepared.trim() !== prepared || prepared === "") return undefined;
  switch (scheme) {
    case "ARGON2ID":
      return `{ARGON2ID}${await argon2idHash(Buffer.from(prepared))}`;
    case "SCRAM-SHA-256":
      return `{SCRAM-SHA-256}${printScram(await scramVerifier(prepared, randomBytes(SALT), ITERATIONS))}`;
    case "PLAIN":
      return `{PLAIN}${prepared}`;
  }
}

function printScram({ iterations, salt, storedKey, serverKey }: ScramVerifier): string {
  return [iterations, ...[salt, storedKey, serverKey].map((part) => part.toString("base64"))].join(",");
}
