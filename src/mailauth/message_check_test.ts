import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { keyZone, signed, testKey } from "../../test/kit/foreign_mail.ts";
import { fakeClock, settle } from "../../test/kit/memory/fake_clock.ts";
import { type TextZone, textZone } from "../../test/kit/memory/text_zone.ts";
import type { DnsAnswer } from "../dns/answer.ts";
import { SignedHeader } from "./dkim/canonical_header.ts";
import { printSignature, withSignature } from "./dkim/sign_content.ts";
import { MessageCheck } from "./message_check.ts";
import type { SpfResult } from "./spf/spf_result.ts";

const NONE: SpfResult = { is: "none", identity: "mailfrom", domain: "elsewhere.example" };
const KEY = testKey("bank.example");
const ZONE: TextZone = {
  ...Object.fromEntries(Object.entries(keyZone(KEY)).map(([name, { TXT }]) => [name, TXT])),
  "_dmarc.bank.example": ["v=DMARC1; p=reject"],
};

async function checked(mail: string, pieces: readonly number[] = []) {
  const check = new MessageCheck(() => Promise.resolve(NONE), {
    resolver: textZone(ZONE).resolver,
    clock: fakeClock(Date.now()),
  });
  const bytes = Buffer.from(mail, "latin1");
  const at = [0, ...pieces.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (const [i, end] of at.slice(1).entries()) check.push(bytes.subarray(at[i], end));
  return await check.end();
}

const MAIL = "From: ann@bank.example\r\nSubject: x\r\n\r\ntext\r\n";

test("a signed message passes, in whatever pieces it comes", async () => {
  const mail = await signed(MAIL, KEY);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(2000), { maxLength: 8 }), async (cuts) => {
      const { dkim, dmarc } = await checked(mail, cuts);
      expect(dkim.map(({ is }) => is)).toEqual(["pass"]);
      expect(dmarc).toMatchObject({ is: "pass", dkimAligned: true, spfAligned: false });
    }),
    { numRuns: 30 },
  );
  const { dmarc } = await checked(mail.replace("text", "test"));
  expect(dmarc).toMatchObject({ is: "fail", policy: "reject" });
});

test("a signature that leaves some of the body unsigned does not count for DMARC", async () => {
  const body = "text\r\n";
  const hash = (text: string) => createHash("sha256").update(text).digest("base64");
  const fields = ["From: ann@bank.example\r\n"];
  const tags = (length: string) =>
    printSignature("DKIM-Signature", [
      ...["v=1", "a=ed25519-sha256", "c=relaxed/relaxed", "d=bank.example", "s=s", "h=from"],
      ...[length, `bh=${hash(body)}`],
    ]);
  const mail = async (length: string, more: string) =>
    await withSignature(tags(length), new SignedHeader(fields).select(["from"], "relaxed"), KEY, "relaxed") +
    `${fields.join("")}\r\n${body}${more}`;
  const judged = async (text: string) => {
    const { dkim, dmarc } = await checked(text);
    return [dkim[0]?.is, dmarc.is];
  };
  expect(await judged(await mail("l=6", ""))).toEqual(["pass", "pass"]);
  expect(await judged(await mail("l=6", "and more\r\n"))).toEqual(["pass", "fail"]);
});

test("what will be asked is asked while the body comes", async () => {
  const { resolver, asked } = textZone(ZONE);
  let senders = 0;
  const check = new MessageCheck(() => Promise.resolve(NONE).finally(() => senders++), {
    resolver,
    clock: fakeClock(),
  });
  check.push(Buffer.from(MAIL.slice(0, -6)));
  await settle();
  expect([senders, asked]).toEqual([1, ["_dmarc.bank.example TXT"]]);
  await check.end();
  expect(senders).toBe(1);
});

test("a header that is too long to be looked at hides no author", async () => {
  const long = `From: x@elsewhere.example\r\n${
    "X: y\r\n".repeat(60_000)
  }From: ceo@bank.example\r\n\r\ntext\r\n`;
  expect((await checked(long)).dmarc).toMatchObject({ is: "permerror", author: "many" });
  const crowd = `From: x@elsewhere.example${" (y)".repeat(10_000)}, ceo@bank.example\r\n\r\ntext\r\n`;
  expect((await checked(crowd)).dmarc).toMatchObject({ is: "permerror", author: "many" });
  const few = `From: x@elsewhere.example${" (y)".repeat(5000)}, ceo@bank.example\r\n\r\ntext\r\n`;
  expect((await checked(few)).dmarc).toMatchObject({ is: "fail", domain: "bank.example", policy: "reject" });
});

test("what DNS does not say within 20 seconds of the end is temperror", async () => {
  const clock = fakeClock(Date.now());
  const trouble = { is: "trouble", why: "aborted", retry: true } as const;
  const never = (_name: string, _type: string, signal?: AbortSignal) =>
    new Promise<DnsAnswer<never>>((resolve) => {
      if (signal?.aborted === true) return resolve(trouble);
      signal?.addEventListener("abort", () => resolve(trouble));
    });
  const resolver = { query: never, txt: (name: string, signal?: AbortSignal) => never(name, "TXT", signal) };
  const spf = (signal: AbortSignal) =>
    new Promise<SpfResult>((resolve) =>
      signal.addEventListener("abort", () => resolve({ ...NONE, is: "temperror" }))
    );
  const check = new MessageCheck(spf, { resolver, clock });
  check.push(Buffer.from(await signed(MAIL, KEY), "latin1"));
  // However long the message takes to come.
  await clock.advance(600_000);
  const ended = check.end();
  let isOver = false;
  void ended.then(() => isOver = true);
  await clock.advance(19_000);
  expect(isOver).toBe(false);
  await clock.advance(1000);
  await settle();
  const { spf: said, dkim, dmarc } = await ended;
  expect([said.is, dkim[0]?.is, dmarc.is]).toEqual(["temperror", "temperror", "temperror"]);
  expect(clock.pending()).toBe(0);
});

const piece = fc.oneof(
  fc.constantFrom(
    "From: a@bank.example\r\n",
    "From: ",
    "DKIM-Signature: v=1; a=rsa-sha256; d=bank.example; s=s; h=from; bh=; b=\r\n",
    "ARC-Seal: i=1; cv=none\r\n",
    "\r\n",
    " ",
    "\r",
    "\n",
    "x@",
    "<",
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
);

test("whatever comes is judged", async () => {
  await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
    const { dmarc } = await checked(Buffer.from(pieces.join(""), "utf8").toString("latin1"));
    expect(["none", "fail", "permerror"]).toContain(dmarc.is);
  }));
});
