import { expect, test } from "bun:test";
import fc from "fast-check";
import { digest } from "../../platform/crypto/digest.ts";
import { BodyHasher } from "./body_hasher.ts";
import type { Canonicalization } from "./canonicalization.ts";

/** RFC 6376 §3.4.3 and §3.4.4 word by word, of a body that is there as a whole. */
function canonical(body: string, how: Canonicalization): string {
  const lines = how === "simple" ? body : body.split("\r\n").map(reducedLine).join("\r\n");
  const content = lines.replace(/(\r\n)+$/, "");
  if (content === "") return how === "simple" ? "\r\n" : "";
  return `${content}\r\n`;
}

function reducedLine(line: string): string {
  return line.replace(/[ \t]+/g, " ").replace(/ $/, "");
}

function hashed(pieces: readonly string[], how: Canonicalization): string {
  const hasher = new BodyHasher(how);
  for (const piece of pieces) hasher.push(Buffer.from(piece, "latin1"));
  return hasher.digest().toString("hex");
}

function wanted(body: string, how: Canonicalization): string {
  return digest("sha256", Buffer.from(canonical(body, how), "latin1")).toString("hex");
}

/** The bodies' worst letters, often in runs, and longer stretches of ordinary text. */
const piece = fc.oneof(
  fc.array(fc.constantFrom(" ", "\t", "\r", "\n", "\r\n", "a", "\xe9", "  "), { maxLength: 12 }).map((all) =>
    all.join("")
  ),
  fc.tuple(fc.constantFrom(" ", "\r\n", "\t", "word ", "x"), fc.nat(3000)).map(([text, times]) =>
    text.repeat(times)
  ),
);
const pieces = fc.array(piece, { maxLength: 12 });

test("BodyHasher hashes as RFC 6376 says, however the body is split", () => {
  fc.assert(fc.property(pieces, fc.constantFrom<Canonicalization>("simple", "relaxed"), (parts, how) => {
    expect(hashed(parts, how)).toBe(wanted(parts.join(""), how));
  }));
});

test("BodyHasher loses no blank, wherever it stands behind another run", () => {
  for (let length = 0; length < 2200; length++) {
    const body = `a  b${"x".repeat(length)} y z\r\n`;
    expect([length, hashed([body], "relaxed")]).toEqual([length, wanted(body, "relaxed")]);
  }
});

test("BodyHasher hashes words and blanks of any number", () => {
  const words = fc.array(fc.constantFrom("a", "bc", "words", " ", "  ", "\t", " \r\n", "\r\n"), {
    minLength: 1000,
    maxLength: 3000,
  });
  fc.assert(
    fc.property(words, (parts) => {
      expect(hashed([parts.join("")], "relaxed")).toBe(wanted(parts.join(""), "relaxed"));
    }),
    { numRuns: 30 },
  );
});

test("BodyHasher hears single bytes", () => {
  const letters = fc.array(fc.constantFrom(" ", "\t", "\r", "\n", "\r\n", "b"), { maxLength: 30 });
  fc.assert(fc.property(letters, fc.constantFrom<Canonicalization>("simple", "relaxed"), (parts, how) => {
    expect(hashed([...parts.join("")], how)).toBe(wanted(parts.join(""), how));
  }));
});

test("BodyHasher knows the hashes of what is empty (RFC 6376 §3.4.3, §3.4.4)", () => {
  for (const body of ["", "\r\n", "\r\n\r\n\r\n"]) {
    expect(Buffer.from(hashed([body], "simple"), "hex").toString("base64"))
      .toBe("frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    expect(Buffer.from(hashed([body], "relaxed"), "hex").toString("base64"))
      .toBe("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  }
  expect(hashed([" \t\r\n \r\n"], "relaxed")).toBe(wanted("", "relaxed"));
});

test("BodyHasher cuts where l= says, at the bytes of the canonical body", () => {
  fc.assert(
    fc.property(
      pieces,
      fc.array(fc.nat(4000), { maxLength: 4 }),
      fc.constantFrom<Canonicalization>("simple", "relaxed"),
      (parts, cuts, how) => {
        const hasher = new BodyHasher(how, cuts);
        for (const part of parts) hasher.push(Buffer.from(part, "latin1"));
        hasher.end();
        const bytes = Buffer.from(canonical(parts.join(""), how), "latin1");
        expect(hasher.length).toBe(bytes.length);
        for (const cut of cuts) {
          const whole = cut <= bytes.length ? digest("sha256", bytes.subarray(0, cut)) : undefined;
          expect(hasher.digestAt(cut)).toEqual(whole);
        }
      },
    ),
  );
});

test("BodyHasher holds no body, whatever it is made of", () => {
  const hasher = new BodyHasher("relaxed");
  for (const text of ["\r\n", "\t", " ", "\r", "a  "]) {
    const bytes = Buffer.alloc(1 << 20, text);
    for (let times = 0; times < 4; times++) hasher.push(bytes);
  }
  expect(hasher.length).toBeLessThan(30 << 20);
});
