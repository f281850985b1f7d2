// How an ldap table gets on with its server: TLS and certificates, SASL, servers that die, hang and come back.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, testContext } from "../../../src/table/_test_context.ts";
import { openTable } from "../../../src/table/table_types.ts";
import type { Answer, Table } from "../../../src/table/table.ts";
import { DIRECTORY } from "../../kit/servers/ldap_directory.ts";
import { ADMIN, ADMIN_PASSWORD, type Slapd, startSlapd, SUFFIX } from "../../kit/servers/slapd.ts";
import { withPeers } from "../../kit/peers.ts";
import { startWatch, until, untilNextTick } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "root",
  "postfix",
  "postfix-ldap",
  "slapd",
  "openssl",
  "ip", // and ss
);

let slapd: Slapd;
let stranger: Slapd;
let root = "";
let files = 0;

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), "ldap-"));
  slapd = await startSlapd({
    ldif: DIRECTORY,
    tls: true,
    config: [
      `authz-regexp "gidNumber=.*,cn=peercred,cn=external,cn=auth" "cn=ann,ou=people,${SUFFIX}"`,
      `authz-regexp "cn=postfix client" "cn=ann,ou=people,${SUFFIX}"`,
    ],
    database: [
      `access to dn.subtree="ou=groups,${SUFFIX}" by dn="cn=ann,ou=people,${SUFFIX}" read by * none`,
      "access to * by * read",
    ],
  });
  stranger = await startSlapd({ ldif: DIRECTORY, tls: true, names: "DNS:elsewhere.example" });
});
afterAll(async () => {
  await slapd?.stop();
  await stranger?.stop();
  fs.rmSync(root, { recursive: true });
});

const MAIL = "query_filter = (mail=%s)";

function open(lines: readonly string[]): { readonly table: Table; readonly context: TestContext } {
  const path = join(root, `table${++files}.cf`);
  fs.writeFileSync(path, [`search_base = ${SUFFIX}`, MAIL, ...lines, ""].join("\n"));
  const context = testContext({ clock: Date.now });
  return { table: openTable(`ldap:${path}`, context), context };
}

const said = (answer: Answer) =>
  answer.is === "found" ? answer.value : answer.is === "trouble" ? answer.why : "absent";

/** The answer to one lookup of `bob@example.org`, or of another key. */
async function ask(lines: readonly string[], key = "bob@example.org"): Promise<string> {
  const { table } = open(lines);
  const answer = await table.lookup(key);
  table.close();
  return said(answer);
}

describe("TLS", () => {
  const modes = () => ({
    ldaps: [`server_host = ${slapd.ldaps}`],
    STARTTLS: [`server_host = ldap://localhost:${slapd.port}`, "start_tls = yes"],
  });

  test.each(["ldaps", "STARTTLS"] as const)("%s with the right CA, by file and by folder", async (mode) => {
    const lines = [...modes()[mode], "tls_require_cert = yes"];
    expect(await ask([...lines, `tls_ca_cert_file = ${slapd.ca}`])).toBe("bob");
    expect(await ask([...lines, `tls_ca_cert_dir = ${slapd.caDirectory}`])).toBe("bob");
    expect(
      await ask([
        ...lines,
        `tls_ca_cert_file = ${slapd.ca}`,
        "tls_cipher_suite = ECDHE-ECDSA-AES128-GCM-SHA256",
      ]),
    )
      .toBe("bob");
  });

  test.each(["ldaps", "STARTTLS"] as const)(
    "%s with a wrong CA is trouble, unless nobody asks",
    async (mode) => {
      const lines = modes()[mode];
      for (
        const ca of [[`tls_ca_cert_file = ${stranger.ca}`], [`tls_ca_cert_dir = ${stranger.caDirectory}`], []]
      ) {
        expect(await ask([...lines, ...ca, "tls_require_cert = yes"])).toMatch(
          /Unable to connect to server .*certificate/,
        );
        expect(await ask([...lines, ...ca])).toBe("bob");
      }
    },
  );

  test("a certificate for another name is trouble; one for the address is not", async () => {
    const lines = ["start_tls = yes", "tls_require_cert = yes", `tls_ca_cert_file = ${slapd.ca}`];
    expect(await ask([`server_host = ${slapd.url}`, ...lines])).toBe("bob");
    const theirs = ["tls_require_cert = yes", `tls_ca_cert_file = ${stranger.ca}`];
    for (const host of [stranger.ldaps, stranger.ldaps.replace("localhost", "127.0.0.1")]) {
      expect(await ask([`server_host = ${host}`, `tls_ca_cert_file = ${stranger.ca}`])).toBe("bob");
      expect(await ask([`server_host = ${host}`, ...theirs])).toMatch(
        /Unable to connect .*(?:altnames|cert's)/,
      );
    }
  });

  test("a certificate file that is missing is trouble that names attribute and file", async () => {
    for (const attribute of ["tls_ca_cert_file", "tls_ca_cert_dir", "tls_cert"]) {
      const lines = [...modes().ldaps, `${attribute} = /nowhere/x.pem`];
      expect(await ask(lines)).toContain(`${attribute} /nowhere/x.pem: No such file or directory`);
    }
  });

  test("a server without STARTTLS is trouble, and nothing is asked in the clear", async () => {
    const plain = await startSlapd({ ldif: DIRECTORY });
    const lines = [
      `server_host = ${plain.url}`,
      "start_tls = yes",
      `bind_dn = ${ADMIN}`,
      `bind_pw = ${ADMIN_PASSWORD}`,
    ];
    expect(await ask(lines)).toMatch(
      /Unable to set STARTTLS: 2: Protocol error: unsupported extended operation/,
    );
    await plain.stop();
  });

  test("a certificate of ours is shown, and is who we are with SASL EXTERNAL", async () => {
    const lines = [...modes().ldaps, "result_attribute = mail", "bind = sasl", "sasl_mechs = EXTERNAL"];
    const ours = [`tls_cert = ${slapd.clientCertificate}`, `tls_key = ${slapd.clientKey}`];
    expect(await ask([...lines, ...ours], "staff@example.org")).toBe("staff@example.org");
    expect(await ask(lines, "staff@example.org")).toMatch(/Unable to bind .*: (?:7|48|49) \(/);
  });
});

describe("SASL", () => {
  test("EXTERNAL over the unix socket is the user of the process, as in Postfix", async () => {
    const lines = [
      `server_host = ${slapd.ldapi}`,
      "result_attribute = mail",
      "bind = sasl",
      "sasl_mechs = EXTERNAL",
    ];
    expect(await ask(lines, "staff@example.org")).toBe("staff@example.org");
    expect(await ask([`server_host = ${slapd.ldapi}`, "result_attribute = mail"], "staff@example.org")).toBe(
      "absent",
    );
    const etc = fs.mkdtempSync(join(root, "etc"));
    for (
      const [name, text] of [["main.cf", "myhostname = mta.example.com"], [
        "t.cf",
        [`search_base = ${SUFFIX}`, MAIL, ...lines].join("\n"),
      ]]
    ) {
      fs.writeFileSync(join(etc, name!), `${text}\n`);
      fs.utimesSync(join(etc, name!), 1_600_000_000, 1_600_000_000);
    }
    const theirs = spawnSync("/usr/sbin/postmap", ["-c", etc, "-q", "staff@example.org", `ldap:${etc}/t.cf`]);
    expect(theirs.stdout.toString()).toBe("staff@example.org\n");
  });

  test.each([
    ["sasl_mechs is not set", []],
    ["none of GSSAPI, DIGEST-MD5 is supported", ["sasl_mechs = GSSAPI DIGEST-MD5"]],
    ["PLAIN needs ldaps, start_tls or ldapi", ["sasl_mechs = PLAIN", "bind_dn = x", "bind_pw = y"]],
    ["sasl_minssf needs ldaps", ["sasl_mechs = EXTERNAL", "sasl_minssf = 56"]],
  ])("%s: trouble, said when the table is opened", async (why, lines) => {
    const { table, context } = open([`server_host = ${slapd.url}`, "bind = sasl", ...lines]);
    expect(said(await table.lookup("bob@example.org"))).toContain(why);
    expect(context.warnings.join("\n")).toContain(why);
  });
});

test("keys and values of bytes, where SMTPUTF8 is off", async () => {
  const path = join(root, "bytes.cf");
  fs.writeFileSync(path, `server_host = ${slapd.url}\nsearch_base = ${SUFFIX}\nresult_format = %s for %S\n`);
  const table = openTable(`ldap:${path}`, testContext({ clock: Date.now, encoding: "latin1" }));
  const bytes = (text: string) => Buffer.from(text).toString("latin1");
  const answer = await table.lookup(bytes("jörg@bücher.example"));
  expect(said(answer)).toBe(bytes("jörg@höst.example for jörg@bücher.example"));
  expect((await table.lookup("j\xf6rg@b\xfccher.example")).is).toBe("absent");
  table.close();
});

describe("settings that cannot be honoured", () => {
  test.each([
    ["bind = perhaps", "unsupported parameter value: bind = perhaps"],
    ["bind_dn = cn=x", "bind_dn without bind_pw"],
    ["server_host = ldap://[bad", "error parsing URL"],
    ["server_port = 0", "invalid server_port parameter value"],
    ["timeout = 0", "invalid timeout parameter value 0 < 1"],
    ["recursion_limit = 0", "invalid recursion_limit parameter value 0 < 1"],
    ["query_filter = (mail=%x)", "Invalid query template: (mail=%x); write %% for a percent sign"],
    ["result_format = %q", "Invalid result template: %q; write %% for a percent sign"],
    ["search_base = dc=%z", "Invalid query template: dc=%z; write %% for a percent sign"],
    ["start_tls = perhaps", "bad boolean configuration: start_tls = perhaps"],
    ["tls_cipher_suite = SECURE256:+NONSENSE", "is no OpenSSL cipher list"],
    ["tls_key = /x", "tls_key needs tls_cert"],
  ])("%s is trouble, with file and line", async (line, why) => {
    const { table, context } = open([line]);
    const answer = await table.lookup("bob@example.org");
    expect(answer.is).toBe("trouble");
    expect(said(answer)).toContain(why);
    expect(context.warnings.join("\n")).toMatch(/table\d+\.cf, line [0-9]+: /);
  });

  test.each([
    ["version = 2", "LDAP version 2 is not spoken"],
    ["debuglevel = 1", "debuglevel has no effect"],
    ["tls_random_file = /dev/urandom", "tls_random_file has no effect"],
    ["cache = yes", "ignoring cache"],
    ["sasl_realm = X", "sasl_realm has no effect"],
    ["tls_require_cert = yes", "tls_require_cert has no effect without start_tls = yes or ldaps://"],
    ["scope = tree", "Unrecognized value tree specified for scope; using sub"],
    ["dereference = 7", "Unrecognized value 7 specified for dereference; using 0"],
    ["result_attribute =", "nothing will ever be found"],
    [
      "tls_require_certs = yes",
      'unknown attribute "tls_require_certs" is ignored; did you mean "tls_require_cert"?',
    ],
  ])("%s earns a warning", (line, warning) => {
    const { table, context } = open([line]);
    table.close();
    expect(context.warnings.join("\n")).toContain(warning);
  });
});

describe("a server", () => {
  const lines = () => [`server_host = ${slapd.url}`, "timeout = 2"];

  test("is asked many things at a time over one connection", async () => {
    const { table } = open(lines());
    await table.lookup("bob@example.org");
    const count = () =>
      spawnSync("ss", ["-tnH", "state", "established", `dport = :${slapd.port}`], { encoding: "utf8" });
    const keys = Array.from(
      { length: 500 },
      (_, at) => at % 2 === 0 ? "bob@example.org" : `no${at}@example.org`,
    );
    const answers = keys.map((key) => table.lookup(key));
    expect(count().stdout.trim().split("\n").length).toBe(1);
    expect((await Promise.all(answers)).map(said)).toEqual(
      keys.map((key) => key.startsWith("bob") ? "bob" : "absent"),
    );
    table.close();
  });

  test("that is started again is asked again, by the first lookup after", async () => {
    const { table, context } = open(lines());
    expect(said(await table.lookup("bob@example.org"))).toBe("bob");
    await slapd.kill();
    await slapd.start();
    expect(said(await table.lookup("bob@example.org"))).toBe("bob");
    expect(context.warnings).toEqual([]);
    table.close();
  });

  test("that is dead is trouble; then at once, without a try; and recovers by itself", async () => {
    const { table, context } = open(lines());
    await slapd.kill();
    const first = await table.lookup("bob@example.org");
    expect(said(first)).toMatch(/lookup error: .*Can't contact LDAP server\): Connection refused$/);
    const heldUp = startWatch();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, at) => table.lookup(`x${at}@example.org`)),
    );
    expect(new Set(answers.map(({ is }) => is))).toEqual(new Set(["trouble"]));
    expect(heldUp()).toBe(false);
    expect(context.warnings.length).toBe(1);
    await slapd.start();
    await until("it answers again", async () => said(await table.lookup("bob@example.org")) === "bob");
    expect(context.warnings.at(-1)).toContain("answers again");
    table.close();
  });

  test("that dies in the middle of a lookup is trouble, and of no more than a moment", async () => {
    const { table } = open(lines());
    await table.lookup("bob@example.org");
    await slapd.freeze(true);
    const answer = table.lookup("ann@example.org");
    await untilNextTick(20); // a frozen server does not show that it was asked
    const heldUp = startWatch();
    await slapd.kill();
    expect((await answer).is).toBe("trouble");
    expect(heldUp()).toBe(false);
    await slapd.start();
    table.close();
  });

  test("that hangs is trouble after the time-out, then at once; another is asked if there is one", async () => {
    const hanging = await hangingServer();
    const { table } = open([`server_host = ldap://127.0.0.1:${hanging.port}`, "timeout = 1"]);
    const started = performance.now();
    expect(said(await table.lookup("bob@example.org"))).toMatch(/-5 \(Timed out\)/);
    const took = performance.now() - started;
    expect(took).toBeGreaterThan(900);
    expect(said(await table.lookup("ann@example.org"))).toMatch(/-5 \(Timed out\)/);
    table.close();
    const both = open([`server_host = ldap://127.0.0.1:${hanging.port} ${slapd.url}`, "timeout = 1"]);
    expect(said(await both.table.lookup("bob@example.org"))).toBe("bob");
    expect(said(await both.table.lookup("bob@example.org"))).toBe("bob");
    both.table.close();
    hanging.stop();
  });

  test("that is frozen in a search is trouble after the time-out", async () => {
    const { table } = open([`server_host = ${slapd.url}`, "timeout = 1"]);
    expect(said(await table.lookup("bob@example.org"))).toBe("bob");
    await slapd.freeze(true);
    expect(said(await table.lookup("ann@example.org"))).toMatch(/Search error -5: Timed out/);
    await slapd.freeze(false);
    table.close();
  });

  test("that talks nonsense is trouble", async () => {
    const nonsense = await hangingServer("220 mail.example ESMTP\r\n");
    const answer = await ask([`server_host = ldap://127.0.0.1:${nonsense.port}`, "timeout = 1"]);
    expect(answer).toContain("what the server says is no LDAP message");
    nonsense.stop();
  });

  test("is not asked for a wrong password again and again", async () => {
    const { table } = open([...lines(), `bind_dn = ${ADMIN}`, "bind_pw = wrong"]);
    const connections = () => slapdConnections();
    expect(said(await table.lookup("bob@example.org"))).toContain("49 (Invalid credentials)");
    const before = connections();
    for (let at = 0; at < 20; at++) expect((await table.lookup(`x${at}@example.org`)).is).toBe("trouble");
    expect(connections() - before).toBeLessThanOrEqual(1);
    table.close();
  });

  test("of a closed table is not asked", async () => {
    const { table } = open(lines());
    await table.lookup("bob@example.org");
    const late = table.lookup("ann@example.org");
    table.close();
    expect(said(await late)).toContain("the table is closed");
    expect(said(await table.lookup("ann@example.org"))).toContain("the table is closed");
  });
});

/** How many connections the kernel has seen to the server, as far as its bookkeeping of closed ones goes. */
function slapdConnections(): number {
  const { stdout } = spawnSync("ss", ["-tanH", `dport = :${slapd.port}`], { encoding: "utf8" });
  return stdout.trim().split("\n").length;
}

/** A server that takes connections and says one thing, or nothing. */
async function hangingServer(text = ""): Promise<{ readonly port: number; stop(): void }> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    if (text !== "") socket.write(text);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    stop: () => (sockets.forEach((socket) => socket.destroy()), void server.close()),
  };
}
