// The executable with access rules in PostgreSQL, mailboxes in MariaDB and relay domains in SQLite, in query files that only
// root may read; then without its database servers.
import { Database as Sqlite } from "bun:sqlite";
import { expect, setDefaultTimeout } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, startMariadb, startPostgres } from "../../kit/servers/database.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { startWatch, until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test: asRoot } = withPeers(
  import.meta.path,
  "dist/mta",
  "root",
  "mariadb",
  "postgres",
);

setDefaultTimeout(180_000);

const root = mkdtempSync(join(tmpdir(), "mta-sql-"));
let postgres: Database;
let mariadb: Database;
let server: Server;

beforeAll(async () => {
  chmodSync(root, 0o755);
  [postgres, mariadb] = await Promise.all([startPostgres(), startMariadb()]);
  postgres.sql(
    `CREATE ROLE mail LOGIN PASSWORD 'pg-hush'; CREATE TABLE access (k text PRIMARY KEY, action text);
    INSERT INTO access VALUES ('spam@bad.example', 'REJECT no thanks'), ('ok@good.example', 'OK');
    GRANT SELECT ON access TO mail;`,
  );
  mariadb.sql(
    `CREATE DATABASE mail; USE mail; CREATE TABLE users (name varchar(100), domain varchar(100), maildir text);
    INSERT INTO users VALUES ('ann', 'virt.example', 'ann/Maildir/'); CREATE USER mail@localhost IDENTIFIED BY 'my-hush';
    GRANT SELECT ON mail.* TO mail@localhost;`,
  );
  const lite = new Sqlite(join(root, "domains.db"));
  lite.run("CREATE TABLE domains (name TEXT)");
  lite.run("INSERT INTO domains VALUES ('relay.example')");
  lite.close();
  put("access.cf", [
    `hosts = 127.0.0.1:${postgres.port}`,
    "user = mail",
    "password = pg-hush",
    "dbname = postgres",
    "query = SELECT action FROM access WHERE k = '%s'",
  ]);
  put("mailboxes.cf", [
    `hosts = unix:${mariadb.socket}`,
    "user = mail",
    "password = my-hush",
    "dbname = mail",
    "query = SELECT maildir FROM users WHERE name = '%u' AND domain = '%d'",
  ]);
  put("domains.cf", [`dbpath = ${root}/domains.db`, "query = SELECT name FROM domains WHERE name = '%s'"]);
  server = await startServer({
    mainCf: [
      `sql = ${root}`,
      "mynetworks =",
      "smtpd_peername_lookup = no",
      "smtpd_sender_restrictions = check_sender_access pgsql:$sql/access.cf",
      "smtpd_relay_restrictions = reject_unauth_destination",
      "virtual_mailbox_domains = virt.example",
      "virtual_mailbox_maps = proxy:mysql:${sql}/mailboxes.cf",
      "virtual_mailbox_base = /nonexistent",
      "relay_domains = sqlite:$sql/domains.cf",
      "relay_recipient_maps =",
    ],
  });
}, 180_000);

afterAll(async () => {
  await server?.stop();
  await postgres?.stop();
  await mariadb?.stop();
  rmSync(root, { recursive: true, force: true });
});

function put(name: string, lines: readonly string[]): void {
  writeFileSync(join(root, name), lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
}

/** The replies to RCPT, as sender checks are made there. */
async function rcpt(from: string, to: string): Promise<string> {
  const client = await talk(server.port);
  await client.say("EHLO client.example");
  await client.say(`MAIL FROM:<${from}>`);
  const reply = await client.say(`RCPT TO:<${to}>`);
  client.end();
  return reply;
}

asRoot(
  "rules, mailboxes and domains come from the databases; the workers read query files that only root may",
  async () => {
    expect(await rcpt("spam@bad.example", "x@relay.example")).toBe(
      "554 5.7.1 <spam@bad.example>: Sender address rejected: no thanks",
    );
    expect(await rcpt("ok@good.example", "x@relay.example")).toBe("250 2.1.5 Ok");
    expect(await rcpt("other@good.example", "ann@virt.example")).toBe("250 2.1.5 Ok");
    expect(await rcpt("other@good.example", "bob@virt.example")).toBe(
      "550 5.1.1 <bob@virt.example>: Recipient address rejected: User unknown in virtual mailbox table",
    );
    expect(await rcpt("other@good.example", "x@elsewhere.example")).toBe(
      "554 5.7.1 <x@elsewhere.example>: Relay access denied",
    );
    expect(await rcpt("x'--@bad.example", "x@relay.example")).toBe("250 2.1.5 Ok");
    expect(server.log()).not.toContain("hush");
  },
);

asRoot(
  "without its servers mail is put off with 451, at once, and the log says which table and why; then it goes on",
  async () => {
    await Promise.all([postgres.kill(), mariadb.kill()]);
    const heldUp = startWatch();
    for (let at = 0; at < 10; at++) {
      expect(await rcpt(`x${at}@good.example`, "x@relay.example")).toMatch(/^451 4\.3\./);
    }
    expect(heldUp()).toBe(false);
    await server.logged(/warning: table pgsql:\S+access\.cf: server 127\.0\.0\.1:\d+: /);
    await server.logged(/pgsql:\S+access\.cf lookup error: /);
    await Promise.all([postgres.start(), mariadb.start()]);
    const answers = async () => await rcpt("ok@good.example", "ann@virt.example") === "250 2.1.5 Ok";
    await until("both answer again", answers);
    expect(await rcpt("spam@bad.example", "x@relay.example")).toStartWith("554");
    await server.logged(/server 127\.0\.0\.1:\d+ answers again/);
    expect(server.log()).not.toMatch(/hush|panic/);
  },
);
