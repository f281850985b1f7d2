import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { breaches, roomsWithoutReadme } from "./layers.ts";

/** What the law says of a house with these files below src/, each as `file:line: what`. */
function law(files: Readonly<Record<string, string>>): string[] {
  const home = mkdtempSync(join(tmpdir(), "mta-layers-"));
  try {
    for (const [name, text] of Object.entries(files)) {
      const path = join(home, "src", name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    return breaches(join(home, "src")).map(({ file, line, what }) => `${file}:${line}: ${what}`);
  } finally {
    rmSync(home, { recursive: true });
  }
}

test("the house keeps its own law", () => {
  const src = resolve(import.meta.dirname, "../src");
  expect([...breaches(src), ...roomsWithoutReadme(src)]).toEqual([]);
});

test("a room imports from lower bands, from itself, and in its band from what is named", () => {
  const house = {
    "base/a.ts": "export const a = 1;",
    "platform/b.ts":
      'import { a } from "../base/a.ts"; import fs from "node:fs"; export const b = [a, fs, process.pid];',
    "qmgr/_own.ts": "export const own = 1;",
    "qmgr/c.ts":
      'import { own } from "./_own.ts"; import { a } from "../base/a.ts"; import { d } from "../bounce/d.ts";',
    "bounce/d.ts": "export const d = 1;",
    "bounce/e.ts": 'import { d } from "./d.ts"; import { join } from "node:path"; export const c = 1;',
    "http/f.ts": 'import { Hono } from "hono"; import { z } from "zod/v4";',
    "http/f_test.ts": 'import fs from "node:fs"; import { x } from "../main.ts";',
  };
  expect(law(house)).toEqual([]);
});

const BREACHES: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
  [
    "a higher band",
    { "smtp/a.ts": '\nimport { b } from "../smtpd/b.ts";', "smtpd/b.ts": "" },
    "src/smtp/a.ts:2: smtp/ may not import smtpd/ (../smtpd/b.ts)",
  ],
  [
    "a type of a higher band",
    { "table/a.ts": 'import type { B } from "../access/b.ts";', "access/b.ts": "" },
    "src/table/a.ts:1: table/ may not import access/ (../access/b.ts)",
  ],
  [
    "a room of the same band that is not named",
    { "smtpd/a.ts": 'export { b } from "../delivery/smtp/b.ts";', "delivery/smtp/b.ts": "" },
    "src/smtpd/a.ts:1: smtpd/ may not import delivery/ (../delivery/smtp/b.ts)",
  ],
  [
    "a higher band, when it is first needed",
    { "config/a.ts": 'const b = () => import("../table/b.ts");', "table/b.ts": "" },
    "src/config/a.ts:1: config/ may not import table/ (../table/b.ts)",
  ],
  [
    "a cycle between files",
    {
      "dns/a.ts": 'import { b } from "./b.ts";',
      "dns/b.ts": 'import { c } from "./c.ts";',
      "dns/c.ts": 'import { a } from "./a.ts";',
    },
    "src/dns/a.ts:1: import cycle: dns/a.ts -> dns/b.ts -> dns/c.ts -> dns/a.ts",
  ],
  [
    "a cycle between types",
    { "dns/a.ts": 'import type { B } from "./b.ts";', "dns/b.ts": 'import type { A } from "./a.ts";' },
    "src/dns/a.ts:1: import cycle: dns/a.ts -> dns/b.ts -> dns/a.ts",
  ],
  [
    "a module of the runtime",
    { "queue/a.ts": '// node:fs is for platform/\nimport { openSync } from "node:fs";' },
    'src/queue/a.ts:2: "node:fs": the runtime belongs to platform/',
  ],
  [
    "a module of the runtime, for a type",
    { "queue/a.ts": 'import type { Socket } from "bun";' },
    'src/queue/a.ts:1: "bun": the runtime belongs to platform/',
  ],
  [
    "a global of the runtime",
    { "queue/a.ts": "/* Bun.file() */\nconst id = process.pid;" },
    "src/queue/a.ts:2: process.pid: the runtime belongs to platform/",
  ],
  [
    "a global of the runtime by way of globalThis",
    { "queue/a.ts": 'const text = globalThis.Bun.file("x");' },
    "src/queue/a.ts:1: globalThis.Bun.file: the runtime belongs to platform/",
  ],
  [
    "a private file of another folder",
    { "delivery/a.ts": 'import { b } from "./smtp/_b.ts";', "delivery/smtp/_b.ts": "" },
    "src/delivery/a.ts:1: ./smtp/_b.ts is private to its folder",
  ],
  [
    "an unknown package",
    { "base/a.ts": 'import pad from "@left/pad/deep";' },
    'src/base/a.ts:1: package "@left/pad" has no room; add it to scripts/layers.ts',
  ],
  [
    "a package of another room",
    { "smtpd/a.ts": 'import { Hono } from "hono/tiny";' },
    'src/smtpd/a.ts:1: package "hono" belongs to http/',
  ],
  [
    "a file outside src/",
    { "base/a.ts": 'import { kit } from "../../test/kit/kit.ts";' },
    "src/base/a.ts:1: ../../test/kit/kit.ts is outside src/",
  ],
  [
    "a sub-room that is listed later",
    { "table/text/a.ts": 'import { b } from "../sql/b.ts";', "table/sql/b.ts": "" },
    "src/table/text/a.ts:1: table/text/ may not import table/sql/ (../sql/b.ts)",
  ],
  [
    "an inner sub-room, from outside",
    { "access/a.ts": 'import { b } from "../table/ldap/b.ts";', "table/ldap/b.ts": "" },
    "src/access/a.ts:1: table/ldap/ is private to table/ (../table/ldap/b.ts)",
  ],
  [
    "a sub-room without a place in the plan",
    { "table/a.ts": 'import { b } from "./tableSet/b.ts";', "table/tableSet/b.ts": "" },
    "src/table/a.ts:1: table/tableSet/ is no sub-room; add it to scripts/layers.ts (./tableSet/b.ts)",
  ],
  [
    "a part of a room of the same band that is not named",
    { "worker/a.ts": 'import { b } from "../master/lending/b.ts";', "master/lending/b.ts": "" },
    "src/worker/a.ts:1: worker/ may not import master/ (../master/lending/b.ts)",
  ],
  [
    "a room that is in no band",
    { "attic/a.ts": "" },
    'src/attic/a.ts:1: room "attic" is in no band; add it to scripts/layers.ts',
  ],
];

test.each(BREACHES)("%s is a breach, and named", (_name, files, said) => {
  expect(law(files)).toEqual([said]);
});

test("the files that the guides for contributors name exist", () => {
  const root = resolve(import.meta.dirname, "..");
  for (const page of ["ARCHITECTURE.md", "CONTRIBUTING.md"]) {
    const text = readFileSync(join(root, "docs", page), "utf8");
    const named = [...text.matchAll(/`((?:src|test|scripts)\/[\w/.]+)`/g)].map((match) => match[1]!);
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  }
});
