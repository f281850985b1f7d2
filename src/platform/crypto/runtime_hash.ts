/** What an argon2id hash costs: OWASP's recommendation, 19 MiB and two passes, about 30 ms. */
const ARGON2ID = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;
/** bcrypt knows no more of a password; the runtime would hash longer ones first, which no other program does. */
const BCRYPT_BYTES = 72;

/** Hashes a password with argon2id, in the form of the reference program; on a thread of the runtime's. */
export function argon2idHash(password: Uint8Array): Promise<string> {
  return Bun.password.hash(password, ARGON2ID);
}

/** Whether a password is that of an argon2 hash. Rejects when the hash is none. */
export function isArgon2Password(password: Uint8Array, hash: string): Promise<boolean> {
  return Bun.password.verify(password, hash);
}

/** Whether a password is that of a bcrypt hash (`$2a$`, `$2b$`, `$2y$`). Rejects when the hash is none. */
export function isBcryptPassword(password: Uint8Array, hash: string): Promise<boolean> {
  return Bun.password.verify(password.subarray(0, BCRYPT_BYTES), hash);
}
