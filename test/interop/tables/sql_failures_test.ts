// pgsql, mysql and sqlite tables when things go wrong: servers that die, hang, refuse or come back; databases that are locked,
// replaced or damaged; logins, TLS, and an environment that means ill.
import { Database as Sqlite } from "bun:sqlite";
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TableContext } from "../../../src/table/context.ts";
import { openTable } from "../../../src/table/table_types.ts";
import { SqlPools } from "../../../src/table/sql/sql_pools.ts";
import type { Answer, Table } from "../../../src/table/table.ts";
import { type Database, startMariadb, startPostgres } from "../../kit/servers/database.ts";
import { withPeers } from "../../kit/peers.ts";
import { HELD_UP, until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "root",
  "mariadb",
  "postgres",
  "sqlite3",
  "openssl",
);

const root = fs.mkdtempSync(join(tmpdir(), "sql-"));
const servers: Record<"pgsql" | "mysql", Database | undefined> = { pgsql: undefined, mysql: undefined };
const SERVERS = ["pgsql", "mysql"] as const;
type Type = typeof SERVERS[number];
const server = (type: Type): Database => servers[type]!;

beforeAll(async () => {
  fs.chmodSync(root, 0o755);
  [servers.pgsql, servers.mysql] = await Promise.all([
    startPostgres({
      settings: ["ssl=on", "ssl_cert_file=../server.pem", "ssl_key_file=../server.key"],
      access: [
        "local all postgres trust",
        "local all open trust",
        "local all scram scram-sha-256",
        "local all md5 md5",
        "local all plain password",
        "hostssl all secure 127.0.0.1/32 scram-sha-256",
        "hostnossl all unsecured 127.0.0.1/32 scram-sha-256",
        "host all open 127.0.0.1/32 trust",
      ],
    }),
    startMariadb({
      settings: ["--ssl-cert=../server.pem", "--ssl-key=../server.key", "--ssl-ca=../server.pem"],
    }),
  ]);
  server("pgsql").sql(`CREATE TABLE v (k text, d text); INSERT INTO v VALUES ('a', 'one');
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE open LOGIN; CREATE ROLE scram LOGIN PASSWORD 'pass word''"\\é';
    CREATE ROLE plain LOGIN PASSWORD 'x'; CREATE ROLE secure LOGIN PASSWORD 'x'; CREATE ROLE unsecured LOGIN PASSWORD 'x';
    SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'x'; GRANT ALL ON v TO PUBLIC;`);
  server("mysql").sql(
    `CREATE DATABASE mta; USE mta; CREATE TABLE v (k varchar(50), d text); INSERT INTO v VALUES ('a', 'one');
    CREATE USER open@localhost; CREATE USER open@127.0.0.1;
    CREATE USER native@localhost IDENTIFIED BY 'pass word''"\\\\é';
    CREATE USER secure@127.0.0.1 IDENTIFIED BY 'x' REQUIRE SSL;
    GRANT ALL ON mta.* TO open@localhost, open@127.0.0.1, native@localhost, secure@127.0.0.1;`,
  );
}, 180_000);

const closing: { close(): void }[] = [];
afterAll(async () => {
  for (const each of closing) each.close();
  await Promise.all(SERVERS.map((type) => servers[type]?.stop()));
  fs.rmSync(root, { recursive: true, force: true });
});

let files = 0;

interface Opened {
  readonly table: Table;
  readonly warnings: string[];
  /** Moves the table's clock on. */
  later(milliseconds: number): void;
}

function open(type: string, lines: readonly string[], more: Partial<TableContext> = {}): Opened {
  const path = join(root, `q${files++}.cf`);
  fs.writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  const warnings: string[] = [];
  let ahead = 0;
  const table = openTable(`${type}:${path}`, {
    directory: root,
    parameter: () => undefined,
    warn: (text) => void warnings.push(text.replaceAll(path, "FILE")),
    clock: () => Date.now() + ahead,
    ...more,
  });
  closing.push(table);
  return { table, warnings, later: (milliseconds) => void (ahead += milliseconds) };
}

const place = (type: Type) => `unix:${server(type).socket}`;
const dbname = (type: Type) => `dbname = ${type === "pgsql" ? "postgres" : "mta"}`;
const SELECT = "query = SELECT d FROM v WHERE k = '%s'";
const lines = (type: Type, more: readonly string[] = []) => [
  ...more.some((line) => line.startsWith("hosts")) ? [] : [
    type === "pgsql" ? `hosts = 127.0.0.1:${server(type).port}` : `hosts = ${place(type)}`,
  ],
  ...more.some((line) => line.startsWith("user")) ? [] : ["user = open"],
  dbname(type),
  ...more.some((line) => line.startsWith("query")) ? [] : [SELECT],
  ...more,
];

const why = (answer: Answer) => answer.is === "trouble" ? answer.why : answer.is;
const FOUND: Answer = { is: "found", value: "one" };

async function timed(table: Table, key: string): Promise<{ answer: Answer; milliseconds: number }> {
  const start = performance.now();
  const answer = await table.lookup(key);
  return { answer, milliseconds: performance.now() - start };
}

/** An answer for which nobody is asked: it is there before the next turn of the event loop. */
function atOnce(table: Table, key: string): Promise<Answer | "later"> {
  const turn = new Promise<"later">((done) => setImmediate(() => done("later")));
  return Promise.race([Promise.resolve(table.lookup(key)), turn]);
}

/** A server that takes connections and says nothing. */
async function silentServer(): Promise<{ readonly port: number; readonly server: Server }> {
  const silent = createServer((socket) => void socket.on("error", () => {}));
  await new Promise<void>((ready) => silent.listen(0, "127.0.0.1", ready));
  const address = silent.address();
  closing.push(silent);
  return { server: silent, port: typeof address === "object" ? address!.port : 0 };
}

const SLEEP = {
  pgsql: "SELECT 'x' FROM pg_sleep(10) WHERE '%s' = 'slow' OR true",
  mysql: "SELECT SLEEP('%u'), '%d'",
};

describe.each([...SERVERS])("a %s server", (type) => {
  test(
    "that is killed is trouble with the reason, at once while it is left alone, and found again when it is back",
    async () => {
      const { table, warnings, later } = open(type, lines(type));
      expect(await table.lookup("a")).toEqual(FOUND);
      await server(type).kill();
      const first = await timed(table, "a");
      expect(why(first.answer)).toMatch(/^table (pgsql|mysql):\S+ lookup error: .*(closed|connect|refused)/i);
      expect(first.milliseconds).toBeLessThan(HELD_UP);
      expect(await atOnce(table, "a")).toMatchObject({ is: "trouble" });
      expect(warnings.filter((text) => text.includes("server"))).toHaveLength(1);
      await server(type).start();
      later(1000);
      expect(await table.lookup("a")).toEqual(FOUND);
      expect(warnings[warnings.length - 1]).toEndWith("answers again");
    },
    20_000,
  );

  test("that was restarted between two lookups is no trouble at all", async () => {
    const { table, warnings } = open(type, lines(type));
    expect(await Promise.all(["a", "b", "c"].map((key) => table.lookup(key)))).toEqual([FOUND, {
      is: "absent",
    }, { is: "absent" }]);
    await server(type).kill();
    await server(type).start();
    const keys = Array.from({ length: 20 }, (_, at) => at === 7 ? "a" : `k${at}`);
    const answers = await Promise.all(keys.map((key) => table.lookup(key)));
    expect(answers.map(({ is }) => is)).toEqual(keys.map((key) => key === "a" ? "found" : "absent"));
    expect(warnings).toEqual([]);
  }, 180_000);

  test("that hangs is given up at its time, and works again afterwards", async () => {
    const { table, later } = open(type, lines(type, ["timeout = 1"]));
    expect(await table.lookup("a")).toEqual(FOUND);
    server(type).freeze(true);
    try {
      const { answer, milliseconds } = await timed(table, "b");
      expect(answer.is).toBe("trouble");
      expect(milliseconds).toBeLessThan(HELD_UP);
      expect(await atOnce(table, "c")).toMatchObject({ is: "trouble" });
    } finally {
      server(type).freeze(false);
    }
    later(1000);
    expect(await table.lookup("a")).toEqual(FOUND);
  }, 180_000);

  test("that takes connections and says nothing is given up, and the next one is asked", async () => {
    const { port } = await silentServer();
    const { table } = open(type, lines(type, [`hosts = 127.0.0.1:${port}`, "timeout = 1"]));
    const { answer, milliseconds } = await timed(table, "a");
    expect(answer.is).toBe("trouble");
    expect(milliseconds).toBeLessThan(HELD_UP);
    const two = open(
      type,
      lines(
        type,
        [`hosts = 127.0.0.1:${port} ${place(type)}`, "timeout = 1"].map((line) =>
          type === "pgsql" ? line.replace(place(type), `127.0.0.1:${server(type).port}`) : line
        ),
      ),
    );
    const answers: Answer[] = [];
    for (const key of ["a", "a", "a"]) answers.push(await two.table.lookup(key));
    expect(answers).toEqual([FOUND, FOUND, FOUND]);
  }, 180_000);

  test("is told to stop a statement that takes too long; others go on meanwhile", async () => {
    const { table } = open(type, lines(type, [`query = ${SLEEP[type]}`, "timeout = 1"]));
    const slow = timed(table, type === "pgsql" ? "slow" : "10@x");
    const { answer, milliseconds } = await slow;
    expect(answer.is).toBe("trouble");
    expect(milliseconds).toBeLessThan(HELD_UP);
    const other = open(type, lines(type));
    expect(await other.table.lookup("a")).toEqual(FOUND);
    const check = type === "pgsql"
      ? "query = SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep%%' AND state = 'active'" +
        " AND pid <> pg_backend_pid() AND '%s' <> ''"
      : "query = SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%%' AND '%s' <> ''";
    const admin = type === "pgsql" ? "user = postgres" : "user = root";
    const running = open(type, lines(type, [admin, check, `hosts = ${place(type)}`]));
    const left = async () => JSON.stringify(await running.table.lookup("a"));
    await until("the statement is gone", async () => (await left()).includes('"0"'));
  }, 180_000);

  test("that refuses the login is trouble with the reason, without the password", async () => {
    const { table, warnings } = open(type, lines(type, ["user = nobody", "password = hush-hush"]));
    expect(why(await table.lookup("a"))).toMatch(
      /role "nobody" does not exist|pg_hba|Access denied for user 'nobody'/,
    );
    expect(JSON.stringify(warnings)).not.toContain("hush");
  });

  test("is asked by some connections at a time only, and identical lookups once", async () => {
    const query = type === "pgsql"
      ? "query = SELECT pg_backend_pid() FROM pg_sleep(0.02) WHERE '%s' <> ''"
      : "query = SELECT CONNECTION_ID(), SLEEP(0.02) FROM DUAL WHERE '%s' <> ''";
    const { table } = open(type, lines(type, [query]));
    const answers = await Promise.all(Array.from({ length: 100 }, (_, at) => table.lookup(`k${at}`)));
    const processes = new Set(answers.map((answer) => answer.is === "found" ? answer.value : why(answer)));
    expect(processes.size).toBeLessThanOrEqual(8);
    const same = await Promise.all(Array.from({ length: 50 }, () => timed(table, "same")));
    expect(Math.max(...same.map(({ milliseconds }) => milliseconds))).toBeLessThan(HELD_UP);
    expect(new Set(same.map(({ answer }) => answer)).size).toBe(1);
  });

  test("has one set of connections for all tables of a process", async () => {
    const query = type === "pgsql"
      ? "query = SELECT pg_backend_pid() FROM pg_sleep(0.02) WHERE '%s' <> ''"
      : "query = SELECT CONNECTION_ID(), SLEEP(0.02) FROM DUAL WHERE '%s' <> ''";
    const sqlPools = new SqlPools();
    const tables = Array.from({ length: 5 }, () => open(type, lines(type, [query]), { sqlPools }).table);
    const answers = await Promise.all(
      tables.flatMap((table) => Array.from({ length: 10 }, (_, at) => table.lookup(`k${at}`))),
    );
    const processes = new Set(answers.map((answer) => answer.is === "found" ? answer.value : why(answer)));
    expect(processes.size).toBeLessThanOrEqual(8);
    for (const table of tables.slice(1)) table.close();
    expect((await tables[0]!.lookup("still")).is).toBe("found");
  });

  test("cannot be chosen by the environment", () => {
    const script = `
      import { openTable } from ${JSON.stringify(join(import.meta.dir, "../../../src/table/table_types.ts"))};
      const table = openTable(${JSON.stringify(`${type}:${join(root, "environment.cf")}`)},
        { directory: "", parameter: () => undefined, warn: () => {}, clock: Date.now });
      console.log(JSON.stringify(await table.lookup("a")));
      process.exit(0);`;
    fs.writeFileSync(join(root, "environment.cf"), lines(type).map((line) => `${line}\n`).join(""));
    const evil = "postgres://evil:evil@127.0.0.1:1/evil?sslmode=verify-full";
    const names = [
      ..."HOST PORT USER PASSWORD DATABASE SSLMODE SERVICE OPTIONS CLIENTENCODING CHANNELBINDING".split(" "),
    ];
    const env: Record<string, string> = {
      PATH: process.env.PATH ?? "",
      DATABASE_URL: type === "pgsql" ? evil : evil.replace("postgres", "mysql"),
      POSTGRES_URL: evil,
      PGURL: evil,
      PG_URL: evil,
      MYSQL_URL: evil.replace("postgres", "mysql"),
      TLS_DATABASE_URL: evil,
      TLS_POSTGRES_DATABASE_URL: evil,
      TLS_MYSQL_DATABASE_URL: evil.replace("postgres", "mysql"),
      NODE_TLS_REJECT_UNAUTHORIZED: "0",
    };
    for (const name of names) {
      for (const prefix of ["PG", "POSTGRES_", "MYSQL_", "MARIADB_"]) {
        env[prefix + name] = ({ PORT: "1", SSLMODE: "verify-full", CHANNELBINDING: "require" })[name] ??
          "evil";
      }
    }
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", script], { env, encoding: "utf8" });
    expect([stdout.trim(), stderr]).toEqual([JSON.stringify(FOUND), ""]);
  });
});

describe("logins to pgsql", () => {
  const unix = () => `hosts = unix:${server("pgsql").socket}`;
  const tcp = () => `127.0.0.1:${server("pgsql").port}`;
  const ask = async (...more: string[]) => why(await open("pgsql", lines("pgsql", more)).table.lookup("a"));

  test.each(["scram", "md5", "plain"])("%s over the socket", async (user) => {
    const password = user === "scram" ? `password = pass word'"\\é` : "password = x";
    expect(await ask(unix(), `user = ${user}`, password)).toBe("found");
    expect(await ask(unix(), `user = ${user}`, "password = wrong")).toMatch(/password authentication failed/);
    expect(await ask(unix(), `user = ${user}`)).toMatch(/password|authentication/i);
  });

  test("TLS is used where the server has it, and done without where it wants none", async () => {
    expect(await ask(`hosts = ${tcp()}`, "user = secure", "password = x")).toBe("found");
    expect(await ask(`hosts = ${tcp()}`, "user = unsecured", "password = x")).toBe("found");
  });

  test("connection URIs", async () => {
    const ca = server("pgsql").certificate;
    const port = server("pgsql").port;
    const rows: readonly (readonly [uri: string, want: string | RegExp])[] = [
      [`postgresql://open@127.0.0.1:${port}/postgres`, "found"],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?sslmode=require`, "found"],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?sslmode=disable`, /pg_hba|encryption/],
      [`postgres://unsecured:x@127.0.0.1:${port}/postgres?sslmode=disable`, "found"],
      [`postgres://unsecured:x@127.0.0.1:${port}/postgres?sslmode=allow`, "found"],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?sslmode=allow`, "found"],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?sslmode=verify-full&sslrootcert=${ca}`, "found"],
      [`postgres://secure:x@localhost:${port}/postgres?sslmode=verify-full&sslrootcert=${ca}`, "found"],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?sslmode=verify-full`, /certificate|self.signed/i],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?sslmode=verify-ca&sslrootcert=${ca}`, "found"],
      [`postgres://open@${encodeURIComponent(server("pgsql").socket)}/postgres`, "found"],
      [`postgres:///postgres?host=${server("pgsql").socket}&user=open`, "found"],
      [`postgresql://open@/postgres?host=127.0.0.1%2C127.0.0.1&port=1%2C${port}`, "found"],
      [`postgres://open@127.0.0.1:${port}/postgres?application_name=mta`, "found"],
      [
        `postgres://open@127.0.0.1:${port}/postgres?sslmode=maybe`,
        /line 1: connection URI: invalid sslmode value/,
      ],
      [
        `postgres://open@127.0.0.1:${port}/postgres?what=1`,
        /line 1: connection URI: parameter "what" is not known/,
      ],
      [`postgres://open@127.0.0.1:${port}/postgres?target_session_attrs=read-write`, /cannot be honoured/],
      [`postgres://open@127.0.0.1:${port}/postgres?gssencmode=prefer`, "found"],
      [
        `postgres://open@127.0.0.1:${port}/postgres?gssencmode=require`,
        /gssencmode=require cannot be honoured/,
      ],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?ssl=true`, "found"],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?ssl=false`, /ssl=false cannot be honoured/],
      [`postgres://secure:x@127.0.0.1:${port}/postgres?sslrootcert=system`, /certificate|self.signed/i],
      [
        `postgres://secure:x@127.0.0.1:${port}/postgres?sslrootcert=system&sslmode=require`,
        /weak sslmode "require" may not be used with sslrootcert=system/,
      ],
      [`postgres://open@127.0.0.1:99999/postgres`, /invalid port number/],
      [`postgres://open:%zz@127.0.0.1:${port}/postgres`, /invalid percent-encoded token/],
    ];
    for (const [uri, want] of rows) {
      const answer = why(await open("pgsql", [`hosts = ${uri}`, SELECT]).table.lookup("a"));
      if (typeof want === "string") expect([uri, answer]).toEqual([uri, want]);
      else expect([uri, want.test(answer) ? true : answer]).toEqual([uri, true]);
    }
  });

  test("parameters of a connection URI that have no effect are named", async () => {
    const { port } = server("pgsql");
    const uri = `postgres://open:secret@127.0.0.1:${port}/postgres?connect_timeout=2&keepalives=1`;
    const { table, warnings } = open("pgsql", [`hosts = ${uri}`, SELECT]);
    expect(why(await table.lookup("a"))).toBe("found");
    expect(warnings).toEqual([
      "FILE, line 1: connection URI: connect_timeout has no effect here",
      "FILE, line 1: connection URI: keepalives has no effect here",
    ]);
  });

  test("a host without dbname, and odd hosts", async () => {
    const refused = async (...more: string[]) =>
      why(await open("pgsql", [...more, SELECT]).table.lookup("a"));
    expect(await refused("hosts = localhost")).toMatch(/host target 'localhost' requires dbname setting/);
    expect(await refused("hosts = localhost:none", "dbname = x")).toMatch(
      /line 1: host or service .* not found/,
    );
    expect(await refused("hosts = [::1", "dbname = x")).toMatch(/q\d+\.cf.*:/);
    expect(await ask(`hosts = inet:${tcp()} ${tcp()}, localhost:${server("pgsql").port}`)).toBe("found");
  });

  test("another encoding", async () => {
    server("pgsql").sql("INSERT INTO v VALUES ('latin', 'é')");
    const { table } = open("pgsql", lines("pgsql", ["encoding = LATIN1"]));
    expect(await table.lookup("latin")).toMatchObject({
      retry: false,
      why: expect.stringMatching(/key "latin": non-UTF-8 value/),
    });
    expect(await ask("encoding = nonsense")).toMatch(/invalid value for parameter "client_encoding"/);
  });
});

describe("logins to mysql", () => {
  const unix = () => `hosts = unix:${server("mysql").socket}`;
  const tcp = () => `hosts = 127.0.0.1:${server("mysql").port}`;
  const ask = async (...more: string[]) => why(await open("mysql", lines("mysql", more)).table.lookup("a"));

  test("a password", async () => {
    expect(await ask(unix(), "user = native", `password = pass word'"\\é`)).toBe("found");
    expect(await ask(unix(), "user = native", "password = wrong")).toMatch(/Access denied for user 'native'/);
  });

  test("TLS is used when an attribute asks for it, and verified when that is asked", async () => {
    const ca = `tls_CAfile = ${server("mysql").certificate}`;
    const login = [tcp(), "user = secure", "password = x"];
    expect(await ask(...login)).toMatch(/Access denied/);
    expect(await ask(...login, ca)).toBe("found");
    expect(await ask(...login, ca, "tls_verify_cert = yes")).toBe("found");
    expect(await ask(...login, "tls_verify_cert = yes")).toMatch(/certificate|self.signed/i);
    expect(await ask(...login, "tls_CAfile = /nosuch.pem")).toMatch(
      /line \d: cannot read the tls_CAfile: No such file/,
    );
    expect(await ask(...login, "tls_verify_cert = maybe")).toMatch(/bad boolean configuration/);
    const local = open("mysql", [unix(), "user = open", "dbname = mta", SELECT, ca]);
    expect(why(await local.table.lookup("a"))).toBe("found");
    expect(local.warnings).toEqual(["FILE, line 5: tls_CAfile has no effect over a unix socket"]);
  });

  test("option files", async () => {
    const file = join(root, "my.cnf");
    fs.mkdirSync(join(root, "conf.d"));
    fs.writeFileSync(
      join(root, "conf.d/a.cnf"),
      `[client]\nsocket = "${server("mysql").socket}" # a comment\n`,
    );
    fs.writeFileSync(
      file,
      `[mysqld]\nuser = wrong\n[client]\nuser = wrong\n[mail]\nuser=native\npassword='pass word\\'"\\\\é'\n` +
        `default_character_set = utf8\nssl_mode = VERIFY_CA\nloose-compress\n!includedir ${root}/conf.d\n`,
    );
    const attributes = [`option_file = ${file}`, "option_group = mail", "dbname = mta", SELECT];
    const { table, warnings } = open("mysql", attributes);
    expect(why(await table.lookup("a"))).toBe("found");
    expect(warnings).toEqual([`${file}, line 9: the client option ssl-mode has no effect here`]);
    const none = ["option_group =", "dbname = mta", SELECT, tcp(), "user = open"];
    expect(why(await open("mysql", none).table.lookup("a"))).toBe("found");
    expect(why(await open("mysql", ["option_file = /nosuch", "dbname = x", SELECT]).table.lookup("a")))
      .toMatch(/line 1: open \/nosuch: No such file or directory/);
  });

  test("charsets", async () => {
    expect(await ask(unix(), "charset = latin1")).toBe("found");
    expect(await ask(unix(), "charset = nonsense")).toMatch(/Unknown character set/);
    expect(await ask(unix(), "charset = x; DROP")).toMatch(/bad character set/);
  });
});

describe("an sqlite database", () => {
  const file = join(root, "v.db");
  const attributes = [`dbpath = ${file}`, SELECT];
  const make = (path: string, value: string, settings: string = "") => {
    fs.rmSync(path, { force: true });
    const database = new Sqlite(path);
    database.run(`${settings} CREATE TABLE v (k TEXT PRIMARY KEY, d TEXT)`);
    database.run("INSERT INTO v VALUES ('a', ?)", [value]);
    return database;
  };

  test("that changes or is replaced is seen within a second", async () => {
    const writer = make(file, "one");
    const { table, later } = open("sqlite", attributes);
    expect(table.lookup("a")).toEqual(FOUND);
    writer.run("UPDATE v SET d = 'two'");
    expect(table.lookup("a")).toEqual({ is: "found", value: "two" });
    writer.close();
    make(`${file}.new`, "three").close();
    fs.renameSync(`${file}.new`, file);
    later(1000);
    expect(table.lookup("a")).toEqual({ is: "found", value: "three" });
    fs.rmSync(file);
    later(1000);
    expect(why(await table.lookup("a"))).toMatch(/open database .*: unable to open database file/);
    make(file, "four").close();
    later(1000);
    expect(table.lookup("a")).toEqual({ is: "found", value: "four" });
  });

  test("that is locked is waited for without stopping the loop, then it is trouble", async () => {
    const writer = make(file, "one");
    const { table } = open("sqlite", attributes);
    writer.run("BEGIN EXCLUSIVE");
    const answer = table.lookup("a");
    expect(answer).toBeInstanceOf(Promise);
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    await until("turns of the loop", () => turns > 5);
    clearInterval(timer);
    writer.run("COMMIT");
    expect(await answer).toEqual(FOUND);
    writer.run("BEGIN EXCLUSIVE");
    expect(why(await table.lookup("a"))).toMatch(/lookup error: database is locked/);
    writer.run("COMMIT");
    expect(table.lookup("a")).toEqual(FOUND);
    writer.close();
  });

  test("with a write-ahead log is read too", () => {
    const writer = make(file, "one", "PRAGMA journal_mode = WAL;");
    const { table } = open("sqlite", attributes);
    expect(table.lookup("a")).toEqual(FOUND);
    writer.run("UPDATE v SET d = 'two'");
    expect(table.lookup("a")).toEqual({ is: "found", value: "two" });
    writer.close();
  });

  test("that is damaged is trouble or answers, but never ends the process or hangs", async () => {
    const writer = make(file, "one");
    const insert = writer.prepare("INSERT INTO v VALUES (?, ?)");
    writer.transaction(() => {
      for (let at = 0; at < 3000; at++) insert.run(`k${at}`, "x".repeat(at % 50));
    })();
    writer.close();
    const good = fs.readFileSync(file);
    let seed = 12345;
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
    let troubles = 0;
    for (let round = 0; round < 300; round++) {
      const bad = Buffer.from(good);
      for (let at = 0; at <= random(40); at++) bad[random(round % 3 === 0 ? 100 : bad.length)] = random(256);
      const copy = join(root, `damaged-${round}.db`);
      fs.writeFileSync(copy, round % 5 === 0 ? bad.subarray(0, random(bad.length)) : bad);
      const { table } = open("sqlite", [`dbpath = ${copy}`, SELECT]);
      for (const key of ["a", "k7", "k2999", "nosuch"]) {
        if ((await table.lookup(key)).is === "trouble") troubles++;
      }
      table.close();
      fs.rmSync(copy);
    }
    expect(troubles).toBeGreaterThan(50);
  }, 180_000);

  test("refuses what is no single SELECT, and a query without a file", async () => {
    const refused = async (...more: string[]) => why(await open("sqlite", more).table.lookup("a"));
    expect(await refused(`dbpath = ${file}`, "query = DELETE FROM v WHERE k = '%s'")).toMatch(
      /line 2: expected one SELECT/,
    );
    expect(await refused(`dbpath = ${file}`, "query = SELECT 1; SELECT '%s'")).toMatch(
      /line 2: expected one SELECT/,
    );
    expect(await refused(SELECT)).toMatch(/dbpath is not set/);
  });
});
