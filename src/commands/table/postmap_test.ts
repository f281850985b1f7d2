import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INDEX_FORMATS } from "../../table/index/index_formats.ts";
import { untilNextTick } from "../../../test/kit/waiting.ts";

const runner = join(import.meta.dir, "../../../test/kit/run_command.ts");
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

function run(tool: string, args: readonly string[], input: string | Uint8Array = "") {
  const done = spawnSync(process.execPath, [runner, tool, ...args], {
    cwd: folder,
    input,
    env: { ...process.env, MAIL_CONFIG: folder },
  });
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

test("--json: what was deleted, what is listed, and what went wrong", () => {
  fs.writeFileSync(join(folder, "changes"), "a 1\nb 2\nb 3\nc: 4\n");
  const made = run("postmap", ["--json", "btree:changes"]);
  expect(made.err.trim().split("\n").map((line) => JSON.parse(line))).toEqual([
    {
      program: "postmap",
      level: "warning",
      text: 'changes, line 4: record is in "key: value" format; is this an alias file?',
    },
    { program: "postmap", level: "warning", text: 'changes.db: duplicate entry: "b"' },
  ].toSorted((x, y) => made.err.indexOf(x.text.slice(0, 12)) - made.err.indexOf(y.text.slice(0, 12))));
  const deleted = run("postmap", ["--json", "-d", "-", "btree:changes"], "a\nnone\n");
  expect(JSON.parse(deleted.out)).toEqual({ table: "btree:changes", deleted: 1 });
  const none = run("postmap", ["--json", "-d", "none", "btree:changes"]);
  expect([JSON.parse(none.out), none.status]).toEqual([{ table: "btree:changes", deleted: 0 }, 1]);
  const listed = run("postmap", ["--json", "-s", "btree:changes"]).out.trim().split("\n");
  expect(listed.map((line) => JSON.parse(line))).toEqual([{ key: "b", value: "2" }, {
    key: "c:",
    value: "4",
  }]);
  const failed = run("postmap", ["--json", "hash:none"]);
  expect([failed.status, JSON.parse(failed.err)]).toEqual([
    1,
    { program: "postmap", level: "fatal", text: "open none: No such file or directory" },
  ]);
  expect(JSON.parse(run("postmap", ["--json", "-z"]).err).text).toStartWith(
    "invalid option -- 'z'; usage: postmap",
  );
});

test("--json: bytes that are no UTF-8 are told in base64", () => {
  fs.writeFileSync(join(folder, "bytes"), Buffer.from("caf\xe9 \xff\n", "latin1"));
  expect(run("postmap", ["-u", "hash:bytes"]).status).toBe(0);
  expect(JSON.parse(run("postmap", ["--json", "-u", "-s", "hash:bytes"]).out)).toEqual({
    keyBase64: "Y2Fm6Q==",
    valueBase64: "/w==",
  });
  const asked = run("postmap", ["--json", "-u", "-q", "-", "hash:bytes"], Buffer.from("caf\xe9\n", "latin1"));
  expect(JSON.parse(asked.out)).toEqual({
    keyBase64: "Y2Fm6Q==",
    valueBase64: "/w==",
    table: "hash:bytes",
  });
});

test("a key on the command line may be any bytes; a table's name that is no UTF-8 is refused", () => {
  const typed = (args: string) =>
    spawnSync("sh", ["-c", `${process.execPath} ${runner} postmap -c ${folder} ${args}`], { cwd: folder });
  expect(typed(`-u -q "$(printf 'CAF\\351')" hash:bytes`).stdout).toEqual(Buffer.from([0xff, 0x0a]));
  expect(typed(`-u -d "$(printf 'caf\\351')" hash:bytes`).status).toBe(0);
  expect(typed(`-u -q "$(printf 'caf\\351')" hash:bytes`).status).toBe(1);
  const refused = typed(`"$(printf 'hash:caf\\351')"`);
  expect(refused.status).toBe(1);
  expect(refused.stderr.toString()).toBe(
    'postmap: fatal: table name "hash:caf?" is no UTF-8: rename the file\n',
  );
});

/** Has a build read from a pipe for more than a second; answers all of its output. */
async function fedSlowly(command: string, words: readonly string[]): Promise<string> {
  const pipe = join(folder, "records");
  fs.rmSync(pipe, { force: true });
  spawnSync("mkfifo", [pipe]);
  const child = spawn(command, words, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  let seen = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => void (seen += bytes));
  const records = await fs.promises.open(pipe, "w");
  // It is more than a pipe holds: when it is written, the build is reading, and its time counts.
  await records.writeFile(Array.from({ length: 40_000 }, (_, at) => `key${at} value\n`).join(""));
  await untilNextTick(1200);
  await records.writeFile("last value\n");
  await records.close();
  await ended;
  return seen;
}

test("on a terminal a long build says how far it is, and the line is gone at the end", async () => {
  const quoted = [process.execPath, runner, "postmap", "-c", folder, "-i", "hash:progress"].join(" ");
  const shown = await fedSlowly("script", ["-qec", `${quoted} < records`, "/dev/null"]);
  expect(shown).toMatch(/\rpostmap: progress: [\d,]+ records, [\d,]+\/s/);
  expect(shown).toMatch(/\r +\r$/);
  expect(await fedSlowly("sh", ["-c", `${quoted} -r < records`])).not.toContain("records");
}, 60_000);

test(
  "a build that is interrupted or killed leaves the old table or the new one, whole, and no other file",
  async () => {
    const name = join(folder, "broken/t");
    const count = 200_000;
    const records = () => {
      const file = INDEX_FORMATS["btree"]!.open(`${name}.db`);
      const found = [...file.records()].length;
      file.close();
      return found;
    };
    fs.mkdirSync(join(folder, "broken"));
    fs.writeFileSync(name, "old value\n");
    expect(run("postmap", [`btree:${name}`]).status).toBe(0);
    const old = fs.readFileSync(`${name}.db`);
    fs.writeFileSync(
      name,
      Array.from({ length: count }, (_, at) => `key${at * 7919 % count} value ${at}\n`).join(""),
    );
    const build = () => {
      fs.writeFileSync(`${name}.db`, old);
      return spawn(process.execPath, [runner, "postmap", "-c", folder, `btree:${name}`], { stdio: "ignore" });
    };
    // A whole one first: when the others are killed is a part of the time that it took here and now.
    const began = performance.now();
    expect(await once(build(), "exit")).toEqual([0, null]);
    let whole = performance.now() - began;
    expect(records()).toBe(count);
    let interrupted = 0;
    for (const signal of ["SIGINT", "SIGKILL", "SIGTERM"] as const) {
      for (const part of [0.3, 0.5, 0.7, 0.9]) {
        const started = performance.now();
        const child = build();
        setTimeout(() => child.kill(signal), part * whole);
        const [code] = await once(child, "exit");
        if (code === null) interrupted++;
        // The machine was busier when the whole one was measured.
        else whole = Math.min(whole, performance.now() - started);
        if (!fs.readFileSync(`${name}.db`).equals(old)) expect(records()).toBe(count);
        expect(fs.readdirSync(join(folder, "broken")).sort()).toEqual(["t", "t.db"]);
      }
    }
    expect(interrupted).toBeGreaterThan(2);
  },
  180_000,
);

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

test("a build whose records cannot be written says so, and leaves the old table and nothing else", () => {
  const name = join(folder, "full/t");
  fs.mkdirSync(join(folder, "full"));
  for (const type of ["hash", "cdb"]) {
    fs.writeFileSync(name, "old value\n");
    expect(run("postmap", [`${type}:${name}`]).status).toBe(0);
    const before = fs.readdirSync(join(folder, "full")).map((
      file,
    ) => [file, fs.readFileSync(join(folder, "full", file))]);
    fs.writeFileSync(name, Array.from({ length: 60_000 }, (_, at) => `key${at} value ${at}\n`).join(""));
    // a limit on the size of files is as near to a full disk as a test without a file system of its own comes
    const limited = spawnSync("sh", [
      "-c",
      `trap '' XFSZ; ulimit -f 1500; exec ${process.execPath} ${runner} postmap -c ${folder} ${type}:${name}`,
    ]);
    expect([limited.status, limited.stderr.toString()]).toEqual([
      1,
      `postmap: fatal: write a temporary file for ${name}.${
        type === "hash" ? "db" : "cdb"
      }: File too large\n`,
    ]);
    fs.writeFileSync(name, "old value\n");
    const after = fs.readdirSync(join(folder, "full")).map((
      file,
    ) => [file, fs.readFileSync(join(folder, "full", file))]);
    expect(after).toEqual(before);
  }
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
    expect(help.split("\n").length).toBeLessThanOrEqual(25);
    expect(Math.max(...help.split("\n").map((line) => line.length))).toBeLessThan(80);
    for (const option of ["-i", "-q", "-d", "-s", "--json"]) expect(help).toContain(option);
  }
});
