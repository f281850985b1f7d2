// `postfix logrotate`: files, refusals and exit statuses beside the real one; no line of the log is lost in ours.
import { expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix", "script");
setDefaultTimeout(180_000);

interface Rotated {
  readonly code: number | null;
  readonly said: string;
  readonly files: readonly string[];
  readonly old: string;
  /** The new log. */
  readonly now: string;
}

/** What a rotation left: names with the time taken out, and the text of the compressed file. */
function look(code: number | null, said: string, log: string): Rotated {
  const names = fs.readdirSync(dirname(log)).filter((name) => name.startsWith("maillog"));
  const old = names.find((name) => name.endsWith(".gz"));
  return {
    code,
    said: said.replaceAll("\r\n", "\n").replaceAll(dirname(log), "DIR").replace(/\.\d{8}-\d{6}/g, ".TIME"),
    // Postfix begins the new log with its next line.
    files: names.map((name) => name.replace(/\d{8}-\d{6}/, "TIME")).filter((name) => name !== "maillog"),
    old: old === undefined ? "" : gunzipSync(fs.readFileSync(join(dirname(log), old))).toString(),
    now: names.includes("maillog") ? fs.readFileSync(log, "utf8") : "",
  };
}

async function theirs(main: Readonly<Record<string, string>>): Promise<Rotated> {
  const postfix = await startPostfix({
    main: {},
    master: `127.0.0.1:${await freePort()} inet n - n - - smtpd`,
  });
  try {
    await postfix.waitForLog(/daemon started/);
    const etc = postfix.configDirectory;
    for (const [name, value] of Object.entries(main)) {
      spawnSync("/usr/sbin/postconf", ["-c", etc, "-e", `${name}=${value}`]);
    }
    // It speaks to people only: to a terminal.
    const command = `/usr/sbin/postfix -c ${etc} logrotate`;
    const { status, stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" });
    return look(status, stdout, join(dirname(etc), "maillog"));
  } finally {
    await postfix.stop();
  }
}

async function ours(
  main: Readonly<Record<string, string>>,
  meanwhile = async (_port: number) => {},
  more: readonly string[] = [],
): Promise<Rotated> {
  const fixed = [
    "maillog_file = $queue_directory/../maillog",
    "maillog_file_prefixes = /",
    "worker_processes = 2",
    ...more,
  ];
  const server = await startServer({ mainCf: fixed });
  try {
    server.writeMainCf([...fixed, ...Object.entries(main).map(([name, value]) => `${name} = ${value}`)]);
    const [{ code, stderr }] = await Promise.all([server.mta("logrotate"), meanwhile(server.port)]);
    const seen = look(code, stderr, join(server.directory, "maillog"));
    return { ...seen, said: seen.said.replace("/queue/../", "/") };
  } finally {
    await server.stop();
  }
}

test("the old log is compressed under a name with the time, and a new one is begun", async () => {
  const [real, mine] = [await theirs({}), await ours({})];
  expect({ ...mine, old: "", now: "" }).toEqual({ ...real, old: "", now: "" });
  expect(mine.files).toEqual(["maillog.TIME.gz"]);
  for (const { old } of [real, mine]) expect(old).toContain("daemon started");
});

test("what cannot be rotated is refused in the same words, and stays", async () => {
  const rows: readonly Readonly<Record<string, string>>[] = [
    { maillog_file: "" },
    { maillog_file: "/dev/stdout", maillog_file_prefixes: "/dev/stdout, /tmp" },
    { maillog_file_compressor: "" },
    { maillog_file_rotate_suffix: "" },
  ];
  for (const main of rows) {
    const [real, mine] = [await theirs(main), await ours(main)];
    expect([main, mine.code, mine.files]).toEqual([main, real.code, real.files]);
    // Ours may add file, line and remedy.
    expect(mine.said).toStartWith(real.said.trimEnd());
  }
});

test("a compressor that fails is told of, and the old log is kept as it is", async () => {
  const [real, mine] = [
    await theirs({ maillog_file_compressor: "false" }),
    await ours({ maillog_file_compressor: "false" }),
  ];
  expect([mine.code, mine.files]).toEqual([real.code, real.files]);
  expect(mine.said).toStartWith("postfix/postfix-script: fatal: logfile 'DIR/maillog' rotation failed: ");
});

test("a session that goes on over the rotation loses no line of the log", async () => {
  const named: string[] = [];
  const mine = await ours({}, async (port) => {
    const client = await talk(port);
    await client.say("EHLO client.example");
    for (let count = 0; count < 40; count++) {
      const replies = [];
      for (const line of ["MAIL FROM:<a@b.example>", `RCPT TO:<x${count}@relay.invalid>`, "RSET"]) {
        replies.push(await client.say(line).catch(() => ""));
      }
      if (/^[45]54/.test(replies[1]!)) named.push(`to=<x${count}@relay.invalid>`);
      await Bun.sleep(10);
    }
    client.end();
  }, ["mynetworks ="]);
  expect([mine.code, mine.files]).toEqual([0, ["maillog.TIME.gz"]]);
  expect(named.length).toBeGreaterThan(0);
  const lines = mine.old + mine.now;
  expect(named.filter((each) => !lines.includes(each))).toEqual([]);
});

test("a command of postfix(1) that is not there says what to do instead", async () => {
  const server = await startServer();
  try {
    for (
      const name of ["set-permissions", "upgrade-configuration", "post-install", "tls", "drain", "quick-stop"]
    ) {
      const { code, stderr } = await server.mta(name);
      expect(code).toBe(1);
      expect(stderr).toStartWith(`postfix/postfix-script: fatal: ${name}: not available: `);
    }
  } finally {
    await server.stop();
  }
});
