import { expect, test } from "bun:test";
import fc from "fast-check";
import { EIGHT_BIT_MESSAGES } from "../../../../test/kit/scenes/eight_bit_messages.ts";
import { MimeDowngrade } from "./mime_downgrade.ts";

const LIMITS = { line: 2048, header: 102_400, boundary: 2048, nesting: 100 };

function downgrade(text: string, cuts: readonly number[] = []): string {
  const filter = new MimeDowngrade(LIMITS);
  const bytes = Buffer.from(text, "latin1");
  const out: Buffer[] = [];
  let at = 0;
  for (const cut of [...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    out.push(...filter.push(bytes.subarray(at, cut)));
    at = cut;
  }
  out.push(...filter.end());
  return Buffer.concat(out).toString("latin1");
}

function undoQuotedPrintable(text: string): string {
  return text.replace(/=\r\n/g, "").replace(
    /=([0-9A-F]{2})/g,
    (_, hex) => String.fromCharCode(parseInt(hex, 16)),
  );
}

test("declared 8-bit text becomes quoted-printable, and the declaration follows", () => {
  expect(downgrade(EIGHT_BIT_MESSAGES.text).split("\r\n").slice(0, 8)).toEqual([
    "Subject: one",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "Gr=C3=BC=C3=9Fe =3D ok=20",
    "trailing tab=09",
    ".dot",
  ]);
});

test("multiparts are declared 7bit, their parts converted one by one", () => {
  const out = downgrade(EIGHT_BIT_MESSAGES.multipart);
  expect(out).toContain('boundary="a b"\r\nContent-Transfer-Encoding: 7bit\r\n\r\nprologue \xe9');
  expect(out).toContain(
    "text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nfirst =E9\r\n--a b\r\n",
  );
  expect(out).toContain("base64\r\n\r\nAAAA\r\n");
  expect(out).toContain("inner =E9\r\n--a b\r\n");
  expect(out).toContain("the inner one was not closed =E9\r\n--a b--\r\nepilogue \xe9");
});

test("what declares nothing is left alone; a body without a header gets the blank line that is missing", () => {
  expect(downgrade(EIGHT_BIT_MESSAGES.undeclared)).toBe(EIGHT_BIT_MESSAGES.undeclared);
  expect(downgrade(EIGHT_BIT_MESSAGES["no header"]!)).toBe(`\r\n${EIGHT_BIT_MESSAGES["no header"]}`);
});

test("where the chunks are cut makes no difference", () => {
  for (const text of Object.values(EIGHT_BIT_MESSAGES)) {
    fc.assert(
      fc.property(fc.array(fc.nat(2000), { maxLength: 10 }), (cuts) => {
        expect(downgrade(text, cuts)).toBe(downgrade(text));
      }),
      { numRuns: 50 },
    );
  }
});

test("decoding gives the text back, in short pure 7-bit lines", () => {
  const head = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
  const line = fc.uint8Array({ maxLength: 400 }).map((bytes) =>
    Buffer.from(bytes.map((b) => b === 10 || b === 13 ? 0xe9 : b)).toString("latin1")
  );
  fc.assert(fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
    const body = lines.map((text) => `${text}\r\n`).join("");
    const out = downgrade(head + body);
    const encoded = out.slice(out.indexOf("\r\n\r\n") + 4);
    expect(undoQuotedPrintable(encoded)).toBe(body);
    expect(encoded).not.toMatch(/[^\r\n\t\x20-\x7e]|[ \t]\r\n|[^\r\n]{77}/);
  }));
});

test("a line without an end does not gather in memory, and nothing of it is lost", () => {
  const head = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
  const body = "\xe9=x".repeat(100_000);
  const cuts = Array.from({ length: 50 }, (_, i) => i * 5000);
  const out = downgrade(head + body, cuts);
  expect(undoQuotedPrintable(out.slice(out.indexOf("\r\n\r\n") + 4))).toBe(`${body}\r\n`);
});

test("nesting has a limit", () => {
  const filter = new MimeDowngrade(LIMITS);
  let text = "";
  for (let i = 0; i < 120; i++) text += `Content-Type: multipart/mixed; boundary=b${i}.\r\n\r\n--b${i}.\r\n`;
  filter.push(Buffer.from(text));
  expect(filter.failure).toMatchObject({ status: "5.6.0" });
});

test("no input makes it throw", () => {
  const part = fc.constantFrom(
    "Content-Type: multipart/mixed; boundary=b",
    "Content-Transfer-Encoding: 8bit",
    "Content-Type: message/rfc822",
    "--b",
    "--b--",
    "",
    "x\xe9",
    " y",
    "\r",
    ":",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 40 }), fc.array(fc.nat(500), { maxLength: 4 }), (parts, cuts) => {
      const text = parts.join("\r\n");
      expect(downgrade(text, cuts)).toBe(downgrade(text));
    }),
    { numRuns: 2000 },
  );
});
