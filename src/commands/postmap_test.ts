import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const runner = join(import.meta.dir, "../../test/kit/run_command.ts");
let folder = "";

beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "table-tools-"));
  fs.writeFileSync(
    join(folder, "main.cf"),
    "compatibility_level = 3.6\nmyhostname = mail.example.com\ndefault_database_type = cdb\n" +
      `alias_database = hash:${folder}/aliases, ${folder}/more\n`,
  );
  fs.writeFileSync(
    join(folder, "access"),
    "Good.example OK\n\n*@spam.example REJECT\n* REJECT\n10.0.0.0/8 OK\n",
  );
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

function run(tool: string, args: readonly string[], input = "") {
  const done = spawnSync(process.execPath, [runner, tool, "-c", folder, ...args], { cwd: folder, input });
  return { status: done.status, out: done.stdout.toString(), err: done.stderr.toString() };
}

test("keys that can never match are named with their line and what to write instead, and stored", () => {
  const made = run("postmap", ["hash:access"]);
  expect(made.status).toBe(0);
  expect(made.err.split("\n")).toEqual([
    'postmap: warning: access, line 3: the key "*@spam.example" never matches in an indexed table; write "@spam.example" to match every address of the domain',
    'postmap: warning: access, line 4: the key "*" never matches in an indexed table; write what shall happen to all others behind the table in the restriction list (such as "reject"), or use static: or regexp:',
    'postmap: warning: access, line 5: the key "10.0.0.0/8" never matches in an indexed table; write "10", or put it into a cidr: table',
    "",
  ]);
  expect(run("postmap", ["-q", "*", "hash:access"]).out).toBe("REJECT\n");
});

test("a bare file name takes default_database_type", () => {
  expect(run("postmap", ["access"]).status).toBe(0);
  expect(run("postmap", ["-q", "GOOD.example", "access"]).out).toBe("OK\n");
  expect(fs.existsSync(join(folder, "access.cdb"))).toBe(true);
});

test("--json answers in lines of JSON", () => {
  expect(JSON.parse(run("postmap", ["--json", "lmdb:access"]).out)).toEqual({
    table: "lmdb:access",
    file: "access.lmdb",
    records: 4,
  });
  const asked = run("postmap", ["--json", "-q", "good.example", "texthash:access"]);
  expect(JSON.parse(asked.out)).toEqual({
    key: "good.example",
    value: "OK",
    table: "texthash:access",
    line: 1,
  });
});

test("a build that fails leaves the old table and nothing else", () => {
  fs.writeFileSync(join(folder, "long"), "a b\n");
  expect(run("postmap", ["lmdb:long"]).status).toBe(0);
  const before = fs.readFileSync(join(folder, "long.lmdb"));
  fs.writeFileSync(join(folder, "long"), `a c\n${"k".repeat(600)} d\n`);
  const failed = run("postmap", ["lmdb:long"]);
  expect(failed.status).toBe(1);
  expect(failed.err).toContain("MDB_BAD_VALSIZE");
  expect(fs.readFileSync(join(folder, "long.lmdb"))).toEqual(before);
  expect(fs.readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("newaliases makes every table of alias_database", () => {
  fs.writeFileSync(join(folder, "aliases"), "postmaster: root\n");
  fs.writeFileSync(join(folder, "more"), "sales: ann, bob\n");
  expect(run("newaliases", [])).toEqual({ status: 0, out: "", err: "" });
  expect(run("postalias", ["-q", "Postmaster", `hash:${folder}/aliases`]).out).toBe("root\n");
  expect(run("postalias", ["-q", "sales", `cdb:${folder}/more`]).out).toBe("ann, bob\n");
});

test("--help fits a screen", () => {
  for (const tool of ["postmap", "postalias"]) {
    const help = spawnSync(process.execPath, [runner, tool, "--help"]).stdout.toString();
    expect(help.split("\n").length).toBeLessThan(25);
    for (const option of ["-i", "-q", "-d", "-s", "--json"]) expect(help).toContain(option);
  }
});
