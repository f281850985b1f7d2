import type { Canonicalization } from "./canonicalization.ts";
import { canonicalField, SignedHeader, withoutLineEnd } from "./canonical_header.ts";
import type { SigningKey } from "./signing_key.ts";

/** How a message is signed. */
export interface SigningOptions {
  /** Of the header; default relaxed. */
  readonly header?: Canonicalization;
  /** What the body hash was made with; default relaxed. */
  readonly body?: Canonicalization;
  /** Names of fields that are signed as often as they are there, in lower case. From is always signed. */
  readonly signed: readonly string[];
  /** Those that are named once more than they are there, so that nobody can add one (RFC 6376 §5.4.2, §8.15). */
  readonly oversigned: readonly string[];
  /** Milliseconds: `t=`. */
  readonly now: number;
  /** Seconds until the signature expires: `x=`. */
  readonly lifetime?: number;
  /** `i=`; left out unless asked for. */
  readonly identity?: string;
}

/** Most fields of one name that are signed, the lowest ones: what `h=` gets as long as it will. */
const FIELDS_LIMIT = 50;

/**
 * The whole `DKIM-Signature: ...` field with its CR LF, folded, to be put at the top. `fields` are whole header fields in wire form, one character a
 * byte, from the top; `bodyHash` is a `BodyHasher`'s of the same canonicalization. One body hash does for several keys.
 */
export function signContent(
  fields: readonly string[],
  bodyHash: Uint8Array,
  key: SigningKey,
  options: SigningOptions,
): string {
  const header = new SignedHeader(fields);
  const names = signedNames(header, options.signed, options.oversigned);
  const [how, body] = [options.header ?? "relaxed", options.body ?? "relaxed"];
  const seconds = Math.floor(options.now / 1000);
  const field = printSignature("DKIM-Signature", [
    "v=1",
    `a=${key.algorithm}`,
    `c=${how}/${body}`,
    `d=${key.domain}`,
    `s=${key.selector}`,
    ...options.identity === undefined ? [] : [`i=${options.identity}`],
    `t=${seconds}`,
    ...options.lifetime === undefined ? [] : [`x=${seconds + options.lifetime}`],
    `h=${names.join(":")}`,
    `bh=${Buffer.from(bodyHash).toString("base64")}`,
  ]);
  return withSignature(field, header.select(names, how), key, how);
}

/** What `h=` names, each as often as it is to be there. */
export function signedNames(
  header: SignedHeader,
  signed: readonly string[],
  oversigned: readonly string[],
): string[] {
  const more = new Set(oversigned);
  const names = new Set(["from", ...signed, ...oversigned]);
  return [...names].flatMap((name) => {
    const count = Math.min(header.count(name), FIELDS_LIMIT) + (more.has(name) ? 1 : 0);
    return Array<string>(count).fill(name);
  });
}

/** Signs what comes before and the field itself (RFC 6376 §3.7), and puts the signature at its end. */
export function withSignature(
  field: string,
  before: string,
  key: SigningKey,
  how: Canonicalization,
): string {
  const data = before + withoutLineEnd(canonicalField(`${field}\r\n`, how));
  return `${field}${folded(key.sign(Buffer.from(data, "latin1")).toString("base64"))}\r\n`;
}

/** Longest line that is made on purpose (RFC 5322 §2.1.1). */
const LINE = 78;

/** A field of tags, folded between them and at the colons of a list, that ends in `b=`. */
export function printSignature(name: string, tags: readonly string[]): string {
  const lines: string[] = [];
  let line = `${name}:`;
  const add = (piece: string, blank: string) => {
    if (line.length + blank.length + piece.length > LINE && line.trim() !== "") {
      lines.push(line);
      line = `\t${piece}`;
    } else {
      line += blank + piece;
    }
  };
  for (const tag of [...tags, "b="]) {
    const pieces = (tag.startsWith("b=") ? tag : `${tag};`).split(/(?<=:)/);
    for (const [at, piece] of pieces.entries()) add(piece, at === 0 ? " " : "");
  }
  return [...lines, line].join("\r\n");
}

/** Base64 on lines of its own. */
function folded(base64: string): string {
  return base64.replace(/.{1,72}/g, "\r\n\t$&");
}
