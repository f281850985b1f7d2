// Real filters from Debian before our smtpd: OpenDKIM signs and verifies, rspamd refuses spam.
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DebianFilters, debianFilters } from "../../kit/servers/debian_filters.ts";
import { type MailSystem, startMailSystem } from "../../kit/servers/mail_system.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { sendMessage } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "opendkim", "openssl", "rspamd", "root");

const SERVICES = ["2601", "2602", "2603", "2604", "2605"] as const;
let filters: DebianFilters;
let sink: SmtpPeer;
let system: MailSystem;

beforeAll(async () => {
  filters = debianFilters();
  sink = await startSmtpPeer();
  const [signer, verifier, rspamd] = [
    await filters.signer(),
    await filters.verifier(),
    await filters.rspamd(),
  ];
  const milters = {
    2601: `${signer},${verifier}`,
    2602: rspamd,
    2603: signer,
    2604: `${signer} -o cleanup_service_name=unfolded`,
    2605: verifier,
  };
  writeFileSync(join(filters.directory, "main.cf"), "");
  system = await startMailSystem(
    {
      compatibility_level: "3.6",
      myhostname: "mail.example.com",
      mydestination: "",
      inet_interfaces: "127.0.0.1",
      inet_protocols: "ipv4",
      mynetworks: "127.0.0.0/8",
      alias_maps: "",
      smtpd_peername_lookup: "no",
      relayhost: `[127.0.0.1]:${sink.port}`,
    },
    filters.directory,
    SERVICES.map((name) => `${name} inet n - n - - smtpd -o smtpd_milters=${milters[name]}\n`).join("") +
      "unfolded unix n - n - 0 cleanup -o fold_long_headers=no\n",
  );
}, 120_000);

afterAll(async () => {
  await system?.stop();
  await sink?.close();
  await filters?.stop();
}, 120_000);

const mail = (body: string) => ({
  from: "a@example.org",
  to: "b@example.net",
  body:
    `From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n${body}`,
});

test("OpenDKIM signs, and the one behind it finds the signature good", async () => {
  const bodies = ["one line", `${"x".repeat(70)}\r\n`.repeat(20_000), "dots\r\n..\r\n...\r\n\r\n\r\n"];
  for (const [at, body] of bodies.entries()) {
    expect(await sendMessage(system.ports.get("2601")!, mail(body))).toStartWith("250 2.0.0 Ok: queued as ");
    await until(() => `the message:\n${system.log.lines.join("\n")}`, () => sink.mails.length === at + 1);
    const { content } = sink.mails[at]!;
    expect(content).toContain("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=sel;");
    expect(content).toMatch(/^Authentication-Results: mail\.example\.com;\r\n\tdkim=pass /m);
  }
}, 120_000);

const REFERENCES = Array.from({ length: 60 }, (_, i) => `<message.${i}@list.example.org>`).join(" ");

/** The message as the next hop has it. */
async function relayed(port: string, body: string): Promise<string> {
  const before = sink.mails.length;
  const sent = { from: "a@example.org", to: "b@example.net", body };
  expect(await sendMessage(system.ports.get(port)!, sent)).toStartWith("250 2.0.0 Ok: queued as ");
  await until(() => `the message:\n${system.log.lines.join("\n")}`, () => sink.mails.length > before);
  return sink.mails[before]!.content;
}

test("a long References is signed as it leaves: the next hop finds the signature good", async () => {
  const long = `References: ${REFERENCES}\r\n${mail("hello").body}`;
  const folded = await relayed("2603", long);
  expect(folded).toContain("DKIM-Signature: ");
  expect(await relayed("2605", folded)).toMatch(
    /^Authentication-Results: mail\.example\.com;\r\n\tdkim=pass /m,
  );
  // As with Postfix the client breaks a word of it, behind the signature.
  const cut = await relayed("2604", long);
  expect(await relayed("2605", cut)).toMatch(/^Authentication-Results: mail\.example\.com;\r\n\tdkim=fail /m);
}, 120_000);

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

test("rspamd takes mail, and refuses what looks like spam", async () => {
  const port = system.ports.get("2602")!;
  expect(await sendMessage(port, mail("hello"))).toStartWith("250 2.0.0 Ok: queued as ");
  expect(await sendMessage(port, mail(GTUBE))).toMatch(/^554 5\.7\.1 Gtube pattern/);
  expect(system.log.lines.join("\n")).toMatch(
    /cleanup: \w+: milter-reject: END-OF-MESSAGE from \S+: 5\.7\.1 Gtube pattern; from=/,
  );
}, 120_000);
