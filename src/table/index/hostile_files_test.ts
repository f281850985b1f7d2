// What may lie in a table's place: pipes, folders, devices, links, files of any size, files in the middle of being written.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testContext } from "../_test_context.ts";
import { fileBacked } from "../text/file_backed.ts";
import { openDomainList } from "../search/match_list.ts";
import { openTable } from "../table_types.ts";
import type { Answer, Table } from "../table.ts";
import { processorTimeOf, startWatch, untilNextTick } from "../../../test/kit/waiting.ts";

const fixtures = join(import.meta.dir, "../../../test/fixtures/maps");
const INDEXES = { hash: ".db", btree: ".db", cdb: ".cdb", lmdb: ".lmdb" } as const;
const FIXTURES = {
  hash: "n2000.hash.db",
  btree: "n2000.btree.db",
  cdb: "n2000.cdb",
  lmdb: "n2000.lmdb",
} as const;
type Indexed = keyof typeof INDEXES;
const indexed = Object.keys(INDEXES) as Indexed[];

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "hostile-"))));
const openers: ChildProcess[] = [];
afterEach(() => {
  for (const opener of openers.splice(0)) opener.kill();
  rmSync(folder, { recursive: true });
});
const at = (name: string) => join(folder, name);

const said = (answer: Answer | Promise<Answer>): string =>
  answer instanceof Promise
    ? "later"
    : answer.is === "found"
    ? answer.value
    : answer.is === "trouble"
    ? "trouble"
    : "absent";

/** A pipe that somebody opens for writing, and so lets go who waits for that, after a while. */
async function pipe(name: string): Promise<void> {
  const made = spawn("mkfifo", [at(name)]);
  await new Promise((done) => made.on("close", done));
  openers.push(spawn("sh", ["-c", 'sleep 20; [ -p "$0" ] && : <>"$0"', at(name)], { stdio: "ignore" }));
}

/** What can be opened under the name `t`, and the file that is read for it. */
const READ: readonly (readonly [spec: string, file: string])[] = [
  ["texthash:t", "t"],
  ["cidr:t", "t"],
  ["regexp:t", "t"],
  ["pcre:t", "t"],
  ["hash:t", "t.db"],
  ["btree:t", "t.db"],
  ["cdb:t", "t.cdb"],
  ["lmdb:t", "t.lmdb"],
  ["hash:t", "t"],
  ["cdb:t", "t"],
  ["lmdb:t", "t"],
  ["ldap:/t.cf", "t.cf"],
];

const opened = (spec: string): Table => {
  const [type, name] = spec.split(":") as [string, string];
  return openTable(`${type}:${at(name.replace("/", ""))}`, testContext());
};

describe("in place of a file", () => {
  test.each(READ)("%s: a pipe as %s is trouble, and nobody waits for it", async (spec, file) => {
    await pipe(file);
    const heldUp = startWatch();
    const table = opened(spec);
    expect(said(table.lookup("10.0.0.1"))).toBe("trouble");
    expect(heldUp()).toBe(false);
    table.close();
  });

  test.each(READ)("%s: a folder as %s is trouble, not an empty table", (spec, file) => {
    mkdirSync(at(file));
    expect(said(opened(spec).lookup("10.0.0.1"))).toBe("trouble");
  });

  test.each(READ)("%s: an endless device as %s is trouble", (spec, file) => {
    symlinkSync("/dev/zero", at(file));
    expect(said(opened(spec).lookup("10.0.0.1"))).toBe("trouble");
  });

  test.each(READ)("%s: a link to itself as %s is trouble", (spec, file) => {
    symlinkSync(at(file), at(file));
    expect(said(opened(spec).lookup("10.0.0.1"))).toBe("trouble");
  });

  test("a match list's file that is a pipe or folder is trouble", async () => {
    const list = () =>
      openDomainList(at("list"), { parentMatches: false }, { context: testContext(), open: openTable });
    await pipe("list");
    const heldUp = startWatch();
    expect(list().matches("example.org")).toMatchObject({ is: "trouble" });
    expect(heldUp()).toBe(false);
    unlinkSync(at("list"));
    mkdirSync(at("list"));
    expect(list().matches("example.org")).toMatchObject({
      is: "trouble",
      why: `open file ${at("list")}: Is a directory`,
    });
  });

  test.each(indexed)("%s: a folder beside the index is no source, however new it is", (type) => {
    copyFileSync(join(fixtures, FIXTURES[type]), at(`t${INDEXES[type]}`));
    utimesSync(at(`t${INDEXES[type]}`), 1000, 1000);
    mkdirSync(at("t"));
    const context = testContext();
    const table = openTable(`${type}:${at("t")}`, context);
    expect(said(table.lookup("user37@example1.com"))).toStartWith("mailbox");
    expect(context.warnings).toEqual([]);
    table.close();
  });
});

/** A context whose time is the files': now is `seconds`. */
const timed = (seconds: number) => {
  const context = testContext();
  context.now = seconds * 1000;
  return context;
};
const put = (name: string, text: string, seconds: number) => {
  writeFileSync(at(name), text);
  utimesSync(at(name), seconds, seconds);
};

describe("while a file is being written", () => {
  const TEXTS = [
    ["texthash", (keys: string) => keys.replace(/\w/g, "10.0.0.$& found\n"), "10.0.0.9"],
    ["cidr", (keys: string) => keys.replace(/\w/g, "10.0.0.$& found\n"), "10.0.0.9"],
    ["regexp", (keys: string) => keys.replace(/\w/g, "/10.0.0.$&/ found\n"), "10.0.0.9"],
    ["pcre", (keys: string) => keys.replace(/\w/g, "/10.0.0.$&/ found\n"), "10.0.0.9"],
    ["hash", (keys: string) => keys.replace(/\w/g, "10.0.0.$& found\n"), "10.0.0.9"],
  ] as const;

  test.each(TEXTS)(
    "%s: half of it is not believed; what was there before is served until it is still",
    (type, text, key) => {
      put("t", text("19"), 5000);
      const context = timed(10_000);
      const table = openTable(`${type}:${at("t")}`, context);
      expect(said(table.lookup(key))).toBe("found");
      for (let second = 10_001; second < 10_005; second++) {
        put("t", text("123456".slice(0, second - 10_000)), second);
        context.now = second * 1000 + 10;
        expect(said(table.lookup(key))).toBe("found");
      }
      put("t", text("1234567890ab"), 10_005);
      context.now = 10_007_000;
      expect(said(table.lookup("10.0.0.8"))).toBe("found");
      put("t", text("1"), 10_008);
      context.now = 10_010_000;
      expect(said(table.lookup(key))).toBe("absent");
    },
  );

  test("a file that never comes to rest is read all the same, after ten seconds", () => {
    put("t", "a old\n", 5000);
    const context = timed(10_000);
    const table = openTable(`texthash:${at("t")}`, context);
    const answers = Array.from({ length: 12 }, (_, second) => {
      put("t", `a new${second}\n`, 10_001 + second);
      context.now = (10_001 + second) * 1000;
      return said(table.lookup("a"));
    });
    expect(answers.slice(0, 10)).toEqual(Array(10).fill("old"));
    expect(answers[10]).toBe("new10");
  });

  test("a second write within one tick of the file system's clock is noticed", () => {
    put("t", "a one\n", 10_000);
    const context = timed(10_000);
    const table = openTable(`texthash:${at("t")}`, context);
    expect(said(table.lookup("a"))).toBe("one");
    put("t", "a two\n", 10_000);
    context.now += 1500;
    expect(said(table.lookup("a"))).toBe("two");
  });

  test("a change that leaves size and time as they were is noticed", async () => {
    put("t", "a one\n", 5000);
    const context = timed(10_000);
    const table = openTable(`texthash:${at("t")}`, context);
    expect(said(table.lookup("a"))).toBe("one");
    await untilNextTick(20); // of the time of the last change, which only the kernel sets
    put("t", "a two\n", 5000);
    context.now += 1000;
    expect(said(table.lookup("a"))).toBe("two");
  });

  test("a file that grows, shrinks, vanishes and comes back", () => {
    put("t", "a one\n", 5000);
    const context = timed(10_000);
    const table = openTable(`texthash:${at("t")}`, context);
    const after = (change: () => void) => {
      change();
      context.now += 1000;
      return [said(table.lookup("a")), said(table.lookup("b"))];
    };
    const age = () => utimesSync(at("t"), 5001, 5001);
    expect(after(() => (appendFileSync(at("t"), "b two\n"), age()))).toEqual(["one", "two"]);
    expect(after(() => (truncateSync(at("t"), 6), age()))).toEqual(["one", "absent"]);
    expect(after(() => unlinkSync(at("t")))).toEqual(["trouble", "trouble"]);
    expect(after(() => put("t", "b back\n", 5002))).toEqual(["absent", "back"]);
  });

  test("a link that is turned to another file, as containers get their configuration", () => {
    for (const name of ["one", "two"]) {
      mkdirSync(at(name));
      put(`${name}/t`, `a ${name}\n`, 5000);
    }
    symlinkSync("one", at("data"));
    symlinkSync("data/t", at("t"));
    const context = timed(10_000);
    const tables = ["texthash", "hash"].map((type) => openTable(`${type}:${at("t")}`, context));
    expect(tables.map((table) => said(table.lookup("a")))).toEqual(["one", "one"]);
    symlinkSync("two", at("next"));
    renameSync(at("next"), at("data"));
    context.now += 1000;
    expect(tables.map((table) => said(table.lookup("a")))).toEqual(["two", "two"]);
  });
});

test("what could not be read is tried again each second, also when the file looks the same", () => {
  writeFileSync(at("t"), "x");
  let now = 1_000_000;
  let broken = true;
  const content = fileBacked({
    path: at("t"),
    clock: () => now,
    load: () => {
      if (broken) throw new Error("Too many open files");
      return "read";
    },
    failed: (error) => String(error),
  });
  expect(content.current()).toBe("Error: Too many open files");
  broken = false;
  expect(content.current()).toBe("Error: Too many open files");
  now += 1000;
  expect(content.current()).toBe("read");
});

describe("a source of 500 MB", () => {
  const huge = (name: string) => {
    writeFileSync(at(name), "");
    truncateSync(at(name), 500 << 20);
  };
  const quickly = (body: () => void) => expect(processorTimeOf(body)).toBeLessThan(300);

  test.each(indexed)(
    "%s: newer than its index, is not read: the index is served, and the log says so",
    (type) => {
      copyFileSync(join(fixtures, FIXTURES[type]), at(`t${INDEXES[type]}`));
      utimesSync(at(`t${INDEXES[type]}`), 1000, 1000);
      huge("t");
      quickly(() => {
        const context = testContext();
        const table = openTable(`${type}:${at("t")}`, context);
        expect(said(table.lookup("user37@example1.com"))).toStartWith("mailbox");
        expect(context.warnings).toEqual([
          `database ${at(`t${INDEXES[type]}`)} is older than source file ${
            at("t")
          }, which is too large to be read in its place. ` +
          `To make the index anew: mta postmap ${type}:${at("t")}`,
        ]);
        table.close();
      });
    },
  );

  test("without an index, or of a table that is read whole, it is trouble, said once", () => {
    huge("t");
    quickly(() => {
      const context = testContext();
      const table = openTable(`hash:${at("t")}`, context);
      for (let second = 0; second < 5; second++, context.now += 1000) {
        expect(table.lookup("a")).toMatchObject({
          is: "trouble",
          why: expect.stringContaining("File too large: 500 MB"),
        });
      }
      expect(context.warnings.length).toBe(1);
      for (const type of ["texthash", "cidr", "regexp", "pcre"]) {
        expect(said(openTable(`${type}:${at("t")}`, testContext()).lookup("a"))).toBe("trouble");
      }
    });
  });
});

describe("an index under an open table", () => {
  const keys = readFileSync(join(fixtures, "n2000.txt"), "latin1").split("\n").slice(0, -1)
    .map((line) => line.split(" ")[0]!);

  test.each(indexed)("%s: cut off, or filled with rubbish in place, is never taken for empty", (type) => {
    const path = at(`t${INDEXES[type]}`);
    for (const size of ["none", "half", "rubbish"]) {
      copyFileSync(join(fixtures, FIXTURES[type]), path);
      const context = testContext();
      const table = openTable(`${type}:${at("t")}`, context);
      expect(said(table.lookup(keys[0]!))).toStartWith("mailbox");
      if (size === "rubbish") writeFileSync(path, Buffer.alloc(statSync(path).size, 0xa5));
      else truncateSync(path, size === "none" ? 0 : statSync(path).size >> 1);
      for (let second = 0; second < 3; second++, context.now += 1000) {
        const answers = new Set(keys.map((key) => said(table.lookup(key)).replace(/^mailbox.*/, "found")));
        expect(answers).not.toContain("absent");
      }
      expect(said(table.lookup(keys[0]!))).toBe("trouble");
      copyFileSync(join(fixtures, FIXTURES[type]), path);
      context.now += 1000;
      expect(said(table.lookup(keys[0]!))).toStartWith("mailbox");
      table.close();
    }
  });
});
