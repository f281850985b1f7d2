import { expect, test } from "bun:test";
import { createPrivateKey } from "node:crypto";
import fc from "fast-check";
import { parseKeyRecord } from "./key_record.ts";
import { generateKey, parseSigningKey, printTxt, publicRecord, type SigningKey } from "./signing_key.ts";
import { readDkimField } from "./signature_field.ts";

function key(pem: string, minimum?: number): SigningKey {
  const read = parseSigningKey("example.org", "s", pem, minimum);
  if ("fault" in read) throw new Error(read.fault);
  return read;
}

const RSA = key(generateKey("rsa-sha256"));
const ED25519 = key(generateKey("ed25519-sha256"));

test("the record of a key is the key", () => {
  for (const { algorithm, bits, ...rest } of [RSA, ED25519]) {
    const record = parseKeyRecord(publicRecord({ algorithm, bits, ...rest }));
    expect(record).toMatchObject({ key: { bits }, digests: undefined, testing: false, strict: false });
  }
  expect([RSA.bits, ED25519.bits]).toEqual([2048, 256]);
});

test("RSA keys are read in both forms of p= (RFC 6376 §3.6.1, RFC 8463 §4.2)", () => {
  // The RSAPublicKey stands behind 24 bytes of SubjectPublicKeyInfo.
  const bare = Buffer.from(RSA.publicKey, "base64").subarray(24).toString("base64");
  expect(parseKeyRecord(`p=${bare}`)).toMatchObject({ key: { kind: "rsa", bits: 2048 } });
});

test("parseSigningKey() reads PKCS #1 and PKCS #8, and says what it does not take", () => {
  const pkcs8 = generateKey("rsa-sha256");
  const pkcs1 = String(createPrivateKey(pkcs8).export({ type: "pkcs1", format: "pem" }));
  expect(pkcs1).toContain("BEGIN RSA PRIVATE KEY");
  expect(key(pkcs1).publicKey).toBe(key(pkcs8).publicKey);
  expect(parseSigningKey("example.org", "s", "rubbish")).toHaveProperty("fault");
  expect(parseSigningKey("example.org", "s", generateKey("rsa-sha256", 1024)))
    .toEqual({ fault: "RSA key of 1024 bits; at least 2048 are needed" });
  expect(key(generateKey("rsa-sha256", 1024), 1024).bits).toBe(1024);
});

test("both kinds of keys sign alike each time", () => {
  const data = Buffer.from("data");
  for (const one of [RSA, ED25519]) expect(one.sign(data)).toEqual(one.sign(data));
  expect(RSA.sign(data)).toHaveLength(256);
  expect(ED25519.sign(data)).toHaveLength(64);
});

test("printTxt() keeps strings to 255 bytes", () => {
  expect(printTxt("v=DKIM1; p=abc")).toBe('"v=DKIM1; p=abc"');
  const printed = printTxt(publicRecord(RSA));
  const strings = [...printed.matchAll(/"([^"]*)"/g)].map(([, text]) => text ?? "");
  expect(strings.every((text) => text.length <= 255)).toBe(true);
  expect(strings.join("")).toBe(publicRecord(RSA));
  expect(printTxt("")).toBe('""');
});

/** A text with some letters changed, left out or doubled. */
function mutated(text: string) {
  const change = fc.tuple(
    fc.nat(text.length),
    fc.constantFrom("", ";", "=", " ", "\r\n ", "\xff", "a", "v=", "p=;"),
    fc.nat(4),
  );
  return fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) =>
    changes.reduce((now, [at, put, cut]) => now.slice(0, at) + put + now.slice(at + cut), text)
  );
}

test("records of any kind are answered", () => {
  fc.assert(
    fc.property(mutated(publicRecord(ED25519)), (text) => {
      const record = parseKeyRecord(text);
      expect("fault" in record || record.key.bits === 256).toBe(true);
    }),
    { numRuns: 3000 },
  );
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseKeyRecord(text)), {
    numRuns: 1000,
  });
});

test("signatures of any kind are answered", () => {
  const hash = Buffer.alloc(32).toString("base64");
  const field = ` v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=s1; i=@a.example.org;\r\n` +
    ` t=1; x=2; l=3; q=dns/txt; h=from : to; bh=${hash}; b=abcd`;
  expect(readDkimField(field).read).toMatchObject({
    domain: "example.org",
    selector: "s1",
    kind: "rsa",
    header: "relaxed",
    body: "simple",
    names: ["from", "to"],
    length: 3,
    expires: 2,
    identityDomain: "a.example.org",
  });
  fc.assert(
    fc.property(mutated(field), (text) => {
      const { read } = readDkimField(text);
      expect("is" in read ? read.why.length > 0 : read.bodyHash.length === 32).toBe(true);
    }),
    { numRuns: 5000 },
  );
});
