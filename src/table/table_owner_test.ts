import { afterEach, beforeEach, expect } from "bun:test";
import { chownSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testContext } from "./_test_context.ts";
import { ownerOfTable } from "./table_owner.ts";
import { openTable } from "./table_types.ts";
import { withPeers } from "../../test/kit/peers.ts";

const fixtures = join(import.meta.dir, "../../test/fixtures/maps");
const asRoot = withPeers(import.meta.path, "root").test;
let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "table-owner-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const INDEXES = { hash: "db", btree: "db", cdb: "cdb", lmdb: "lmdb" } as const;
const at = (name: string) => join(folder, name);

/** A file of somebody's, then root's file in its place. */
function swap(path: string, put: () => void, open: () => unknown): void {
  put();
  chownSync(path, 4711, 4711);
  open();
  renameSync(path, `${path}.old`);
  put();
}

asRoot.each(Object.entries(INDEXES))(
  "%s: the owner is that of the open index, not of what has its name by now",
  (type, suffix) => {
    const path = at(`t.${suffix}`);
    const context = testContext();
    let table = openTable(`static:x`, context);
    swap(
      path,
      () => copyFileSync(join(fixtures, suffix === "db" ? `tiny.${type}.db` : `tiny.${suffix}`), path),
      () => {
        table = openTable(`${type}:${at("t")}`, context);
      },
    );
    expect([table.lookup("foo"), ownerOfTable(table)]).toEqual([{ is: "found", value: "bar" }, 4711]);
    table.close();
    expect(ownerOfTable(table)).toBeUndefined();
  },
);

asRoot.each([["texthash", "foo bar\n"], ["regexp", "/foo/ bar\n"], ["pcre", "/foo/ bar\n"]])(
  "%s: the owner is that of the file that was read",
  (type, text) => {
    const context = testContext();
    let table = openTable("static:x", context);
    swap(at("t"), () => writeFileSync(at("t"), text), () => {
      table = openTable(`${type}:${at("t")}`, context);
      table.lookup("foo");
    });
    expect([table.lookup("foo"), ownerOfTable(table)]).toEqual([
      expect.objectContaining({ is: "found", value: "bar" }),
      4711,
    ]);
  },
);

asRoot("a table made of others belongs to whoever of their owners is not root", () => {
  writeFileSync(at("ours"), "foo bar\n");
  writeFileSync(at("theirs"), "foo baz\n");
  chownSync(at("theirs"), 4711, 4711);
  const owner = (spec: string) => ownerOfTable(openTable(spec, testContext()));
  const [ours, theirs] = [`texthash:${at("ours")}`, `texthash:${at("theirs")}`];
  expect(owner(ours)).toBe(0);
  expect(owner(`unionmap:{${ours}, ${theirs}}`)).toBe(4711);
  expect(owner(`pipemap:{${theirs}, inline:{x=y}}`)).toBe(4711);
  expect(owner(`unionmap:{${ours}, static:x}`)).toBe(0);
  expect(owner(`proxy:${theirs}`)).toBe(4711);
  expect(owner("inline:{a=b}")).toBe(0);
});
