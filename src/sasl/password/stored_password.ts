import type { DigestName } from "../../platform/crypto/digest.ts";

/** What a server keeps of a password for SCRAM: enough to check a client, not enough to be one (RFC 5802 §3). SHA-256 all through. */
export interface ScramVerifier {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** What is stored of a password. */
export type StoredPassword =
  | { readonly is: "argon2" | "bcrypt" | "crypt"; readonly hash: string }
  | { readonly is: "digest"; readonly name: DigestName; readonly hash: Buffer; readonly salt: Buffer }
  | {
    readonly is: "pbkdf2";
    readonly name: DigestName;
    readonly salt: Buffer;
    readonly iterations: number;
    readonly hash: Buffer;
  }
  | { readonly is: "scram"; readonly verifier: ScramVerifier }
  | { readonly is: "plain"; readonly secret: string }
  /** Nothing is stored here: the directory is asked, as the entry of that name. */
  | { readonly is: "ldap"; readonly dn: string };

/** Why a value holds no password. It tells nothing of what stands there. */
export interface NotStored {
  readonly is: "malformed";
  readonly why: string;
}

const LENGTHS: Readonly<Record<DigestName, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha384: 48,
  sha512: 64,
};

/** Bytes in hexadecimal when there are just as many digits, else in base64. */
function bytesIn(text: string, length: number): Buffer | undefined {
  if (/^[0-9a-fA-F]*$/.test(text) && text.length === 2 * length) return Buffer.from(text, "hex");
  return base64In(text);
}

function base64In(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  const same = bytes.toString("base64").replace(/=+$/, "") === text.replace(/=+$/, "");
  return same ? bytes : undefined;
}

type Read = (text: string) => StoredPassword | undefined;

function digestOf(name: DigestName, salted: boolean): Read {
  const length = LENGTHS[name];
  return (text) => {
    const bytes = salted ? base64In(text) : bytesIn(text, length);
    if (bytes === undefined || (salted ? bytes.length <= length : bytes.length !== length)) return undefined;
    return { is: "digest", name, hash: bytes.subarray(0, length), salt: bytes.subarray(length) };
  };
}

/** A hash that says itself what it is, as in /etc/shadow. */
function dollars(text: string): StoredPassword | undefined {
  if (/^\$argon2(id?|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/.test(text)) {
    return { is: "argon2", hash: text };
  }
  if (/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(text)) return { is: "bcrypt", hash: text };
  const isCrypt = /^\$(?:1|5|6|7|y|gy|sha1)\$[./A-Za-z0-9$=,]+$/.test(text);
  return isCrypt && text.split("$").length >= 4 ? { is: "crypt", hash: text } : undefined;
}

/** `iterations,salt,StoredKey,ServerKey`, as Dovecot writes it. */
function scram(text: string): StoredPassword | undefined {
  const [iterations = "", ...parts] = text.split(",");
  const [salt, storedKey, serverKey, more] = parts.map(base64In);
  if (!/^[1-9]\d{0,8}$/.test(iterations) || more !== undefined || parts.length !== 3) return undefined;
  if (salt === undefined || storedKey?.length !== 32 || serverKey?.length !== 32) return undefined;
  return { is: "scram", verifier: { salt, iterations: Number(iterations), storedKey, serverKey } };
}

/** `$1$salt$rounds$hash`, as Dovecot writes it: SHA-1, hexadecimal. */
function pbkdf2(text: string): StoredPassword | undefined {
  const match = /^\$1\$([^$]+)\$([1-9]\d{0,8})\$([0-9a-fA-F]{40})$/.exec(text);
  if (match === null) return undefined;
  const [, salt, rounds, hash] = match;
  return {
    is: "pbkdf2",
    name: "sha1",
    salt: Buffer.from(salt!),
    iterations: Number(rounds),
    hash: Buffer.from(hash!, "hex"),
  };
}

const plain: Read = (secret) => secret === "" || secret.includes("\0") ? undefined : { is: "plain", secret };

const ldap: Read = (dn) => /^[^\0=]+=.+$/.test(dn) ? { is: "ldap", dn } : undefined;

/** The schemes by Dovecot's names, and our own LDAP. */
const SCHEMES: Readonly<Record<string, Read>> = {
  PLAIN: plain,
  CLEAR: plain,
  CLEARTEXT: plain,
  LDAP: ldap,
  CRYPT: dollars,
  "SHA512-CRYPT": dollars,
  "SHA256-CRYPT": dollars,
  "MD5-CRYPT": dollars,
  "BLF-CRYPT": dollars,
  ARGON2I: dollars,
  ARGON2ID: dollars,
  "SCRAM-SHA-256": scram,
  PBKDF2: pbkdf2,
  SHA: digestOf("sha1", false),
  SHA1: digestOf("sha1", false),
  SHA256: digestOf("sha256", false),
  SHA512: digestOf("sha512", false),
  SSHA: digestOf("sha1", true),
  SSHA256: digestOf("sha256", true),
  SSHA512: digestOf("sha512", true),
  SMD5: digestOf("md5", true),
  "PLAIN-MD5": digestOf("md5", false),
  "LDAP-MD5": digestOf("md5", false),
};

/** Dovecot's `.b64` and `.hex` behind a scheme. */
const ENCODINGS: Readonly<Record<string, (text: string) => Buffer | undefined>> = {
  B64: base64In,
  BASE64: base64In,
  HEX: (text) => /^(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, "hex") : undefined,
};

/**
 * Reads a value of a users table: passwords in stored form, with blanks between them; `{PLAIN}` and `{LDAP}` take all that follows. The first one that a
 * mechanism can use counts for it.
 */
export function parseStored(value: string): readonly StoredPassword[] | NotStored {
  const stored: StoredPassword[] = [];
  for (let rest = value.trim(); rest !== "";) {
    const isLast = /^\{(?:PLAIN|CLEAR|CLEARTEXT|LDAP)\}/i.test(rest);
    const end = isLast ? rest.length : /\s|$/.exec(rest)!.index;
    const one = parseOne(rest.slice(0, end));
    if (one.is === "malformed") return one;
    stored.push(one);
    rest = rest.slice(end).trim();
  }
  return stored.length > 0 ? stored : { is: "malformed", why: "no password" };
}

function parseOne(text: string): StoredPassword | NotStored {
  const match = /^\{([A-Za-z0-9-]+)(?:\.([A-Za-z0-9]+))?\}(.*)$/s.exec(text);
  if (match === null) {
    if (!text.startsWith("$")) {
      return malformed("a password needs a scheme in front of it: {PLAIN}, {SHA512-CRYPT}, $6$...");
    }
    return dollars(text) ?? malformed("unknown kind of hash");
  }
  const [, name, encoding, rest] = match as unknown as [string, string, string | undefined, string];
  const read = SCHEMES[name.toUpperCase()];
  if (read === undefined) return malformed(`unknown password scheme {${name}}`);
  return (encoding === undefined ? read(rest) : encoded(read, encoding, rest)) ??
    malformed(`what follows {${name}} is no such hash`);
}

function encoded(read: Read, encoding: string, text: string): StoredPassword | undefined {
  const bytes = ENCODINGS[encoding.toUpperCase()]?.(text);
  if (bytes === undefined) return undefined;
  return read(bytes.toString()) ?? read(bytes.toString("base64"));
}

function malformed(why: string): NotStored {
  return { is: "malformed", why };
}
