import { expect, test } from "bun:test";
import fc from "fast-check";
import { textResolver, verifyMessage } from "../../../test/kit/signed_mail.ts";
import { BodyHasher } from "../dkim/body_hasher.ts";
import { generateKey, parseSigningKey, publicRecord } from "../dkim/signing_key.ts";
import type { ArcResult } from "./arc_result.ts";
import { sealContent } from "./seal_content.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");
const FIELDS = ["From: ann@example.org\r\n", "Subject: Hello\r\n"];
const BODY = "Hi.\r\n";

const key = parseSigningKey("hop.example", "a", generateKey("rsa-sha256", 1024), 1024);
if ("fault" in key) throw new Error(key.fault);
const RESOLVER = textResolver({ "a._domainkey.hop.example": publicRecord(key) });

function verify(fields: readonly string[], body = BODY) {
  return verifyMessage({ fields, body }, RESOLVER, NOW);
}

function seal(fields: readonly string[], arc: ArcResult, body = BODY): readonly string[] | undefined {
  const hasher = new BodyHasher("relaxed");
  hasher.push(Buffer.from(body, "latin1"));
  if ("fault" in key) return undefined;
  return sealContent(fields, hasher.digest(), key, {
    arc,
    authenticationResults: `hop.example;\r\n\tspf=pass smtp.mailfrom=ann@example.org`,
    signed: ["from", "subject", "arc-seal", "dkim-signature"],
    now: NOW,
  });
}

async function hops(count: number): Promise<readonly string[]> {
  let fields: readonly string[] = FIELDS;
  for (let hop = 1; hop <= count; hop++) {
    const { arc } = await verify(fields);
    fields = [...seal(fields, arc) ?? [], `Received: by hop ${hop}\r\n`, ...fields];
  }
  return fields;
}

test("a chain of many hops passes, and tells of each", async () => {
  const { arc } = await verify(await hops(4));
  expect(arc).toMatchObject({ is: "pass", highest: 4, oldestPass: 0 });
  expect(arc.links.map(({ instance }) => instance)).toEqual([4, 3, 2, 1]);
  expect(arc.links[0]).toEqual({
    instance: 4,
    domain: "hop.example",
    selector: "a",
    signatureDomain: "hop.example",
    authenticationResults: "hop.example;\tspf=pass smtp.mailfrom=ann@example.org",
  });
});

test("a chain may have fifty sets and gets no more", async () => {
  const fields = await hops(50);
  const { arc } = await verify(fields);
  expect(arc).toMatchObject({ is: "pass", highest: 50 });
  expect(seal(fields, arc)).toBeUndefined();
  const more = fields.slice(0, 3).map((field) => field.replace("i=50", "i=51"));
  expect((await verify([...more, ...fields])).arc).toMatchObject({ is: "fail" });
});

test("a chain that is too long to look at fails, and gets no more", async () => {
  const fields = [...Array<string>(5).fill(`ARC-Seal: i=1; z=${"x".repeat(60_000)}\r\n`), ...FIELDS];
  const { arc } = await verify(fields);
  expect(arc).toMatchObject({ is: "fail", why: "too long" });
  expect(seal(fields, arc)).toBeUndefined();
});

test("what a hop changes in the body fails, unless it seals anew: then it is told from where on it holds", async () => {
  const before = await hops(2);
  const changed = `${BODY}-- \r\nThe list\r\n`;
  const broken = await verify(before, changed);
  expect(broken.arc).toMatchObject({ is: "fail", why: "message signature 2: body hash did not verify" });
  const { arc } = await verify(before);
  const fields = [...seal(before, arc, changed) ?? [], ...before];
  expect((await verify(fields, changed)).arc).toMatchObject({ is: "pass", highest: 3, oldestPass: 3 });
});

test("a chain that failed gets one more set, which says so, and no other", async () => {
  const before = (await hops(2)).map((field) => field.replace("spf=pass", "spf=none"));
  const { arc } = await verify(before);
  expect(arc).toMatchObject({ is: "fail", why: "seal 2: signature did not verify" });
  const set = seal(before, arc);
  expect(set?.[0]).toContain("i=3; ");
  expect(set?.[0]).toContain("cv=fail");
  const fields = [...set ?? [], ...before];
  const again = await verify(fields);
  expect(again.arc).toMatchObject({ is: "fail", why: "the chain had failed before set 3", highest: 3 });
  expect(seal(fields, again.arc)).toBeUndefined();
});

test("nobody seals over what could not be looked at", async () => {
  const trouble = { txt: () => Promise.resolve({ is: "trouble" as const, why: "no server", retry: true }) };
  const fields = await hops(1);
  const { arc } = await verifyMessage({ fields, body: BODY }, trouble, NOW);
  expect(arc).toMatchObject({ is: "fail", temporary: true });
  expect(seal(fields, arc)).toBeUndefined();
});

test("no changed chain passes, and each is answered", async () => {
  const fields = await hops(3);
  const sealed = fields.filter((field) => field.startsWith("ARC-"));
  await fc.assert(
    fc.asyncProperty(
      fc.nat(8),
      fc.nat(),
      fc.integer({ min: 33, max: 126 }),
      fc.nat(3),
      async (which, seed, code, cut) => {
        const field = sealed[which]!;
        const start = field.indexOf(":") + 1;
        // Not the last letters: some of base64's last bits mean nothing.
        const at = start + seed % (field.length - start - 8);
        const changed = field.slice(0, at) + String.fromCharCode(code) + field.slice(at + cut);
        if (changed === field || /[^\r]\n|\r[^\n]|\r\n[^\t ]/.test(changed.slice(0, -2))) return;
        const { arc } = await verify(fields.map((one) => one === field ? changed : one));
        expect(arc.is).toBe("fail");
      },
    ),
    { numRuns: 500 },
  );
});

test("sets that are missing, doubled or out of order are answered", async () => {
  const fields = (await hops(3)).filter((field) => field.startsWith("ARC-"));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...fields), { maxLength: 12 }), async (some) => {
      const { arc } = await verify([...some, ...FIELDS]);
      const whole = [1, 2, 3].find((highest) =>
        some.length === 3 * highest &&
        fields.slice(-3 * highest).every((field) => some.includes(field))
      );
      // With the Received lines gone nothing else is missed: no signature covers them.
      expect(arc.is).toBe(some.length === 0 ? "none" : whole === undefined ? "fail" : "pass");
    }),
    { numRuns: 300 },
  );
});
