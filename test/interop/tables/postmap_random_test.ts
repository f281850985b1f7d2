// Random sources, options and steps, through the real postmap and postalias and through ours: same output, messages, status.
import { expect } from "bun:test";
import fc from "fast-check";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "root",
  "postfix",
  "postfix-cdb",
  "postfix-lmdb",
);

const runner = join(import.meta.dir, "../../kit/run_command.ts");
const binary = process.env["MTA_BINARY"];
const env = { PATH: process.env["PATH"], MAIL_CONFIG: "" };
/** More of them for a longer look: `POSTMAP_RUNS=2000 POSTMAP_SEED=7`. */
const runs = Number(process.env["POSTMAP_RUNS"] ?? 24);
const seed = Number(process.env["POSTMAP_SEED"] ?? 20261125);
let root = "";

beforeAll(() => {
  root = fs.mkdtempSync(join(tmpdir(), "postmap-random-"));
  for (const name of ["etc", "real", "ours"]) fs.mkdirSync(join(root, name));
  fs.writeFileSync(join(root, "etc/main.cf"), "compatibility_level = 3.6\nmyhostname = mta.example.com\n");
  for (const where of ["real", "ours"]) {
    for (const [name, text] of [["f1", "one\n"], ["f2", "two\0\xff"], ["empty", ""]] as const) {
      fs.writeFileSync(join(root, where, name), Buffer.from(text, "latin1"));
    }
  }
});
afterAll(() => fs.rmSync(root, { recursive: true }));

interface Step {
  readonly tool: string;
  readonly args: readonly string[];
  readonly input: Buffer;
}

function run(where: "real" | "ours", { tool, args, input }: Step) {
  const given = ["-c", "../etc", ...args];
  const [file, all] = where === "real"
    ? [`/usr/sbin/${tool}`, given]
    : binary !== undefined
    ? [binary, [tool, ...given]]
    : [process.execPath, [runner, tool, ...given]];
  const { status, stdout, stderr } = spawnSync(file, all, {
    cwd: join(root, where),
    env,
    input,
    maxBuffer: 1 << 28,
  });
  return { status, out: stdout.toString("latin1"), err: comparable(stderr.toString("latin1")) };
}

/** Left out: what we say beyond Postfix, the library's own lines, and which bytes of bad text are shown as `?`. */
function comparable(err: string): string {
  const lines = err.split("\n").filter((line) => !/never matches in an indexed table|^BDB\d/.test(line));
  return lines.join("\n").replace(/[\x80-\xff]/g, "?");
}

const sorted = (text: string) => text.split("\n").sort().join("\n");
const isListing = ({ args }: Step) => args.some((arg) => /^-\w*s$/.test(arg));

/** Postfix's and our hash files hold their records in different orders. */
function outcome(where: "real" | "ours", step: Step) {
  const { status, out, err } = run(where, step);
  const timeless = out.replace(/(YP_LAST_MODIFIED:?\s+)\d+/, "$1T");
  return {
    status,
    out: isListing(step) ? sorted(timeless) : timeless,
    err: isListing(step) ? sorted(err) : err,
  };
}

function both(step: Step, story: string): void {
  const what = { story, args: step.args.join(" "), input: step.input.toString("latin1") };
  expect({ what, ...outcome("ours", step) }).toEqual({ what, ...outcome("real", step) });
}

const word = fc.oneof(
  fc.constantFrom(
    "a",
    "B",
    "Bob",
    "bob",
    "ann@Example.COM",
    "example.com",
    "10.1.2",
    "É",
    "é",
    "Straße",
    "ẞ",
    "Σς",
    "İ",
    "ı",
  ),
  fc.constantFrom(
    "x:",
    "*",
    "a\\ b",
    '"q',
    '"q d"',
    "\\",
    "#no",
    "[::1]",
    "/re/",
    "日本",
    "k".repeat(300),
    "\x01",
  ),
  fc.stringMatching(/^[A-Za-z0-9@.+=_-]{1,7}$/),
);
const blank = fc.constantFrom(" ", "\t", "  ", "\t \v", "\f", "\r ");
const value = fc.oneof(
  fc.constantFrom("OK", "REJECT go away", "v  w", "x\ty", "ü", "# not a comment", "w\r", "1\x01"),
  fc.integer({ min: 900, max: 9000 }).map((length) => "long ".repeat(length).slice(0, length)),
  word,
);
const mapLine = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(word, blank, value).map((parts) => parts.join("")) },
  { weight: 2, arbitrary: fc.tuple(blank, value).map((parts) => parts.join("")) },
  { weight: 2, arbitrary: fc.constantFrom("", "  ", "# note", " # note", "\t") },
  {
    weight: 1,
    arbitrary: fc.constantFrom("alone", "a\0b c", "b c\0d", "\0", "caf\udc00 x", '"a b" c', "a: b"),
  },
);
const aliasLine = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(word, fc.constantFrom(":", ": ", " : "), value).map((parts) => parts.join("")),
  },
  { weight: 2, arbitrary: fc.tuple(blank, value).map((parts) => parts.join("")) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "# c",
      "",
      "lone",
      "list: a, b,c",
      'pipe: "|cmd x"',
      "f: /file",
      'q: ""',
      "i: :include:/f",
    ),
  },
);

/** Lines as bytes; half a surrogate pair stands for a byte that is no UTF-8. */
function bytesOf(lines: readonly string[], lastNewline: boolean): Buffer {
  const text = lines.join("\n") + (lastNewline ? "\n" : "");
  return Buffer.concat(
    text.split("\udc00").flatMap((part, at) => [...(at > 0 ? [Buffer.from([0xe9])] : []), Buffer.from(part)]),
  );
}

const flags = (letters: string, most: number) =>
  fc.array(fc.constantFrom(...letters.split("").map((letter) => `-${letter}`)), { maxLength: most });

const anyCase = (text: string) => fc.constantFrom(text, text.toUpperCase(), text.toLowerCase());
const keysIn = (lines: readonly string[]) =>
  lines.map((line) => line.split(/[\s:]/)[0]!).filter((key) => key !== "" && !/[\0\udc00]/.test(key));

function stepOf(tool: string, spec: string, lines: readonly string[]): fc.Arbitrary<Step> {
  const known = keysIn(lines);
  const key = fc.oneof(fc.constantFrom("nobody", "@", ...known).chain(anyCase), word);
  const keys = fc.array(key, { minLength: 1, maxLength: 8 });
  const line = tool === "postmap" ? mapLine : aliasLine;
  const step = (args: readonly string[], input: Buffer = Buffer.alloc(0)): Step => ({
    tool,
    args: [...args, spec],
    input,
  });
  const list = (all: readonly string[]): Buffer => bytesOf(all, true);
  const update = fc.tuple(flags("fnNrwup", 2), fc.array(line, { minLength: 1, maxLength: 4 }), fc.boolean());
  const ask = fc.oneof(
    fc.tuple(flags("fnNu", 2), keys).map(([given, all]) => step([...given, "-q", "-"], list(all))),
    fc.tuple(flags("fnNu", 1), key).map(([given, one]) => step([...given, "-q", one])),
  );
  if (spec.startsWith("cdb:")) return ask; // it neither lists nor changes
  return fc.oneof(
    ask,
    flags("f", 1).map((given) => step([...given, "-s"])),
    fc.tuple(flags("fnNu", 1), keys).map(([given, all]) => step([...given, "-d", "-"], list(all))),
    fc.tuple(flags("fnNu", 1), key).map(([given, one]) => step([...given, "-d", one])),
    update.map(([given, all, whole]) => step([...given, "-i"], bytesOf(all, whole))),
  );
}

const scene = fc.tuple(
  fc.constantFrom("postmap", "postmap", "postalias"),
  fc.constantFrom("hash", "btree", "lmdb", "cdb"),
)
  .chain(([tool, type]) => {
    const line = tool === "postmap" ? mapLine : aliasLine;
    return fc.tuple(
      fc.constant({ tool, type }),
      fc.array(line, { maxLength: 14 }),
      fc.boolean(),
      flags("fnNrwupo", 3),
      fc.constantFrom(0o644, 0o640, 0o600),
    );
  })
  .chain(([what, lines, whole, given, mode]) =>
    fc.tuple(
      fc.constant({ ...what, source: bytesOf(lines, whole), given, mode }),
      fc.array(stepOf(what.tool, `${what.type}:t`, lines), { minLength: 2, maxLength: 4 }),
    )
  );

function fresh(source: Buffer, mode: number): void {
  for (const where of ["real", "ours"]) {
    for (const suffix of ["", ".db", ".lmdb", ".cdb"]) {
      fs.rmSync(join(root, where, `t${suffix}`), { force: true });
    }
    fs.writeFileSync(join(root, where, "t"), source);
    fs.chmodSync(join(root, where, "t"), mode);
  }
}

const modes = (where: string) =>
  fs.readdirSync(join(root, where)).sort().map((name) =>
    `${name} ${(fs.statSync(join(root, where, name)).mode & 0o7777).toString(8)}`
  );

test("tables made, asked, listed and changed", () => {
  for (const [{ tool, type, source, given, mode }, steps] of fc.sample(scene, { numRuns: runs, seed })) {
    fresh(source, mode);
    const story = JSON.stringify({ tool, type, given, mode, source: source.toString("latin1") });
    const make: Step = { tool, args: [...given, `${type}:t`], input: Buffer.alloc(0) };
    both(make, story);
    expect(`${story} ${modes("ours")}`).toBe(`${story} ${modes("real")}`);
    for (const step of steps) both(step, story);
  }
}, 600_000);

/** More than is kept in memory, with all that a source may have in it, and many a key twice. */
function largeSource(): Buffer {
  const odd = [
    "# note",
    "  and more",
    "",
    "caf\udc00 x",
    '"a b',
    "x: y",
    "\tfolded",
    "é ü",
    `long ${"v".repeat(9000)}`,
  ];
  const lines = Array.from({ length: 30_000 }, (_, at) => {
    const number = at * 7919 % 21_001 + at % 7 * 1000;
    return at % 97 === 0
      ? odd[at / 97 % odd.length]!
      : `User${number}@d${at % 3}.example OK some value ${at}`;
  });
  return bytesOf(lines, false);
}

test.each(["hash", "btree", "cdb", "lmdb"])(
  "a large %s table, whose duplicates are told or replaced",
  (type) => {
    const step = (...args: string[]): Step => ({
      tool: "postmap",
      args: [...args, `${type}:t`],
      input: Buffer.alloc(0),
    });
    for (const given of [[], ["-r"]]) {
      fresh(largeSource(), 0o644);
      both(step(...given), "large");
      if (type === "cdb") {
        const [ours, real] = ["ours", "real"].map((where) => fs.readFileSync(join(root, where, "t.cdb")));
        expect(ours!.equals(real!)).toBe(true);
      } else both(step("-s"), "large");
    }
  },
  120_000,
);

const headerLine = fc.constantFrom(
  "Subject: Hi",
  "Subject : x",
  " folded",
  "\tmore",
  "no header",
  "X-Y:z",
  "From a b",
  ": c",
  "Content-Type: text/plain",
);
const multipart = fc.constantFrom("xx", '"x x"', "x; y=z").map((boundary) =>
  `Content-Type: multipart/mixed; boundary=${boundary}`
);
const inner = fc.constantFrom(
  "--xx",
  "--xx--",
  "--x x",
  "text",
  "",
  "Content-Type: message/rfc822",
  "Content-Type: multipart/digest; boundary=zz",
  "--zz",
  "Subject: in",
  "é",
);
const message = fc.tuple(
  fc.array(fc.oneof(headerLine, multipart), { maxLength: 5 }),
  fc.array(inner, { maxLength: 14 }),
)
  .map(([header, body]) => [...header, "", ...body].join("\n") + "\n");

test("messages as keys: -b, -h, -m", () => {
  const given = fc.subarray(["-b", "-h", "-m", "-U"], { minLength: 1 }).filter((all) =>
    all.some((flag) => /[bh]/.test(flag))
  );
  for (const [flag, text] of fc.sample(fc.tuple(given, message), { numRuns: runs, seed })) {
    const step = {
      tool: "postmap",
      args: [...flag, "-q", "-", "regexp:{{/^(.*)$$/ <$$1>}}"],
      input: Buffer.from(text),
    };
    both(step, "message");
  }
}, 600_000);

test("values from files: -F", () => {
  const files = fc.array(fc.constantFrom("f1", "f2", "empty", "absent", "f1,f2", ","), {
    minLength: 1,
    maxLength: 3,
  });
  const source = fc.array(fc.tuple(fc.constantFrom("a", "b", "C", "d"), files), { maxLength: 5 });
  for (
    const [pairs, type, mixed] of fc.sample(
      fc.tuple(source, fc.constantFrom("hash", "btree", "lmdb", "cdb"), fc.boolean()),
      { numRuns: Math.ceil(runs / 2), seed },
    )
  ) {
    const lines = pairs.map(([key, names]) => `${key} ${names.join(" ")}`);
    fresh(bytesOf(lines, true), 0o644);
    const story = JSON.stringify(lines);
    const input = Buffer.from("a\nb\nc\nd\n");
    both({ tool: "postmap", args: [...(mixed ? [] : ["-F"]), `${type}:t`], input: Buffer.alloc(0) }, story);
    both({ tool: "postmap", args: ["-F", "-q", "-", `${type}:t`], input }, story);
    both({ tool: "postmap", args: ["-q", "-", `${type}:t`], input }, story);
    if (type !== "cdb") {
      both({ tool: "postmap", args: ["-F", "-s", `${type}:t`], input: Buffer.alloc(0) }, story);
    }
  }
}, 600_000);
