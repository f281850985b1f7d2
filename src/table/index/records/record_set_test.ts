import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openScratchSpace } from "../../../platform/file/scratch_space.ts";
import type { ByteSink } from "../page_sink.ts";
import { INDEX_FORMATS } from "../index_formats.ts";
import { KeyPlaces } from "./key_places.ts";
import { HEAD } from "./record_block.ts";
import { type OnDuplicate, RecordSet, type SetLimits } from "./record_set.ts";
import { forEachSorted } from "./sorted_records.ts";

const folder = mkdtempSync(join(tmpdir(), "record-set-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Memory for next to nothing, so that all ways through the scratch space are gone. */
const small = (memory: number): SetLimits => ({
  memory,
  scratch: () => openScratchSpace(join(folder, "table")),
});

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** All records in hexadecimal digits. */
function contents(walk: (each: Parameters<RecordSet["forEach"]>[0]) => void): string[] {
  const out: string[] = [];
  walk((bytes, words, at) => {
    const [key, value] = [words[at >> 2]!, words[(at >> 2) + 1]!];
    out.push(
      `${hex(bytes.subarray(at + HEAD, at + HEAD + key))} ${
        hex(bytes.subarray(at + HEAD + key, at + HEAD + key + value))
      }`,
    );
  });
  return out;
}

/** Bytes from a few numbers, so that a counterexample can be read. */
const long = fc.integer({ min: 900, max: 6000 });
const toBytes = (of: number[] | number) =>
  typeof of === "number" ? new Uint8Array(of).fill(of & 255) : Uint8Array.from(of);
const short = (minLength: number, maxLength: number) =>
  fc.array(fc.integer({ min: 0, max: 255 }), { minLength, maxLength });
const bytes = fc.oneof(short(0, 2), short(0, 40), long);
const policy = fc.constantFrom<OnDuplicate>("keep", "replace");
const step = fc.oneof(
  { weight: 9, arbitrary: fc.record({ key: bytes, value: bytes, policy }) },
  { weight: 1, arbitrary: fc.record({ remove: bytes }) },
);
const memory = fc.constantFrom(1, 64, 500, 4000);

test("records are kept, replaced and removed as in a map, however little memory there is", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), memory, (steps, memory) => {
      const set = new RecordSet(small(memory));
      const model = new Map<string, string>();
      for (const each of steps) {
        if ("remove" in each) {
          const gone = toBytes(each.remove);
          expect(set.remove(gone)).toBe(model.delete(hex(gone)));
          continue;
        }
        const [keyBytes, valueBytes] = [toBytes(each.key), toBytes(each.value)];
        const [key, value] = [hex(keyBytes), hex(valueBytes)];
        const isNew = !model.has(key);
        expect(set.add(keyBytes, valueBytes, false, each.policy)).toBe(isNew);
        if (!isNew && each.policy === "keep") continue;
        model.delete(key);
        model.set(key, value);
      }
      const wanted = [...model].map(([key, value]) => `${key} ${value}`);
      expect(set.count).toBe(wanted.length);
      expect(contents((each) => set.forEach(each))).toEqual(wanted);
      set.seal();
      expect(contents((each) => set.forEach(each))).toEqual(wanted);
      const inOrder = [...model].sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => `${key} ${value}`);
      expect(contents((each) => forEachSorted(set, each))).toEqual(inOrder);
      set.close();
    }),
    { numRuns: 200 },
  );
});

/** A file in memory. */
class Sink implements ByteSink {
  #bytes = Buffer.alloc(1 << 16);
  #length = 0;

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(2 * end)]);
    this.#bytes.set(bytes, position);
    this.#length = Math.max(this.#length, end);
  }
}

describe.each(["hash", "btree", "cdb", "lmdb"])("%s", (type) => {
  const written = (limits: SetLimits, fill: (set: RecordSet) => void): Buffer => {
    const set = new RecordSet(limits);
    fill(set);
    set.seal();
    const sink = new Sink();
    const options = { pageSize: 512, uniqueId: new Uint8Array(20), mapSize: 1 << 20 };
    INDEX_FORMATS[type]!.write(set, sink, options);
    set.close();
    return sink.bytes;
  };
  const key = type === "lmdb" ? fc.oneof(short(1, 3), short(1, 500)) : bytes;

  test("the file is the same to the byte, however little memory there is", () => {
    const records = fc.array(fc.tuple(key, bytes, policy), { maxLength: 150 });
    fc.assert(
      fc.property(records, memory, (list, memory) => {
        const fill = (set: RecordSet) => {
          for (const [key, value, policy] of list) set.add(toBytes(key), toBytes(value), true, policy);
        };
        expect(written(small(memory), fill).equals(written({}, fill))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test("the same of 20,000 records, and of as many in ascending order", () => {
    for (const step of [7919, 1]) {
      const fill = (set: RecordSet) => {
        for (let at = 0; at < 20_000; at++) {
          const number = String(at * step % 20_000).padStart(6, "0");
          set.add(Buffer.from(`user${number}@example.com`), Buffer.from(`value ${at}`), true, "keep");
        }
      };
      expect(written(small(8192), fill).equals(written({}, fill))).toBe(true);
    }
  });
});

test("of keys that are kept twice the first is found, before and after the slots have been made anew", () => {
  const places = new KeyPlaces();
  for (let round = 0; round < 3; round++) {
    for (let hash = 0; hash < 2000; hash++) places.add(hash * 0x9e3779b1 | 0, 1 + 2000 * round + hash);
  }
  for (let hash = 0; hash < 2000; hash++) {
    const slot = places.slotOf(hash * 0x9e3779b1 | 0, () => true);
    expect(places.placeIn(slot)).toBe(1 + hash);
    expect(places.placeIn(places.slotOf(hash * 0x9e3779b1 | 0, (place) => place > 4000))).toBe(4001 + hash);
  }
});

test("a full disk is told where the records are written, and leaves nothing", () => {
  const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
  const set = new RecordSet({
    memory: 100,
    scratch: () => ({
      write: () => {
        throw full;
      },
      read: () => 0,
      close: () => {},
    }),
  });
  const add = () => {
    for (let at = 0; at < 100; at++) set.add(Buffer.from(`${at}`), Buffer.from("x"), false, "keep");
  };
  expect(add).toThrow(full);
  expect(readdirSync(folder)).toEqual([]);
});
