import { expect, test } from "bun:test";
import fc from "fast-check";
import { printable } from "../base/printable.ts";
import { parseAttributes } from "./command.ts";
import { splitWords } from "./words.ts";
import { printXforward, XFORWARD_ATTRIBUTES, type XforwardAttribute } from "./xforward.ts";

const value = fc.string({ unit: "grapheme", minLength: 1, maxLength: 16 }).map((each) => printable(each))
  .filter((each) => Buffer.byteLength(each) < 80);
const values = fc.dictionary(fc.constantFrom(...XFORWARD_ATTRIBUTES), value) as fc.Arbitrary<
  Partial<Record<XforwardAttribute, string>>
>;

/** What a server reads of the commands. */
function read(commands: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(commands.flatMap((command) => {
    const parsed = parseAttributes(splitWords(command));
    if (parsed.verb === "malformed") throw new Error(`${command}: ${parsed.reply.lines}`);
    expect(parsed.verb).toBe("XFORWARD");
    return [...parsed.attributes];
  }));
}

test("parseAttributes() reads of printXforward()'s commands what was given", () => {
  fc.assert(fc.property(values, (given) => {
    expect(read(printXforward(given, XFORWARD_ATTRIBUTES))).toEqual({ ...given });
  }));
});

test("an attribute that the server does not offer is not sent, and a command without attributes neither", () => {
  expect(printXforward({ NAME: "a b", IDENT: "4f" }, ["NAME", "ADDR"])).toEqual(["XFORWARD NAME=a+20b\r\n"]);
  expect(printXforward({}, XFORWARD_ATTRIBUTES)).toEqual([]);
});
