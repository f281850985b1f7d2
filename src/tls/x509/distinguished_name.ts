import { type Element, elements, identifierText, TAG } from "./der.ts";

/** One part of a name: `CN=mail.example.com`. */
interface NamePart {
  /** OpenSSL's short name, or the object identifier. */
  readonly type: string;
  readonly tag: number;
  readonly bytes: Buffer;
}

/** Whom a certificate is for, or who has signed it. */
export interface DistinguishedName {
  readonly parts: readonly NamePart[];
  /** DER: what two names are compared by. */
  readonly der: Buffer;
}

/** Types that names are made of (RFC 4519 §2). */
const TYPES: ReadonlyMap<string, string> = new Map(Object.entries({
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "street",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.13": "description",
  "2.5.4.15": "businessCategory",
  "2.5.4.17": "postalCode",
  "2.5.4.41": "name",
  "2.5.4.42": "GN",
  "2.5.4.97": "organizationIdentifier",
  "1.2.840.113549.1.9.1": "emailAddress",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
}));

/** Longest text of a part that is believed. */
const LONGEST = 255;

/** Reads a Name. */
export function readName({ content, whole }: Element): DistinguishedName {
  const parts = elements(content).flatMap((set) => elements(set.content)).map((pair): NamePart => {
    const [type, value] = elements(pair.content);
    if (type === undefined || value === undefined) throw new RangeError("bad name");
    const identifier = identifierText(type.content);
    return { type: TYPES.get(identifier) ?? identifier, tag: value.tag, bytes: value.content };
  });
  return { parts, der: whole };
}

/** `/O=Example/CN=Example CA`, as OpenSSL's one-line form has it: what is not printable ASCII as `\xHH`. */
export function nameLine({ parts }: DistinguishedName): string {
  return parts.map(({ type, bytes }) => `/${type}=${onlyPrintable(bytes)}`).join("");
}

function onlyPrintable(bytes: Buffer): string {
  return bytes.toString("latin1").replace(
    /[^ -~]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** The common name, the first of several; undefined when there is none, or one that is no printable text. */
export function commonName(name: DistinguishedName): string | undefined {
  return textOf(name, "CN");
}

/** All common names that are printable texts. */
export function commonNames({ parts }: DistinguishedName): readonly string[] {
  return parts.filter(({ type }) => type === "CN").map(printableText).filter((text) => text !== undefined);
}

/** How Postfix names an issuer: its common name, else its organization; "" without both. */
export function issuerName(name: DistinguishedName): string {
  return textOf(name, "CN") ?? textOf(name, "O") ?? "";
}

function textOf({ parts }: DistinguishedName, type: string): string | undefined {
  const part = parts.find((each) => each.type === type);
  return part && printableText(part);
}

function printableText(part: NamePart): string | undefined {
  const text = decoded(part).replace(/\0+$/, "");
  return Buffer.byteLength(text) > LONGEST || /[\x00-\x1f\x7f]/.test(text) ? undefined : text;
}

function decoded({ tag, bytes }: NamePart): string {
  if (tag === TAG.utf8String) return bytes.toString("utf8");
  if (tag !== TAG.bmpString) return bytes.toString("latin1");
  return bytes.length % 2 === 0 ? Buffer.from(bytes).swap16().toString("utf16le") : "";
}
