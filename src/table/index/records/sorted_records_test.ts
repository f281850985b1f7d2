import { expect, test } from "bun:test";
import fc from "fast-check";
import { HEAD } from "./record_block.ts";
import { RecordSet } from "./record_set.ts";
import { forEachSorted } from "./sorted_records.ts";

function sortedKeys(keys: readonly Uint8Array[]): string[] {
  const records = new RecordSet();
  for (const key of keys) records.add(key, new Uint8Array([1]), false, "keep");
  const sorted: string[] = [];
  forEachSorted(records, (bytes, words, at) => {
    const keyLength = words[at >> 2]!;
    sorted.push(Buffer.from(bytes.subarray(at + HEAD, at + HEAD + keyLength)).toString("hex"));
  });
  return sorted;
}

const expected = (keys: readonly Uint8Array[]) =>
  [...new Set(keys.map((key) => Buffer.from(key).toString("hex")))].sort((a, b) =>
    Buffer.compare(Buffer.from(a, "hex"), Buffer.from(b, "hex"))
  );

test("keys come in bytewise order, shorter first, whatever their bytes", () => {
  const byte = fc.constantFrom(0, 0, 1, 0x61, 0x62, 0xff);
  const key = fc.array(byte, { maxLength: 14 }).map((bytes) => Uint8Array.from(bytes));
  fc.assert(
    fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
      expect(sortedKeys(keys)).toEqual(expected(keys));
    }),
    { numRuns: 300 },
  );
});

test("many keys with long common beginnings, and keys that differ in length only", () => {
  const keys = [
    ...Array.from({ length: 5000 }, (_, at) => Buffer.from(`user${at * 7919 % 5000}@example${at % 7}.com`)),
    ...Array.from(
      { length: 30 },
      (_, at) => Buffer.concat([Buffer.alloc(200_000, "k"), Buffer.from(`${at}`)]),
    ),
    ...Array.from({ length: 300 }, (_, at) => Buffer.alloc(at * 13 % 301)),
    ...Array.from({ length: 300 }, (_, at) => Buffer.alloc(1 + at * 13 % 301, 0xff)),
  ];
  expect(sortedKeys(keys)).toEqual(expected(keys));
});

test("of records in ascending order none is moved, and one out of order is", () => {
  expect(sortedKeys(["a", "b", "ba"].map((key) => Buffer.from(key)))).toEqual(["61", "62", "6261"]);
  expect(sortedKeys(["a", "ba", "b", "a"].map((key) => Buffer.from(key)))).toEqual(["61", "62", "6261"]);
});
