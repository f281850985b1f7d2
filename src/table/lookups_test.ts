import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { splitList } from "../config/syntax/list.ts";
import { testContext } from "./_test_context.ts";
import { findAddress, REWRITE_FORMS } from "./search/email_lookup.ts";
import { splitExtension } from "./search/extension.ts";
import { mapsOf } from "./search/maps.ts";
import { openAddressList, openDomainList } from "./search/match_list.ts";
import { neverMatches } from "./text/never_matching.ts";
import { openTable } from "./table_types.ts";
import { ABSENT, type Answer } from "./table.ts";

const listTables = () => ({ context: testContext(), open: openTable });
const folder = mkdtempSync(join(tmpdir(), "lookups-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A list of main.cf as one map. */
const openMaps = (text: string, context = testContext(), title?: string) =>
  mapsOf(splitList(text).map((spec) => openTable(spec, context)), context, title);

describe("mapsOf()", () => {
  test("first hit wins", () => {
    expect(openMaps("inline:{a=1} inline:{a=2,b=3}", testContext()).find("a")).toMatchObject({ value: "1" });
    expect(openMaps("inline:{a=1}, { inline:{a=2,b=3} }", testContext()).find("b")).toMatchObject({
      value: "3",
    });
  });
  test("trouble stops the search", () => {
    expect(openMaps("fail:x inline:{a=1}", testContext()).find("a")).toMatchObject({ is: "trouble" });
    expect(openMaps("inline:{a=1} fail:x", testContext()).find("a")).toMatchObject({ is: "found" });
  });
  test("an empty value is skipped with a warning, an empty key is not looked up", () => {
    const context = testContext();
    const maps = openMaps("inline:{a=} static:later", context, "test_maps");
    expect(maps.find("a")).toMatchObject({ value: "later" });
    expect(context.warnings[0]).toBe("test_maps lookup of a returns an empty string result");
    expect(maps.find("")).toBe(ABSENT);
  });
});

const domain = (list: string, name: string, parentMatches = false) =>
  Object(openDomainList(list, { parentMatches }, listTables()).matches(name)).is;

describe("openDomainList()", () => {
  writeFileSync(join(folder, "domains"), "# mine\nfile.example,\n  more.example\n");
  test.each([
    ["example.com", "Example.COM", false, "yes"],
    ["example.com", "a.example.com", false, "no"],
    ["example.com", "a.example.com", true, "yes"],
    ["example.com", "badexample.com", true, "no"],
    [".example.com", "a.example.com", false, "yes"],
    [".example.com", "example.com", false, "no"],
    [".example.com", "a.example.com", true, "no"],
    ["!bad.example.com, example.com", "bad.example.com", true, "no"],
    ["!bad.example.com, example.com", "a.example.com", true, "yes"],
    [join("/", "no", "such"), "x", false, "trouble"],
    ["a.example /no/such", "a.example", false, "yes"],
    ["inline:{t.example=1}", "t.example", false, "yes"],
    ["inline:{.t.example=1}", "a.b.t.example", false, "yes"],
    ["inline:{t.example=1}", "a.t.example", false, "no"],
    ["inline:{t.example=1}", "a.t.example", true, "yes"],
    ["!inline:{t.example=1} static:x", "t.example", false, "no"],
    ["fail:x", "t.example", false, "trouble"],
    ["nosuch:x", "t.example", false, "trouble"],
    ["regexp:{{/^t/ x}}", "t.example", false, "yes"],
    ["regexp:{{/^example/ x}}", "t.example", true, "no"],
    ["", "x", false, "no"],
    ["élan.example", "ÉLAN.example", false, "yes"],
  ])("%p matches %p (parents %p): %s", (list, name, parents, wanted) => {
    expect(domain(list, name, parents)).toBe(wanted);
  });
  test("a file is read in its place, comments and all", () => {
    expect(domain(join(folder, "domains"), "more.example")).toBe("yes");
    expect(domain(`!${join(folder, "domains")} static:all`, "more.example")).toBe("no");
  });
  test("a file that includes itself is trouble, not an endless loop", () => {
    writeFileSync(join(folder, "loop"), join(folder, "loop"));
    expect(domain(join(folder, "loop"), "x")).toBe("trouble");
  });
});

describe("openAddressList()", () => {
  test("a match names the item that decided, with its place when that is in a file", () => {
    const path = join(folder, "nets");
    writeFileSync(path, "# ours\n10.0.0.0/8\n!192.0.2.9\n192.0.2.0/24\n");
    const opened = openAddressList(`127.0.0.1 ${path}`, { parentMatches: false }, listTables());
    expect(opened.matches("127.0.0.1")).toEqual({ is: "yes", by: { item: "127.0.0.1" } });
    expect(opened.matches("10.1.2.3")).toEqual({
      is: "yes",
      by: { item: "10.0.0.0/8", file: path, line: 2 },
    });
    expect(opened.matches("192.0.2.9")).toEqual({
      is: "no",
      by: { item: "!192.0.2.9", file: path, line: 3 },
    });
    expect(opened.matches("198.51.100.1")).toEqual({ is: "no" });
    opened.close();
  });

  test.each([
    ["127.0.0.1 10.0.0.2/32 10.0.0.4/32", "10.0.0.2", undefined, "yes"],
    ["127.0.0.1 10.0.0.2/32 10.0.0.4/32", "10.0.0.3", undefined, "no"],
    ["127.0.0.0/8 [::1]/128 [fe80::]/64", "::1", undefined, "yes"],
    ["[2001:DB8::1]", "2001:db8::1", undefined, "yes"],
    ["!10.0.0.1 10.0.0.0/8", "10.0.0.1", undefined, "no"],
    ["10.0.0.1/8", "10.0.0.1", undefined, "trouble"],
    ["10.0.0.1/8", "::1", undefined, "no"],
    ["127.0.0.1 10.0.0.1/8", "127.0.0.1", undefined, "yes"],
    ["2001:db8::/32", "2001:db8::1", undefined, "trouble"],
    ["client.example", "192.0.2.1", "Client.example", "yes"],
    ["client.example", "192.0.2.1", "a.client.example", "yes"],
    ["cidr:{{192.0.2.0/24 x}}", "192.0.2.1", "n.example", "yes"],
    ["inline:{192.0.2.1=x}", "192.0.2.1", "n.example", "yes"],
    ["static:all", "192.0.2.1", undefined, "yes"],
    ["junk 1.2.3 1.2.3.4", "1.2.3.4", undefined, "yes"],
  ])("%p matches %s (%p): %s", (list, address, name, wanted) => {
    const opened = openAddressList(list, { parentMatches: true }, listTables());
    expect(Object(opened.matches(address, name)).is).toBe(wanted);
  });
  test("host bits are named with the network that was meant", () => {
    const opened = openAddressList("10.0.0.1/8", { parentMatches: true, title: "mynetworks" }, listTables());
    expect(opened.matches("10.1.1.1")).toEqual({
      is: "trouble",
      why:
        'mynetworks: non-null host address bits in "10.0.0.1/8", perhaps you should use "10.0.0.0/8" instead',
    });
  });
});

describe("findAddress()", () => {
  const tried = (address: string, delimiters: string, isLocal = false, forms = REWRITE_FORMS) => {
    const keys: string[] = [];
    const find = (key: string): Answer => (keys.push(key), ABSENT);
    findAddress(find, address, { delimiters, forms, isLocal: () => isLocal });
    return keys;
  };
  test("tries the forms of canonical(5) in order", () => {
    expect(tried("user+ext@example.com", "+", true)).toEqual([
      "user+ext@example.com",
      "user@example.com",
      "user+ext",
      "user",
      "@example.com",
    ]);
    expect(tried("user+ext@example.com", "", false)).toEqual(["user+ext@example.com", "@example.com"]);
    expect(tried("user", "+")).toEqual(["user"]);
  });
  test("quoted forms come first, as tables are written", () => {
    expect(tried("two words@example.com", "+")).toEqual([
      '"two words"@example.com',
      "two words@example.com",
      "@example.com",
    ]);
  });
  test("access forms", () => {
    const forms = ["full", "no-extension", "domain", "parent-domains", "local-part-at"] as const;
    expect(tried("u+x@a.b.c", "+", false, forms as never)).toEqual([
      "u+x@a.b.c",
      "u@a.b.c",
      "a.b.c",
      "b.c",
      "c",
      "u+x@",
      "u@",
    ]);
  });
  test("says which extension the key left out", () => {
    const find = (key: string): Answer => key === "user@example.com" ? { is: "found", value: "v" } : ABSENT;
    expect(findAddress(find, "user+ext@example.com", { delimiters: "+", forms: REWRITE_FORMS })).toEqual({
      answer: { is: "found", value: "v" },
      key: "user@example.com",
      extension: "+ext",
    });
  });
});

test.each([
  ["user+ext", "+", "user", "ext"],
  ["user-ext+more", "+-", "user", "ext+more"],
  ["+ext", "+", "+ext", undefined],
  ["user+", "+", "user", ""],
  ["owner-list", "-", "owner-list", undefined],
  ["list-request", "-", "list-request", undefined],
  ["MAILER-DAEMON", "-", "MAILER-DAEMON", undefined],
  ["double-bounce", "-", "double-bounce", undefined],
  ["user+ext", "", "user+ext", undefined],
])("splitExtension(%p, %p)", (local, delimiters, base, extension) => {
  expect(splitExtension(local, delimiters)).toMatchObject({ base, extension });
});

test.each([
  ["*", "REJECT", true],
  ["*", "smtp:[relay.example]", false],
  ["*@example.com", "OK", true],
  ["*.example.com", "OK", true],
  ["10.0.0.0/8", "OK", true],
  ["10", "OK", false],
  ["/^a/", "REJECT", true],
  ["@example.com", "OK", false],
  ["example.com", "REJECT", false],
])("neverMatches(%p, %p) is %p", (key, value, never) => {
  expect(neverMatches(key, value) !== undefined).toBe(never);
});
