import { asciiDomain } from "../../address/idna.ts";
import { isAsciiHostname } from "../../address/hostname.ts";
import type { SignatureKind } from "../../platform/crypto/signature.ts";
import type { DkimWord } from "../auth_result.ts";
import { colonList, parseTagList, type TagList, withoutSpace } from "../tags/tag_list.ts";
import type { Canonicalization } from "./canonicalization.ts";

/** A signature over a header and a body: a DKIM-Signature (RFC 6376 §3.5) or an ARC-Message-Signature (RFC 8617 §4.1.2). */
export interface SignatureField {
  readonly domain: string;
  readonly selector: string;
  readonly kind: SignatureKind;
  readonly header: Canonicalization;
  readonly body: Canonicalization;
  /** `h=`, as written. */
  readonly names: readonly string[];
  readonly bodyHash: Buffer;
  readonly signature: Buffer;
  /** `l=`. */
  readonly length: number | undefined;
  /** `x=`, seconds. */
  readonly expires: number | undefined;
}

/** A signature that cannot be looked at, and what that makes it (RFC 8601 §2.7.1). */
export interface SignatureFault {
  readonly is: Extract<DkimWord, "neutral" | "permerror" | "policy">;
  readonly why: string;
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const CANONICALIZATION = /^(simple|relaxed)(?:\/(simple|relaxed))?$/;
/** An empty name is no field, which the public ARC suite lets pass. */
const FIELD_NAME = /^[\x21-\x39\x3b-\x7e]*$/;

/** Labels as the DNS has them; all digits are usual. */
const SELECTOR = /^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$/;
const SHA256_BYTES = 32;
/** Most names in `h=`: fifty are many. */
const NAMES_LIMIT = 1000;

/** Reads the tags that both kinds of signatures have. */
export function readSignature(tags: TagList, required: readonly string[]): SignatureField | SignatureFault {
  const missing = required.find((name) => !tags.has(name));
  if (missing !== undefined) return permanent(`${missing}= is missing`);
  const kind = readAlgorithm(tags);
  if (typeof kind === "object") return kind;
  const domain = readDomain(tags.get("d") ?? "");
  if (domain === undefined) return malformed("d= is no domain");
  const selector = readSelector(tags.get("s") ?? "");
  if (selector === undefined) return malformed("s= is no selector");
  const how = CANONICALIZATION.exec((tags.get("c") ?? "simple/simple").toLowerCase());
  if (how === null) return malformed("c= is not known");
  const names = colonList(tags.get("h") ?? "");
  if (names.length > NAMES_LIMIT) return malformed("h= is too long");
  if (!names.every((name) => FIELD_NAME.test(name))) return malformed("h= names no fields");
  if (!names.some((name) => name.toLowerCase() === "from")) return permanent("From is not signed");
  const bodyHash = readBase64(tags.get("bh"));
  if (bodyHash?.length !== SHA256_BYTES) return malformed("bh= is no hash");
  const signature = readBase64(tags.get("b"));
  if (signature === undefined) return malformed("b= is no signature");
  const numbers = readNumbers(tags);
  if ("is" in numbers) return numbers;
  const [header, body] = [canonicalizationOf(how[1]), canonicalizationOf(how[2])];
  return { domain, selector, kind, header, body, names, bodyHash, signature, ...numbers };
}

function canonicalizationOf(word: string | undefined): Canonicalization {
  return word === "relaxed" ? "relaxed" : "simple";
}

/** `a=`: SHA-1 is nobody's signature any more (RFC 8301 §3.1). */
export function readAlgorithm(tags: TagList): SignatureKind | SignatureFault {
  const name = (tags.get("a") ?? "").toLowerCase();
  if (name === "rsa-sha256") return "rsa";
  if (name === "ed25519-sha256") return "ed25519";
  if (name === "rsa-sha1") return { is: "policy", why: "SHA-1 is not accepted (RFC 8301)" };
  return malformed("a= is not known");
}

/** A domain in lower case and its IDNA form (RFC 8616 §5); undefined where it is none. */
export function readDomain(text: string): string | undefined {
  const domain = asciiDomain(Buffer.from(text, "latin1").toString()).toLowerCase();
  return isAsciiHostname(domain) ? domain : undefined;
}

/** A selector in lower case and its IDNA form; undefined where it is none. */
export function readSelector(text: string): string | undefined {
  const selector = asciiDomain(Buffer.from(text, "latin1").toString()).toLowerCase();
  return SELECTOR.test(selector) ? selector : undefined;
}

/** The bytes of a value; undefined when it is no base64, or nothing. */
export function readBase64(value: string | undefined): Buffer | undefined {
  const text = withoutSpace(value ?? "");
  return BASE64.test(text) ? Buffer.from(text, "base64") : undefined;
}

function readNumbers(
  tags: TagList,
): { readonly length: number | undefined; readonly expires: number | undefined } | SignatureFault {
  const [signed, expires, length] = [tags.get("t"), tags.get("x"), tags.get("l")];
  for (const time of [signed, expires]) {
    if (time !== undefined && !/^[0-9]{1,12}$/.test(time)) return malformed("t= or x= is no time");
  }
  if (length !== undefined && !/^[0-9]{1,76}$/.test(length)) return malformed("l= is no length");
  if (signed !== undefined && expires !== undefined && Number(expires) <= Number(signed)) {
    return malformed("x= is not after t=");
  }
  return {
    length: length === undefined ? undefined : Number(length),
    expires: expires === undefined ? undefined : Number(expires),
  };
}

function malformed(why: string): SignatureFault {
  return { is: "neutral", why };
}

function permanent(why: string): SignatureFault {
  return { is: "permerror", why };
}

/** What a DKIM-Signature has beside. */
export interface DkimField {
  readonly tags: TagList;
  readonly read: (SignatureField & { readonly identityDomain: string }) | SignatureFault;
}

const REQUIRED = ["v", "a", "b", "bh", "d", "h", "s"];

/** Reads the value of a DKIM-Signature field (RFC 6376 §3.5, §6.1.1). */
export function readDkimField(value: string): DkimField {
  const tags = parseTagList(value);
  if ("fault" in tags) return { tags: new Map(), read: malformed(tags.fault) };
  return { tags, read: readDkimTags(tags) };
}

function readDkimTags(tags: TagList): DkimField["read"] {
  if (tags.has("v") && tags.get("v") !== "1") return malformed("v= is not 1");
  const field = readSignature(tags, REQUIRED);
  if ("is" in field) return field;
  const methods = colonList((tags.get("q") ?? "dns/txt").toLowerCase());
  if (!methods.includes("dns/txt")) return malformed("q= is not known");
  const identity = tags.get("i");
  if (identity === undefined) return { ...field, identityDomain: field.domain };
  const identityDomain = identity.includes("@")
    ? readDomain(identity.slice(identity.lastIndexOf("@") + 1))
    : undefined;
  if (identityDomain === undefined) return malformed("i= is no identity");
  if (identityDomain !== field.domain && !identityDomain.endsWith(`.${field.domain}`)) {
    return permanent("i= is not within d=");
  }
  return { ...field, identityDomain };
}
