import type { Resolver } from "../../dns/resolver.ts";
import { digest } from "../../platform/crypto/digest.ts";
import { isSignature, type VerifyingKey } from "../../platform/crypto/signature.ts";
import { parseKeyRecord } from "./key_record.ts";
import type { SigningKey } from "./signing_key.ts";

/** How the public half of a key of ours stands in the DNS. */
export type PublishedKey =
  /** As it should. `testing`: the record says that the domain is only trying (`t=y`). */
  | { readonly is: "published"; readonly testing: boolean }
  | { readonly is: "missing" }
  /** A key is there, and it is another one. */
  | { readonly is: "different" }
  /** What is there is no key that can be used: revoked, malformed, not for mail, or several records. */
  | { readonly is: "unusable"; readonly why: string }
  /** The DNS did not answer. */
  | { readonly is: "unknown"; readonly why: string };

/** Where the public half of a key is published. */
export function keyRecordName({ domain, selector }: Pick<SigningKey, "domain" | "selector">): string {
  return `${selector}._domainkey.${domain}`;
}

/** Looks whether those who check our signatures find the key that made them. */
export async function findPublishedKey(
  key: SigningKey,
  resolver: Pick<Resolver, "txt">,
  signal?: AbortSignal,
): Promise<PublishedKey> {
  const answer = await resolver.txt(keyRecordName(key), signal);
  if (answer.is === "trouble") return { is: "unknown", why: answer.why };
  if (answer.is !== "records") return { is: "missing" };
  const [first, ...more] = answer.records;
  if (first === undefined) return { is: "missing" };
  if (more.length > 0) {
    return {
      is: "unusable",
      why: `${answer.records.length} records are there; who checks may take any of them`,
    };
  }
  return compare(key, first.text);
}

function compare(key: SigningKey, text: string): PublishedKey {
  const record = parseKeyRecord(text);
  if ("fault" in record) return { is: "unusable", why: record.fault };
  if (record.digests !== undefined && !record.digests.includes("sha256")) {
    return { is: "unusable", why: "h= does not have sha256" };
  }
  return isHalfOf(record.key, key) ? { is: "published", testing: record.testing } : { is: "different" };
}

/** An RSA key may be written in two ways, so it is tried. */
function isHalfOf(published: VerifyingKey, { algorithm, sign }: SigningKey): boolean {
  const kind = algorithm === "rsa-sha256" ? "rsa" : "ed25519";
  if (published.kind !== kind) return false;
  const signed = kind === "rsa" ? TRIAL : digest("sha256", TRIAL);
  return isSignature(published, signed, sign(TRIAL));
}

const TRIAL = Buffer.from("the two halves of a key");
