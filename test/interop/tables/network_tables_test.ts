// socketmap, tcp and memcache tables beside the real postmap, on the same peers; redis tables on a real Redis.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TableContext } from "../../../src/table/context.ts";
import { openTable } from "../../../src/table/table_types.ts";
import type { Answer, Table } from "../../../src/table/table.ts";
import { type CacheServer, startMemcached, startRedis } from "../../kit/servers/cache_servers.ts";
import { freePort } from "../../kit/server.ts";
import {
  netstringOf,
  startRawSocketmap,
  startSocketmap,
  startTcpTable,
  type TablePeer,
} from "../../kit/servers/table_peers.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "root",
  "postfix",
  "memcached",
  "redis",
);

setDefaultTimeout(180_000);

const RUNNER = join(import.meta.dirname, "../../../src/main.ts");

/** What a socketmap peer sends for a key, as it stands. */
const SOCKETMAP: Readonly<Record<string, string>> = {
  ok: netstringOf("OK value with blanks"),
  empty: netstringOf("OK "),
  bare: netstringOf("OK"),
  absent: netstringOf("NOTFOUND "),
  absentbare: netstringOf("NOTFOUND"),
  absenttext: netstringOf("NOTFOUND text"),
  temp: netstringOf("TEMP we are tired"),
  timeout: netstringOf("TIMEOUT slow"),
  perm: netstringOf("PERM never\x01x"),
  permbare: netstringOf("PERM"),
  unknown: netstringOf("WHAT ever"),
  lower: netstringOf("ok value"),
  garbage: "garbage\n",
  terminator: "5:OK xx;",
  big: `100001:${"x".repeat(100_001)},`,
  fits: netstringOf(`OK ${"y".repeat(99_997)}`),
  zeros: "0005:OK xx,",
  colon: ":,",
  nothing: "0:,",
  huge: "99999999999999999999999:",
  nul: netstringOf("OK a\0b"),
  newline: netstringOf("OK a\nb"),
  bytes: netstringOf("OK \xff\xfe"),
  utf8: netstringOf("OK \xc3\xa9"),
  blanks: netstringOf("OK  two"),
  more: netstringOf("OK one") + netstringOf("OK extra"),
};

/** What a tcp peer sends for a key. */
const TCP: Readonly<Record<string, string>> = {
  ok: "200 value%20with%0ablank\n",
  cr: "200 x\r\n",
  bare: "200\n",
  empty: "200 \n",
  absent: "500 not found\n",
  garbage: "garbage\n",
  status: "300 x\n",
  hex: "200 a%zz\n",
  half: "200 a%4\n",
  blanks: "200 one two\n",
  tab: "200\tx\n",
  other2: "299 x\n",
  other5: "599 x\n",
  short: "20\n",
  plus: "200 a+b\n",
  nul: "200 a%00b\n",
  utf8: "200 %c3%A9\n",
  bytes: "200 %ff\n",
  absentbare: "500\n",
  more: "200 a\n200 b\n",
  fits: `200 ${"x".repeat(4091)}\n`,
};

let root = "";
let socketmap: TablePeer;
let tcp: TablePeer;
let memcached: CacheServer;
let redis: CacheServer;
let nobody = 0;
const closing: Table[] = [];

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), "network-"));
  fs.mkdirSync(join(root, "etc"));
  fs.writeFileSync(join(root, "etc/main.cf"), "compatibility_level = 3.6\n");
  fs.utimesSync(join(root, "etc/main.cf"), 1_600_000_000, 1_600_000_000);
  socketmap = await startRawSocketmap((question) => {
    const key = question.slice(question.indexOf(" ") + 1);
    return key === "hangup" ? null : SOCKETMAP[key] ?? netstringOf("NOTFOUND ");
  });
  tcp = await startTcpTable((question) => TCP[question.slice(4)] ?? "500 unknown\n");
  [memcached, redis] = await Promise.all([
    startMemcached(),
    startRedis(["--requirepass", "pass word@:/"]),
  ]);
  nobody = await freePort();
});

afterAll(async () => {
  for (const table of closing) table.close();
  await Promise.all([socketmap.close(), tcp.close(), memcached.stop(), redis.stop()]);
  fs.rmSync(root, { recursive: true });
});

interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(file: string, args: readonly string[]): Promise<Run> {
  const child = spawn(file, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk) => out.push(chunk));
  child.stderr.on("data", (chunk) => err.push(chunk));
  const [status] = await once(child, "close");
  return { status, out: Buffer.concat(out).toString("latin1"), err: Buffer.concat(err).toString("latin1") };
}

/** The reason at the end of a query error is what the system said last, even of something else; ours is the reason. */
const withoutReason = (err: string) => err.replace(/(query error|delete error|I\/O error): .*/g, "$1");

/** The same arguments to both. */
async function both(...args: readonly string[]): Promise<{ readonly real: Run; readonly ours: Run }> {
  const given = ["-c", "etc", ...args];
  const [real, ours] = await Promise.all([
    run("/usr/sbin/postmap", given),
    run(process.execPath, ["--no-install", RUNNER, "postmap", ...given]),
  ]);
  return { real: { ...real, err: withoutReason(real.err) }, ours: { ...ours, err: withoutReason(ours.err) } };
}

/** The same key to the real postmap and to our table, whose answer becomes what our postmap makes of it. */
async function asked(key: string, spec: string): Promise<{ readonly real: Run; readonly ours: Run }> {
  const real = run("/usr/sbin/postmap", ["-c", "etc", "-q", key, spec]);
  const said: string[] = [];
  const table = openTable(spec, {
    directory: "",
    parameter: () => undefined,
    warn: (text) => said.push(`warning: ${text}`),
    clock: Date.now,
    asPostmap: true,
  });
  const answer = await table.lookup(key);
  table.close();
  if (answer.is === "trouble") said.push(`warning: ${answer.why}`, `fatal: table ${spec}: query error: x`);
  if (answer.is === "found" && answer.value === "") {
    said.push(`warning: table ${spec}: key ${key}: empty string result is not allowed`);
    said.push(`warning: table ${spec} should return NO RESULT in case of NOT FOUND`);
  }
  const ours = {
    status: answer.is === "found" ? 0 : 1,
    out: answer.is === "found" ? Buffer.from(`${answer.value}\n`).toString("latin1") : "",
    err: withoutReason(said.map((line) => `postmap: ${line}\n`).join("")),
  };
  return { real: await real.then(({ err, ...more }) => ({ ...more, err: withoutReason(err) })), ours };
}

/** Writes a query file and names it. */
let files = 0;
function queryFile(type: string, ...lines: readonly string[]): string {
  const file = join(root, `${type}${files++}.cf`);
  fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  fs.utimesSync(file, 1_600_000_000, 1_600_000_000);
  return `${type}:${file}`;
}

describe("socketmap, beside the real postmap", () => {
  test.concurrent.each(Object.keys(SOCKETMAP))("%s", async (key) => {
    const { real, ours } = await asked(key, `socketmap:inet:127.0.0.1:${socketmap.port}:name`);
    expect(ours).toEqual(real);
  });

  test.concurrent.each(["-q OK", "-q empty", "-q temp", "-q hangup", "-s", "-d ok", "-i"])(
    "%s",
    async (words) => {
      const args = words.split(" ");
      const { real, ours } = await both(...args, `socketmap:inet:127.0.0.1:${socketmap.port}:name`);
      expect(ours).toEqual(real);
    },
  );

  test.concurrent.each([
    () => `inet:127.0.0.1:${nobody}:name`,
    () => `inet:${nobody}:name`,
    () => "unix:/nonexistent/socket:name",
    () => "unix:name",
    () => "nothing",
    () => "udp:x:name",
    () => `inet:127.0.0.1:${socketmap.port}:`,
  ])("a place %#", async (place) => {
    const { real, ours } = await both("-q", "k", `socketmap:${place()}`);
    expect(ours).toEqual(real);
  });

  test.concurrent("over a unix socket, relative to the working directory", async () => {
    const peer = await startSocketmap((map, key) => `OK ${map}/${key}`, join(root, "peer"));
    const { real, ours } = await both("-q", "Key", "socketmap:unix:peer:a.map");
    expect(ours).toEqual(real);
    expect(ours.out).toBe("a.map/Key\n");
    await peer.close();
  });
});

describe("tcp, beside the real postmap", () => {
  test.concurrent.each(Object.keys(TCP))("%s", async (key) => {
    const { real, ours } = await asked(key, `tcp:127.0.0.1:${tcp.port}`);
    expect(ours).toEqual(real);
  });

  test.concurrent("keys are encoded alike", async () => {
    await both("-q", "a b\x01é=+%/c@d\x7f:\t", `tcp:127.0.0.1:${tcp.port}`);
    const [first, second] = tcp.asked.filter((question) => question.includes("%01"));
    expect(first).toBe("get a%20b%01%C3%A9=+%25/c@d%7F:%09");
    expect(second).toBe(first!);
  });

  test.concurrent.each(["-s", "-d ok", "-i"])("%s", async (words) => {
    const args = words.split(" ");
    const { real, ours } = await both(...args, `tcp:127.0.0.1:${tcp.port}`);
    expect(ours).toEqual(real);
  });

  test.concurrent.each(["127.0.0.1", "9", "inet:127.0.0.1:9"])("the place %s", async (place) => {
    if (place === "9") return; // Postfix tries for ten seconds
    const { real, ours } = await both("-q", "k", `tcp:${place}`);
    expect(ours).toEqual(real);
  });
});

describe("memcache, beside the real postmap", () => {
  const stored = (key: string, value: string) =>
    memcached.talk(`set ${key} 0 0 ${value.length}\r\n${value}\r\n`, /^STORED\r\n/);
  const inServer = async (key: string) =>
    /^VALUE .*\r\n([^]*)\r\nEND\r\n$/.exec(await memcached.talk(`get ${key}\r\n`, /END\r\n$/))?.[1];
  const server = () => `memcache = inet:127.0.0.1:${memcached.port}`;

  beforeAll(async () => {
    for (
      const [key, value] of Object.entries({
        plain: "value",
        blanks: "a b c",
        utf8: "\xc3\xa9",
        bytes: "\xff\xfe",
        empty: "",
        large: "x".repeat(10_240),
        toolarge: "x".repeat(10_241),
        "pre:ann@example.com": "ann",
        "ann.com.example": "parts",
      })
    ) await stored(key, value);
  });

  test.concurrent.each([
    "plain",
    "PLAIN",
    "blanks",
    "utf8",
    "bytes",
    "empty",
    "large",
    "toolarge",
    "no",
    "two words",
    "x".repeat(260),
  ])(
    "%s",
    async (key) => {
      const { real, ours } = await asked(key, queryFile("memcache", server()));
      expect(ours).toEqual(real);
    },
  );

  test.concurrent.each(
    [
      ["ann@example.com", ["key_format = pre:%s"]],
      ["ann@example.com", ["key_format = pre:%s", "domain = example.com"]],
      ["ann@example.com", ["key_format = pre:%s", "domain = example.org"]],
      ["@example.com", ["key_format = pre:%s", "domain = example.com"]],
      ["ann@example.com", ["key_format = %u.%1.%2"]],
      ["ann", ["key_format = %u.%1.%2"]],
      ["plain", ["line_size_limit = 10"]],
      ["large", ["data_size_limit = 10239"]],
    ] as const,
  )("%s with %j", async (key, lines) => {
    const { real, ours } = await asked(key, queryFile("memcache", server(), ...lines));
    expect(ours).toEqual(real);
  });

  test.concurrent("a backup answers where the server does not know, and the server learns it", async () => {
    fs.writeFileSync(join(root, "back"), "kept fromthebackup\n");
    spawnSync("/usr/sbin/postmap", ["-c", "etc", "hash:back"], { cwd: root });
    const spec = (prefix: string) =>
      queryFile("memcache", server(), `backup = hash:${join(root, "back")}`, `key_format = ${prefix}:%s`);
    const [real, ours] = await Promise.all([
      run("/usr/sbin/postmap", ["-c", "etc", "-q", "Kept", spec("real")]),
      run(process.execPath, ["--no-install", RUNNER, "postmap", "-c", "etc", "-q", "Kept", spec("ours")]),
    ]);
    expect(ours).toEqual(real);
    expect(ours.out).toBe("fromthebackup\n");
    expect([await inServer("real:kept"), await inServer("ours:kept")]).toEqual([
      "fromthebackup",
      "fromthebackup",
    ]);
    const listed = await both("-s", spec("ours"));
    expect(listed.ours).toEqual(listed.real);
    expect(listed.ours.out).toBe("kept\tfromthebackup\n");
    const deleted = await run(process.execPath, [
      "--no-install",
      RUNNER,
      "postmap",
      "-c",
      "etc",
      "-d",
      "kept",
      spec("ours"),
    ]);
    expect(deleted).toEqual({ status: 0, out: "", err: "" });
    expect(await inServer("ours:kept")).toBeUndefined();
    expect((await both("-q", "kept", spec("ours"))).ours.status).toBe(1);
  });

  test.concurrent("a backup answers when the server is gone", async () => {
    const spec = queryFile("memcache", `memcache = inet:127.0.0.1:${nobody}`, "backup = inline:{a=b}");
    for (const args of [["-q", "c"], ["-s"]]) {
      const { real, ours } = await both(...args, spec);
      expect(ours).toEqual(real);
    }
    // Postfix tries once more to tell the server.
    const { real, ours } = await both("-q", "a", spec);
    expect({ ...ours, err: "" }).toEqual({ ...real, err: "" });
  });

  test.concurrent("keys are deleted, and those that are not there are told apart", async () => {
    for (const prefix of ["real", "ours"]) await stored(`${prefix}key`, "x");
    const spec = queryFile("memcache", server());
    const real = await run("/usr/sbin/postmap", ["-c", "etc", "-d", "realkey", spec]);
    const ours = await run(process.execPath, [
      "--no-install",
      RUNNER,
      "postmap",
      "-c",
      "etc",
      "-d",
      "OURSkey",
      spec,
    ]);
    expect(ours).toEqual(real);
    expect(ours.status).toBe(0);
    expect(await inServer("ourskey")).toBeUndefined();
    for (const key of ["realkey", "two words"]) {
      const again = await both("-d", key, spec);
      expect(again.ours).toEqual(again.real);
      expect(again.ours.status).toBe(1);
    }
    const dead = await both("-d", "k", queryFile("memcache", `memcache = inet:127.0.0.1:${nobody}`));
    expect(dead.ours).toEqual(dead.real);
  });

  test.concurrent.each([["-i"], [], ["-s"]])("%s: what it cannot do", async (...args) => {
    const { real, ours } = await both(...args, queryFile("memcache", server()));
    expect(ours).toEqual(real);
  });
});

/** Opens a table as a daemon would. */
function open(
  spec: string,
  more: Partial<TableContext> = {},
): { readonly table: Table; readonly warnings: string[] } {
  const warnings: string[] = [];
  const table = openTable(spec, {
    directory: root,
    parameter: () => undefined,
    warn: (text) => warnings.push(text),
    clock: Date.now,
    ...more,
  });
  closing.push(table);
  return { table, warnings };
}

const shown = (answer: Answer) => answer.is === "found" ? answer.value : answer.is;

describe("redis, on a real Redis", () => {
  const PASSWORD = "password = pass word@:/";
  const hosts = () => `hosts = 127.0.0.1:${redis.port}`;
  const open2 = (...lines: readonly string[]) => open(queryFile("redis", hosts(), PASSWORD, ...lines));
  const ask = async (lines: readonly string[], key: string) => shown(await open2(...lines).table.lookup(key));

  async function fill(): Promise<void> {
    const command = (...words: readonly string[]) =>
      `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
    const commands = [
      ["AUTH", "pass word@:/"],
      ["SET", "virtual:ann@example.com", "ann@home.example"],
      ["SET", "caf\xc3\xa9", "\xc3\xbcber"],
      ["SET", "bytes", "\xff\xfe"],
      ["SET", "empty", ""],
      ["SET", "large", "x".repeat(100_001)],
      ["HSET", "aliases", "bob", "carol"],
      ["HSET", "bytehash", "f", "\xff"],
      ["SADD", "domains", "example.com"],
      ["SADD", "list:all", "b@x", "a@x", "c@x"],
      ["RPUSH", "order", "one", "two"],
      ["ACL", "SETUSER", "mail", "on", ">secret", "~*", "+get", "+select", "+hello"],
      ["SELECT", "3"],
      ["SET", "k", "in three"],
    ].map((words) => command(...words));
    const replies = await redis.talk(commands.join(""), /\+OK\r\n\+OK\r\n\+OK\r\n$/);
    expect(replies).not.toContain("-");
  }
  beforeAll(fill);

  test.each([
    [["query = GET virtual:%s"], "ann@example.com", "ann@home.example"],
    [["query = GET virtual:%s"], "ANN@Example.com", "ann@home.example"],
    [["query = GET virtual:%s"], "bob@example.com", "absent"],
    [["query = HGET aliases %u"], "bob@example.com", "carol"],
    [["query = HGET aliases %u"], "@example.com", "absent"],
    [["query = sismember domains %s"], "example.com", "1"],
    [["query = sismember domains %s"], "example.org", "absent"],
    [["query = EXISTS virtual:%s"], "ann@example.com", "1"],
    [["query = HEXISTS aliases %s"], "carol", "absent"],
    [["query = SMEMBERS list:%s"], "all", "a@x,b@x,c@x"],
    [["query = SMEMBERS list:%s", "result_format = <%u>"], "all", "<a>,<b>,<c>"],
    [["query = SMEMBERS list:%s", "expansion_limit = 2"], "all", "trouble"],
    [["query = LRANGE %s 0 -1"], "order", "one,two"],
    [["domain = example.com", "query = GET virtual:%s"], "ann@example.com", "ann@home.example"],
    [["domain = example.org", "query = GET virtual:%s"], "ann@example.com", "absent"],
    [["database = 3"], "k", "in three"],
    [[], "k", "absent"],
    [[], "café", "über"],
    [[], "bytes", "trouble"],
    [[], "empty", "absent"],
    [[], "large", "trouble"],
    [["query = HGET bytehash %s"], "f", "trouble"],
    [[], "aliases", "trouble"],
    [[], "a b", "absent"],
    [[], 'x"\r\nFLUSHALL\r\n', "absent"],
    [["database = 99"], "k", "trouble"],
  ])("%j of %j is %j", async (lines, key, want) => expect(await ask(lines, key)).toBe(want));

  test.each([
    [
      "query = DEL %s",
      "DEL is no lookup; use one of EXISTS, GET, HEXISTS, HGET, LRANGE, SISMEMBER, SMEMBERS",
    ],
    ["query = GET a b", "GET takes 1 argument, not 2"],
    ["query = GET %x", "Invalid query template: %x; write %% for a percent sign"],
    ["timeout = 0", "invalid timeout parameter value 0 < 1"],
    ["tls = perhaps", "bad boolean configuration: tls = perhaps; expected yes or no"],
    ["tls = yes\ntls_CAfile = /nonexistent", "open /nonexistent: No such file or directory"],
    ["tls_CAfile = /etc/ssl/cert.pem", "tls_CAfile has no effect without tls = yes"],
    ["tls = no\ntls_verify_cert = yes", "tls_verify_cert has no effect without tls = yes"],
  ])("%j is refused", async (line, why) => {
    const { table, warnings } = open2(line);
    const at = line.includes("\n") ? 4 : 3;
    expect(await table.lookup("k")).toMatchObject({ is: "trouble", retry: false });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toEndWith(`.cf, line ${at}: ${why}`);
  });

  test("logs in with user and password, or says why it cannot", async () => {
    const why = async (...lines: readonly string[]) => {
      const answer = await open(queryFile("redis", hosts(), ...lines)).table.lookup("caf\xe9");
      return answer.is === "trouble" ? answer.why.replace(/^.* lookup error: /, "") : shown(answer);
    };
    expect(await why("user = mail", "password = secret")).toBe("über");
    expect(await why("password = wrong")).toStartWith("WRONGPASS");
    expect(await why()).toBe("the server asks for a password");
    expect(await why("user = mail", "password = secret", "query = HGET aliases %s")).toStartWith("NOPERM");
  });

  test("goes over a unix socket, and to the next server when the first is gone", async () => {
    const bare = await startRedis();
    const socket = open(queryFile("redis", `hosts = unix:${bare.socket}`)).table;
    expect(shown(await socket.lookup("k"))).toBe("absent");
    await bare.stop();
    const secret = open(queryFile("redis", `hosts = unix:${redis.socket}`, PASSWORD));
    expect(shown(await secret.table.lookup("k"))).toBe("trouble");
    expect(secret.warnings[0]).toContain("the client cannot log in over a unix socket");
    const secured = open(queryFile("redis", `hosts = unix:${redis.socket}`, "tls = yes"));
    expect(shown(await secured.table.lookup("k"))).toBe("trouble");
    expect(secured.warnings[0]).toContain("there is no TLS over a unix socket");
    const { table, warnings } = open(
      queryFile("redis", `hosts = 127.0.0.1:${nobody}, 127.0.0.1:${redis.port}`, PASSWORD, "database = 3"),
    );
    expect(shown(await table.lookup("k"))).toBe("in three");
    expect(warnings).toEqual([`table ${table.spec}: server 127.0.0.1:${nobody}: Connection refused`]);
  });

  test("a server that hangs is given up in time, one that starts anew is asked again", async () => {
    const { table, warnings } = open2("timeout = 1", "database = 3");
    expect(shown(await table.lookup("k"))).toBe("in three");
    redis.freeze(true);
    const first = await Promise.all(["k", "l", "m"].map((key) => table.lookup(key)));
    expect(first.map(shown)).toEqual(["trouble", "trouble", "trouble"]);
    expect(shown(await table.lookup("n"))).toBe("trouble");
    redis.freeze(false);
    await until("it is asked again", async () => shown(await table.lookup("k")) === "in three");
    expect(warnings).toHaveLength(2);
    await redis.kill();
    await redis.start();
    await fill();
    expect(shown(await table.lookup("k"))).toBe("in three");
  });

  test("lookups side by side share a connection", async () => {
    const { table } = open2("database = 3");
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, at) => table.lookup(at % 2 === 0 ? "k" : `no${at}`)),
    );
    expect(answers.filter(({ is }) => is === "found")).toHaveLength(250);
    const replies = await redis.talk('AUTH "pass word@:/"\r\nCLIENT LIST\r\n', /\$\d+[^]*\n\r\n$/);
    expect(replies.match(/ db=3 /g)?.length).toBeLessThanOrEqual(4); // those of the tables of other tests included
  });

  test("TLS: the authority and the name of the certificate are looked at", async () => {
    const make = (...args: string[]) => spawnSync("openssl", args, { cwd: root, encoding: "utf8" });
    make(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "key.pem",
      "-out",
      "cert.pem",
      "-days",
      "2",
      "-subj",
      "/CN=redis",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
    );
    make(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "key2.pem",
      "-out",
      "cert2.pem",
      "-days",
      "2",
      "-subj",
      "/CN=redis",
      "-addext",
      "subjectAltName=DNS:other.example",
    );
    const [port, other] = [await freePort(), await freePort()];
    const tls = (at: number, name: string) =>
      startRedis([
        "--tls-port",
        String(at),
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        join(root, `cert${name}.pem`),
        "--tls-key-file",
        join(root, `key${name}.pem`),
        "--tls-ca-cert-file",
        join(root, `cert${name}.pem`),
      ]);
    const servers = await Promise.all([tls(port, ""), tls(other, "2")]);
    const answer = async (at: number, ...lines: readonly string[]) =>
      shown(
        await open(queryFile("redis", `hosts = 127.0.0.1:${at}`, "tls = yes", ...lines)).table.lookup("k"),
      );
    expect(await answer(port, `tls_CAfile = ${root}/cert.pem`)).toBe("absent");
    expect(await answer(port)).toBe("trouble");
    expect(await answer(other, `tls_CAfile = ${root}/cert2.pem`)).toBe("trouble");
    expect(await answer(other, "tls_verify_cert = no")).toBe("absent");
    await Promise.all(servers.map((server) => server.stop()));
  });

  test("without a password it is not believed where a table says what is run", async () => {
    const paranoid = { paranoid: true };
    const bare = open(queryFile("redis", hosts()), paranoid);
    expect(await bare.table.lookup("k")).toMatchObject({ is: "trouble", retry: false });
    expect(bare.warnings[0]).toContain("map is not allowed for security-sensitive data");
    const { table } = open(queryFile("redis", hosts(), PASSWORD, "database = 3"), paranoid);
    expect(shown(await table.lookup("k"))).toBe("in three");
  });
});
