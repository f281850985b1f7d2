// The same configuration directories under Postfix's own postconf and under ours: output, warnings and exit status must be
// the same to the letter. What differs by design is named in `BY_DESIGN` and in `knownToPostfix`.
import { expect } from "bun:test";
import fc from "fast-check";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_MASTER_CF } from "../../../src/config/default_master_cf.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix");

const ours = [
  process.execPath,
  "--no-install",
  join(import.meta.dirname!, "../../kit/run_command.ts"),
  "postconf",
];
const theirs = "/usr/sbin/postconf";

/** Defaults that are ours on purpose. */
const BY_DESIGN = new Map([
  ["mail_name", "the product's name in banner and Received:"],
  ["process_id", "of the process"],
  ["smtpd_forbid_bare_newline", "the safe value, which newer releases have too"],
  ["alias_maps", "there is no NIS here, so nis:mail.aliases is not in the default"],
]);

interface Run {
  readonly out: string;
  readonly err: string;
  readonly status: number;
}

let folder = "";

/** Postfix sleeps a second on a fatal error, so runs go side by side. */
async function run(command: readonly string[], args: readonly string[]): Promise<Run> {
  const env = { PATH: "/usr/bin:/bin", LANG: "C" };
  const child = Bun.spawn([...command, ...args], { env, argv0: "postconf", stdout: "pipe", stderr: "pipe" });
  const text = async (stream: ReadableStream) =>
    Buffer.from(await new Response(stream).bytes()).toString("latin1");
  const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
  return { out, err, status };
}

const runTheirs = (args: readonly string[]) => run([theirs], args);
const runOurs = (args: readonly string[]) => run(ours, args);

/** Postfix tells of a loop a hundred times over, on its way out of each turn; we do once, and the innermost may differ. */
const LOOP = /^(postconf: warning: unreasonable macro call nesting: )".*"$/;

/** Hash tables have no order; ours is that of the file. */
const sorted = (text: string) =>
  [...new Set(text.split("\n").map((line) => line.replace(LOOP, "$1")))].sort().join("\n");

function configuration(name: string, main: string, master: string): string {
  const directory = join(folder, name);
  mkdirSync(directory, { recursive: true });
  for (const [file, text] of [["main.cf", main], ["master.cf", master]] as const) {
    writeFileSync(join(directory, file), Buffer.from(text, "latin1"));
    utimesSync(join(directory, file), 1e9, 1e9);
  }
  return directory;
}

async function compare(args: readonly string[]): Promise<void> {
  const [real, own] = await Promise.all([runTheirs(args), runOurs(args)]);
  const what = `postconf ${args.join(" ")}`;
  // What Postfix has warned of before it gives up depends on the order of its hash table.
  const before = (text: string) =>
    text.split("\n").filter((line) => !line.includes("undefined parameter")).join("\n");
  const shown = ({ status, err }: Run) => ({ what, status, err: sorted(status === 0 ? err : before(err)) });
  expect(shown(own)).toEqual(shown(real));
  if (real.status === 0) expect({ what, out: own.out }).toEqual({ what, out: real.out });
}

/** Compares a few at a time. */
async function compareAll(calls: readonly (readonly string[])[]): Promise<void> {
  for (let at = 0; at < calls.length; at += 6) await Promise.all(calls.slice(at, at + 6).map(compare));
}

const MASTER = DEFAULT_MASTER_CF;

const MAINS: Readonly<Record<string, string>> = {
  empty: "",
  simple: "myhostname = mail.example.com\nmydomain=example.com\nmyorigin = $mydomain\n",
  continuation:
    "smtpd_banner = a\n  b\n# comment\n\n   # another\n\tc   d\nrelayhost =\n   [x]:25\nmynetworks = 1.2.3.4\n",
  crlf: "myhostname = a.b\r\nrelayhost = c\r\n  d\r\n\r\n# x\r\nmail_name = x",
  orphan: "  first = line that is indented and rather long, so it is cut\n  more\nrelayhost = x\n",
  duplicates: "relayhost = a\nrelayhost = a\nrelayhost = b\nfoo = 1\nfoo = 2\nbar = $foo\nmail_name = $bar\n",
  unused:
    "Mynetworks = 1.2.3.4\nnosuch = 1\nused = 2\nmail_name = $used $undef ${other?x} ${other2:$third}\n",
  classes: "smtpd_restriction_classes = gold, silver\ngold = permit\nsilver = reject\nbronze = reject\n",
  service:
    "slow_destination_rate_delay = 5s\nfast_destination_rate_delay = 5s\nslow_time_limit = 1\nmaildrop_time_limit=2\n",
  tables:
    "virtual_alias_maps = mysql:foo, proxy:ldap:bar pgsql:/nowhere/x.cf {mysql:baz unionmap:{sqlite:qux}} {a\nbaz_hosts=1\nbaz_bogus=2\nqux_dbpath = 3\nfoo_hosts = a\nfoo_user = b\nbar_server_host = c\n",
  odd: "a=b=c\n$x = 1\nx.y = 2\nx-y=3\n=\n",
  missingEquals: "relayhost = a\nfoo bar = x\n",
  missingName: "relayhost = a\n= x\n",
  noEquals: "foo\n",
  readonly: "process_id = 3\nprocess_name = x\nservice_name = $process_id\nconfig_directory = /x\n",
  legacy: "virtual_maps = hash:/x\nsmtpd_per_record_deadline = yes\nfallback_relay = y\n",
  raw:
    "mailbox_command = /bin/x $HOME $nosuch\nluser_relay = $user@x\nforward_path = $home/.forward\ndefault_rbl_reply=$rbl_code\n",
  nested: "a = $b\nb = ${c?{yes $d}:{no}}\nc = x\nd = $$literal\nmail_name = $a ${e:none} $(b)\ne =\n",
  compare:
    "l = 3.10\nmail_name = ${{$l} >level {3.9} ? {new} : {old}} ${{$l} > {3.9} ? {new}:{old}} ${{10} > {9}} ${{a}!={a}?x:y}\n",
  loop: "a = $b\nb = $a\nmail_name = $a\n",
  self: "relayhost = $relayhost\n",
  truncated: "relayhost = ${foo\n",
  emptyName: "relayhost = x$\n",
  emptyBraces: "relayhost = ${}\n",
  badName: "relayhost = ${my-host}\n",
  badOperator: "relayhost = ${{a} = {b} ? {c} : {d}}\n",
  noRight: "relayhost = ${{a} == b}\n",
  suffix: "relayhost = ${{a} ==foo {b}}\n",
  noColon: "x=1\nrelayhost = ${x?{a}b}\n",
  trailing: "x=1\nrelayhost = ${x?{a}:{b}c}\n",
  unbalanced: "x=1\nrelayhost = $(x?{a)\n",
  afterComparison: "relayhost = ${{a}=={b}x}\n",
  level: "compatibility_level = 3.6\n",
  badLevel: "compatibility_level = 3.x\n",
  bytes: "mail_name = \xe9\xa0\xff caf\xc3\xa9 \x01\nrelayhost = \xa0x\xa0\n",
  formfeed: "relayhost =\x0b\x0cx\x0c\nfoo\x0bbar = 1\n",
  long: `mynetworks = ${Array.from({ length: 40 }, (_, at) => `10.0.${at}.0/24`).join(", ")}\n`,
  longWord: `relayhost = ${"x".repeat(100)} ${"y".repeat(70)} z\n`,
  networks: "mynetworks_style = host\ninet_interfaces = loopback-only\n",
  subnet: "mynetworks_style = subnet\ninet_protocols = ipv4\n",
  class: "mynetworks_style = class\ninet_interfaces = all\n",
  domain: "mydomain = example.org\n",
  hostOnly: "myhostname = plain\n",
};

const MASTERS: Readonly<Record<string, string>> = {
  stock: MASTER,
  options: `smtp inet n - n - - smtpd
submission inet n - n - - smtpd
  -o syslog_name=postfix/$service_name
# a comment
  -o { smtpd_recipient_restrictions = permit_mynetworks reject }
  -o smtpd_x=y -v -o{ a = b c } -vo mail_name=zz
  -ofoo=bar
slow unix - - n - 1 smtp -o myhostname=a -o myhostname=b
127.0.0.1:10025 inet n - - 0? 100 smtpd -o content_filter=
gold unix - n n - - pipe flags=R user={a b} argv=/bin/x {-f one two} \${sender}
spawned unix - n n - - spawn user=x argv=/bin/y
bad unix - n n - - smtp -o {a b} -o {x=y} -o
dg unix-dgram n - n - 1 postlogd -- -o x=y
`,
  tight: "smtp inet n - n - - smtpd -o a=b\n",
};

const BAD_MASTERS: Readonly<Record<string, string>> = {
  count: "smtp inet n - n - -\n",
  type: "smtp foo n - n - - smtpd\n",
  private: "smtp inet x - n - - smtpd\n",
  chroot: "smtp inet n - yy - - smtpd\n",
  wakeup: "smtp unix n - n 5x - smtpd\n",
  limit: "smtp unix n - n - 5? smtpd\n",
  orphan: "  smtp unix n - n - - smtpd\nlmtp unix - - n - - lmtp\n",
  braces: "smtp unix n - n - - smtpd -o {a=b\nlmtp unix n - n - - lmtp {a}b\n",
};

/** Command lines that postconf refuses. */
const LINES: readonly (readonly string[])[] = [
  ["-h", "-H"],
  ["-z"],
  ["-M", "-d"],
  ["-a", "-n"],
  ["-e"],
  ["-X"],
  ["-#"],
  ["-C", "foo"],
  ["-b", "-t"],
  ["-T", "x", "-T", "y"],
  ["-n", "-d"],
  ["-e", "-f", "a=b"],
  ["-M", "-F"],
  ["-l", "-a"],
  ["-o", "foo", "-n"],
  ["-E"],
  ["-c"],
  ["-X", "a=b"],
  ["-e", "=b"],
  ["-e", "ab"],
  ["-e", "#a=b"],
  ["-#", ""],
  ["-Me", "smtp=x"],
  ["-Me", "smtp/unix=x"],
  ["-Fe", "smtp/unix/foo=x"],
  ["-Fe", "smtp/unix/*=x"],
  ["-Fe", "smtp/unix/chroot=x y"],
  ["-Pe", "smtp/unix/*=x"],
  ["-Pe", "smtp/unix/a=x y"],
  ["-Fe", "slow/unix/chroot=x"],
  ["-MX", "smtp"],
  ["-T", "foo"],
  ["-b", "x", "y"],
];

const names = (text: string) =>
  new Set(text.split("\n").filter((line) => line !== "").map((line) => line.split(" ")[0]!));

describe("mta postconf against Postfix's own", () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "postconf-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("the defaults are the same, but for those that are ours by design", async () => {
    const directory = configuration("defaults", "", MASTER);
    const [real, own] = await Promise.all([
      runTheirs(["-c", directory, "-d"]),
      runOurs(["-c", directory, "-d"]),
    ]);
    const ownLines = new Set(own.out.split("\n"));
    const differing = real.out.split("\n").filter((line) => !ownLines.has(line)).map((line) =>
      line.split(" ")[0]!
    );
    expect(differing.sort()).toEqual([...BY_DESIGN.keys()].sort());
    expect([...names(real.out)].filter((name) => !names(own.out).has(name))).toEqual([]);
  });

  test.each(Object.keys(MAINS))("main.cf: %s", async (name) => {
    const directory = configuration(`main-${name}`, MAINS[name]!, MASTERS.options!);
    const some = [
      "mydomain",
      "myhostname",
      "mynetworks",
      "relayhost",
      "nosuch",
      "process_id_x",
      "config_directory",
    ];
    await compareAll([
      ...["-n", "-nx", "-nf", "-nh", "-nH", "-nxf"].map((option) => ["-c", directory, option]),
      ["-c", directory, "-C", "user"],
      ["-c", directory, "-C", "service", "-x"],
      ["-c", directory, ...some],
      ["-c", directory, "-x", "-o", "relayhost=$mydomain", "-o", "mail_name = x  y", ...some],
    ]);
  }, 180_000);

  test.each(Object.keys(MASTERS))("master.cf: %s", async (name) => {
    const directory = configuration(
      `master-${name}`,
      "mail_name = x\nuser_defined = $mail_name\n",
      MASTERS[name]!,
    );
    const at = (...args: string[]) => ["-c", directory, ...args];
    await compareAll([
      ...["M", "F", "P"].flatMap((kind) => ["", "f", "x", "fx"].map((rest) => at(`-${kind}${rest}`))),
      ...["F", "P"].flatMap((kind) => ["h", "H", "fh"].map((rest) => at(`-${kind}${rest}`))),
      at("-M", "smtp", "smtp/inet", "*/unix", "nosuch", "*"),
      at("-F", "smtp", "smtp/inet/command", "*/*/type", "nosuch/unix"),
      at("-P", "submission", "*/*/myhostname", "nosuch/unix/x"),
      ...[["-M", "a/b/c"], ["-F", "a/b/c/d"], ["-F", "a/b/c"], ["-P", "/x"], ["-M", "a*b"]].map((bad) =>
        at(...bad)
      ),
    ]);
  }, 180_000);

  test("bad master.cf files", async () => {
    await compareAll(
      Object.entries(BAD_MASTERS).flatMap(([name, text]) => {
        const directory = configuration(`bad-${name}`, "", text);
        return [["-c", directory, "-M"], ["-c", directory, "-n"]];
      }),
    );
  }, 180_000);

  test("command lines that are refused", async () => {
    await compareAll(LINES.map((line, at) => {
      const directory = configuration(`line-${at}`, "relayhost = x\n", MASTERS.options!);
      return line[0] === "-c" ? line : ["-c", directory, ...line];
    }));
  }, 180_000);

  test("files that are not there", async () => {
    const directory = configuration("half", "relayhost = x\n", "");
    rmSync(join(directory, "master.cf"));
    const nowhere = join(folder, "nowhere");
    await compareAll([
      ["-c", nowhere, "-n"],
      ["-c", nowhere, "-M"],
      ["-c", nowhere, "-e", "a=b"],
      ["-c", directory, "-n"],
      ["-c", directory, "-M"],
    ]);
  }, 180_000);

  test("lists of locks and SASL types", async () => {
    await compareAll([["-l"], ["-a"], ["-A"]]);
  });

  test("bounce templates", async () => {
    const directory = configuration(
      "templates",
      "myhostname = mail.example.com\ndelay_warning_time = 4h\n",
      MASTER,
    );
    const old = configuration("templates-old", "header_from_format = obsolete\n", MASTER);
    const file = join(folder, "bounce.cf");
    writeFileSync(
      file,
      "failure_template = <<END\nCharset: utf-8\nFrom: Me <me@example.com>\nSubject: No\nPostmaster-Subject: Copy\n\n" +
        "Sorry, says $myhostname after ${maximal_queue_lifetime_hours} $$\nEND\n",
    );
    await compareAll(
      [directory, old].flatMap((each) =>
        ["-b", "-t"].flatMap((
          option,
        ) => [["-c", each, option], ["-c", each, option, file], ["-c", each, option, ""]])
      ),
    );
  }, 180_000);

  /** Runs the same edit on two copies and compares the files. */
  let edits = 0;
  async function compareEdit(
    files: { main: string; master: string },
    args: readonly string[],
  ): Promise<void> {
    edits++;
    const [left, right] = ["left", "right"].map((side) =>
      configuration(`${side}-${edits}`, files.main, files.master)
    );
    const [real, own] = await Promise.all([
      runTheirs(["-c", left!, ...args]),
      runOurs(["-c", right!, ...args]),
    ]);
    const what = args.join(" ");
    const shown = ({ status, err }: Run) => ({ what, status, err: sorted(err.replaceAll(right!, left!)) });
    expect(shown(own)).toEqual(shown(real));
    for (const file of ["main.cf", "master.cf"]) {
      const text = (directory: string) => readFileSync(join(directory, file), "latin1");
      expect({ what, file, text: text(right!) }).toEqual({ what, file, text: text(left!) });
    }
  }

  const EDITED = {
    main: `# Head
mail_name = one
  # inside
  two

# Before relayhost
relayhost = a
	b
relayhost = c
 # odd
myhostname=x
last = end
`,
    master: MASTERS.options!,
  };

  test.each([
    ["-e", "mail_name=new value"],
    ["relayhost = z"],
    ["relayhost=z", "mail_name =  a   b ", "relayhost=zz"],
    ["brand_new=1"],
    ["-e", "myhostname="],
    ["-X", "mail_name"],
    ["-X", "relayhost", "nosuch"],
    ["-#", "mail_name", "relayhost"],
    ["-#", " last "],
    ["-M", "-e", "smtp/inet=smtp inet n - y - 5 smtpd -o a=b -o {c = d e}"],
    ["-Me", "new/unix=new unix - - n - - pipe flags=R argv={a b} c"],
    ["-Me", "slow/unix=slow unix - - n - 9 lmtp", "slow/unix=slow unix - - n - 8 smtp"],
    ["-Me", "x/unix=slow unix - - n - 9 lmtp"],
    ["-MX", "slow/unix"],
    ["-MX", "submission/inet"],
    ["-M#", "submission/inet", "nosuch/unix"],
    ["-Fe", "smtp/inet/chroot=y", "*/unix/process_limit=7"],
    ["-Fe", "slow/unix/command=lmtp -o x=y z"],
    ["-Fe", "nosuch/unix/chroot=y"],
    ["-Pe", "slow/unix/myhostname=q", "slow/unix/added=$x", "smtp/inet/only=1"],
    ["-PX", "slow/unix/myhostname"],
    ["-PX", "slow/unix/nosuch", "nosuch/unix/a"],
  ].map((args) => [args] as const))("edit %j", async (args) => {
    await compareEdit(EDITED, args);
  });

  test("a changed entry leaves the comment about the next one with the next one", async () => {
    const master = "a unix - - n - - smtp\n  -o x=y\n\n# about b\nb unix - - n - - lmtp\n";
    const directory = configuration("comments", "", master);
    await runOurs(["-c", directory, "-Fe", "a/unix/chroot=y"]);
    expect(readFileSync(join(directory, "master.cf"), "latin1")).toBe(
      "a          unix  -       -       y       -       -       smtp\n    -o x=y\n\n# about b\nb unix - - n - - lmtp\n",
    );
  });

  test("an edit keeps mode and leaves no temporary file", async () => {
    const directory = configuration("mode", "a = b\n", MASTERS.tight!);
    Bun.spawnSync(["chmod", "600", join(directory, "main.cf")]);
    await runOurs(["-c", directory, "a=c"]);
    expect(statSync(join(directory, "main.cf")).mode & 0o777).toBe(0o600);
    expect(Bun.spawnSync(["ls", directory]).stdout.toString()).toBe("main.cf\nmaster.cf\n");
  });

  test("generated files", async () => {
    const word = fc.constantFrom(
      "a",
      "b",
      "$c",
      "${d}",
      "${a?{x}:{y}}",
      "$$",
      "${b:z}",
      "x-y",
      "{",
      "}",
      "=",
      "mail_name",
      "#no",
      ",",
    );
    const value = fc.array(word, { maxLength: 5 }).map((words) => words.join(" "));
    const name = fc.constantFrom(
      "a",
      "b",
      "c",
      "mail_name",
      "relayhost",
      "Foo",
      "smtpd_restriction_classes",
      "slow_recipient_limit",
    );
    const line = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.tuple(name, fc.constantFrom(" = ", "=", " =\t"), value).map((parts) => parts.join("")),
      },
      { weight: 2, arbitrary: value.map((text) => `  ${text}`) },
      fc.constantFrom("", "   ", "# comment", "  # comment", "\r"),
      fc.constantFrom("no equals", "= x"),
    );
    const file = fc.tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom("\n", "\r\n", ""));
    const files = fc.sample(file, { numRuns: 60, seed: 20_261_125 });
    await compareAll(files.flatMap(([lines, end], at) => {
      const directory = configuration(`generated-${at}`, lines.join("\n") + end, MASTERS.tight!);
      return [["-c", directory, "-n"], ["-c", directory, "-nx"]];
    }));
  }, 180_000);

  test("generated master.cf files", async () => {
    const option = fc.constantFrom(
      ...[["-o", "a=b"], ["-o", "{ c = d e }"], ["-v"], ["-vo", "x=y"], ["-oa=c"], ["-o", "{g"], [
        "-o",
        "{a}b",
      ], ["-D"]],
      ...[["-o{f = g}"], ["-o", "smtpd_x=$a"], ["-o", "y=${a?{b}:{c}}"], ["-o", "nothing"]],
    );
    // Postfix forgets the braces of the first word after the options; we keep them, so no such word comes first here.
    const word = fc.constantFrom(
      "{x y}",
      "{",
      "}",
      "{a}b",
      "$mail_name",
      "-o",
      "mail_name=z",
      "-v",
      "{ p q }",
    );
    const rest = fc.constantFrom<string[]>([], ["flags=R"], ["--"]).chain((first) =>
      fc.array(word, { maxLength: first.length * 4 }).map((words) => [...first, ...words])
    );
    const words = fc.tuple(fc.array(option, { maxLength: 4 }), rest).map((
      [options, more],
    ) => [...options.flat(), ...more]);
    const fields = fc.tuple(
      fc.constantFrom("smtp", "a", "10025", "127.0.0.1:25", "relay"),
      fc.constantFrom("inet", "unix", "pass"),
      ...[1, 2, 3].map(() => fc.constantFrom("-", "n", "y")),
      fc.constantFrom("-", "0", "60?"),
      fc.constantFrom("-", "1", "100"),
      fc.constantFrom("smtpd", "smtp", "pipe"),
    ).map((each) => each.join(" "));
    const gap = fc.constantFrom(" ", "\n  ", "\n# in\n\t");
    const entry = fc.tuple(fields, words, gap).map(([head, more, between]) =>
      `${[head, ...more].join(between)}\n`
    );
    const files = fc.sample(fc.array(entry, { minLength: 1, maxLength: 4 }), {
      numRuns: 40,
      seed: 20_261_125,
    });
    await compareAll(files.flatMap((entries, at) => {
      const directory = configuration(`generated-master-${at}`, "mail_name = m\n", entries.join(""));
      return ["-M", "-Mfx", "-F", "-P", "-n"].map((option) => ["-c", directory, option]);
    }));
    for (const entries of files.slice(0, 20)) {
      await compareEdit({ main: "", master: entries.join("") }, ["-Pe", "*/inet/added=1", "*/*/a=new"]);
      await compareEdit({ main: "", master: entries.join("") }, ["-PX", "*/*/a"]);
    }
  }, 180_000);
});
