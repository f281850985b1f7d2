import type { SignatureKind } from "../../platform/crypto/signature.ts";
import { readAlgorithm, readBase64, readDomain, readSelector } from "../dkim/signature_field.ts";
import { parseTagList } from "../tags/tag_list.ts";
import type { ArcWord } from "../auth_result.ts";

/** An ARC-Seal (RFC 8617 §4.1.3). */
export interface SealField {
  readonly domain: string;
  readonly selector: string;
  readonly kind: SignatureKind;
  readonly signature: Buffer;
  /** `cv=`: what the sealer found of the chain before. */
  readonly validation: ArcWord;
}

const KNOWN = ["i", "a", "b", "cv", "d", "s"];

/** Reads the value of an ARC-Seal; a text says what is wrong with it. */
export function readSealField(value: string): SealField | string {
  const tags = parseTagList(value);
  if ("fault" in tags) return tags.fault;
  const missing = KNOWN.find((name) => !tags.has(name));
  if (missing !== undefined) return `${missing}= is missing`;
  if (tags.has("h")) return "h= may not be there"; // RFC 8617 §4.1.3
  const kind = readAlgorithm(tags);
  if (typeof kind === "object") return kind.why;
  const validation = (tags.get("cv") ?? "").toLowerCase();
  if (validation !== "none" && validation !== "pass" && validation !== "fail") return "cv= is not known";
  const domain = readDomain(tags.get("d") ?? "");
  const selector = readSelector(tags.get("s") ?? "");
  if (domain === undefined) return "d= is no domain";
  if (selector === undefined) return "s= is no selector";
  const signature = readBase64(tags.get("b"));
  if (signature === undefined) return "b= is no signature";
  return { domain, selector, kind, signature, validation };
}
