// `mta rehearse` of the compiled binary: what a receiver would find, by a local name server; the records that it names make all well.
import { expect, setDefaultTimeout } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { runMta } from "../../kit/server.ts";
import { type DnsServer, startDnsServer, type Zone } from "../../kit/servers/dns_server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";

setDefaultTimeout(120_000);
const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

interface Result {
  readonly severity: string;
  readonly check: string;
  readonly found: string;
  readonly fix?: string;
  readonly record?: string;
}

const MAIL: Zone = {
  "mail.example.com": { A: ["203.0.113.5"] },
  "5.113.0.203.in-addr.arpa": { PTR: ["mail.example.com"] },
};
const BARE: Zone = { "example.com": { MX: ["10 mail.example.com"] } };

let dns: DnsServer;
let receiver: SmtpPeer;
let folder = "";

beforeAll(async () => {
  dns = await startDnsServer({});
  receiver = await startSmtpPeer();
  folder = mkdtempSync(join(tmpdir(), "mta-rehearse-"));
  for (const name of ["queue", "data"]) mkdirSync(join(folder, name));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await receiver.close();
  await dns.close();
});

function configure(...more: readonly string[]): void {
  const lines = [
    "compatibility_level = 3.6",
    "myhostname = mail.example.com",
    "mydestination = example.com",
    "inet_protocols = ipv4",
    "smtp_tls_security_level = may",
    "alias_maps =",
    "alias_database =",
    `queue_directory = ${folder}/queue`,
    `data_directory = ${folder}/data`,
    `dns_servers = ${dns.address}`,
    `transport_maps = inline:{ {receiver.example = smtp:[127.0.0.1]:${receiver.port}} }`,
    ...more,
    "",
  ];
  writeFileSync(join(folder, "main.cf"), lines.join("\n"));
}

async function rehearse(zone: Zone, ...words: readonly string[]) {
  // Each run asks anew, as it is a process of its own.
  dns.setZone(zone);
  const { code, stdout, stderr } = await runMta([
    "-c",
    folder,
    "rehearse",
    "ann@example.com",
    "--json",
    ...words,
  ]);
  const { results } = JSON.parse(stdout) as { results: readonly Result[] };
  return { code, stderr, results, of: (name: string) => results.filter(({ check }) => check === name) };
}

/** The texts of TXT records as a zone file has them, by name. */
function published(results: readonly Result[]): Zone {
  const zone: Record<string, { TXT: string[] }> = {};
  for (const { record = "" } of results) {
    const [, name = "", data = ""] = /^(\S+)\. TXT (.*)$/s.exec(record) ?? [];
    if (name === "") continue;
    zone[name] = { TXT: [[...data.matchAll(/"([^"]*)"/g)].map(([, text]) => text).join("")] };
  }
  return zone;
}

describe("a domain that publishes nothing", () => {
  const keys = ["genkey", "example.com", "--selector"];
  beforeAll(async () => {
    configure();
    await runMta(["-c", folder, "dkim", ...keys, "r1", "--directory", folder]);
    await runMta(["-c", folder, "dkim", ...keys, "e1", "--ed25519", "--directory", folder]);
    configure(
      `dkim_signing_keys = inline:{ {example.com = r1:${folder}/r1.example.com.pem e1:${folder}/e1.example.com.pem} }`,
    );
  });

  test("has a record for each thing that is missing, and with those all is well", async () => {
    const bare = await rehearse({ ...BARE, ...MAIL }, "--ip", "203.0.113.5");
    expect([bare.code, bare.stderr]).toEqual([2, ""]);
    expect(bare.results.map(({ severity, check }) => `${severity} ${check}`)).toEqual([
      "ok MX",
      "ok address",
      "ok PTR",
      "ok HELO",
      "ok TLS",
      "problem SPF",
      "problem DKIM",
      "problem DKIM",
      "warning DMARC",
    ]);
    const zone = published(bare.results);
    expect(Object.keys(zone).sort()).toEqual([
      "_dmarc.example.com",
      "e1._domainkey.example.com",
      "example.com",
      "r1._domainkey.example.com",
    ]);
    const domain = { ...(BARE["example.com"] as object), ...(zone["example.com"] as object) };
    const mended = await rehearse({ ...MAIL, ...zone, "example.com": domain }, "--ip", "203.0.113.5");
    expect(mended.results.filter(({ severity }) => severity !== "ok")).toEqual([]);
    expect(mended.code).toBe(0);
    expect(mended.of("DMARC")[0]!.found).toBe("mail passes (p=none) by SPF and DKIM");
  });

  test("has them in text, each record in lines that can be copied", async () => {
    dns.setZone({ ...BARE, ...MAIL });
    const { code, stdout } = await runMta(["-c", folder, "rehearse", "ann@example.com", "--ip=203.0.113.5"]);
    expect(code).toBe(2);
    expect(stdout).toContain('\n  example.com. TXT "v=spf1 ip4:203.0.113.5 -all"\n');
    expect(stdout).toContain('\n  r1._domainkey.example.com. TXT ( "v=DKIM1; k=rsa; p=');
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("5 ok, 1 warning, 3 problems");
  });

  test("whose server has no name has records for that too", async () => {
    const { of } = await rehearse({}, "--ip", "203.0.113.5");
    expect([of("MX")[0]?.record, of("PTR")[0]?.record, of("HELO")[0]?.record]).toEqual([
      "example.com. MX 10 mail.example.com.",
      "5.113.0.203.in-addr.arpa. PTR mail.example.com.",
      "mail.example.com. A 203.0.113.5",
    ]);
  });
});

test("the address: of a proxy before a private one, of a relay that only its operator knows", async () => {
  configure("smtp_bind_address = 10.0.0.2", "proxy_interfaces = 203.0.113.5");
  expect((await rehearse({ ...BARE, ...MAIL })).of("address")[0])
    .toMatchObject({ severity: "ok", found: "203.0.113.5 (proxy_interfaces, before 10.0.0.2)" });
  configure("smtp_bind_address = 10.0.0.2");
  expect((await rehearse(BARE)).of("address")[0])
    .toMatchObject({ severity: "warning", fix: expect.stringContaining("--ip ADDRESS") });
  configure("relayhost = [relay.example]:587");
  const { of } = await rehearse(BARE);
  expect(of("address")[0]!.found).toBe(
    "mail leaves by [relay.example]:587, and receivers see an address of that relay",
  );
  expect([of("HELO"), of("PTR")]).toEqual([[], []]);
});

test("a sender that leaves under another address is looked at as that one", async () => {
  configure("smtp_generic_maps = inline:{ ann@example.com=ann@example.net }");
  const { of } = await rehearse({ "example.net": { MX: ["0 "] } }, "--ip", "203.0.113.5");
  expect(of("sender")[0]!.found).toContain("ann@example.com leaves as ann@example.net (smtp_generic_maps)");
  expect(of("MX")[0]!.found).toStartWith("example.net says that it takes no mail");
});

test("a receiver that is named is connected to, and gets no mail", async () => {
  configure();
  const { of } = await rehearse({ ...BARE, ...MAIL }, "--ip", "203.0.113.5", "--to", "bob@receiver.example");
  expect(of("receiver")[0]).toMatchObject({
    severity: "warning",
    found: `127.0.0.1[127.0.0.1]:${receiver.port} takes mail in the clear`,
  });
  expect(receiver.lines.filter((line) => /^MAIL/i.test(line))).toEqual([]);
  configure("smtp_tls_security_level = encrypt");
  const demanding = await rehearse(
    { ...BARE, ...MAIL },
    "--ip",
    "203.0.113.5",
    "--to",
    "bob@receiver.example",
  );
  expect(demanding.of("receiver")[0]!.found).toContain("TLS is required, but was not offered");
});

test("a message, a list that it goes to, and lists of the DNS", async () => {
  configure();
  const file = join(folder, "message");
  writeFileSync(file, "From: ann@example.com\nSubject: news\nList-Id: <news.example.com>\n\nhello\n");
  const listed = { "5.113.0.203.list.example": { A: ["127.0.0.2"], TXT: ["ask us"] } };
  const words = ["--ip", "203.0.113.5", "--message", file, "--bulk", "--dnsbl=list.example"];
  const { of } = await rehearse({ ...BARE, ...MAIL, ...listed }, ...words);
  expect(of("message").map(({ found }) => found)).toEqual(["no Date: field", "no Message-ID: field"]);
  expect(of("unsubscribe")[0]).toMatchObject({ severity: "problem", found: "no List-Unsubscribe: field" });
  expect(of("DNSBL")[0]!.found).toBe("203.0.113.5 is on list.example (127.0.0.2): ask us");
  const missing = await rehearse(BARE, "--message", "/not/there");
  expect(missing.of("message")[0]!.found).toBe("/not/there: No such file or directory");
});

test("no name server is asked of lists, and nobody connected to, unless that is asked for", async () => {
  configure();
  const before = [receiver.connections, dns.asked.length];
  await rehearse({ ...BARE, ...MAIL }, "--ip", "203.0.113.5");
  expect(receiver.connections).toBe(before[0]!);
  expect(dns.asked.slice(before[1]).filter((question) => question.includes("spam"))).toEqual([]);
});

test("wrong usage is told with status 64, a configuration that cannot be loaded with 78", async () => {
  const wrong = await runMta(["-c", folder, "rehearse"]);
  expect(wrong).toEqual({
    code: 64,
    stdout: "",
    stderr: 'mta rehearse: fatal: whose mail? An address is missing ("mta rehearse --help" says more)\n',
  });
  const { code, stderr } = await runMta(["-c", "/not/there", "rehearse", "ann@example.com"]);
  expect(code).toBe(78);
  expect(stderr).toStartWith("mta rehearse: fatal: open /not/there/main.cf: No such file or directory");
});
