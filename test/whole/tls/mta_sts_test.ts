// MTA-STS and reports about TLS in the running server: policies by HTTPS, kept on disk, enforced; outcomes counted by all workers,
// kept over a restart, reported by mail and by HTTPS on the next day.
import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { type FakedTime, fakedTime } from "../../kit/faked_time.ts";
import { selfMadeAuthority, type TestAuthority } from "../../kit/memory/authority.ts";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { type DnsServer, startDnsServer, type Zone } from "../../kit/servers/dns_server.ts";
import { type HttpsServer, startHttpsServer } from "../../kit/servers/https_server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { sendMessage } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(240_000);
const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "root",
  "openssl",
  "libfaketime",
);

const WEB = "127.0.0.43";
const POLICY = "version: STSv1\nmode: enforce\nmx: *.good.example\nmax_age: 864000\n";
const DAY = 86_400;

let authority: TestAuthority;
let time: FakedTime;
let dns: DnsServer;
let web: HttpsServer;
let collector: HttpsServer;
let hosts: Readonly<Record<"good" | "other" | "plain", SmtpPeer>>;
let server: Server;
let smtpPort = 0;

const zone = (): Zone => ({
  "good.example": { MX: ["10 mx.good.example"] },
  "_mta-sts.good.example": { TXT: ["v=STSv1; id=1;"] },
  "mta-sts.good.example": { A: [WEB] },
  "mx.good.example": { A: ["127.0.0.31"] },
  "_smtp._tls.good.example": {
    TXT: [`v=TLSRPTv1; rua=mailto:tls@plain.example,https://collector.example:${collector.port}/v1?x`],
  },
  // The policy is right, the exchanger shows another's certificate.
  "other.example": { MX: ["10 mx.other.example"] },
  "_mta-sts.other.example": { TXT: ["v=STSv1; id=1;"] },
  "mta-sts.other.example": { A: [WEB] },
  "mx.other.example": { A: ["127.0.0.32"] },
  "_smtp._tls.other.example": { TXT: ["v=TLSRPTv1; rua=mailto:tls@other.example"] },
  // The policy's own server shows another's certificate.
  "fake.example": { MX: ["10 mx.plain.example"] },
  "_mta-sts.fake.example": { TXT: ["v=STSv1; id=1;"] },
  "mta-sts.fake.example": { A: [WEB] },
  "plain.example": { MX: ["10 mx.plain.example"] },
  "mx.plain.example": { A: ["127.0.0.33"] },
  "collector.example": { A: [WEB] },
});

async function start(directory?: string): Promise<Server> {
  return await startServer({
    env: time.env,
    ...(directory !== undefined && { directory }),
    mainCf: [
      ...time.mainCf,
      `dns_servers = ${dns.address}`,
      `smtp_tcp_port = ${smtpPort}`,
      "worker_processes = 2",
      "smtp_tls_security_level = may",
      "smtp_tls_loglevel = 1",
      "smtp_tls_CAfile = $config_directory/ca.pem",
      "smtp_mta_sts_enable = yes",
      "smtp_tlsrpt_enable = yes",
      "tls_https_denied_networks =",
      "minimal_backoff_time = 300s",
      "smtp_connection_cache_on_demand = no",
    ],
    files: { "ca.pem": authority.certificate },
  });
}

const send = (to: string) => sendMessage(server.port, { from: "ann@example.com", to });

/** Sends a message to a domain, and answers the log line of its delivery. */
async function delivery(to: string): Promise<string> {
  const answer = await send(to);
  const id = /queued as (\w+)/.exec(answer)![1];
  return await server.logged(new RegExp(`smtp\\[\\d+\\]: ${id}: to=`));
}

/** Outcomes of a domain that have been written down. */
function counted(domain: string): number {
  const file = new Database(join(server.directory, "data/tlsrpt.sqlite"), { readonly: true });
  const row = file.query<{ n: number | null }, [string]>(
    "SELECT sum(n) AS n FROM counts WHERE grp LIKE '% ' || ?",
  );
  const n = row.get(domain)?.n ?? 0;
  file.close();
  return n;
}

beforeAll(async () => {
  authority = selfMadeAuthority("Test Root");
  time = fakedTime();
  smtpPort = await freePort();
  web = await startHttpsServer(WEB, 443, {
    "mta-sts.good.example": { own: authority.issue({ name: "mta-sts.good.example" }), body: POLICY },
    "mta-sts.other.example": {
      own: authority.issue({ name: "mta-sts.other.example" }),
      body: POLICY.replace("good", "other"),
    },
    "mta-sts.fake.example": {
      own: authority.issue({ name: "mta-sts.good.example" }),
      body: POLICY.replace("good", "fake"),
    },
  });
  // Nobody vouches for this one: reports go to it all the same.
  collector = await startHttpsServer(WEB, 0, {
    "collector.example": { own: selfSigned("elsewhere.example") },
  });
  dns = await startDnsServer(zone());
  const peer = (n: number, certificate: string | undefined) =>
    startSmtpPeer(
      certificate === undefined ? {} : { tls: authority.issue({ name: certificate }) },
      { host: `127.0.0.3${n}`, port: smtpPort },
    );
  hosts = {
    good: await peer(1, "mx.good.example"),
    other: await peer(2, "mx.elsewhere.example"),
    plain: await peer(3, undefined),
  };
  server = await start();
});
afterAll(async () => {
  await server?.stop();
  await Promise.all([dns, web, collector, ...Object.values(hosts ?? {})].map((each) => each?.close()));
  time?.remove();
});

test("a domain's policy is fetched once for all workers, and the server that it names verified", async () => {
  const lines = await Promise.all(Array.from({ length: 8 }, () => delivery("bob@good.example")));
  for (const line of lines) expect(line).toContain("status=sent");
  await server.logged(/Verified TLS connection established to mx\.good\.example\[127\.0\.0\.31\]/);
  await server.logged(/MTA-STS policy of good\.example: enforce, mx \*\.good\.example/);
  // Two workers that begin at the same time may both ask.
  expect(web.heard.filter(({ host }) => host === "mta-sts.good.example").length).toBeLessThanOrEqual(2);
  expect(web.heard[0]).toMatchObject({ method: "GET", path: "/.well-known/mta-sts.txt" });
  expect(hosts.good.serverNames).toContain("mx.good.example");
  const file = join(server.directory, "data/mta_sts.sqlite");
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("mail for a domain whose server is another's waits; it is never sent in the clear", async () => {
  const line = await delivery("bob@other.example");
  expect(line).toContain("dsn=4.7.5, status=deferred (Server certificate not verified)");
  expect(hosts.other.mails).toEqual([]);
  await server.logged(
    /TLSRPT: status=failure, domain=other\.example, receiving_mx=mx\.other\.example\[127\.0\.0\.32\], failure_type=certificate_host_mismatch/,
  );
});

test("a policy of a server that is not the domain's is none", async () => {
  expect(await delivery("bob@fake.example")).toContain("status=sent");
  await server.logged(
    /MTA-STS policy of fake\.example cannot be fetched \(sts-webpki-invalid\): .*hostname mismatch/,
  );
  expect(web.heard.some(({ host }) => host.includes("fake"))).toBeFalse();
});

test("after a restart the policy holds though DNS and HTTPS are gone and the server offers no TLS", async () => {
  const { directory } = server;
  await server.stop({ keep: true });
  const { "_mta-sts.good.example": _record, "mta-sts.good.example": _host, ...rest } = zone();
  dns.setZone(rest);
  hosts.good.setScript({});
  server = await start(directory);
  expect(await delivery("bob@good.example")).toContain(
    "dsn=4.7.4, status=deferred (TLS is required, but was not offered by host mx.good.example[127.0.0.31])",
  );
});

test("on the next day each domain that wants it gets a report of what all workers have counted, whatever its TLS is", async () => {
  await until(
    "the counts are in the file",
    () => counted("good.example") >= 9 && counted("other.example") >= 1,
  );
  time.step(DAY + 5 * 3600);
  await until("the report by HTTPS", () => collector.heard.length > 0);
  const [{ method, path, type, body }] = collector.heard as [typeof collector.heard[0]];
  expect([method, path, type]).toEqual(["POST", "/v1?x", "application/tlsrpt+gzip"]);
  const report = JSON.parse(Buffer.from(Bun.gunzipSync(Buffer.from(body))).toString());
  expect(report).toMatchObject({
    "organization-name": "example.com",
    "contact-info": "postmaster@example.com",
  });
  expect(report.policies).toEqual([{
    policy: {
      "policy-type": "sts",
      "policy-string": ["version: STSv1", "mode: enforce", "mx: *.good.example", "max_age: 864000"],
      "policy-domain": "good.example",
      "mx-host": ["*.good.example"],
    },
    summary: { "total-successful-session-count": 8, "total-failure-session-count": expect.any(Number) },
    "failure-details": [expect.objectContaining({
      "result-type": "starttls-not-supported",
      "receiving-mx-hostname": "mx.good.example",
      "receiving-ip": "127.0.0.31",
    })],
  }]);

  await until("the report by mail", () => hosts.plain.mails.some(({ to }) => to[0] === "tls@plain.example"));
  const mailed = hosts.plain.mails.find(({ to }) => to[0] === "tls@plain.example")!;
  expect(mailed.from).toBe("");
  const [head = ""] = mailed.content.split("\r\n\r\n");
  for (
    const field of [
      "TLS-Report-Domain: good.example",
      "TLS-Report-Submitter: mail.example.com",
      "TLS-Required: no",
      'Content-Type: multipart/report; report-type="tlsrpt";',
      "From: postmaster@example.com",
    ]
  ) expect(head.split("\r\n")).toContain(field);
  expect(head).toMatch(/^Message-Id: </mi);
  const base64 = mailed.content.split("Content-Transfer-Encoding: base64")[1]!.split("\r\n\r\n")[1]!;
  const same = JSON.parse(Buffer.from(Bun.gunzipSync(Buffer.from(base64, "base64"))).toString());
  expect(same).toEqual(report);

  // The policy of other.example forbids to speak to its server; the report about that goes there all the same (RFC 8460 §5.3.1).
  await until("the report to a server that is not verified", () => hosts.other.mails.length > 0);
  expect(hosts.other.mails.map(({ to }) => to[0])).toEqual(["tls@other.example"]);
});

test("a report is sent once; the next day's is another", async () => {
  const sent = () =>
    [...server.log().matchAll(/TLS report for (\S+ about \S+): .*: sent to (\S+)/g)].map(String);
  expect(sent().length).toBe(3);
  await send("bob@other.example");
  await until("the next day's counts", () => counted("other.example") > 0);
  time.step(DAY + 5 * 3600);
  await until("the next day's report", () => sent().length >= 4);
  expect(new Set(sent()).size).toBe(sent().length);
  expect(collector.heard.length).toBe(1);
});

test("when max_age is over the policy is, too", async () => {
  time.step(10 * DAY);
  expect(await delivery("bob@good.example")).toContain("status=sent");
});
