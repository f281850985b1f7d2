import { digest, hmac, pbkdf2 } from "../../platform/crypto/digest.ts";
import type { ScramVerifier } from "./stored_password.ts";

/** The two keys that a password stands for (RFC 5802 §3). It is in its prepared form. */
export async function scramKeys(
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<{ readonly clientKey: Buffer; readonly serverKey: Buffer }> {
  const salted = await pbkdf2("sha256", password, salt, iterations, 32);
  return { clientKey: hmac("sha256", salted, "Client Key"), serverKey: hmac("sha256", salted, "Server Key") };
}

/** Makes the verifier of a password in its prepared form. */
export async function scramVerifier(
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<ScramVerifier> {
  const { clientKey, serverKey } = await scramKeys(password, salt, iterations);
  return { salt, iterations, storedKey: digest("sha256", clientKey), serverKey };
}
