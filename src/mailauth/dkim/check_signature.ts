import { isSignature } from "../../platform/crypto/signature.ts";
import { digest } from "../../platform/crypto/digest.ts";
import type { DkimWord } from "../auth_result.ts";
import { withoutValueOf } from "../tags/tag_list.ts";
import type { BodyHashes } from "./body_hashes.ts";
import { canonicalField, fieldValue, type SignedHeader, withoutLineEnd } from "./canonical_header.ts";
import type { Canonicalization } from "./canonicalization.ts";
import type { KeyAnswer } from "./find_key.ts";
import type { KeyRecord } from "./key_record.ts";
import type { SignatureField } from "./signature_field.ts";

/** What became of a signature. */
export interface Checked {
  readonly is: DkimWord;
  readonly why?: string;
  readonly keyBits?: number;
  readonly testing: boolean;
  readonly unsignedBytes?: number;
}

/** What a signature is checked against. */
export interface CheckedContent {
  readonly header: SignedHeader;
  readonly bodies: BodyHashes;
  /** Milliseconds. */
  readonly now: number;
}

/** How far clocks may differ, in seconds. */
const SLACK = 300;
/** RFC 8301 §3.2: shorter keys vouch for nothing, and nobody needs longer ones. */
const [LEAST_BITS, MOST_BITS] = [1024, 8192];
/** Most of a header that is hashed for one signature. */
const HEADER_LIMIT = 1 << 20;

/** Judges a signature whose field is at `own` (RFC 6376 §6.1.2, §6.1.3). */
export function checkSignature(
  signature: SignatureField & { readonly identityDomain?: string },
  own: number,
  key: KeyAnswer,
  { header, bodies, now }: CheckedContent,
): Checked {
  if (signature.expires !== undefined && signature.expires + SLACK < now / 1000) {
    return { is: "fail", why: "signature expired", testing: false };
  }
  if (key.is === "trouble") return { is: "temperror", why: key.why, testing: false };
  if (key.is === "absent") return { is: "permerror", why: key.why, testing: false };
  const { record } = key;
  const known = { keyBits: record.key.bits, testing: record.testing };
  const refused = keyProblem(record, signature);
  if (refused !== undefined) return { ...refused, ...known };
  const body = bodies.get(signature.body, signature.length);
  if (body === undefined) return { is: "fail", why: "body is shorter than l=", ...known };
  if (!body.hash.equals(signature.bodyHash)) return { is: "fail", why: "body hash did not verify", ...known };
  const signed = header.select(signature.names, signature.header, own);
  if (signed.length > HEADER_LIMIT) return { is: "neutral", why: "header is too long", ...known };
  const data = signed + withoutSignature(header.fields[own]!, signature.header);
  if (!isSigned(data, record, signature.signature)) {
    return { is: "fail", why: "signature did not verify", ...known };
  }
  // Whoever adds an author to signed mail is nobody whom the signature knows (RFC 6376 §8.15).
  const signedAuthors = signature.names.filter((name) => name.toLowerCase() === "from").length;
  if (header.count("from") > signedAuthors) {
    return { is: "policy", why: "a From field is not signed", ...known };
  }
  if (body.unsigned === 0) return { is: "pass", ...known };
  return {
    is: "pass",
    why: `${body.unsigned} bytes of body not signed`,
    unsignedBytes: body.unsigned,
    ...known,
  };
}

function keyProblem(
  record: KeyRecord,
  { domain, identityDomain = domain }: { readonly domain: string; readonly identityDomain?: string },
): { readonly is: DkimWord; readonly why: string } | undefined {
  if (record.digests !== undefined && !record.digests.includes("sha256")) {
    return { is: "permerror", why: "key is not for sha256" };
  }
  if (record.strict && identityDomain !== domain) {
    return { is: "permerror", why: "key is not for subdomains" };
  }
  return bitsProblem(record);
}

/** What is wrong with the size of a key, if anything. */
export function bitsProblem(
  { key: { kind, bits } }: KeyRecord,
): { readonly is: DkimWord; readonly why: string } | undefined {
  if (kind !== "rsa" || (bits >= LEAST_BITS && bits <= MOST_BITS)) return undefined;
  return { is: "policy", why: `RSA key of ${bits} bits` };
}

/** A signature's field as it was signed: canonical, its `b=` empty, no line end (RFC 6376 §3.7). */
export function withoutSignature(field: string, how: Canonicalization): string {
  const value = withoutValueOf("b", fieldValue(field));
  return withoutLineEnd(canonicalField(`${field.slice(0, field.indexOf(":") + 1)}${value}\r\n`, how));
}

/** Whether the text was signed with the key's private half. Ed25519 signs the digest (RFC 8463 §3). */
export function isSigned(text: string, { key }: KeyRecord, signature: Uint8Array): boolean {
  const data = Buffer.from(text, "latin1");
  return isSignature(key, key.kind === "ed25519" ? digest("sha256", data) : data, signature);
}
