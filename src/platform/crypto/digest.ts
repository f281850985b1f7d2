import {
  createHash,
  createHmac,
  pbkdf2 as slowly,
  randomBytes as random,
  randomInt as randomNumber,
  timingSafeEqual,
} from "node:crypto";

/** Digests that SASL and password hashes are made with. */
export type DigestName = "md5" | "sha1" | "sha256" | "sha384" | "sha512";

/** The digest of the parts, one behind the other. */
export function digest(name: DigestName, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const hash = createHash(name);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** HMAC (RFC 2104) of the parts, one behind the other. */
export function hmac(
  name: DigestName,
  key: Uint8Array | string,
  ...parts: readonly (Uint8Array | string)[]
): Buffer {
  const mac = createHmac(name, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** PBKDF2 (RFC 8018 §5.2), on a thread of the runtime's. */
export function pbkdf2(
  name: DigestName,
  password: Uint8Array | string,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    slowly(
      password,
      salt,
      iterations,
      length,
      name,
      (error, key) => error === null ? resolve(key) : reject(error),
    )
  );
}

/** Bytes that nobody can guess. */
export function randomBytes(length: number): Buffer {
  return random(length);
}

/** A number from `least` on, below `beyond`, that nobody can guess. */
export function randomInt(least: number, beyond: number): number {
  return randomNumber(least, beyond);
}

/** Whether two secrets are the same; how long it takes tells nothing but whether their lengths differ. */
export function isSameSecret(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
