import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { fakeClock } from "../../test/kit/memory/fake_clock.ts";
import type { VerifyCache } from "./verify_cache.ts";
import { CacheFault } from "./verify_cache.ts";
import { cleanUp } from "./clean_up.ts";
import type { Entry } from "./entry.ts";
import { FileCache } from "./file_cache.ts";
import { MemoryCache } from "./memory_cache.ts";
import { cachePlace, openVerifyCache } from "./open_cache.ts";

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

function folder(): string {
  const root = mkdtempSync("/tmp/verify-cache-");
  roots.push(root);
  return root;
}

const GOOD: Entry = { status: "deliverable", probed: 0, updated: 1000, text: "250 Ok" };
const BAD: Entry = { status: "undeliverable", probed: 0, updated: 1000, text: "no such user" };

function open(path: string, warnings: string[] = [], most = 1000): FileCache {
  return new FileCache({
    name: "btree:x",
    path,
    most,
    first: () => [],
    warn: (text) => void warnings.push(text),
  });
}

const KINDS: readonly (readonly [string, (most: number) => VerifyCache])[] = [
  ["in memory", (most) => new MemoryCache(most)],
  ["in a file", (most) => open(`${folder()}/cache.sqlite`, [], most)],
];

test.each(KINDS)("a cache %s keeps, changes, drops and counts", (_name, make) => {
  const cache = make(1000);
  expect(cache.get("a@x")).toBeUndefined();
  cache.put("a@x", GOOD, 2000);
  cache.put("b@x", BAD, 3000);
  cache.put("a@x", { ...BAD, prober: 7, probed: 5 }, 2000);
  expect(cache.get("a@x")).toEqual({ ...BAD, prober: 7, probed: 5 });
  expect(cache.count()).toBe(2);
  expect(cache.sweep(2001, 10)).toBe(1);
  expect([cache.get("a@x"), cache.get("b@x")]).toEqual([undefined, BAD]);
  cache.delete("b@x");
  expect(cache.count()).toBe(0);
  cache.close();
});

test.each(KINDS)("a cache %s does not grow over its limit, and bad news goes first", (_name, make) => {
  const cache = make(1000);
  for (let i = 0; i < 500; i++) cache.put(`good${i}@x`, GOOD, 5000);
  for (let i = 0; i < 5000; i++) cache.put(`random${i}@x`, BAD, 6000 + i);
  expect(cache.count()).toBeLessThanOrEqual(1256);
  expect(cache.get("good0@x")).toEqual(GOOD);
  expect(cache.get("random4999@x")).toEqual(BAD);
  expect(cache.get("random0@x")).toBeUndefined();
  cache.close();
});

test("cleaning up goes in pieces and reports as Postfix does", async () => {
  const [clock, said, cache] = [fakeClock(2_000_000), [] as string[], new MemoryCache(10_000)];
  for (let i = 0; i < 1200; i++) cache.put(`old${i}@x`, BAD, 1999);
  cache.put("new@x", GOOD, 2001);
  cleanUp(cache, clock, (text) => void said.push(text));
  expect([cache.count(), said]).toEqual([701, []]);
  await clock.advance(100);
  expect(said).toEqual(["cache internal:verify full cleanup: retained=1 dropped=1200 entries"]);
});

test("two processes' caches are one, and a file is its user's own", () => {
  const path = `${folder()}/cache.sqlite`;
  const [one, two] = [open(path), open(path)];
  one.put("a@x", GOOD, 2000);
  expect(two.get("a@x")).toEqual(GOOD);
  two.delete("a@x");
  expect(one.get("a@x")).toBeUndefined();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  one.close();
  two.close();
});

test.each([
  [
    "text",
    (path: string) => writeFileSync(path, "this is no database, but long enough to look at".repeat(300)),
  ],
  ["a torn file", (path: string) => truncateSync(path, 5000)],
  ["zeroes", (path: string) => writeFileSync(path, Buffer.alloc(20_000))],
])("a file that holds %s is thrown away with a warning and begun anew", (_name, damage) => {
  const root = folder();
  const path = `${root}/cache.sqlite`;
  const before = open(path);
  for (let i = 0; i < 500; i++) before.put(`user${i}@x`, GOOD, 5000);
  before.close();
  damage(path);
  const warnings: string[] = [];
  const cache = open(path, warnings);
  for (let i = 0; i < 500; i++) cache.get(`user${i}@x`);
  cache.put("a@x", GOOD, 2000);
  expect(cache.get("a@x")).toEqual(GOOD);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toStartWith(`${path}: `);
  expect(warnings[0]).toEndWith(": the cache is thrown away and begun anew");
  cache.close();
});

test("a file that another process has replaced is not thrown away twice", () => {
  const path = `${folder()}/cache.sqlite`;
  const mine = open(path);
  for (let i = 0; i < 500; i++) mine.put(`user${i}@x`, GOOD, 5000);
  rmSync(path);
  rmSync(`${path}-wal`);
  rmSync(`${path}-shm`);
  const theirs = open(path);
  theirs.put("a@x", GOOD, 2000);
  theirs.close();
  mine.close();
  expect(open(path).get("a@x")).toEqual(GOOD);
});

test("a folder that cannot be written leaves memory, with a warning", () => {
  const warnings: string[] = [];
  const cache = openVerifyCache(
    settings("btree:/nonexistent/verify_cache"),
    () => 0,
    (text) => void warnings.push(text),
  );
  expect(cache).toBeInstanceOf(MemoryCache);
  expect(warnings[0]).toMatch(
    /^address_verify_map: \/nonexistent\/verify_cache\.sqlite: .*: what probes find out is kept in memory only$/,
  );
  expect(() => open("/nonexistent/cache.sqlite")).toThrow(CacheFault);
});

function settings(map: string) {
  return {
    address_verify_map: map,
    address_verify_cache_limit: 1000,
    data_directory: "/data",
    address_verify_positive_expire_time: 100,
    address_verify_positive_refresh_time: 10,
    address_verify_negative_expire_time: 100,
    address_verify_negative_refresh_time: 10,
  };
}

test.each([
  ["", { is: "memory" }],
  ["btree:/var/lib/v", {
    is: "file",
    path: "/var/lib/v.sqlite",
    table: { type: "btree", path: "/var/lib/v.db" },
  }],
  ["proxy:lmdb:/v", { is: "file", path: "/v.sqlite", table: { type: "lmdb", path: "/v.lmdb" } }],
  ["hash:v", { is: "file", path: "/data/v.sqlite", table: { type: "hash", path: "/data/v.db" } }],
  ["memcache:/etc/mc.cf", { is: "file", path: "/data/verify_cache.sqlite" }],
  ["cdb:/v", { is: "file", path: "/data/verify_cache.sqlite" }],
])("address_verify_map = %s has its place", (map, want) => {
  const place = cachePlace(settings(map));
  expect(place).toMatchObject(want);
  const isElsewhere = "remark" in place;
  expect(isElsewhere).toBe(/^(?:memcache|cdb)/.test(map));
});

test("nothing is left beside the file but SQLite's own", () => {
  const root = folder();
  const cache = open(`${root}/cache.sqlite`);
  cache.put("a@x", GOOD, 2000);
  cache.close();
  expect(readdirSync(root)).toEqual(["cache.sqlite"]);
  expect(existsSync(`${root}/cache.sqlite-wal`)).toBe(false);
});
