import { expect, test } from "bun:test";
import fc from "fast-check";
import { type TextResolver, textResolver, verifyMessage } from "../../test/kit/signed_mail.ts";
import { digest } from "../platform/crypto/digest.ts";
import { type ContentResult, ContentVerifier } from "./content_verifier.ts";
import { SignedHeader } from "./dkim/canonical_header.ts";
import { BodyHasher } from "./dkim/body_hasher.ts";
import type { Canonicalization } from "./dkim/canonicalization.ts";
import { printSignature, signContent, withSignature } from "./dkim/sign_content.ts";
import { generateKey, parseSigningKey, publicRecord, type SigningKey } from "./dkim/signing_key.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");

function key(algorithm: SigningKey["algorithm"], bits = 2048): SigningKey {
  const made = parseSigningKey("example.org", algorithm, generateKey(algorithm, bits), 0);
  if ("fault" in made) throw new Error(made.fault);
  return made;
}

const RSA = key("rsa-sha256");
const ED25519 = key("ed25519-sha256");
const KEYS = [RSA, ED25519];

const PUBLISHED = textResolver(
  Object.fromEntries(KEYS.map((key) => [`${key.selector}._domainkey.example.org`, publicRecord(key)])),
);

function verify(
  fields: readonly string[],
  body: string,
  { resolver = PUBLISHED, now = NOW }: { readonly resolver?: TextResolver; readonly now?: number } = {},
): Promise<ContentResult> {
  return verifyMessage({ fields, body }, resolver, now);
}

interface How {
  readonly header?: Canonicalization;
  readonly body?: Canonicalization;
  readonly lifetime?: number;
  readonly identity?: string;
}

function sign(fields: readonly string[], body: string, key: SigningKey, how: How = {}): string {
  const hasher = new BodyHasher(how.body ?? "relaxed");
  hasher.push(Buffer.from(body, "latin1"));
  return signContent(fields, hasher.digest(), key, {
    signed: ["from", "to", "subject", "received", "x-odd"],
    oversigned: ["from", "subject"],
    now: NOW,
    ...how,
  });
}

const FIELDS = ["From: ann@example.org\r\n", "To: bob@example.net\r\n", "Subject: Hello\r\n"];
const BODY = "Hi.\r\n\r\nThe price is  5.\r\n\r\n";

const blank = fc.constantFrom("", " ", "\t", "  ", "\r\n ", "\r\n\t ");
const word = fc.stringMatching(/^[!-9;-~\xa1-\xff]{0,9}$/);
const value = fc.array(fc.tuple(blank, word), { maxLength: 6 }).map((all) => all.flat().join(""));
const field = fc.tuple(fc.constantFrom("From", "To", "Subject", "Received", "X-Odd", "x-odd"), blank, value)
  .map(([name, space, text]) => `${name}:${space}${text}\r\n`.replace(/\r\n[ \t]*(?=\r\n)/g, ""));
const body = fc.array(fc.constantFrom("a", "\xe9", " ", "\t", "\r\n", "\r\n\r\n", "word", "  ", "."), {
  maxLength: 20,
})
  .map((all) => all.join(""));
const how = fc.constantFrom<Canonicalization>("simple", "relaxed");

test("what is signed here passes here, whatever the message looks like", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(field, { maxLength: 8 }),
      body,
      how,
      how,
      async (fields, body, header, bodyHow) => {
        const all = ["From: ann@example.org\r\n", ...fields];
        const signatures = KEYS.map((key) => sign(all, body, key, { header, body: bodyHow }));
        const { dkim } = await verify([...signatures, "Received: from a\r\n\tby b\r\n", ...all], body);
        // The Received field on top came after the signature, which does not name one more than there were.
        expect(dkim.map(({ is, why, algorithm }) => ({ is, why, algorithm }))).toEqual(
          KEYS.map(({ algorithm }) => ({ is: "pass", why: undefined, algorithm })),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("one changed byte of what is signed is a fail", async () => {
  const signature = sign(FIELDS, BODY, ED25519, { header: "simple", body: "simple" });
  const header = [signature, ...FIELDS];
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (seed, change) => {
      const text = FIELDS.join("") + BODY.slice(0, -4);
      const at = seed % text.length;
      const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ change) +
        text.slice(at + 1);
      const lengths = FIELDS.map((one) => one.length);
      const fields = lengths.map((length, n) => {
        const start = lengths.slice(0, n).reduce((sum, one) => sum + one, 0);
        return changed.slice(start, start + length);
      });
      const rest = changed.slice(FIELDS.join("").length) + BODY.slice(-4);
      const { dkim: [result] } = await verify([signature, ...fields], rest);
      expect(result?.is).toBe("fail");
    }),
    { numRuns: 200 },
  );
  expect((await verify(header, BODY)).dkim[0]?.is).toBe("pass");
});

test("a signature that was changed never passes, and is always answered", async () => {
  const signature = sign(FIELDS, BODY, ED25519, { lifetime: 3600 });
  const start = "DKIM-Signature:".length;
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.integer({ min: 33, max: 126 }), fc.nat(3), async (seed, code, cut) => {
      // Not the last letters: some of base64's last bits mean nothing.
      const at = start + seed % (signature.length - start - 8);
      const changed = signature.slice(0, at) + String.fromCharCode(code) + signature.slice(at + cut);
      if (changed === signature || /[^\r]\n|\r[^\n]|\r\n[^\t ]/.test(changed.slice(0, -2))) return;
      const { dkim: [result] } = await verify([changed, ...FIELDS], BODY);
      expect(result?.is).not.toBe("pass");
    }),
    { numRuns: 500 },
  );
});

test("a field that is added to an oversigned name is a fail, to another one not", async () => {
  const signature = sign(FIELDS, BODY, RSA);
  const forged = await verify([signature, "Subject: Buy\r\n", ...FIELDS], BODY);
  expect(forged.dkim[0]).toMatchObject({ is: "fail", why: "signature did not verify" });
  const more = await verify([signature, "Reply-To: x@example.net\r\n", ...FIELDS], BODY);
  expect(more.dkim[0]).toMatchObject({
    is: "pass",
    domain: "example.org",
    selector: "rsa-sha256",
    keyBits: 2048,
  });
});

test("a result says whose signature it is", async () => {
  const { dkim: [result] } = await verify([
    sign(FIELDS, BODY, RSA, { identity: "ann@mail.example.org" }),
    ...FIELDS,
  ], BODY);
  expect(result).toMatchObject({
    is: "pass",
    domain: "example.org",
    identity: "ann@mail.example.org",
    algorithm: "rsa-sha256",
    testing: false,
  });
  expect(result?.b).toMatch(/^[A-Za-z0-9+/]{8}$/);
});

test("keys and signatures that do not do are told apart", async () => {
  const place = "rsa-sha256._domainkey.example.org";
  const good = publicRecord(RSA);
  const signature = sign(FIELDS, BODY, RSA, { lifetime: 60 });
  const p = good.slice(good.indexOf("p="));
  const weak = key("rsa-sha256", 512);
  const rows: [string, string | readonly string[] | undefined, string, string | undefined, number?][] = [
    ["as published", good, "pass", undefined],
    ["no version", p, "pass", undefined],
    ["testing", `${good}; t=y`, "pass", undefined],
    ["strict", `${good}; t=s`, "pass", undefined],
    ["for all", `v=DKIM1; s=*; ${p}`, "pass", undefined],
    ["unknown tags", `v=DKIM1; n=note; zz=1; ${p};`, "pass", undefined],
    ["the second of two", ["v=spf1 -all", good], "pass", undefined],
    ["no record", undefined, "permerror", "no key"],
    ["revoked", "v=DKIM1; p=", "permerror", "key is revoked"],
    ["another version", `v=DKIM2; ${p}`, "permerror", "key record: v= is not DKIM1, or not first"],
    ["version not first", `${p}; v=DKIM1`, "permerror", "key record: v= is not DKIM1, or not first"],
    ["another kind", publicRecord(ED25519), "permerror", "key is of another kind"],
    ["not for mail", `v=DKIM1; s=tlsrpt; ${p}`, "permerror", "key is not for mail"],
    ["other hashes", `v=DKIM1; h=sha1; ${p}`, "permerror", "key is not for sha256"],
    ["no key", "v=DKIM1; k=rsa", "permerror", "key record without p="],
    ["rubbish", "v=DKIM1; p=AAAA", "permerror", "key cannot be read"],
    ["twice", `${good}; p=`, "permerror", "key record: p= comes twice"],
    ["too short", publicRecord(weak), "policy", "RSA key of 512 bits"],
    ["of somebody else", publicRecord(key("rsa-sha256", 1024)), "fail", "signature did not verify"],
    ["expired", good, "fail", "signature expired", 400_000],
    ["nearly expired", good, "pass", undefined, 300_000],
  ];
  for (const [what, text, is, why, later = 0] of rows) {
    const resolver = textResolver(text === undefined ? {} : { [place]: text });
    const { dkim: [result] } = await verify([signature, ...FIELDS], BODY, { resolver, now: NOW + later });
    expect({ what, is: result?.is, why: result?.why }).toEqual({ what, is: is as never, why });
    expect(result?.testing).toBe(what === "testing");
  }
});

test("a key that nobody can ask for is a temporary error", async () => {
  const resolver = { txt: () => Promise.resolve({ is: "trouble" as const, why: "no server", retry: true }) };
  const { dkim: [result] } = await verify([sign(FIELDS, BODY, RSA), ...FIELDS], BODY, { resolver });
  expect(result).toMatchObject({ is: "temperror", why: "key cannot be looked up: no server" });
});

test("signatures with faults are no passes, and say what is wrong", async () => {
  const good = sign(FIELDS, BODY, RSA);
  const rows: [string, string, string, string][] = [
    ["v=1;", "v=2;", "neutral", "v= is not 1"],
    ["v=1;", "", "permerror", "v= is missing"],
    ["a=rsa-sha256", "a=rsa-sha1", "policy", "SHA-1 is not accepted (RFC 8301)"],
    ["a=rsa-sha256", "a=rsa-md5", "neutral", "a= is not known"],
    ["c=relaxed/relaxed", "c=nofws", "neutral", "c= is not known"],
    ["d=example.org;", "d=example..org;", "neutral", "d= is no domain"],
    ["s=rsa-sha256;", "s=-;", "neutral", "s= is no selector"],
    ["v=1;", "v=1; q=dns/spf;", "neutral", "q= is not known"],
    ["v=1;", "v=1; q=x/y:dns/txt;", "fail", "signature did not verify"],
    ["v=1;", "v=1; i=@example.com;", "permerror", "i= is not within d="],
    ["v=1;", "v=1; i=@badexample.org;", "permerror", "i= is not within d="],
    ["v=1;", "v=1; i=nobody;", "neutral", "i= is no identity"],
    ["v=1;", "v=1; x=1;", "neutral", "x= is not after t="],
    ["v=1;", "v=1; x=soon;", "neutral", "t= or x= is no time"],
    ["v=1;", "v=1; l=-1;", "neutral", "l= is no length"],
    ["v=1;", "v=1; l=100000;", "fail", "body is shorter than l="],
    ["h=from:from:", "h=", "permerror", "From is not signed"],
    ["h=from:", `h=${"x:".repeat(1000)}from:`, "neutral", "h= is too long"],
    ["v=1;", "v=1; v=1;", "neutral", "v= comes twice"],
    ["v=1;", "v=1; ;", "neutral", "an empty tag"],
  ];
  for (const [from, to, is, why] of rows) {
    expect(good).toContain(from);
    const { dkim: [result] } = await verify([good.replace(from, () => to), ...FIELDS], BODY);
    expect({ to, is: result?.is, why: result?.why }).toEqual({ to, is: is as never, why });
  }
});

test("at most ten signatures are looked at, and their keys asked for once", async () => {
  let asked = 0;
  const resolver = {
    txt: (name: string) => {
      asked++;
      return PUBLISHED.txt(name);
    },
  };
  const signature = sign(FIELDS, BODY, RSA);
  const header = [...Array<string>(12).fill(signature), ...FIELDS];
  const { dkim, ignored } = await verify(header, BODY, { resolver });
  expect(dkim.map(({ is }) => is)).toEqual(Array(10).fill("pass"));
  expect({ ignored, asked }).toEqual({ ignored: 2, asked: 1 });
});

test("a message without signatures has no results", async () => {
  expect(await verify([], "")).toEqual({ dkim: [], ignored: 0, arc: { is: "none", links: [], highest: 0 } });
});

test("l= is honoured, and what it leaves unsigned is told (RFC 6376 §3.5, §8.2)", async () => {
  const canonical = "Hi.\r\n\r\nThe price is 5.\r\n";
  for (const length of [0, 3, canonical.length]) {
    const hash = digest("sha256", canonical.slice(0, length)).toString("base64");
    const field = printSignature("DKIM-Signature", [
      `v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=ed25519-sha256; l=${length}; h=from; bh=${hash}`,
    ]);
    const signature = withSignature(
      field,
      new SignedHeader(FIELDS).select(["from"], "relaxed"),
      ED25519,
      "relaxed",
    );
    const { dkim: [result] } = await verify([signature, ...FIELDS], `${BODY}More.\r\n`);
    const unsigned = canonical.length + "\r\nMore.\r\n".length - length;
    expect(result).toMatchObject({
      is: "pass",
      why: `${unsigned} bytes of body not signed`,
      unsignedBytes: unsigned,
    });
  }
});

test("keys are asked for while the body comes", () => {
  const asked: string[] = [];
  const resolver = {
    txt(name: string) {
      asked.push(name);
      return PUBLISHED.txt(name);
    },
  };
  const verifier = new ContentVerifier({ resolver, now: () => NOW });
  verifier.header([...KEYS.map((key) => sign(FIELDS, BODY, key)), ...FIELDS]);
  expect(asked).toEqual(KEYS.map(({ selector }) => `${selector}._domainkey.example.org`));
});

test("few keys are asked for at a time, and none when nobody waits any more", async () => {
  const asked: string[] = [];
  const resolver = {
    txt(name: string) {
      asked.push(name);
      return new Promise<never>(() => {});
    },
  };
  const stop = new AbortController();
  const verifier = new ContentVerifier({ resolver, now: () => NOW, signal: stop.signal });
  const signature = sign(FIELDS, BODY, RSA);
  const others = Array.from({ length: 8 }, (_, i) => signature.replace("s=rsa-sha256", `s=s${i}`));
  verifier.header([...others, ...FIELDS]);
  expect(asked).toEqual(["s0", "s1", "s2"].map((selector) => `${selector}._domainkey.example.org`));
  stop.abort();
  await Bun.sleep(0);
  expect(asked.length).toBe(3);
});

test("of signatures that are alike for long a result has some letters", async () => {
  const like = Array.from({ length: 4 }, (_, i) => `DKIM-Signature: v=1; b=${"a".repeat(60_000)}${i}\r\n`);
  const { dkim } = await verify([...like, ...FIELDS], BODY);
  expect(dkim.map(({ b }) => b)).toEqual(Array(4).fill("a".repeat(64)));
});

test("a signature does not speak for an author that was added to its mail (RFC 6376 §8.15)", async () => {
  const hasher = new BodyHasher("relaxed");
  hasher.push(Buffer.from(BODY));
  const signature = signContent(FIELDS, hasher.digest(), RSA, { signed: [], oversigned: [], now: NOW });
  expect((await verify([signature, ...FIELDS], BODY)).dkim[0]?.is).toBe("pass");
  const { dkim } = await verify(["From: boss@example.org\r\n", signature, ...FIELDS], BODY);
  expect(dkim[0]).toMatchObject({ is: "policy", why: "a From field is not signed" });
});

test("a result names no domain that is none", async () => {
  const domains = ["a.".repeat(30_000), "foo\r\n\tbar", "<x>", "Example.ORG"];
  const { dkim } = await verify([...domains.map((d) => `DKIM-Signature: d=${d}\r\n`), ...FIELDS], BODY);
  expect(dkim.map(({ domain }) => domain)).toEqual(["", "", "", "example.org"]);
});
