// Table files that we write, read whole by the libraries' own tools and searched by the real postmap.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "../../../src/platform/file/file_replacement.ts";
import { INDEX_FORMATS } from "../../../src/table/index/index_formats.ts";
import { RecordSet } from "../../../src/table/index/records/record_set.ts";
import { writeIndex } from "../../../src/table/index/table_build.ts";
import { withPeers } from "../../kit/peers.ts";
import { chanceOf } from "../../kit/chance.ts";

const chance = chanceOf(import.meta.path);

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "postfix",
  "postfix-cdb",
  "postfix-lmdb",
  "table tools",
);

let root = "";

beforeAll(() => {
  root = fs.mkdtempSync(join(tmpdir(), "table-files-"));
  fs.writeFileSync(join(root, "main.cf"), "compatibility_level = 3.6\nmyhostname = mta.example.com\n");
});
afterAll(() => fs.rmSync(root, { recursive: true }));

type Pair = readonly [key: Buffer, value: Buffer];

/** A key of bytes of every kind but those that end a line or a string. */
function binaryKey(at: number): Buffer {
  const bytes = Buffer.from(`${at} ${at * 7919} ${at * 104729}`);
  for (let i = 0; i < bytes.length; i++) {
    const byte = (bytes[i]! * 31 + at * (i + 3)) & 255;
    bytes[i] = byte === 0 || byte === 10 ? 0xfe : byte;
  }
  return Buffer.concat([Buffer.from(`${at}`), Buffer.from([0xff]), bytes]);
}

/** 100,000 records: text, UTF-8 and binary keys, empty values, values over a page, keys as long as a type allows. */
function records(): Pair[] {
  const pairs: Pair[] = [];
  for (let at = 1; at <= 100_000; at++) { // Postfix's reader of cdb dies when the first value that it finds is empty
    const n = at * 7919 % 100_000;
    const key = at % 10 === 0
      ? binaryKey(n)
      : Buffer.from(at % 10 === 1 ? `straße${n}@münchen.example 日本${n}` : `user${n}@example${n % 97}.com`);
    const value = at % 11 === 0
      ? Buffer.alloc(0)
      : Buffer.from(at % 997 === 0 ? `long ${n} `.repeat(1000) : `value ${n}`);
    pairs.push([key, value]);
  }
  for (let length = 400; length < 510; length++) {
    pairs.push([Buffer.alloc(length, "k"), Buffer.from(`${length}`)]);
  }
  return pairs;
}

function write(type: string, pairs: readonly Pair[]): string {
  const format = INDEX_FORMATS[type]!;
  const set = new RecordSet();
  for (const [key, value] of pairs) set.add(key, value, format.terminates, "keep");
  const path = join(root, `t${format.suffix}`);
  writeIndex(format, path, set, {
    uniqueId: () => chance.bytes(20),
    pageSize: 4096,
    mapSize: 1 << 24,
    replace: (target) => replaceFile(target, { mode: 0o644 }),
  });
  return path;
}

function tool(command: string, args: readonly string[], input?: Buffer): Buffer {
  const done = spawnSync(command, args, { input, maxBuffer: 1 << 30 });
  expect({ command, stderr: done.stderr.toString().slice(0, 500) }).toEqual({ command, stderr: "" });
  expect(done.status).toBe(0);
  return done.stdout;
}

const sortedHex = (pairs: Iterable<readonly [string, string]>) =>
  [...pairs].map(([k, v]) => `${k} ${v}`).sort();

/** Keys and values of a dump in hexadecimal lines behind HEADER=END (db_dump(1), mdb_dump(1)). */
function dumped(text: string): string[] {
  const lines = text.slice(text.indexOf("HEADER=END\n") + 11, text.lastIndexOf("DATA=END")).split("\n");
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < lines.length; at += 2) pairs.push([lines[at]!.trim(), lines[at + 1]!.trim()]);
  return sortedHex(pairs);
}

/** Keys and values of `cdb -d`: `+2,3:ab->xyz`. */
function cdbDumped(bytes: Buffer): string[] {
  const pairs: [string, string][] = [];
  for (let at = 0; bytes[at] === 0x2b;) {
    const colon = bytes.indexOf(":", at);
    const [keyLength, valueLength] = bytes.toString("latin1", at + 1, colon).split(",").map(Number);
    const value = colon + 1 + keyLength! + 2;
    pairs.push([
      bytes.toString("hex", colon + 1, colon + 1 + keyLength!),
      bytes.toString("hex", value, value + valueLength!),
    ]);
    at = value + valueLength! + 1;
  }
  return sortedHex(pairs);
}

const readers: Readonly<Record<string, (path: string) => string[]>> = {
  hash: (path) => (tool("db5.3_verify", ["-q", path]), dumped(tool("db5.3_dump", [path]).toString())),
  btree: (path) => (tool("db5.3_verify", ["-q", path]), dumped(tool("db5.3_dump", [path]).toString())),
  cdb: (path) => cdbDumped(tool("cdb", ["-d", path])),
  lmdb: (path) => dumped(tool("mdb_dump", ["-n", path]).toString()),
};

describe.each(Object.keys(readers))("%s", (type) => {
  const pairs = records();

  test("its library finds the file sound, and in it each record and no other", () => {
    const nul = INDEX_FORMATS[type]!.terminates ? "00" : "";
    const wanted = sortedHex(pairs.map(([k, v]) => [k.toString("hex") + nul, v.toString("hex") + nul]));
    const got = readers[type]!(write(type, pairs));
    expect(got.length).toBe(wanted.length);
    expect(got.findIndex((each, at) => each !== wanted[at])).toBe(-1);
  }, 180_000);

  test("the real postmap finds each key", () => {
    write(type, pairs);
    const input = Buffer.concat(pairs.flatMap(([key]) => [key, Buffer.from("\n")]));
    const asked = spawnSync("/usr/sbin/postmap", ["-c", root, "-u", "-f", "-q", "-", `${type}:${root}/t`], {
      input,
      maxBuffer: 1 << 30,
    });
    const wanted = Buffer.concat(
      pairs.flatMap(([key, value]) => [key, Buffer.from("\t"), value, Buffer.from("\n")]),
    );
    expect(asked.status).toBe(0);
    expect(asked.stdout.equals(wanted)).toBe(true);
  }, 180_000);

  test("no record at all", () => {
    expect(readers[type]!(write(type, []))).toEqual([]);
  });
});
