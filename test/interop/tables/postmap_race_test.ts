// Tables that one side makes again and again while the other reads them: no key is ever missing, no value ever half of each.
import { expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testContext } from "../../../src/table/_test_context.ts";
import { openTable } from "../../../src/table/table_types.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";
import { chanceOf } from "../../kit/chance.ts";

const chance = chanceOf(import.meta.path);

const { afterAll, describe, test } = withPeers(
  import.meta.path,
  "root",
  "postfix",
  "postfix-cdb",
  "postfix-lmdb",
);

const SUFFIX: Readonly<Record<string, string>> = { hash: ".db", btree: ".db", lmdb: ".lmdb", cdb: ".cdb" };
const KEYS = 3000;
const key = (at: number) => `key${at}@example.org`;
/** Long values, some over a page, so that half of one shows. */
const value = (letter: string, at: number) =>
  `${letter.repeat(40 + at % 500 + (at % 300 === 0 ? 9000 : 0))}${at}`;
const letterOf = (text: string, at: number) =>
  ["a", "b"].find((letter) => text === value(letter, at)) ?? "torn";

const roots: string[] = [];
afterAll(() => roots.forEach((root) => fs.rmSync(root, { recursive: true, force: true })));

/** A folder with Postfix's configuration and two sources, whose values differ in a letter. */
function newRoot(): string {
  const root = fs.mkdtempSync(join(tmpdir(), "race-"));
  roots.push(root);
  fs.mkdirSync(join(root, "etc"));
  fs.writeFileSync(join(root, "etc/main.cf"), "compatibility_level = 3.6\nmyhostname = mta.example.com\n");
  fs.utimesSync(join(root, "etc/main.cf"), 1_600_000_000, 1_600_000_000);
  for (const letter of ["a", "b"]) {
    const lines = Array.from({ length: KEYS }, (_, at) => `${key(at)} ${value(letter, at)}\n`);
    fs.writeFileSync(join(root, letter), lines.join(""));
  }
  return root;
}

/** The same claim for several types. */
function each(
  types: readonly string[],
  claim: string,
  body: (type: string, root: string) => Promise<void>,
): void {
  for (const type of types) test(`${type}: ${claim}`, () => body(type, newRoot()), 30_000);
}

/** What is to be seen may take this long on a machine that does much else, in milliseconds. */
const TIME_LIMIT = 15_000;

const postmap = "/usr/sbin/postmap -c etc";
/** Puts a source in place that is older than every index. */
const PUT = "put() { cp $1 n && touch -d 2001-01-01 n && mv n t; }";

function shell(root: string, script: string): ChildProcess {
  return spawn("bash", ["-c", `${PUT}; ${script}`], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Runs a command to its end. */
async function run(
  root: string,
  command: string,
  args: readonly string[],
  more: { readonly uid?: number; readonly gid?: number; readonly input?: string } = {},
): Promise<{ readonly status: number | null; readonly out: string; readonly err: string }> {
  const { input, ...identity } = more;
  const child = spawn(command, args, { cwd: root, ...identity });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => out += chunk);
  child.stderr.on("data", (chunk) => err += chunk);
  child.stdin.end(input ?? "");
  const [status] = await once(child, "close");
  return { status, out, err };
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  if (child.exitCode !== null) return;
  process.kill(-child.pid!, "SIGKILL");
  await ended;
}

/** Looks keys up for so long, or longer until both letters were seen; says what was seen, and everything that should not be. */
async function watch(
  root: string,
  type: string,
  milliseconds: number,
  letters = 1,
): Promise<ReadonlySet<string>> {
  const table = openTable(`${type}:${root}/t`, testContext({ clock: Date.now }));
  const seen = new Set<string>();
  const started = Date.now();
  const isEnough = () => Date.now() > started + (seen.size < letters ? TIME_LIMIT : milliseconds);
  while (!isEnough()) {
    for (let turn = 0; turn < 100; turn++) {
      const at = Math.floor(chance.random() * KEYS);
      const answer = table.lookup(key(at));
      if (answer instanceof Promise) throw new Error("an index answers at once");
      seen.add(
        answer.is === "found" ? letterOf(answer.value, at) : answer.is === "trouble" ? answer.why : "absent",
      );
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  table.close();
  return seen;
}

describe("our reader beside the real postmap", () => {
  each(["hash", "btree", "cdb", "lmdb"], "made anew without end", async (type, root) => {
    await run(root, "bash", ["-c", `${PUT}; put a; ${postmap} ${type}:t`]);
    const writer = shell(root, `while :; do for f in b a; do put $f; ${postmap} ${type}:t; done; done`);
    const seen = await watch(root, type, 1200, 2);
    await end(writer);
    expect([...seen].sort()).toEqual(["a", "b"]);
  });

  each(["hash", "lmdb"], "made for the first time", async (type, root) => {
    fs.copyFileSync(join(root, "a"), join(root, "t"));
    fs.utimesSync(join(root, "t"), 1_000_000_000, 1_000_000_000);
    // A writer that stops in the middle: all of the records but the last come through the pipe at once.
    const stop = "exec 3>p; head -2999 a >&3; touch begun; sleep 2; exec 3>&-; wait";
    const writer = shell(root, `mkfifo p; ${postmap} ${type}:p & ${stop}`);
    const index = join(root, `p${SUFFIX[type]}`);
    // It has read more than a pipe holds: so it has made the table, and locked it.
    await until("the writer has begun", () => fs.existsSync(join(root, "begun")));
    fs.linkSync(index, join(root, `t${SUFFIX[type]}`));
    const seen = await watch(root, type, 500);
    await end(writer);
    expect([...seen]).toEqual(["a"]);
  });

  each(["hash", "lmdb"], "changed record by record", async (type, root) => {
    await run(root, "bash", ["-c", `${PUT}; put a; ${postmap} ${type}:t`]);
    const writer = shell(root, `while :; do for f in b a; do ${postmap} -ir ${type}:t <$f; done; done`);
    const seen = await watch(root, type, 1000);
    await end(writer);
    expect([...seen].filter((kind) => kind !== "a" && kind !== "b")).toEqual([]);
  });
});

describe("the real reader beside our postmap", () => {
  const runner = join(import.meta.dir, "../../kit/run_command.ts");

  each(
    ["hash", "lmdb"],
    "written in place, where the folder may not be written, under a reader that has it open",
    async (type, root) => {
      await run(root, "bash", [
        "-c",
        `${PUT}; put a; ${postmap} ${type}:t; cp b t; chmod 666 t${SUFFIX[type]}`,
      ]);
      fs.chmodSync(root, 0o755);
      const read =
        `for i in {0..2999}; do echo key$i@example.org; [ $i = 1000 ] && touch begun && until [ -e written ]; do sleep 0.02; done; done | ${postmap} -q - ${type}:t`;
      const reading = run(root, "bash", ["-c", read]);
      await until("the reader has begun", () => fs.existsSync(join(root, "begun")));
      const nobody = { uid: 65_534, gid: 65_534 };
      const args = [runner, "postmap", "-c", "etc", `${type}:t`];
      expect(await run(root, process.execPath, args, nobody)).toEqual({ status: 0, out: "", err: "" });
      fs.writeFileSync(join(root, "written"), "");
      const { out, err } = await reading;
      if (type === "lmdb") expect([err, out.split("\n").length]).toEqual(["", KEYS + 1]);
      const keys = Array.from({ length: KEYS }, (_, at) => `${key(at)}\n`).join("");
      const after = await run(root, "/usr/sbin/postmap", ["-c", "etc", "-q", "-", `${type}:t`], {
        input: keys,
      });
      const values = after.out.trimEnd().split("\n").map((line) => line.split("\t")[1]);
      expect(values).toEqual(Array.from({ length: KEYS }, (_, at) => value("b", at)));
      const ours = openTable(`${type}:${root}/t`, testContext({ asPostmap: true }));
      expect(Array.from({ length: KEYS }, (_, at) => Object(ours.lookup(key(at))).value)).toEqual(values);
      ours.close();
    },
  );

  each(["cdb"], "never written in place: its readers have it mapped", async (type, root) => {
    await run(root, "bash", ["-c", `${PUT}; put a; ${postmap} ${type}:t; chmod 666 t.cdb`]);
    fs.chmodSync(root, 0o755);
    const nobody = { uid: 65_534, gid: 65_534 };
    const args = ["postmap", "-c", "etc", `${type}:t`];
    const before = fs.readFileSync(join(root, "t.cdb"));
    const theirs = await run(root, "/usr/sbin/postmap", args.slice(1), nobody);
    expect(await run(root, process.execPath, [runner, ...args], nobody)).toEqual(theirs);
    expect(theirs.status).toBe(1);
    expect(fs.readFileSync(join(root, "t.cdb"))).toEqual(before);
  });

  each(["cdb", "lmdb"], "made anew without end", async (type, root) => {
    const ours = `${process.execPath} ${runner} postmap -c etc ${type}:t`;
    await run(root, "bash", ["-c", `${PUT}; put a; ${ours}`]);
    const writer = shell(root, `while :; do for f in b a; do put $f; ${ours}; done; done`);
    const seen = new Set<string>();
    // One that stays open over several of our files, as a daemon does, and many that open it once.
    const daemon = spawn("bash", [
      "-c",
      `for i in {1..100}; do echo ${key(7)}; sleep 0.01; done | ${postmap} -q - ${type}:t`,
    ], { cwd: root });
    let answers = "";
    daemon.stdout.on("data", (chunk) => answers += chunk);
    const done = once(daemon, "close");
    for (const started = Date.now(); Date.now() < started + (seen.size < 2 ? TIME_LIMIT : 1000);) {
      const at = Math.floor(chance.random() * KEYS);
      const { status, out, err } = await run(root, "/usr/sbin/postmap", [
        "-c",
        "etc",
        "-q",
        key(at),
        `${type}:t`,
      ]);
      seen.add(status === 0 && err === "" ? letterOf(out.trimEnd(), at) : `${status} ${err}`);
    }
    await done;
    await end(writer);
    expect([...seen].sort()).toEqual(["a", "b"]);
    const lines = answers.trimEnd().split("\n").map((line) => letterOf(line.split("\t")[1] ?? "", 7));
    expect(lines.length).toBe(100);
    expect(lines).not.toContain("torn");
  });
});
