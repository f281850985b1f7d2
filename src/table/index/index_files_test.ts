import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "../../platform/file/file_replacement.ts";
import { INDEX_FORMATS } from "./index_formats.ts";
import { TableFault } from "./record_file.ts";
import { RecordSet } from "./records/record_set.ts";
import { writeIndex } from "./table_build.ts";

const fixtures = join(import.meta.dir, "../../../test/fixtures/maps");
const folder = mkdtempSync(join(tmpdir(), "index-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Fixture {
  readonly file: string;
  readonly type: string;
  readonly expected: string;
}
const index: Fixture[] = JSON.parse(readFileSync(join(fixtures, "index.json"), "utf8"));

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString().replace(/\0$/, "");
const byKey = (a: readonly string[], b: readonly string[]) =>
  Buffer.compare(Buffer.from(a[0]!), Buffer.from(b[0]!));

describe.each(index)("$file", ({ file, type, expected }) => {
  const wanted: [string, string][] = JSON.parse(readFileSync(join(fixtures, expected), "utf8")).sort(byKey);

  test("lists the records that postmap put in", () => {
    const opened = INDEX_FORMATS[type]!.open(join(fixtures, file));
    const got = Array.from(opened.records(), ({ key, value }) => [text(key), text(value)]).sort(byKey);
    expect(got).toEqual(wanted);
    opened.close();
  });

  test("finds each key, and no other", () => {
    const opened = INDEX_FORMATS[type]!.open(join(fixtures, file));
    const first = new Map(wanted.toReversed());
    for (const [key, value] of first) {
      const withNul = Buffer.from(`${key}\0`);
      const found = opened.find(withNul, withNul.length) ?? opened.find(withNul, withNul.length - 1);
      expect(found && text(found)).toBe(value);
      const other = Buffer.from(`${key}~\0`);
      if (!first.has(`${key}~`)) expect(opened.find(other, other.length)).toBeUndefined();
    }
    opened.close();
  });
});

function writeRecords(
  type: string,
  path: string,
  records: readonly (readonly [Buffer, Buffer])[],
  pageSize: number,
): void {
  const set = new RecordSet();
  for (const [key, value] of records) set.add(key, value, false, "replace");
  writeIndex(INDEX_FORMATS[type]!, path, set, {
    uniqueId: () => new Uint8Array(20).fill(7),
    pageSize,
    mapSize: 1 << 20,
    replace: (target) => replaceFile(target, { mode: 0o644 }),
  });
}

const bytes = (maxLength: number) => fc.uint8Array({ minLength: 1, maxLength }).map((b) => Buffer.from(b));
const lengths = fc.oneof(
  bytes(12),
  bytes(12),
  bytes(300),
  fc.integer({ min: 900, max: 9000 }).map((n) => Buffer.alloc(n, n % 250 + 1)),
);
const keys = (type: string) => type === "lmdb" ? fc.oneof(bytes(12), bytes(511)) : lengths;

describe.each(["hash", "btree", "cdb", "lmdb"])("%s", (type) => {
  const format = INDEX_FORMATS[type]!;
  const path = join(folder, `${type}${format.suffix}`);

  test("what is written is read again, whatever the records and the page size", () => {
    const records = fc.array(fc.tuple(keys(type), lengths), { maxLength: 120 });
    const pageSizes = fc.constantFrom(512, 1024, 4096, 65536);
    fc.assert(
      fc.property(records, pageSizes, (list, pageSize) => {
        writeRecords(type, path, list, pageSize);
        const wanted = new Map(list.map(([key, value]) => [key.toString("hex"), value.toString("hex")]));
        const opened = format.open(path);
        const got = Array.from(
          opened.records(),
          ({ key, value }) => [Buffer.from(key).toString("hex"), Buffer.from(value).toString("hex")] as const,
        );
        expect(new Map(got)).toEqual(wanted);
        expect(got.length).toBe(wanted.size);
        for (const [key, value] of wanted) {
          const bytes = Buffer.from(key, "hex");
          expect(Buffer.from(opened.find(bytes, bytes.length) ?? "").toString("hex")).toBe(value);
        }
        opened.close();
      }),
      { numRuns: 60 },
    );
  });

  test("three levels of pages are written and read", () => {
    const many = Array.from(
      { length: 30_000 },
      (_, at) => [Buffer.from(`key${at * 7919 % 30_000}`), Buffer.from(`${at}`)] as const,
    );
    writeRecords(type, path, many, 512);
    for (const whole of [false, true]) {
      const opened = format.open(path, whole);
      for (const [key, value] of many) expect(text(opened.find(key, key.length)!)).toBe(value.toString());
      expect(opened.find(Buffer.from("none"), 4)).toBeUndefined();
      expect([...opened.records()].length).toBe(30_000);
      opened.close();
    }
  });

  test("a damaged file gives its records or trouble: no crash, no endless walk, nothing invented", () => {
    const small = index.filter((row) =>
      row.type === type && /^(tiny|syntax|be512|overflow|modified|nonul)/.test(row.file)
    );
    const target = join(folder, `damaged${format.suffix}`);
    const damage = fc.record({
      row: fc.constantFrom(...small),
      cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 4 }),
      edits: fc.array(
        fc.tuple(fc.double({ min: 0, max: 0.9999, noNaN: true }), fc.integer({ min: 0, max: 255 })),
        { maxLength: 40 },
      ),
      inHeader: fc.boolean(),
    });
    fc.assert(
      fc.property(damage, ({ row, cut, edits, inHeader }) => {
        let content = readFileSync(join(fixtures, row.file));
        if (cut !== null) content = content.subarray(0, Math.floor(cut * content.length));
        const reach = inHeader ? Math.min(content.length, 600) : content.length;
        for (const [place, value] of edits) content[Math.floor(place * reach)] = value;
        writeFileSync(target, content);
        survives(() => {
          const opened = format.open(target);
          survives(() => {
            let count = 0;
            for (const { key, value } of opened.records()) {
              count += key.length >= 0 && value.length >= 0 ? 1 : 0;
            }
            expect(count).toBeLessThan(1_000_000);
          });
          for (const key of ["foo\0", "bob@example.com\0", "x\0", "key100\0"]) {
            survives(() => void opened.find(Buffer.from(key), key.length));
          }
          opened.close();
        });
      }),
      { numRuns: 400 },
    );
  });

  test("a file that is cut off while keys are asked is trouble, not an answer", () => {
    const many = Array.from(
      { length: 30_000 },
      (_, at) => [Buffer.from(`key${at}`), Buffer.from(`${at}`)] as const,
    );
    for (const whole of [false, true]) {
      writeRecords(type, path, many, 4096);
      const opened = format.open(path, whole);
      expect(text(opened.find(many[0]![0], many[0]![0].length)!)).toBe("0");
      truncateSync(path, 4096);
      expect(() => {
        for (const [key, value] of many) expect(text(opened.find(key, key.length)!)).toBe(value.toString());
      }).toThrow(TableFault);
      opened.close();
    }
  });

  test("a truncated file is trouble, not an empty table", () => {
    const whole = readFileSync(
      join(
        fixtures,
        index.find((row) => row.file === `n2000.${type}.db` || row.file === `n2000.${type}`)!.file,
      ),
    );
    const target = join(folder, `short${format.suffix}`);
    writeFileSync(target, whole.subarray(0, whole.length - 5000));
    expect(() => format.open(target)).toThrow(TableFault);
  });
});

/** Only TableFault may come out. */
function survives(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof TableFault)) throw error;
  }
}
