import { expect, test } from "bun:test";
import fc from "fast-check";
import { takeSource } from "../index/table_source.ts";
import { HEAD } from "../index/records/record_block.ts";
import { RecordSet } from "../index/records/record_set.ts";
import { sourcePieces } from "./source_pieces.ts";

/** Gives a source some bytes at a time. */
function reader(source: Buffer, most: number) {
  let at = 0;
  return (into: Buffer) => {
    const end = Math.min(source.length, at + Math.min(most, into.length));
    const got = source.copy(into, 0, at, end);
    at = end;
    return got;
  };
}

const line = fc.oneof(
  fc.constantFrom("", " ", "# note", " # note", "\tmore", " more of it", "\0", "a", '"q', "x: y", "\xff z"),
  fc.stringMatching(/^[A-Za-e]{1,2} [a-z ]{1,9}$/),
  fc.stringMatching(/^[a-c\t "\\#]{1,12}$/),
  fc.integer({ min: 20, max: 400 }).map((length) => `k ${"v".repeat(length)}`),
  fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
);
const source = fc.tuple(fc.array(line, { maxLength: 60 }), fc.boolean()).map(([lines, ends]) =>
  Buffer.from(lines.join("\n") + (ends ? "\n" : ""), "latin1")
);
const sizes = fc.record({ size: fc.integer({ min: 1, max: 64 }), most: fc.integer({ min: 1, max: 80 }) });

test("the pieces are the source, and each but the first begins with a line that starts a record", () => {
  fc.assert(
    fc.property(source, sizes, (source, { size, most }) => {
      const pieces: Buffer[] = [];
      for (const piece of sourcePieces(reader(source, most), size)) pieces.push(Buffer.from(piece));
      expect(Buffer.concat(pieces)).toEqual(source);
      for (const piece of pieces.slice(1)) expect(piece.toString("latin1")).toMatch(/^[^ \t\n\v\f\r#]/);
      for (const piece of pieces.slice(0, -1)) expect(piece.at(-1)).toBe(0x0a);
    }),
    { numRuns: 500 },
  );
});

/** What becomes of a source: its records, and all that is said of it, in order. */
function taken(pieces: Iterable<Buffer>, format: "map" | "alias", limits = {}) {
  const records = new RecordSet(limits);
  const said: string[] = [];
  takeSource(pieces, records, {
    format,
    fold: true,
    encoding: "utf8",
    terminate: true,
    onDuplicate: "keep",
    name: "source",
    warn: (text) => said.push(text),
    duplicate: (key) => said.push(`twice: ${key}`),
  });
  const stored: string[] = [];
  records.forEach((bytes, words, at) => {
    const end = at + HEAD + words[at >> 2]! + words[(at >> 2) + 1]!;
    stored.push(Buffer.from(bytes.subarray(at + HEAD, end)).toString("latin1"));
  });
  return { stored, said };
}

test.each(["map", "alias"] as const)("%s: a source in pieces is the same as one that is whole", (format) => {
  fc.assert(
    fc.property(source, sizes, (source, { size, most }) => {
      expect(taken(sourcePieces(reader(source, most), size), format)).toEqual(taken([source], format));
    }),
    { numRuns: 500 },
  );
});
