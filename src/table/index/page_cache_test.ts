import { afterAll, describe, expect, test } from "bun:test";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RandomAccessFile } from "../../platform/file/random_access_file.ts";
import { replaceFile } from "../../platform/file/file_replacement.ts";
import { testContext } from "../_test_context.ts";
import { INDEX_FORMATS } from "./index_formats.ts";
import { PageBudget, PageCache } from "./page_cache.ts";
import { RecordSet } from "./records/record_set.ts";
import { TableFault } from "./record_file.ts";
import { openTable } from "../table_types.ts";
import { writeIndex } from "./table_build.ts";

const folder = mkdtempSync(join(tmpdir(), "page-cache-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of that many pages without content, which takes no room. */
function sparse(name: string, pages: number): string {
  const path = join(folder, name);
  const fd = openSync(path, "w");
  ftruncateSync(fd, pages * 4096);
  closeSync(fd);
  return path;
}

function cacheOf(path: string, budget = new PageBudget(64 << 20)): PageCache {
  return new PageCache(new RandomAccessFile(path), 4096, () => {}, budget);
}

test("a page is read once, and again when another took its place", () => {
  const path = join(folder, "numbered");
  writeFileSync(path, Buffer.concat(Array.from({ length: 300 }, (_, at) => Buffer.alloc(4096, at % 251))));
  const cache = cacheOf(path);
  for (const round of [1, 2]) {
    for (let at = 0; at < 300; at++) expect([round, cache.page(at)[17]]).toEqual([round, at % 251]);
  }
  expect(cache.diskReads).toBe(300);
  expect(cache.holdsAll).toBe(true);
  cache.close();
});

test("one file keeps 16 MiB of pages, and all files together what they are given", () => {
  const big = sparse("big", 20_000);
  const kept = (cache: PageCache) => {
    for (let at = 0; at < 20_000; at++) cache.page(at);
    let count = 0;
    for (let at = 0; at < 20_000; at++) count += cache.kept(at) === undefined ? 0 : 1;
    return count * 4096 / 2 ** 20;
  };
  const budget = new PageBudget(64 << 20);
  const caches = Array.from({ length: 7 }, () => cacheOf(big, budget));
  expect(caches.map(kept)).toEqual([16, 16, 16, 16, 0.25, 0.25, 0.25]);
  for (const cache of caches) cache.close();
  const next = cacheOf(big, budget);
  expect(kept(next)).toBe(16);
  next.close();
});

test("a page past the end of a truncated file is a fault, and is not kept", () => {
  const path = sparse("cut", 16);
  const cache = cacheOf(path);
  cache.page(3);
  truncateSync(path, 4096);
  expect(() => cache.page(5)).toThrow(TableFault);
  expect(cache.kept(5)).toBeUndefined();
  expect(cache.page(3).length).toBe(4096);
});

describe.each(["hash", "btree", "cdb", "lmdb"])("%s", (type) => {
  const format = INDEX_FORMATS[type]!;
  const path = join(folder, `table-${type}`) + format.suffix;
  const keys = Array.from({ length: 60_000 }, (_, at) => `user${at * 7919 % 60_000}@example.com`);

  test("a table far larger than what is kept finds and lists each key, and is trouble once truncated", () => {
    const set = new RecordSet();
    for (const key of keys) {
      set.add(Buffer.from(key), Buffer.from(`value of ${key} `.repeat(10)), format.terminates, "keep");
    }
    writeIndex(format, path, set, {
      uniqueId: () => new Uint8Array(20),
      pageSize: 4096,
      mapSize: 1 << 20,
      replace: (target) => replaceFile(target, { mode: 0o644 }),
    });
    const table = openTable(`${type}:${path.slice(0, -format.suffix.length)}`, testContext());
    for (const key of keys) {
      const answer = table.lookup(key);
      if (
        answer instanceof Promise || answer.is !== "found" || !answer.value.startsWith(`value of ${key} `)
      ) {
        expect(`${key}: ${JSON.stringify(answer)}`).toBe("found");
      }
    }
    const walked = new Set<string>();
    for (const entry of table.possible?.(() => true) ?? []) {
      if (entry.is !== "key") continue;
      walked.add(entry.key);
      table.lookup(keys[walked.size * 7919 % keys.length]!); // takes the places of other pages
      if (!entry.value.startsWith(`value of ${entry.key} `)) expect(entry.value).toBe(entry.key);
    }
    expect(walked.size).toBe(keys.length);
    expect(table.lookup("nobody@example.com")).toMatchObject({ is: "absent" });
    truncateSync(path, 2048);
    const answers = new Set(keys.map((key) => {
      const answer = table.lookup(key);
      return answer instanceof Promise ? "promise" : answer.is;
    }));
    expect([...answers].filter((is) => is !== "found")).toEqual(["trouble"]);
  }, 30_000);
});
