/** Bytes that nobody can guess, without loading what else belongs to cryptography: for a program that runs once a mail. */
export function unguessableBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}
