import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flock } from "../../platform/file/lock/flock.ts";
import { testContext } from "../_test_context.ts";
import { openTable } from "../table_types.ts";
import { ABSENT, type Answer } from "../table.ts";
import { replaceFile } from "../../platform/file/file_replacement.ts";
import { INDEX_FORMATS } from "./index_formats.ts";
import { RecordSet } from "./records/record_set.ts";
import { writeIndex } from "./table_build.ts";

const fixtures = join(import.meta.dir, "../../../test/fixtures/maps");
let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "indexed-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const copy = (from: string, to: string) => copyFileSync(join(fixtures, from), at(to));
const age = (name: string, seconds: number) => utimesSync(at(name), seconds, seconds);

test.each([["hash", ".db", "tiny.hash.db"], ["btree", ".db", "tiny.btree.db"], ["cdb", ".cdb", "tiny.cdb"], [
  "lmdb",
  ".lmdb",
  "tiny.lmdb",
]])(
  "%s: keys are folded, values are without NUL, what is not there is absent",
  (type, suffix, file) => {
    copy(file, `t${suffix}`);
    const table = openTable(`${type}:${at("t")}`, testContext());
    expect(table.lookup("Foo")).toEqual({ is: "found", value: "bar" });
    expect(table.lookup("ALICE@example.com")).toEqual({ is: "found", value: "bob@example.net" });
    expect(table.lookup("nobody")).toEqual({ is: "absent" });
    expect(table.lookup("foo\0")).toEqual({ is: "absent" });
    table.close();
    expect(table.lookup("foo")).toMatchObject({ is: "trouble" });
  },
);

test("without an index the source is served, with a warning that says how to make one", () => {
  writeFileSync(at("t"), "# comment\nfoo bar\nTwo  words here\n");
  const context = testContext();
  const table = openTable(`hash:${at("t")}`, context);
  expect(table.lookup("two")).toEqual({ is: "found", value: "words here", line: 3 });
  expect(context.warnings).toEqual([
    `open database ${
      at("t")
    }.db: No such file or directory; using the source. To make the index anew: mta postmap hash:${at("t")}`,
  ]);
});

test("an alias source is read as aliases, told or not", () => {
  writeFileSync(at("t"), 'root: ann@example.com, bob\n"Quoted Name": |prog\n');
  for (const more of [{}, { sourceFormat: "alias" as const }]) {
    const table = openTable(`hash:${at("t")}`, testContext(more));
    expect(table.lookup("ROOT")).toMatchObject({ value: "ann@example.com, bob" });
    expect(table.lookup("quoted name")).toMatchObject({ value: "|prog" });
  }
});

test("an index older than its source gives way to the source", () => {
  copy("tiny.hash.db", "t.db");
  writeFileSync(at("t"), "foo fresh\n");
  age("t.db", 1000);
  age("t", 2000);
  const context = testContext();
  const table = openTable(`hash:${at("t")}`, context);
  expect(table.lookup("foo")).toMatchObject({ value: "fresh", line: 1 });
  expect(context.warnings.length).toBe(1);
  expect(context.warnings[0]).toStartWith(
    `database ${at("t.db")} is older than source file ${at("t")}; using the source.`,
  );
});

test("a replaced or removed index is noticed within a second, without looking at each lookup", () => {
  copy("tiny.hash.db", "t.db");
  const context = testContext();
  const table = openTable(`hash:${at("t")}`, context);
  expect(table.lookup("foo")).toMatchObject({ is: "found" });
  copy("nonul.hash.db", "new");
  renameSync(at("new"), at("t.db"));
  expect(table.lookup("foo")).toMatchObject({ is: "found" });
  context.now += 1000;
  expect(table.lookup("foo")).toEqual({ is: "absent" });
  rmSync(at("t.db"));
  context.now += 1000;
  expect(table.lookup("foo")).toMatchObject({
    is: "trouble",
    retry: true,
    why: `hash:${at("t")} is unavailable. open database ${at("t.db")}: No such file or directory`,
  });
});

test("an index truncated in place under an open table is trouble, never absent", () => {
  copy("n2000.hash.db", "t.db");
  const table = openTable(`hash:${at("t")}`, testContext());
  expect(table.lookup("no such key")).toEqual({ is: "absent" });
  truncateSync(at("t.db"), 0);
  const answers = new Set(Array.from({ length: 50 }, (_, n) => String(Object(table.lookup(`other${n}`)).is)));
  expect(answers).toContain("trouble");
  expect(table.lookup("other1")).toMatchObject({ is: "trouble" });
});

test.each(["hash", "btree", "cdb", "lmdb"])("%s: rubbish is trouble", (type) => {
  const suffix = { hash: ".db", btree: ".db", cdb: ".cdb", lmdb: ".lmdb" }[type];
  writeFileSync(at(`t${suffix}`), "rubbish ".repeat(2000));
  expect(openTable(`${type}:${at("t")}`, testContext()).lookup("x")).toMatchObject({ is: "trouble" });
});

test("the first hit decides whether keys end with a NUL, as in Postfix", () => {
  copy("aliases.hash.db", "t.db");
  const table = openTable(`hash:${at("t")}`, testContext({ fold: false }));
  expect(table.lookup("YP_MASTER_NAME")).toMatchObject({ value: "mta.example.com" });
  expect(table.lookup("postmaster")).toEqual({ is: "absent" });
});

test("non-ASCII keys are folded and found", () => {
  copy("utf8.hash.db", "t.db");
  const table = openTable(`hash:${at("t")}`, testContext());
  expect(table.lookup("JOSÉ@EXAMPLE.COM")).toEqual(table.lookup("josé@example.com"));
});

test("while an index is rewritten in place under its lock, the source answers; then the index again", () => {
  copy("tiny.hash.db", "t.db");
  writeFileSync(at("t"), "foo from-source\n");
  age("t", 1000);
  const context = testContext();
  const table = openTable(`hash:${at("t")}`, context);
  expect(table.lookup("foo")).toEqual({ is: "found", value: "bar" });
  const fd = openSync(at("t.db"), "r+");
  flock(fd, "exclusive", { wait: true });
  copy("empty.hash.db", "t.db"); // a writer begins with an empty table, in place
  context.now += 1000;
  expect(table.lookup("foo")).toMatchObject({ value: "from-source", line: 1 });
  copy("tiny.hash.db", "t.db");
  closeSync(fd);
  context.now += 1000;
  expect(table.lookup("foo")).toEqual({ is: "found", value: "bar" });
  expect(context.warnings).toEqual([]);
});

test.each(["hash", "btree", "cdb", "lmdb"])(
  "%s: bytes of keys are answered as their text is, or left to it",
  (type) => {
    const format = INDEX_FORMATS[type]!;
    const records = new RecordSet();
    const keys = ["foo", "foo.example", "empty", "caf\u00e9", "latin", "high", "x".repeat(300)];
    const values = ["bar", "OK some words", "", "accents", "b\u00e4r", "\u00fc", "y".repeat(300)];
    keys.forEach((key, i) =>
      records.add(Buffer.from(key), Buffer.from(values[i]!), format.terminates, "keep")
    );
    writeIndex(format, at(`t${format.suffix}`), records, {
      uniqueId: () => new Uint8Array(20),
      pageSize: 4096,
      mapSize: 16777216,
      replace: (path) => replaceFile(path, { mode: 0o644 }),
    });
    const table = openTable(`${type}:${at("t")}`, testContext());
    let plain = 0;
    for (
      const key of [
        ...keys,
        ...keys.map((each) => each.toUpperCase()),
        "none",
        "",
        "a\0b",
        "fo",
        "fooo",
      ]
    ) {
      const line = Buffer.from(`before\n${key}\nafter`);
      const found = table.lookupPlain!(line, 7, line.length - 6);
      if (found === undefined) continue; // lookup() is asked
      plain++;
      const answer: Answer = found === "absent" ? ABSENT : {
        is: "found",
        value: Buffer.from(found.bytes.subarray(found.start, found.end)).toString(),
      };
      expect(table.lookup(key)).toEqual(answer);
    }
    expect(plain).toBeGreaterThan(8);
    table.close();
    expect(table.lookupPlain!(Buffer.from("foo"), 0, 3)).toBeUndefined();
  },
);
