// Aggregate reports by the compiled binary: mail is verified by all workers, what DMARC found is kept over a restart, and on the next
// day one report goes to each place that wants it, signed, and is read by `mta dmarc reports`.
import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { type FakedTime, fakedTime } from "../../kit/faked_time.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, runMta, type Server, startServer } from "../../kit/server.ts";
import { type DnsServer, startDnsServer, type Zone } from "../../kit/servers/dns_server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { sendMessage } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(240_000);
const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "root",
  "libfaketime",
  "openssl",
);

const DAY = 86_400;
const ZONE: Zone = {
  "good.example": { TXT: ["v=spf1 ip4:127.0.0.1 -all"], MX: ["10 mx.good.example"] },
  "_dmarc.good.example": {
    TXT: [
      "v=DMARC1; p=reject; rua=mailto:agg@good.example,mailto:agg@third.example!1m,mailto:agg@unasked.example",
    ],
  },
  "mx.good.example": { A: ["127.0.0.51"] },
  "third.example": { MX: ["10 mx.third.example"] },
  "mx.third.example": { A: ["127.0.0.52"] },
  "good.example._report._dmarc.third.example": { TXT: ["v=DMARC1"] },
  "unasked.example": { MX: ["10 mx.third.example"] },
  "spoof.example": { TXT: ["v=spf1 +all"] },
  "silent.example": { TXT: ["v=spf1 +all"], MX: ["10 mx.third.example"] },
  "_dmarc.silent.example": { TXT: ["v=DMARC1; p=none"] },
  "watching.example": { TXT: ["v=spf1 +all"], MX: ["10 mx.third.example"] },
  "_dmarc.watching.example": { TXT: ["v=DMARC1; p=none; rua=mailto:agg@watching.example"] },
};

let time: FakedTime;
let dns: DnsServer;
let hosts: Readonly<Record<"good" | "third", SmtpPeer>>;
let server: Server;
let smtpPort = 0;

async function start(directory?: string): Promise<Server> {
  return await startServer({
    env: time.env,
    ...(directory !== undefined && { directory }),
    mainCf: [
      ...time.mainCf,
      `dns_servers = ${dns.address}`,
      `smtp_tcp_port = ${smtpPort}`,
      "worker_processes = 2",
      "mynetworks = 10.0.0.0/8",
      "mydestination = example.com",
      "local_recipient_maps =",
      "local_transport = discard",
      "mail_authentication = yes",
      "dmarc_reports = yes",
      "dmarc_report_from = dmarc@example.com",
      "dmarc_report_organization = Example & Sons",
      "dkim_signing_keys = inline:{example.com=s1:$config_directory/dkim.pem}",
    ],
    files: { "dkim.pem": Bun.spawnSync(["openssl", "genrsa", "2048"]).stdout.toString() },
  });
}

async function send(envelope: string, author: string): Promise<void> {
  const body = `From: ann@${author}\r\nTo: bob@example.com\r\nSubject: test\r\n\r\nhello`;
  expect(await sendMessage(server.port, { from: envelope, to: "bob@example.com", body })).toContain("250 ");
}

/** Messages of a domain that have been written down, whatever their records. */
function counted(domain: string): number {
  const path = join(server.directory, "data/dmarc_reports.sqlite");
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return 0;
  const file = new Database(path, { readonly: true });
  try {
    file.run("PRAGMA busy_timeout = 5000");
    if (file.query("SELECT name FROM sqlite_master WHERE name = 'counts'").get() === null) return 0;
    const row = file.query<{ n: number | null }, [string]>(
      `SELECT sum(n) AS n FROM counts WHERE grp LIKE '% ' || ? AND key LIKE '{"row"%'`,
    );
    return row.get(domain)?.n ?? 0;
  } finally {
    file.close();
  }
}

beforeAll(async () => {
  time = fakedTime();
  // Noon of UTC: no day ends while it is counted.
  time.step((36 * 3600 - Math.floor(Date.now() / 1000) % DAY) % DAY);
  smtpPort = await freePort();
  dns = await startDnsServer(ZONE);
  hosts = {
    good: await startSmtpPeer({}, { host: "127.0.0.51", port: smtpPort }),
    third: await startSmtpPeer({}, { host: "127.0.0.52", port: smtpPort }),
  };
  server = await start();
});
afterAll(async () => {
  await server?.stop();
  await Promise.all([dns, ...Object.values(hosts ?? {})].map((each) => each?.close()));
  time?.remove();
});

test("what DMARC found in mail of strangers is counted for the domains that ask for it", async () => {
  await Promise.all(Array.from({ length: 8 }, () => send("ann@good.example", "good.example")));
  await send("x@spoof.example", "good.example");
  await send("x@spoof.example", "good.example");
  await send("ann@silent.example", "silent.example");
  await send("ann@watching.example", "watching.example");
  await until(
    "the counts are in the file",
    () => counted("good.example") === 10 && counted("watching.example") === 1,
  );
  expect(counted("silent.example")).toBe(0);
  expect(statSync(join(server.directory, "data/dmarc_reports.sqlite")).mode & 0o777).toBe(0o600);
});

test("after a restart, on the next day, a report goes where it is wanted, by mail that is signed", async () => {
  const { directory } = server;
  await server.stop({ keep: true });
  server = await start(directory);
  await send("ann@good.example", "good.example");
  await until("the counts are in the file", () => counted("good.example") === 11);
  time.step(DAY + 5 * 3600);
  await until("the report", () => hosts.good.mails.length > 0 && hosts.third.mails.length > 1);
  expect(hosts.good.mails.map(({ from, to }) => [from, ...to])).toEqual([[
    "dmarc@example.com",
    "agg@good.example",
  ]]);
  expect(hosts.third.mails.flatMap(({ to }) => to).sort()).toEqual([
    "agg@third.example",
    "agg@watching.example",
  ]);
  await server.logged(
    /DMARC report for good\.example is not sent to mailto:agg@unasked\.example: .* does not say that reports are welcome/,
  );
  const [head = ""] = hosts.good.mails[0]!.content.split("\r\n\r\n");
  expect(head).toContain(
    "Subject: Report Domain: good.example\r\n Submitter: mail.example.com\r\n Report-ID: <",
  );
  expect(head).toMatch(/^DKIM-Signature: v=1; .*d=example\.com/ms);
  expect(head).toMatch(/^Message-Id: </mi);
});

test("our own parser reads it: every message is in it, of both workers, before and after the restart", async () => {
  const read = await runMta(["dmarc", "reports", "--json", "-"], { input: hosts.good.mails[0]!.content });
  expect([read.code, read.stderr]).toEqual([0, ""]);
  const { reports: [{ report }], faults } = JSON.parse(read.stdout);
  expect(faults).toEqual([]);
  expect(report).toMatchObject({
    organization: "Example & Sons",
    email: "dmarc@example.com",
    policy: { domain: "good.example", p: "reject", testing: "n", discovery: "treewalk" },
  });
  expect(report.end - report.begin).toBe(DAY - 1);
  expect(report.records).toMatchObject([
    {
      sourceIp: "127.0.0.1",
      count: 9,
      disposition: "pass",
      spf: "pass",
      dkim: "fail",
      headerFrom: "good.example",
      envelopeFrom: "good.example",
      signatures: [],
      senders: [{ domain: "good.example", scope: "mfrom", result: "pass" }],
    },
    {
      count: 2,
      disposition: "none",
      spf: "fail",
      dkim: "fail",
      reasons: [{ type: "local_policy" }],
      senders: [{ domain: "spoof.example", result: "pass" }],
    },
  ]);
  const shown = await runMta(["dmarc", "reports", "-"], { input: hosts.good.mails[0]!.content });
  expect(shown.stdout).toContain(
    "good.example: 11 messages in 1 report from 1 reporter; 9 pass (81.8 %), 2 fail: 127.0.0.1 (2)",
  );
});

test("a report is sent once, by one process", async () => {
  const sent = () =>
    [...server.log().matchAll(/DMARC report for (\S+ about \S+): .*: sent to (\S+)/g)].map(String);
  expect(sent().length).toBe(3);
  await send("ann@watching.example", "watching.example");
  await until("the next day's counts", () => counted("watching.example") > 0);
  time.step(DAY + 5 * 3600);
  await until("the next day's report", () => sent().length >= 4);
  expect(new Set(sent()).size).toBe(sent().length);
  expect(hosts.good.mails.length).toBe(1);
});
