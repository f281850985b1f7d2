import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isInProcess, openTable, TABLE_TYPES } from "./table_types.ts";
import { parsePerl } from "../regex/perl.ts";
import { parsePosix } from "../regex/posix.ts";
import { samplesOf } from "../regex/samples.ts";
import { ABSENT } from "./table.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "mta-possible-"));
  writeFileSync(join(directory, "access"), "# friends\nOne.example OK\n\ntwo.example   REJECT no\n");
  writeFileSync(join(directory, "patterns"), "if /x/\n/^a/ ONE\nendif\n/(b)/ TWO $1\n!/c/ THREE\n");
});
afterAll(() => rmSync(directory, { recursive: true }));

const open = (spec: string) =>
  openTable(spec, { directory, parameter: () => undefined, warn: () => {}, clock: () => 0 });
const possible = (spec: string, wanted = (_value: string) => true) => {
  const found = open(spec).possible?.(wanted);
  return found === undefined ? undefined : [...found];
};

describe("possible()", () => {
  test.each(["hash:access", "cdb:access", "texthash:access", "proxy:hash:access"])(
    "%s has keys with their lines",
    (spec) => {
      expect(possible(spec)).toEqual([
        { is: "key", key: "one.example", value: "OK", line: 2 },
        { is: "key", key: "two.example", value: "REJECT no", line: 4 },
      ]);
    },
  );

  test("a table in main.cf has its keys, a static one every key", () => {
    expect(possible("inline:{a=OK}")).toEqual([{ is: "key", key: "a", value: "OK" }]);
    expect(possible("static:{REJECT all}")).toEqual([{ is: "any", value: "REJECT all" }]);
  });

  test("rules have their patterns, and say which stand inside IF and which results vary", () => {
    const rows = possible("pcre:patterns")?.map((each) =>
      each.is === "pattern" ? [each.pattern, each.value, each.varies, each.inside, each.line] : each
    );
    expect(rows).toEqual([
      ["/^a/", "ONE", false, true, 2],
      ["/(b)/", "TWO ", true, false, 4],
      ["!/c/", "THREE", false, false, 5],
    ]);
  });

  test("samples of a rule inside IF are also for its conditions", () => {
    const rows = possible("pcre:{{if /^one:/},{if !/no/},{/two$/ A},{endif},{endif},{/three/ B}}");
    expect(rows?.map((each) => each.is === "pattern" && each.samples)).toEqual([["two", "one:"], ["three"]]);
  });

  test("networks are networks", () => {
    const [row] = possible("cidr:{{!10.0.0.0/8 OK}}") ?? [];
    expect(row).toMatchObject({
      is: "network",
      negative: true,
      value: "OK",
      network: { family: 4, length: 8 },
    });
  });

  test.each([
    "unionmap:{inline:{a=b}}",
    "pipemap:{inline:{a=b}}",
    "fail:x",
    "hash:missing",
    "regexp:missing",
  ])(
    "%s cannot be read beforehand",
    (spec) => expect(possible(spec)).toBeUndefined(),
  );
});

test("a stand-in takes the place of a table, inside other tables too", () => {
  const asked: string[] = [];
  const context = { directory, parameter: () => undefined, warn: () => {}, clock: () => 0 };
  const standIn = (type: string, spec: string) => {
    if (isInProcess(type)) return undefined;
    asked.push(spec);
    return { spec, pattern: false, lookup: () => ABSENT, close: () => {} };
  };
  openTable("proxy:mysql:/x", { ...context, standIn });
  openTable("unionmap:{ldap:/y, inline:{a=b}}", { ...context, standIn });
  expect(asked).toEqual(["mysql:/x", "ldap:/y"]);
});

test("all types answer in process but those that ask a server, NIS or an SQLite file", () => {
  expect(Object.keys(TABLE_TYPES).filter((type) => !isInProcess(type)).sort())
    .toEqual(["ldap", "memcache", "mysql", "nis", "pgsql", "redis", "socketmap", "sqlite", "tcp"]);
});

describe("samplesOf()", () => {
  test.each([
    ["^friend\\.example$", "friend.example"],
    ["@(one|two)\\.example$", "@two.example"],
    ["^(one|(two|three|four)x|five)$", "threex"],
    ["^[a-z]+[0-9]{3}\\.", "a111."],
    ["^(mail|mx)?x", "mxx"],
    ["^Received: from +a", "received: from a"],
    ["", ""],
  ])("/%s/ may be for %j, and each sample matches", (pattern, want) => {
    const samples = samplesOf(parsePosix(pattern, { ignoreCase: true, newline: false, extended: true }));
    expect(samples).toContain(want);
    for (const sample of samples) expect(sample).toMatch(new RegExp(pattern, "i"));
  });

  test("a pattern with more branches than anybody tries has none", () => {
    const choice = (length: number) => Array.from({ length }, (_, at) => `a${at}`).join("|");
    const flags = { ignoreCase: true, newline: false, extended: true };
    expect(samplesOf(parsePosix(choice(100), flags))).toHaveLength(100);
    expect(samplesOf(parsePosix(choice(101), flags))).toEqual([]);
  });

  test("repetitions of repetitions stay short", () => {
    const flags = { i: true, m: false, s: true, x: false, A: false, E: false, U: false };
    for (const sample of samplesOf(parsePerl("((a{50}){50}){50}", flags))) {
      expect(sample.length).toBeLessThanOrEqual(300);
    }
  });
});
