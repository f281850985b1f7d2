// postmap and postalias beside the real ones: same output, same messages, same exit status, files that either can use.
import { expect } from "bun:test";
import fc from "fast-check";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTable } from "../../../src/table/table_types.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const runner = join(import.meta.dir, "../../kit/run_command.ts");
const fixtures = join(import.meta.dir, "../../fixtures/maps");
let root = "";

beforeAll(() => {
  root = fs.mkdtempSync(join(tmpdir(), "postmap-"));
  for (const name of ["etc", "real", "ours"]) fs.mkdirSync(join(root, name));
  fs.writeFileSync(join(root, "etc/main.cf"), "compatibility_level = 3.6\nmyhostname = mta.example.com\n");
  fs.utimesSync(join(root, "etc/main.cf"), 1_600_000_000, 1_600_000_000);
});
afterAll(() => fs.rmSync(root, { recursive: true }));

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

const env = { PATH: process.env["PATH"], MAIL_CONFIG: "" };

function run(
  where: "real" | "ours",
  tool: string,
  args: readonly string[],
  input: string | Uint8Array = "",
): Run {
  const [file, ...all] = commandOf(where, tool, args);
  const { status, stdout, stderr } = spawnSync(file, all, { cwd: join(root, where), env, input });
  return { status, out: stdout.toString("latin1"), err: stderr.toString("latin1") };
}

function commandOf(where: "real" | "ours", tool: string, args: readonly string[]): [string, ...string[]] {
  const given = ["-c", "../etc", ...args];
  return where === "real" ? [`/usr/sbin/${tool}`, ...given] : [process.execPath, runner, tool, ...given];
}

async function runBeside(where: "real" | "ours", args: readonly string[], input: string): Promise<Run> {
  const child = Bun.spawn(commandOf(where, "postmap", args), {
    cwd: join(root, where),
    env,
    stdin: Buffer.from(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  const text = async (stream: ReadableStream) =>
    Buffer.from(await new Response(stream).bytes()).toString("latin1");
  const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
  return { status, out, err: comparable(err) };
}

/** What we say beyond Postfix: keys that never match; and the library's own lines that only Postfix has. */
const comparable = (err: string) =>
  err.split("\n").filter((line) => !/never matches in an indexed table|^BDB\d/.test(line)).join("\n");

function both(
  tool: string,
  args: readonly string[],
  input?: string | Uint8Array,
): { readonly real: Run; readonly ours: Run } {
  const [real, ours] = [run("real", tool, args, input), run("ours", tool, args, input)];
  return { real: { ...real, err: comparable(real.err) }, ours: { ...ours, err: comparable(ours.err) } };
}

/** postmap without holding up others of its kind: Postfix sleeps a second on a fatal error. */
async function bothBeside(
  args: readonly string[],
  input = "",
): Promise<{ readonly real: Run; readonly ours: Run }> {
  const [real, ours] = await Promise.all([runBeside("real", args, input), runBeside("ours", args, input)]);
  return { real, ours };
}

function put(name: string, content: string | Uint8Array, mode = 0o644): void {
  for (const where of ["real", "ours"]) {
    fs.writeFileSync(join(root, where, name), content);
    fs.chmodSync(join(root, where, name), mode);
  }
}

/** In a line that is no UTF-8 Postfix shows some bytes as they are; we show none. */
const blind = (err: string) => err.replace(/[\x80-\xff]/g, "?");

const sorted = (text: string) => text.split("\n").sort().join("\n");

/** The records of our file as the real postmap lists them. */
function listedByReal(spec: string, tool = "postmap"): string {
  const listed = spawnSync(`/usr/sbin/${tool}`, ["-c", "../etc", "-fs", spec], {
    cwd: join(root, "ours"),
    env,
  });
  return sorted(listed.stdout.toString("latin1"));
}

describe("beside the real postmap", () => {
  describe.each(["hash", "btree", "cdb", "lmdb"])("%s", (type) => {
    const names = [
      "tiny",
      "empty",
      "syntax",
      "badsyntax",
      "n2000",
      "overflow",
      "utf8",
      "dup-warn",
      "key510",
      "longkeys",
    ];
    test.each(names)("%s: same messages, and the same records for the real one", (name) => {
      put(name, fs.readFileSync(join(fixtures, `${name}.txt`)));
      const { real, ours } = both("postmap", [`${type}:${name}`]);
      expect(ours).toEqual(real);
      if (real.status !== 0) return;
      if (type === "cdb") {
        expect(fs.readFileSync(join(root, `ours/${name}.cdb`))).toEqual(
          fs.readFileSync(join(root, `real/${name}.cdb`)),
        );
        return;
      }
      const listed = run("real", "postmap", ["-fs", `${type}:${name}`]);
      expect(listedByReal(`${type}:${name}`)).toBe(sorted(listed.out));
      if (type === "lmdb") return;
      const verified = spawnSync("db5.3_verify", ["-q", `${name}.db`], { cwd: join(root, "ours") });
      expect(verified.status).toBe(0);
    });
  });

  test("random sources and options: same messages, status and records", async () => {
    const word = fc.stringMatching(/^[A-Za-z0-9@.\\"#:é*ẞ-]{1,6}$/);
    const blank = fc.constantFrom(" ", "\t", "  ", "\r ");
    const line = fc.oneof(
      { weight: 8, arbitrary: fc.tuple(word, blank, word).map(([k, b, v]) => k + b + v) },
      { weight: 1, arbitrary: fc.tuple(blank, word).map(([b, v]) => b + v) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          "",
          "  ",
          "# note",
          " # note",
          "key",
          "a\0b c",
          "caf\xe9 x",
          '"a b" c',
          '"a b',
        ),
      },
    );
    const source = fc.array(line, { maxLength: 12 }).map((lines) => lines.join("\n"));
    const flag = fc.constantFrom("-f", "-n", "-N", "-r", "-w", "-u", "-p", "-o");
    const flags = fc.array(flag, { maxLength: 2 });
    const type = fc.constantFrom("hash", "btree", "lmdb", "cdb");
    const sample = fc.sample(fc.tuple(source, flags, type, fc.boolean()), { numRuns: 60, seed: 20261125 });
    const make = async ([text, given, kind, latin1]: typeof sample[number], at: number) => {
      const name = `random${at}`;
      put(name, Buffer.from(text, latin1 ? "latin1" : "utf8"));
      const made = await bothBeside([...given, `${kind}:${name}`]);
      const what = JSON.stringify({ text, given, kind });
      expect({ what, ...made.ours, err: blind(made.ours.err) }).toEqual({
        what,
        ...made.real,
        err: blind(made.real.err),
      });
      if (kind === "cdb" || made.real.status !== 0) return;
      const listed = run("real", "postmap", ["-fs", `${kind}:${name}`]);
      expect(`${what} ${listedByReal(`${kind}:${name}`)}`).toBe(`${what} ${sorted(listed.out)}`);
      const keys = text.split("\n").map((each) => each.split(/\s/)[0]).filter((key) =>
        key !== "" && key !== undefined
      );
      if (keys.length === 0) return; // an empty key is fatal to the real one in lmdb
      const query = ["-q", "-", ...given.filter((each) => each !== "-p" && each !== "-o"), `${kind}:${name}`];
      const asked = await bothBeside(query, `${keys.join("\n")}\n`);
      expect({ what, ...asked.ours, err: blind(asked.ours.err) }).toEqual({
        what,
        ...asked.real,
        err: blind(asked.real.err),
      });
    };
    for (let at = 0; at < sample.length; at += 6) {
      await Promise.all(sample.slice(at, at + 6).map((each, k) => make(each, at + k)));
    }
  }, 180_000);

  test("adding and deleting, by either on the other's file", () => {
    for (const type of ["hash", "btree", "lmdb"]) {
      put("grow", "a 1\nb 2\nc 3\n");
      expect(both("postmap", [`${type}:grow`]).ours.status).toBe(0);
      const added = both("postmap", ["-i", `${type}:grow`], "d 4\nB 5\n");
      expect(added.ours).toEqual(added.real);
      const replaced = both("postmap", ["-ir", `${type}:grow`], "c 33\n");
      expect(replaced.ours).toEqual(replaced.real);
      const deleted = both("postmap", ["-d", "-", `${type}:grow`], "A\nnone\n");
      expect(deleted.ours).toEqual(deleted.real);
      const again = both("postmap", ["-d", "a", `${type}:grow`]);
      expect(again.ours).toEqual(again.real);
      spawnSync("/usr/sbin/postmap", ["-c", "../etc", "-i", `${type}:grow`], {
        cwd: join(root, "ours"),
        env,
        input: "e 5\n",
      });
      const all = run("ours", "postmap", ["-s", `${type}:grow`]);
      expect(sorted(all.out)).toBe(sorted("b\t2\nc\t33\nd\t4\ne\t5\n"));
    }
  }, 180_000);

  test("an index older than its source is told of, whatever is asked of it", () => {
    const [hour, half] = [60, 30].map((minutes) => Date.now() / 1000 - minutes * 60);
    for (const type of ["hash", "btree", "lmdb", "cdb"]) {
      for (const args of [["-d", "a"], ["-d", "-"], ["-d", "none"], ["-s"], ["-q", "b"], ["-i"]]) {
        put("stale", "a 1\nb 2\n");
        both("postmap", [`${type}:stale`]);
        for (const side of ["ours", "real"]) {
          for (const name of fs.readdirSync(join(root, side)).filter((each) => each.startsWith("stale."))) {
            fs.utimesSync(join(root, side, name), hour!, hour!);
          }
          fs.utimesSync(join(root, side, "stale"), half!, half!);
        }
        const { ours, real } = both("postmap", [...args, `${type}:stale`], "b\n");
        expect({ type, args, ...ours, out: sorted(ours.out) }).toEqual({
          type,
          args,
          ...real,
          out: sorted(real.out),
        });
        const isWarned = args[0] !== "-i" && !(type === "cdb" && args[0] === "-d");
        expect([type, args, ours.err.includes("older than source file stale")]).toEqual([
          type,
          args,
          isWarned,
        ]);
        for (const side of ["ours", "real"]) {
          for (const name of fs.readdirSync(join(root, side)).filter((each) => each.startsWith("stale"))) {
            fs.rmSync(join(root, side, name));
          }
        }
      }
    }
  }, 180_000);

  test("options, files and types that cannot be: the same refusal", async () => {
    put("tiny", fs.readFileSync(join(fixtures, "tiny.txt")));
    for (const type of ["hash", "cdb", "lmdb"]) both("postmap", [`${type}:tiny`]);
    put("rubbish.db", "rubbish ".repeat(2000));
    put("rubbish.lmdb", "rubbish ".repeat(2000));
    put("zero.db", "");
    put("zero", "a b\n");
    const cases: readonly (readonly string[])[] = [
      ["-z"],
      [],
      ["-q"],
      ["-s", "-q", "x", "hash:tiny"],
      ["-q", "x", "-s", "hash:tiny"],
      ["-bq", "x", "hash:tiny"],
      ["hash:absent"],
      ["nosuch:tiny"],
      ["static:tiny"],
      ["-q", "x", "nosuch:tiny"],
      ["-q", "x", "hash:absent"],
      ["-q", "x", "cdb:absent"],
      ["-q", "x", "lmdb:absent"],
      ["-s", "static:tiny"],
      ["-s", "cdb:tiny"],
      ["-d", "x", "static:tiny"],
      ["-d", "x", "texthash:tiny"],
      ["-d", "x", "hash:absent"],
      ["-d", "x", "hash:"],
      ["-d", "-", ":tiny"],
      ["-s"],
      ["-s", "hash:"],
      ["-s", ":tiny"],
      ["-s", "absent"],
      ...["hash", "btree", "lmdb", "cdb", "texthash", "regexp", "pcre", "cidr"].map((
        type,
      ) => ["-s", `${type}:absent`]),
      ["-q", "x", "hash:rubbish"],
      ["-q", "x", "lmdb:rubbish"],
      ["-s", "lmdb:rubbish"],
      ["hash:zero"],
      ["proxy:hash:tiny"],
      ["-s", "proxy:hash:tiny"],
      ["-q", "foo", "texthash:tiny"],
      ["-q", "nobody", "texthash:tiny"],
      ["-q", "x", "static:y"],
      ["-i", "cdb:tiny"],
    ];
    for (let at = 0; at < cases.length; at += 7) {
      await Promise.all(
        cases.slice(at, at + 7).map(async (args) => {
          const { real, ours } = await bothBeside(args);
          expect({ args, ...ours }).toEqual({ args, ...real });
        }),
      );
    }
  }, 180_000);

  test.each([
    "regexp:{{/^X/ }}",
    "regexp:{{/(a/ x}}",
    "pcre:{{/(a/ x}}",
    "pcre:{{/a/ $3} {/b/ y}}",
    "cidr:{{10.0.0.1/8 x}}",
    "cidr:{junk}",
  ])("a rule of %s that is odd is warned of by the table's whole name", async (spec) => {
    const { real, ours } = await bothBeside(["-q", "Xb", spec]);
    expect(ours).toEqual(real);
  });

  test("texthash says of the lines of its text what the real one says", async () => {
    for (const name of ["syntax", "badsyntax", "dup-warn", "utf8", "aliases"]) {
      put(name, fs.readFileSync(join(fixtures, `${name}.txt`)));
      // The real one reads a text that was just written again and again until it is still.
      for (const where of ["real", "ours"]) fs.utimesSync(join(root, where, name), 1e9, 1e9);
      for (const flags of ["-q", "-fq"]) {
        const { real, ours } = await bothBeside([flags, "Upper", `texthash:${name}`]);
        expect({ name, flags, ...ours, err: blind(ours.err) }).toEqual({
          name,
          flags,
          ...real,
          err: blind(real.err),
        });
      }
    }
  }, 180_000);

  test("modes: 0644 less what the source denies, -p for 0644, an existing table's kept", () => {
    for (
      const [source, flags] of [[0o640, []], [0o600, []], [0o400, []], [0o666, []], [0o755, []], [0o640, [
        "-p",
      ]]] as const
    ) {
      for (const where of ["real", "ours"]) fs.rmSync(join(root, where, "mode.db"), { force: true });
      put("mode", "a b\n", source);
      both("postmap", [...flags, "hash:mode"]);
      const [real, ours] = ["real", "ours"].map((where) =>
        fs.statSync(join(root, where, "mode.db")).mode & 0o7777
      );
      expect(ours).toBe(real!);
    }
    for (const where of ["real", "ours"]) fs.chmodSync(join(root, where, "mode.db"), 0o604);
    both("postmap", ["hash:mode"]);
    expect(fs.statSync(join(root, "ours/mode.db")).mode & 0o7777).toBe(0o604);
  });

  test("as root the table goes to the source's owner, or to root with -o", () => {
    const nobody = 65534;
    for (const where of ["real", "ours"]) {
      fs.mkdirSync(join(root, where, "nobody"));
      fs.chownSync(join(root, where, "nobody"), nobody, nobody);
      fs.chmodSync(join(root, where), 0o755);
    }
    fs.chmodSync(root, 0o755);
    put("nobody/t", "a b\n");
    put("t-in-roots-folder", "a b\n");
    for (const where of ["real", "ours"]) {
      fs.chownSync(join(root, where, "nobody/t"), nobody, nobody);
      fs.chownSync(join(root, where, "t-in-roots-folder"), nobody, nobody);
    }
    const made = both("postmap", ["hash:nobody/t"]);
    expect(made.ours).toEqual(made.real);
    expect(fs.statSync(join(root, "ours/nobody/t.db")).uid).toBe(nobody);
    const refused = both("postmap", ["hash:t-in-roots-folder"]);
    expect(refused.ours).toEqual(refused.real);
    const asRoot = both("postmap", ["-o", "hash:t-in-roots-folder"]);
    expect(asRoot.ours).toEqual(asRoot.real);
    expect(fs.statSync(join(root, "ours/t-in-roots-folder.db")).uid).toBe(0);
  });

  test("postconf -m lists the real one's types, and ours beside them", () => {
    const types = (where: "real" | "ours") => run(where, "postconf", ["-m"]).out.trim().split("\n");
    const real = types("real");
    expect(types("ours").filter((type) => real.includes(type))).toEqual(real);
    expect(types("ours").filter((type) => !real.includes(type))).toEqual(["redis"]);
  });

  test("a symbolic link is followed, and no temporary file stays", () => {
    fs.mkdirSync(join(root, "ours/linked"));
    fs.writeFileSync(join(root, "ours/linked/target.db"), "");
    fs.symlinkSync("linked/target.db", join(root, "ours/link.db"));
    fs.writeFileSync(join(root, "ours/link"), "a b\n");
    fs.truncateSync(join(root, "ours/linked/target.db"), 4096);
    expect(run("ours", "postmap", ["hash:link"]).status).toBe(0);
    expect(fs.lstatSync(join(root, "ours/link.db")).isSymbolicLink()).toBe(true);
    expect(fs.readdirSync(join(root, "ours/linked"))).toEqual(["target.db"]);
    expect(run("real", "postmap", ["-q", "a", "hash:../ours/link"]).out).toBe("b\n");
  });

  test("a message on standard input: header fields and body lines as keys", () => {
    const message =
      "From: a@b\nSubject: one\n two\nContent-Type: multipart/mixed; boundary=xx\nFoo : bar\n\npre\n--xx\n" +
      "Content-Type: text/plain\n\nline\n--xx\nContent-Type: message/rfc822\n\nFrom: inner\n\ninner\n--xx--\nend\n";
    for (const flags of ["-h", "-b", "-hb", "-hm", "-bm", "-hbm", "-m"]) {
      const { real, ours } = both("postmap", [flags, "-q", "-", "regexp:{{/^(.*)$$/ <$$1>}}"], message);
      expect({ flags, ...ours }).toEqual({ flags, ...real });
    }
  });

  test("values from files with -F", () => {
    for (const name of ["zero", "one"]) {
      put(`empty-values.${name}`, fs.readFileSync(join(fixtures, `empty-values.${name}`)));
    }
    put("empty-values", fs.readFileSync(join(fixtures, "empty-values.txt")));
    const made = both("postmap", ["-F", "hash:empty-values"]);
    expect(made.ours).toEqual(made.real);
    const asked = both("postmap", ["-Fq", "-", "hash:empty-values"], "one\nzero\nnone\n");
    expect(asked.ours).toEqual(asked.real);
  });

  test("bytes that are no UTF-8 in keys", () => {
    put("latin", Buffer.from("caf\xe9 x\nplain y\n", "latin1"));
    for (const flags of [["-u"], []]) {
      const made = both("postmap", [...flags, "hash:latin"]);
      expect(made.ours).toEqual(made.real);
      const asked = both(
        "postmap",
        [...flags, "-q", "-", "hash:latin"],
        Buffer.from("caf\xe9\nplain\n", "latin1"),
      );
      expect(asked.ours).toEqual(asked.real);
    }
  });

  test("pattern tables: the same warnings and results", () => {
    put(
      "rules",
      "/(a/ x\n/b/z y\n/c/ z\nif /d/\n/d/ $\n/e/ $9\n/f/\nendif\nendif\n!/q/ $1\n/h(i)?/ [$1]\nif /zz/\n",
    );
    put(
      "nets",
      "1.2.3.4 x\n::1/128 y\n[::2] z\n!10.0.0.0/8 n\n1.2.3 q\n10.0.0.0/33 w\n10.0.0.1/8 h\n10.0.0.0/8\nendif\nfoo bar\n",
    );
    const place = (err: string) =>
      err.replace(/(regexp|pcre) map rules, line \d+: (empty macro name)/g, "$2");
    for (const spec of ["regexp:rules", "pcre:rules", "cidr:nets"]) {
      const { real, ours } = both(
        "postmap",
        ["-q", "-", spec],
        "c\nd\nhi\nhx\nf\n1.2.3.4\n::1\n::2\n11.0.0.1\n10.1.1.1\n",
      );
      expect({ ...ours, err: place(ours.err) }).toEqual({ ...real, err: place(real.err) });
    }
  });

  test("postalias: same messages and records", () => {
    put("aliases", fs.readFileSync(join(fixtures, "aliases.txt")));
    const time = (text: string) => text.replace(/(YP_LAST_MODIFIED:\s+)\d+/, "$1T");
    for (const type of ["hash", "btree", "lmdb", "cdb"]) {
      const { real, ours } = both("postalias", [`${type}:aliases`]);
      expect(ours).toEqual(real);
      if (type === "cdb") continue;
      const listed = run("real", "postalias", ["-fs", `${type}:aliases`]);
      expect(time(listedByReal(`${type}:aliases`, "postalias"))).toBe(time(sorted(listed.out)));
      const own = run("ours", "postalias", ["-fs", `${type}:aliases`]);
      expect(time(sorted(own.out))).toBe(time(sorted(listed.out)));
    }
  });

  test("random alias lines: same messages and records", () => {
    const piece = fc.constantFrom(
      "name",
      "Other",
      '"q d"',
      '"a\\"b"',
      "\\x",
      "(c (d))",
      "[1.2]",
      "@",
      "%",
      "!",
      ",",
      ";",
      ":",
      ".",
      "<",
      ">",
      "|",
      " ",
      "\t",
      "\\ ",
      "é",
      ")",
    );
    const line = fc.tuple(
      fc.array(piece, { minLength: 1, maxLength: 5 }),
      fc.array(piece, { minLength: 1, maxLength: 7 }),
    )
      .map(([name, value]) => `${name.join("").trimStart()}:${value.join("")}`);
    const text = fc.sample(line, { numRuns: 300, seed: 7 }).map((each, at) => `k${at}${each}`).join("\n");
    put("random-aliases", text);
    const { real, ours } = both("postalias", ["hash:random-aliases"]);
    expect(ours.err.split("\n")).toEqual(real.err.split("\n"));
    const listed = sorted(run("real", "postalias", ["-fs", "hash:random-aliases"]).out).replace(
      /YP_LAST.*/,
      "",
    );
    expect(listedByReal("hash:random-aliases", "postalias").replace(/YP_LAST.*/, "").split("\n")).toEqual(
      listed.split("\n"),
    );
  });

  test.each(["hash", "btree", "cdb", "lmdb"])(
    "%s: a table in use never misses a key while postmap makes it anew",
    async (type) => {
      const source = join(root, `busy-${type}`);
      fs.writeFileSync(
        source,
        Array.from({ length: 20_000 }, (_, at) => `user${at}@example.com v\n`).join(""),
      );
      const build = () =>
        spawn("/usr/sbin/postmap", ["-c", join(root, "etc"), `${type}:${source}`], { env, stdio: "ignore" });
      await once(build(), "exit");
      const context = { directory: "", parameter: () => undefined, warn: () => {}, clock: Date.now };
      const table = openTable(`${type}:${source}`, context);
      let building = true;
      const builds = (async () => {
        for (let at = 0; at < 12; at++) await once(build(), "exit");
        building = false;
      })();
      const answers = new Set<string>();
      for (let at = 0; building; await new Promise((resolve) => setTimeout(resolve, 1))) {
        for (let n = 0; n < 200; n++) {
          const answer = await table.lookup(`user${at++ * 7919 % 20_000}@example.com`);
          answers.add(
            answer.is === "found" ? answer.value : `${answer.is} ${"why" in answer ? answer.why : ""}`,
          );
        }
      }
      await builds;
      table.close();
      expect([...answers]).toEqual(["v"]);
    },
    180_000,
  );
});
