import { hmac, isSameSecret } from "../../platform/crypto/digest.ts";
import type { SrsRules } from "./srs_rules.ts";

/** ASCII alone, as libsrs2 in the C locale: mail servers on the way may change no other letters. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** HMAC-SHA1 of the parts one behind the other, without regard to case, in base64. */
function wholeHash(secret: Uint8Array, parts: readonly string[]): string {
  const bytes = parts.map((part) => Buffer.from(lowerAscii(part)));
  return hmac("sha1", secret, ...bytes).toString("base64");
}

/** The hash that an address gets. */
export function srsHash({ secrets, hashLength }: SrsRules, parts: readonly string[]): string {
  return wholeHash(secrets[0]!, parts).slice(0, hashLength);
}

/** What is left of a hash where case and the two alphabets of base64 (RFC 4648 §5; postsrsd 1 and 2) make no difference. */
function plain(hash: string): Buffer {
  return Buffer.from(lowerAscii(hash).replaceAll("-", "+").replaceAll("_", "/"));
}

const BASE64 = /^[\w+/-]{1,27}$/;

/** Whether one of the secrets made a hash of these parts, as far as it goes. */
export function isSrsHash(
  hash: string,
  { secrets, hashMinimum }: SrsRules,
  parts: readonly string[],
): boolean {
  if (hash.length < hashMinimum || !BASE64.test(hash)) return false;
  const given = plain(hash);
  return secrets.some((secret) => isSameSecret(given, plain(wholeHash(secret, parts).slice(0, hash.length))));
}
