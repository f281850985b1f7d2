// REQUIRETLS and TLS-Required through the running server: taken, kept in the queue, demanded of the next hop, told back redacted.
import { expect, setDefaultTimeout } from "bun:test";
import { selfMadeAuthority, type TestAuthority } from "../../kit/memory/authority.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type ReceivedMail, type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { secure, sendMessage, type Talk, talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(180_000);
const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "openssl");

/** Domains, and what their only server can do. */
const DOMAINS = {
  promising: { n: 1, tls: true, keywords: ["PIPELINING", "REQUIRETLS"] },
  silent: { n: 2, tls: true, keywords: ["PIPELINING"] },
  plain: { n: 3, tls: false, keywords: ["PIPELINING"] },
} as const;
type Domain = keyof typeof DOMAINS;

let authority: TestAuthority;
let dns: DnsServer;
let port = 0;
let server: Server;
const peers = new Map<Domain, SmtpPeer>();

const mails = (domain: Domain): readonly ReceivedMail[] => peers.get(domain)!.mails;
const mailLines = (domain: Domain) => peers.get(domain)!.lines.filter((line) => line.startsWith("MAIL"));

async function startPeer(domain: Domain): Promise<void> {
  const { n, tls, keywords } = DOMAINS[domain];
  const chain = authority.issue({ name: `mx.${domain}.example` });
  const script = { ehlo: keywords, ...(tls && { tls: chain }) };
  peers.set(domain, await startSmtpPeer(script, { host: `127.0.0.5${n}`, port }));
}

async function start(directory?: string): Promise<Server> {
  return await startServer({
    ...(directory !== undefined && { directory }),
    mainCf: [
      `dns_servers = ${dns.address}`,
      `smtp_tcp_port = ${port}`,
      "smtpd_tls_security_level = may",
      "smtpd_tls_chain_files = $config_directory/chain.pem",
      "smtp_tls_security_level = secure",
      "smtp_tls_secure_cert_match = hostname",
      "smtp_tls_CAfile = $config_directory/ca.pem",
      "smtp_connection_cache_on_demand = no",
      "smtp_connect_timeout = 5s",
    ],
    files: { "ca.pem": authority.certificate, "chain.pem": chain },
  });
}

let chain = "";
beforeAll(async () => {
  authority = selfMadeAuthority("Test Root");
  const own = authority.issue({ name: "mail.example.com" });
  chain = own.key + own.certificate;
  port = await freePort();
  dns = await startDnsServer(Object.fromEntries(
    Object.entries(DOMAINS).flatMap(([name, { n }]) => [
      [`${name}.example`, { MX: [`10 mx.${name}.example`] }],
      [`mx.${name}.example`, { A: [`127.0.0.5${n}`] }],
    ]),
  ));
  for (const domain of ["promising", "silent", "plain"] as const) await startPeer(domain);
  server = await start();
});
afterAll(async () => {
  await server?.stop();
  await Promise.all([dns, ...peers.values()].map((each) => each?.close()));
});

/** A dialogue behind EHLO and STARTTLS. */
async function talkOverTls(port: number): Promise<Talk> {
  const plain = await talk(port);
  await plain.say("EHLO client.example");
  expect(await plain.say("STARTTLS")).toStartWith("220");
  return await secure(plain);
}

/** Sends a message under REQUIRETLS; answers its queue id. */
async function sendUnderTls(to: string): Promise<string> {
  const client = await talkOverTls(server.port);
  await client.say("EHLO client.example");
  expect(await client.say("MAIL FROM:<ann@silent.example> requiretls")).toBe("250 2.1.0 Ok");
  await client.say(`RCPT TO:<${to}>`);
  await client.say("DATA");
  const answer = await client.say("Subject: secret\r\n\r\nthe secret itself\r\n.");
  client.end();
  return /queued as (\w+)/.exec(answer)![1]!;
}

test("it is offered, and taken, behind STARTTLS alone", async () => {
  const clear = await talk(server.port);
  expect(await clear.say("EHLO client.example")).not.toContain("REQUIRETLS");
  expect(await clear.say("MAIL FROM:<a@b.example> REQUIRETLS")).toBe(
    "555 5.5.4 Unsupported option: REQUIRETLS",
  );
  clear.end();
  const secured = await talkOverTls(server.port);
  expect(await secured.say("EHLO client.example")).toMatch(/^250 REQUIRETLS$/m);
  secured.end();
});

test("a server that promises it gets the mail under it, and the field that brings it through filters", async () => {
  const id = await sendUnderTls("bob@promising.example");
  await server.logged(new RegExp(`${id}: to=<bob@promising\\.example>.*status=sent`));
  expect(mailLines("promising").at(-1)).toBe("MAIL FROM:<ann@silent.example> REQUIRETLS");
  expect(mails("promising").at(-1)!.content).toContain("\r\nRequire-TLS-ESMTP: yes\r\n\r\nthe secret");
});

test("a server that does not promise it never sees the mail; the sender is told without it, and not under it", async () => {
  const id = await sendUnderTls("bob@silent.example");
  await server.logged(
    new RegExp(
      `${id}: to=<bob@silent\\.example>, .*dsn=5\\.7\\.30, status=bounced \\(Sender requested REQUIRETLS, but no server`,
    ),
  );
  await until("the notice", () => mails("silent").length > 0);
  const [notice] = mails("silent");
  expect([mails("silent").length, mailLines("silent"), notice!.to]).toEqual([1, ["MAIL FROM:<>"], [
    "ann@silent.example",
  ]]);
  expect(notice!.content).toContain("Status: 5.7.30");
  expect(notice!.content).toContain("Content-Type: text/rfc822-headers");
  expect(notice!.content).not.toContain("the secret itself");
});

test("the wish is in the queue: a restart does not forget it", async () => {
  await peers.get("promising")!.close();
  const id = await sendUnderTls("bob@promising.example");
  await server.logged(new RegExp(`${id}: to=<bob@promising\\.example>.*status=deferred`));
  const { directory } = server;
  await server.stop({ keep: true });
  await startPeer("promising");
  server = await start(directory);
  await server.mta("flush");
  await server.logged(new RegExp(`${id}: to=<bob@promising\\.example>.*status=sent`));
  expect(mailLines("promising")).toEqual(["MAIL FROM:<ann@silent.example> REQUIRETLS"]);
});

test("TLS-Required: no is better without TLS than not at all", async () => {
  const to = "bob@plain.example";
  const wait = await sendMessage(server.port, { from: "ann@silent.example", to });
  const waiting = /queued as (\w+)/.exec(wait)![1];
  await server.logged(new RegExp(`${waiting}: .*status=deferred \\(TLS is required, but was not offered`));
  const go = await sendMessage(server.port, {
    from: "ann@silent.example",
    to,
    body: "Subject: x\r\nTLS-Required: No\r\n\r\nhello",
  });
  const going = /queued as (\w+)/.exec(go)![1];
  await server.logged(new RegExp(`${going}: .*status=sent`));
  expect(mails("plain").length).toBe(1);
});
