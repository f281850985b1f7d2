// pgsql, mysql and sqlite tables beside the real postmap, on the same servers, files and query files.
import { expect } from "bun:test";
import fc from "fast-check";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TableContext } from "../../../src/table/context.ts";
import { openTable } from "../../../src/table/table_types.ts";
import type { Answer, Table } from "../../../src/table/table.ts";
import { type Database, startMariadb, startPostgres } from "../../kit/servers/database.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "root",
  "postfix",
  "postfix-mysql",
  "postfix-pgsql",
  "postfix-sqlite",
  "mariadb",
  "postgres",
  "sqlite3",
);

const TYPES = ["pgsql", "mysql", "sqlite"] as const;
type Type = typeof TYPES[number];

const ROWS =
  `('a@x.org','one@x.org'), ('a@x.org','two'), ('b@x.org',''), ('c@x.org',NULL), ('%@x.org','percent'),
  ('o''hara@x.org','quote'), ('back\\\\slash@x.org','backslash'), ('dot.ted@sub.x.org','@empty.local'), ('x.org','domain'), ('Casé@X.org','upper')`;
const SCHEMA = "CREATE TABLE v (k varchar(200), d text);";

let root = "";
let postgres: Database;
let mariadb: Database;
const base: Record<Type, string[]> = { pgsql: [], mysql: [], sqlite: [] };
const closing: Table[] = [];

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), "sql-"));
  fs.chmodSync(root, 0o755);
  fs.writeFileSync(join(root, "main.cf"), "compatibility_level = 3.6\n");
  fs.utimesSync(join(root, "main.cf"), LONG_AGO, LONG_AGO);
  fs.cpSync("/etc/postfix/dynamicmaps.cf", join(root, "dynamicmaps.cf"));
  if (fs.existsSync("/etc/postfix/dynamicmaps.cf.d")) {
    fs.cpSync("/etc/postfix/dynamicmaps.cf.d", join(root, "dynamicmaps.cf.d"), { recursive: true });
  }
  [postgres, mariadb] = await Promise.all([
    startPostgres({ settings: ["max_connections=300"] }),
    startMariadb({ settings: ["--max-connections=300"] }),
  ]);
  const standard = ROWS.replaceAll("\\\\", "\\");
  postgres.sql(`CREATE EXTENSION citext; CREATE ROLE mail LOGIN; ${SCHEMA} INSERT INTO v VALUES ${standard};
    CREATE TABLE t (k varchar(50), c citext, i integer, ch char(10), b boolean, n numeric(10,2), d date, ts timestamptz,
      f float8, j json, jb jsonb, u uuid, ip inet, arr text[], big bigint, by bytea);
    INSERT INTO t VALUES ('a@b','A@B',5,'abc',true,1.50,'2020-01-02','2020-01-02 03:04:05.678+00',1e20,'{"b":1,  "a":2}',
      '{"b":1}','a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11','10.0.0.1/8','{a,"b c"}',9223372036854775807,'\\x00ff');
    CREATE FUNCTION find(text) RETURNS text LANGUAGE sql AS 'SELECT d FROM v WHERE k = $1 ORDER BY d LIMIT 1';
    CREATE FUNCTION nothing(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
    GRANT ALL ON ALL TABLES IN SCHEMA public TO mail;`);
  mariadb.sql(`CREATE DATABASE mta CHARACTER SET utf8mb4; USE mta; ${SCHEMA} INSERT INTO v VALUES ${ROWS};
    CREATE TABLE t (k varchar(50), l varchar(50) CHARACTER SET latin1, ci varchar(50) COLLATE utf8mb4_unicode_ci,
      cs varchar(50) COLLATE utf8mb4_bin, bin varbinary(50), i int, ti tinyint, si smallint unsigned, mi mediumint,
      bi bigint unsigned, z int(8) zerofill, de decimal(10,3), f float, db double, d date, dt datetime(3), dt0 datetime,
      tm time, tm2 time(2), y year, e enum('x','y'), bl blob, ts timestamp(6));
    INSERT INTO t VALUES ('a@b','a@b','a@b','a@b','a@b',5,-5,65535,-8388608,18446744073709551615,42,1.5,1.1,1e20,'2020-01-02',
      '2020-01-02 03:04:05.678','2020-01-02 03:04:05','-12:03:04','100:00:01.5',2020,'y','blob','2020-01-02 03:04:05.5'),
      ('zero','zero','zero','zero','zero',0,0,0,0,0,0,0,0,0.1,'2020-01-02','2020-01-02 00:00:00','2020-01-02 00:00:00',
      '00:00:00','00:00:00',1901,'x','','2020-01-02 03:04:05'),
      ('big','big','big','big','big',1,1,1,1,1,1,1,16777216,123456789012345678,'9999-12-31','2020-01-02 03:04:05.678',
      '2020-01-02 03:04:05','838:59:59','00:00:00.01',2155,'x','x','2020-01-02 03:04:05'),
      ('small','small','small','small','small',-2147483648,1,1,1,1,123456789,-0.001,1.5e-10,-1.5e-7,'2020-01-02',
      '2020-01-02 03:04:05.678','2020-01-02 03:04:05','00:00:01','00:00:00.01',2155,'x','x','2020-01-02 03:04:05');
    DELIMITER //
    CREATE PROCEDURE one(p text) BEGIN SELECT d FROM v WHERE k = p; END //
    CREATE PROCEDURE none(p text) BEGIN SET @x = p; END //
    CREATE PROCEDURE two(p text) BEGIN SELECT 1; SELECT 2; END //
    DELIMITER ;
    CREATE USER mail@localhost IDENTIFIED BY 's3cret'; CREATE USER mail@127.0.0.1 IDENTIFIED BY 's3cret';
    GRANT ALL ON mta.* TO mail@localhost; GRANT ALL ON mta.* TO mail@127.0.0.1;`);
  const file = join(root, "v.db");
  const made = spawnSync("sqlite3", [file], {
    input: `${SCHEMA} INSERT INTO v VALUES ${standard};
      CREATE TABLE t (k, x); INSERT INTO t VALUES ('int',5), ('float',1.0), ('pi',3.14159265358979), ('huge',1e100),
        ('big',9223372036854775807), ('blob',x'414200'), ('null',NULL), ('text','text');`,
    encoding: "utf8",
  });
  expect(made.stderr).toBe("");
  base.pgsql = [`hosts = 127.0.0.1:${postgres.port}`, "user = mail", "dbname = postgres"];
  base.mysql = [`hosts = unix:${mariadb.socket}`, "user = mail", "password = s3cret", "dbname = mta"];
  base.sqlite = [`dbpath = ${file}`];
}, 180_000);

afterAll(async () => {
  for (const table of closing) table.close();
  await postgres?.stop();
  await mariadb?.stop();
  fs.rmSync(root, { recursive: true, force: true });
});

/** The real postmap waits until a file of attributes is no longer new. */
const LONG_AGO = 1_600_000_000;
let files = 0;

function queryFile(lines: readonly string[]): string {
  const path = join(root, `q${files++}.cf`);
  fs.writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  fs.utimesSync(path, LONG_AGO, LONG_AGO);
  return path;
}

interface TestContext extends TableContext {
  readonly warnings: string[];
}

function open(spec: string, more: Partial<TableContext> = {}): { table: Table; warnings: string[] } {
  const warnings: string[] = [];
  const context: TestContext = {
    directory: root,
    parameter: () => undefined,
    warn: (text) => void warnings.push(text),
    clock: Date.now,
    warnings,
    ...more,
  };
  const table = openTable(spec, context);
  closing.push(table);
  return { table, warnings };
}

const shown = (answer: Answer) => answer.is === "found" ? answer.value : answer.is;

/** What the real postmap answers: the value, `absent`, or `trouble` (which it takes a second for). */
async function real(spec: string, key: string): Promise<string> {
  const child = spawn("/usr/sbin/postmap", ["-c", root, "-q", key, spec], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk) => out.push(chunk));
  child.stderr.on("data", (chunk) => err.push(chunk));
  const [status] = await once(child, "close");
  if (status === 0) return Buffer.concat(out).toString().slice(0, -1);
  return Buffer.concat(err).toString().includes("fatal") ? "trouble" : "absent";
}

/** The same question to both. */
async function same(type: Type, lines: readonly string[], keys: readonly string[]): Promise<void> {
  const spec = `${type}:${queryFile([...base[type], ...lines])}`;
  const { table, warnings } = open(spec);
  const both = await Promise.all(keys.map(async (key) => [
    { key, answer: shown(await table.lookup(key)) },
    { key, answer: await real(spec, key) },
  ]));
  table.close();
  const because = warnings.join("\n");
  expect(both.map(([ours]) => ours), because).toEqual(both.map(([, theirs]) => theirs));
}

const KEYS = [
  "a@x.org",
  "A@X.ORG",
  "b@x.org",
  "c@x.org",
  "o'hara@x.org",
  "back\\slash@x.org",
  "dot.ted@sub.x.org",
  "x.org",
];
const ODD = [
  "@x.org",
  "a@",
  "@",
  "nosuch",
  "a@b@x.org",
  "a@x..org",
  "a@.x.org",
  "a@x.org.",
  "a",
  "x' OR '1'='1",
];
const SELECT = "query = SELECT d FROM v WHERE k = '%s'";

const EVERYWHERE: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["%s", [SELECT], [...KEYS, ...ODD]],
  ["%u and %d", ["query = SELECT d FROM v WHERE k = '%u@%d'"], [...KEYS, ...ODD]],
  ["%S, %U and %D", ["query = SELECT '%S|%U|%D'"], [...KEYS, ...ODD]],
  ["%1 and %2", ["query = SELECT '%2-%1'"], [...KEYS, ...ODD]],
  ["%3", ["query = SELECT '%3|%2|%1'"], [...KEYS, ...ODD]],
  ["LIKE", ["query = SELECT d FROM v WHERE k LIKE '%%%d' ORDER BY d DESC"], [
    "a@x.org",
    "a@sub.x.org",
    "a@_.org",
  ]],
  ["an expansion without quotes", ["query = SELECT d FROM v WHERE k LIKE 'a%%' AND 5 = %u"], ["5@x", "6@x"]],
  ["several columns", ["query = SELECT d, k, d FROM v WHERE k = '%s'"], KEYS],
  ["the result's parts", [SELECT, "result_format = <%u> <%d>"], KEYS],
  ["the result as it is", [SELECT, "result_format = smtp:[%s]%%"], KEYS],
  ["the key's parts in the result", [SELECT, "result_format = %s=%S,%U,%D,%1"], [...KEYS, ...ODD]],
  ["an expansion limit of 1", [SELECT, "expansion_limit = 1"], KEYS],
  ["an expansion limit of 2", [SELECT, "expansion_limit = 2"], KEYS],
  ["a domain", [SELECT, "domain = x.org"], [...KEYS, ...ODD]],
  ["domains", [SELECT, "domain = !sub.x.org, static:all"], KEYS],
  ["a domain table in trouble", [SELECT, "domain = fail:x"], ["a@x.org", "a"]],
  ["attributes from before 2.2", ["table = v", "select_field = d", "where_field = k"], KEYS],
  [
    "conditions from before 2.2",
    ["table = v", "select_field = d", "where_field = k", "additional_conditions = AND d LIKE 't%%'"],
    KEYS,
  ],
  ["a statement that is wrong", ["query = SELECT nosuch FROM v WHERE k = '%s'"], ["a@x.org"]],
  ["no query", [], ["a@x.org"]],
  ["a template that is wrong", ["query = SELECT '%x'"], ["a@x.org"]],
  ["a number that is wrong", [SELECT, "expansion_limit = many"], ["a@x.org"]],
  ["a negative number", [SELECT, "expansion_limit = -1"], ["a@x.org"]],
  ["a line that is wrong", [SELECT, "what is this"], ["a@x.org"]],
  [
    "white space and continuation lines",
    ["query =", "  SELECT d", "# comment", "  FROM v WHERE k = '%s'"],
    KEYS,
  ],
];

describe.each([...TYPES])("%s beside the real postmap", (type) => {
  test.concurrent.each([...EVERYWHERE])("%s", (_, lines, keys) => same(type, lines, keys), 30_000);

  test("a file that is not there is trouble", async () => {
    const { table, warnings } = open(`${type}:${root}/nosuch.cf`);
    expect(await table.lookup("a")).toMatchObject({ is: "trouble" });
    expect(warnings).toEqual([
      `${type}:${root}/nosuch.cf: open ${root}/nosuch.cf: No such file or directory`,
    ]);
    expect(await real(`${type}:${root}/nosuch.cf`, "a")).toBe("trouble");
  });

  test("a name without a slash has its attributes in main.cf", async () => {
    const lines = [...base[type], SELECT.replace("'%s'", "'%u@$domain_of_x'")];
    fs.writeFileSync(
      join(root, "main.cf"),
      `compatibility_level = 3.6\ndomain_of_x = x.org\n${lines.map((line) => `legacy_${line}\n`).join("")}`,
    );
    fs.utimesSync(join(root, "main.cf"), LONG_AGO, LONG_AGO);
    const values = new Map(lines.map((line) => line.split(" = ") as [string, string]));
    const parameter = (name: string) =>
      values.get(name.replace(/^legacy_/, ""))?.replace("$domain_of_x", "x.org");
    const query = lines[lines.length - 1]!.slice("query = ".length).replace("$domain_of_x", "x.org");
    const { table } = open(`${type}:legacy`, {
      parameter: (name) => name === "legacy_query" ? query : parameter(name),
    });
    for (const key of ["a@any", "nosuch@any"]) {
      expect([key, shown(await table.lookup(key))]).toEqual([key, await real(`${type}:legacy`, key)]);
    }
    expect(await real(`${type}:legacy`, "a@any")).toBe("one@x.org,two");
  });

  test("keys that are bytes (postmap -u), and keys as they are (postmap -f)", async () => {
    // Postfix 3.7 always speaks LATIN1 with PostgreSQL, so that it finds bytes there that are no UTF-8; we do not look for them.
    const more = type === "pgsql" ? ["encoding = LATIN1"] : [];
    const lines = [
      "query = SELECT d FROM v WHERE k LIKE 'Cas%%@X.org' AND k = '%u@X.org'",
      "result_format = %s %U",
    ];
    const spec = `${type}:${queryFile([...base[type], ...lines, ...more])}`;
    for (const bytes of ["Cas\xe9@x", "\xff@x", "Cas\xc3\xa9@x"].slice(more.length)) {
      const { table } = open(spec, { encoding: "latin1", fold: false });
      const theirs = spawnSync("/usr/sbin/postmap", ["-c", root, "-fuq", "-", spec], {
        input: Buffer.from(`${bytes}\n`, "latin1"),
      });
      const ours = await table.lookup(bytes);
      const want = theirs.stdout.toString("latin1").split("\t")[1]?.slice(0, -1);
      expect([bytes, ours.is === "found" ? ours.value : undefined]).toEqual([bytes, want]);
      table.close();
    }
  });

  test("a domain list may be a database too", async () => {
    // Not one of the same type: Postfix then puts the domain's value before the result.
    const other = type === "pgsql" ? "mysql" : "pgsql";
    const domains = queryFile([...base[other], "query = SELECT d FROM v WHERE k = '%s'"]);
    await same(type, [SELECT, `domain = ${other}:${domains}`], ["a@x.org", "dot.ted@sub.x.org", "x.org"]);
    const broken = queryFile([...base[other], "query = SELECT nosuch"]);
    await same(type, [SELECT, `domain = ${other}:${broken}`], ["a@x.org", "x.org"]);
  });

  test("no key changes the statement or is lost on the way", async () => {
    const lines = ["query = SELECT '<%s>'"];
    const { table } = open(`${type}:${queryFile([...base[type], ...lines])}`, { fold: false });
    const nasty = fc.constantFrom(
      ...[
        "'",
        "''",
        '"',
        "\\",
        "\\'",
        "`",
        "$",
        "$$",
        "?",
        ":x",
        "%",
        "%s",
        "--",
        "/*",
        "*/",
        ";",
        "\n",
        "\t",
        "\x1a",
      ],
      ...[
        "é",
        "\u00bf'",
        "\u{1f600}",
        "\ufffd",
        "\u2019",
        "\uff07",
        "\u00bf\u005c",
        "縗",
        "a",
        "@",
        "x.org",
        " ",
      ],
    );
    const key = fc.array(nasty, { minLength: 1, maxLength: 12 }).map((parts) => parts.join(""));
    await fc.assert(
      fc.asyncProperty(key, async (text) => {
        expect(await table.lookup(text)).toEqual({ is: "found", value: `<${text}>` });
      }),
      { numRuns: 1500 },
    );
    expect(await table.lookup("a\0b")).toEqual({ is: "absent" });
    expect(await table.lookup("a\ud800b")).toEqual({ is: "absent" });
    expect(await table.lookup("")).toEqual({ is: "absent" });
  }, 180_000);
});

describe("pgsql", () => {
  test.concurrent.each([
    ..."i ch b n d ts f j jb u ip arr big by".split(" ").map((
      column,
    ) => [`SELECT ${column} FROM t WHERE k = '%s'`, "a@b"]),
    ...[["c = '%s'", "a@b"], ["i = '%s'", "5"], ["i = '%s'", "x"], ["i = %s", "5"], ["i = '%s'::int", "5"]],
    ...[["ch = '%s'", "abc"], ["b = '%s'", "t"], ["n = '%s'", "1.5"], ["d = '%s'", "2020-01-02"]],
    ...[["ip >> '%s'", "10.2.3.4"], ["ip >> '%s'", "x"], ["ip >> inet '%s'", "10.2.3.4"], [
      "'%s' = ANY(arr)",
      "a",
    ]],
    ...[["j->>'a' = '%s'", "2"], ["u = '%s'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], [
      "lower(k) = lower('%s')",
      "A@B",
    ]],
    ...[["k = split_part('%s', '+', 1)", "a@b+x"], ["k = concat('%s', '@b')", "a"], [
      "k = '%s' || '@b'",
      "a",
    ]],
    ...[["k ~ ('^' || '%s')", "a"], ["k IN ('%s', 'x')", "a@b"], ["'%s' LIKE k", "a@b"], [
      "k = coalesce('%s', 'x')",
      "a@b",
    ]],
    ...[["k = E'%s'", "a@b"], ["k = $$%s$$", "a@b"], ["k = /* '%s' */ '%s'", "a@b"], [
      "'%s' IS NOT NULL",
      "a@b",
    ]],
    ...[["i = '%s' AND k = '%s'", "5"], ["c = '%s' OR i = length(concat('%s', '%u'))", "a@b"]],
    ["SELECT k FROM t WHERE format('%%s', '%s') = k", "a@b"],
    ["SELECT find('%s')", "a@x.org"],
    ["SELECT nothing('%s')", "a@x.org"],
    ["VALUES ('%s'), ('x')", "a"],
    ["WITH q AS (SELECT d FROM v WHERE k = '%s') SELECT d FROM q ORDER BY d DESC;", "a@x.org"],
    ["SELECT d, d FROM v WHERE k = '%s' UNION ALL SELECT '%s', NULL", "a@x.org"],
    ["SELECT count(*) FROM v WHERE k = '%s'", "a@x.org"],
    ["INSERT INTO v VALUES ('new-%s', 'x') RETURNING k", "a"],
    ["DELETE FROM v WHERE k LIKE 'new-%%' AND '%s' <> ''", "a"],
    ["SELECT d FROM v WHERE k = '%s' FOR UPDATE", "x.org"],
    ["SELECT pg_typeof('%s' || 'x'), '%u', 1 AS \"?column?\"", "a"],
  ])("%s with %s", (text, key) => {
    const query = /^[A-Z]+ /.test(text!) ? text : `SELECT k FROM t WHERE ${text}`;
    return same("pgsql", [`query = ${query}`], [key!]);
  });

  test("select_function", () => same("pgsql", ["select_function = find"], ["a@x.org", "nosuch"]));

  test("too many rows are not read", async () => {
    const lines = ["query = SELECT i, repeat('x', 1000) FROM generate_series(1, 5000000) i WHERE '%s' <> ''"];
    const { table } = open(`pgsql:${queryFile([...base.pgsql, ...lines])}`);
    const before = process.memoryUsage().rss;
    const answer = await table.lookup("a");
    expect(answer).toMatchObject({ is: "trouble", why: expect.stringContaining("more than 10000 rows") });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });
});

describe("mysql", () => {
  const columns = "i ti si mi bi z de f db d dt dt0 tm tm2 y e bl".split(" ");
  test.concurrent.each(["a@b", "zero", "big", "small"])(
    "columns of every type, of %s",
    (key) => same("mysql", [`query = SELECT ${columns.join(", ")} FROM t WHERE k = '%s'`], [key]),
  );

  test.concurrent.each([
    ...["l", "ci", "cs", "bin"].map((column) => [`SELECT k FROM t WHERE ${column} = '%s'`, "A@b"]),
    ...["l", "ci", "cs", "bin"].map((column) => [`SELECT k FROM t WHERE ${column} = '%s'`, "a@b"]),
    ...["l", "ci", "cs"].map((column) => [`SELECT k FROM t WHERE ${column} LIKE '%u%%'`, "a@x"]),
    ["SELECT k FROM t WHERE i = '%s'", "5"],
    ["SELECT k FROM t WHERE i = %s", "5"],
    ["SELECT k FROM t WHERE dt0 = '%s'", "2020-01-02 03:04:05"],
    ['SELECT k FROM t WHERE k = "%s"', "a@b"],
    ["SELECT k FROM t WHERE ci = '%s' COLLATE utf8mb4_bin", "a@b"],
    ["SELECT k FROM t WHERE k = _utf8mb4'%s'", "a@b"],
    ["SELECT k FROM t WHERE k = LOWER('%s')", "A@B"],
    ["SELECT k FROM t WHERE k = CONCAT('%u', '@', '%d')", "a@b"],
    ["SELECT k FROM t WHERE k IN ('%s', 'x') LIMIT 1", "a@b"],
    ["SELECT k FROM t WHERE k = SUBSTRING_INDEX('%s', '+', 1)", "a@b+c"],
    ["SELECT IF('%s' = 'a', 'yes', 'no')", "a"],
    ["SELECT 1 FROM t WHERE MD5('%s') = MD5('a@b')", "a@b"],
    ["SELECT d FROM v WHERE k = '%s' UNION SELECT 'more'", "a@x.org"],
    ["SELECT 'a' '%s' \"b\"", "x"],
    ["SELECT 'a\\'%s\\\\'", "x"],
    ["CALL one('%s')", "a@x.org"],
    ["CALL one('%s')", "nosuch"],
    ["CALL none('%s')", "a@x.org"],
    ["CALL two('%s')", "a@x.org"],
    ["INSERT INTO v VALUES ('new-%s', 'x')", "a"],
    ["SELECT NOW() > '2020-01-01', @@version IS NOT NULL, '%s'", "a"],
  ])("%s with %s", (query, key) => same("mysql", [`query = ${query}`], [key!]));

  test("no result set is nothing found when require_result_set says so", () =>
    same("mysql", ["query = CALL none('%s')", "require_result_set = no"], ["a@x.org"]));

  test("too many rows are not read", async () => {
    const lines = ["query = SELECT seq, REPEAT('x', 1000) FROM seq_1_to_5000000 WHERE '%s' <> ''"];
    const { table } = open(`mysql:${queryFile([...base.mysql, ...lines])}`);
    const before = process.memoryUsage().rss;
    const answer = await table.lookup("a");
    expect(answer).toMatchObject({ is: "trouble", why: expect.stringContaining("more than 10000 rows") });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  });
});

describe("sqlite", () => {
  test.concurrent.each(["int", "float", "pi", "huge", "big", "blob", "null", "text"])(
    "the first column as text: %s",
    (key) => same("sqlite", ["query = SELECT x, k FROM t WHERE k = '%s'"], [key]),
  );
  test.concurrent.each([
    ['SELECT d FROM v WHERE k = "%s"', "a@x.org"],
    ["SELECT d FROM v WHERE k = lower('%s') ORDER BY d DESC", "A@X.org"],
    ["SELECT 5 WHERE 5 = %s", "5"],
    ["VALUES ('%s'), ('x')", "a"],
    ["WITH q AS (SELECT d FROM v WHERE k = '%s') SELECT d FROM q;", "a@x.org"],
    ["SELECT d FROM v WHERE k = '%s' -- '%d'", "a@x.org"],
  ])("%s with %s", (query, key) => same("sqlite", [`query = ${query}`], [key!]));
});
