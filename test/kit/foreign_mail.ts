// Messages that are signed or sealed, for tests that take them in.
import type { ArcResult } from "../../src/mailauth/arc/arc_result.ts";
import { sealContent } from "../../src/mailauth/arc/seal_content.ts";
import { BodyHasher } from "../../src/mailauth/dkim/body_hasher.ts";
import { signContent } from "../../src/mailauth/dkim/sign_content.ts";
import {
  generateKey,
  parseSigningKey,
  publicRecord,
  type SigningKey,
} from "../../src/mailauth/dkim/signing_key.ts";

/** A new Ed25519 key of a domain: quick to make. */
export function testKey(domain: string, selector = "s", pem = generateKey("ed25519-sha256")): SigningKey {
  const key = parseSigningKey(domain, selector, pem);
  if ("fault" in key) throw new Error(key.fault);
  return key;
}

/** What a zone has for keys. */
export function keyZone(...keys: readonly SigningKey[]): Record<string, { readonly TXT: readonly string[] }> {
  return Object.fromEntries(
    keys.map((key) => [`${key.selector}._domainkey.${key.domain}`, { TXT: [publicRecord(key)] }]),
  );
}

/** Header fields and body of a message in wire form, one character a byte. */
export function partsOf(mail: string): { readonly fields: readonly string[]; readonly body: string } {
  const end = mail.indexOf("\r\n\r\n");
  return { fields: mail.slice(0, end + 2).split(/(?<=\r\n)(?![ \t])/), body: mail.slice(end + 4) };
}

function hashOf(body: string): Buffer {
  const hasher = new BodyHasher("relaxed");
  hasher.push(Buffer.from(body, "latin1"));
  return hasher.digest();
}

/** The message with a signature on top. */
export async function signed(mail: string, key: SigningKey): Promise<string> {
  const { fields, body } = partsOf(mail);
  const options = { signed: ["from", "subject"], oversigned: [], now: Date.now() };
  return await signContent(fields, hashOf(body), key, options) + mail;
}

const NO_CHAIN: ArcResult = { is: "none", links: [], highest: 0 };

/** The message with an ARC set on top that says `authenticationResults`. */
export async function sealed(
  mail: string,
  key: SigningKey,
  authenticationResults: string,
  arc: ArcResult = NO_CHAIN,
): Promise<string> {
  const { fields, body } = partsOf(mail);
  const options = { arc, authenticationResults, signed: ["from", "subject"], now: Date.now() };
  const set = await sealContent(fields, hashOf(body), key, options);
  return `${(set ?? []).join("")}${mail}`;
}
