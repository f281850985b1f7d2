import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hasUser, withUser } from "./_users_text.ts";

const text = (...lines: string[]) => Buffer.from(lines.map((line) => `${line}\n`).join(""));
const FILE = text(
  "# who may log in",
  "",
  "Ann@example.com\t{PLAIN}a",
  "bob {PLAIN}b",
  "  # a comment inside",
  "  goes on",
  "# the last one",
  "carol\t{PLAIN}c",
);

describe("withUser()", () => {
  test("changes an entry where it stands, whatever its case and however many lines it has", () => {
    expect(withUser(FILE, "ann@example.com", "{PLAIN}x").toString()).toBe(
      FILE.toString().replace("Ann@example.com\t{PLAIN}a", "ann@example.com\t{PLAIN}x"),
    );
    expect(withUser(FILE, "bob", "{PLAIN}x").toString()).toBe(
      text(
        "# who may log in",
        "",
        "Ann@example.com\t{PLAIN}a",
        "bob\t{PLAIN}x",
        "# the last one",
        "carol\t{PLAIN}c",
      ).toString(),
    );
  });

  test("adds at the end, also behind a line without a newline", () => {
    expect(withUser(Buffer.from("ann {PLAIN}a"), "bob", "{PLAIN}b").toString()).toBe(
      "ann {PLAIN}a\nbob\t{PLAIN}b\n",
    );
    expect(withUser(Buffer.alloc(0), "ann", "{PLAIN}a").toString()).toBe("ann\t{PLAIN}a\n");
  });

  test("takes an entry out, and nothing else", () => {
    const without = withUser(FILE, "bob", undefined);
    expect(without.toString()).not.toContain("goes on");
    expect([hasUser(without, "bob"), hasUser(without, "ann@example.com"), hasUser(without, "carol")])
      .toEqual([false, true, true]);
    expect(withUser(FILE, "dora", undefined)).toEqual(FILE);
  });

  test("bytes that are no UTF-8 stay as they are", () => {
    const odd = Buffer.from("ann {PLAIN}\xff\xfe\n", "latin1");
    expect(withUser(odd, "bob", "{PLAIN}b").subarray(0, odd.length)).toEqual(odd);
  });

  test("what is put in is there, and what is taken out is not, whatever else stands in the file", () => {
    const name = fc.constantFrom("ann", "bob@example.com", "çelik@example.com");
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom("ann {PLAIN}x", " more", "# note", "", "BOB@example.com y"),
    );
    fc.assert(fc.property(fc.array(line), name, (lines, who) => {
      const before = Buffer.from(lines.join("\n"));
      const added = withUser(before, who, "{PLAIN}x");
      expect(hasUser(added, who)).toBe(true);
      let less = added;
      for (let i = 0; i <= lines.length && hasUser(less, who); i++) less = withUser(less, who, undefined);
      expect(hasUser(less, who)).toBe(false);
    }));
  });
});
