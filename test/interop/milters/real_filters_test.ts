// Real filters from Debian before our smtpd: OpenDKIM signs and verifies, rspamd refuses spam.
import { expect } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { freePort } from "../../kit/server.ts";
import { type MailSystem, startMailSystem } from "../../kit/servers/mail_system.ts";
import { reachable } from "../../kit/servers/reachable.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { sendMessage } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "opendkim", "rspamd", "root");

const SERVICES = ["2601", "2602", "2603", "2604", "2605"] as const;
const children: { kill(): void }[] = [];
let directory: string;
let sink: SmtpPeer;
let system: MailSystem;

function start(program: string, ...args: readonly string[]): void {
  const child = spawnTied(program, args, { stdio: ["ignore", "ignore", "ignore"] });
  children.push({ kill: () => void child.kill("SIGKILL") });
}

/** A key of example.org's, and the public half where the verifier looks for it. */
function makeKey(): void {
  spawnSync("openssl", ["genrsa", "-out", join(directory, "key.pem"), "2048"]);
  const { stdout } = spawnSync("openssl", [
    "rsa",
    "-in",
    join(directory, "key.pem"),
    "-pubout",
    "-outform",
    "DER",
  ]);
  const record = `sel._domainkey.example.org v=DKIM1; k=rsa; p=${stdout.toString("base64")}\n`;
  writeFileSync(join(directory, "public"), record);
  chmodSync(join(directory, "key.pem"), 0o600);
}

async function startDkim(mode: "s" | "v", lines: string): Promise<number> {
  const port = await freePort();
  const file = join(directory, `dkim-${mode}.conf`);
  writeFileSync(
    file,
    `RequireSafeKeys no\nMode ${mode}\nSocket inet:${port}@127.0.0.1\nSyslog no\nUserID root\nCanonicalization relaxed/simple\n${lines}`,
  );
  start("/usr/sbin/opendkim", "-f", "-x", file);
  await reachable(port);
  return port;
}

async function startRspamd(): Promise<number> {
  const port = await freePort();
  const file = join(directory, "rspamd.conf");
  writeFileSync(
    file,
    `.include "/etc/rspamd/common.conf"
options { pidfile = "${directory}/rspamd.pid"; dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; } }
logging { type = "console"; level = "error"; }
worker "normal" { enabled = false; }
worker "controller" { enabled = false; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:${port}";
  milter = yes;
  count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
`,
  );
  start(
    "/usr/bin/rspamd",
    "-f",
    "-i",
    "-c",
    file,
    "--var",
    `DBDIR=${directory}`,
    "--var",
    `RUNDIR=${directory}`,
  );
  await reachable(port);
  return port;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "mta-filters-"));
  chmodSync(directory, 0o755);
  makeKey();
  sink = await startSmtpPeer();
  const signer = await startDkim(
    "s",
    `Domain example.org\nSelector sel\nKeyFile ${directory}/key.pem\nInternalHosts 127.0.0.1\n`,
  );
  const verifier = await startDkim("v", `TestPublicKeys ${directory}/public\nAuthservID mail.example.com\n`);
  const rspamd = await startRspamd();
  const milters = {
    2601: `inet:127.0.0.1:${signer},inet:127.0.0.1:${verifier}`,
    2602: `inet:127.0.0.1:${rspamd}`,
    2603: `inet:127.0.0.1:${signer}`,
    2604: `inet:127.0.0.1:${signer} -o cleanup_service_name=unfolded`,
    2605: `inet:127.0.0.1:${verifier}`,
  };
  writeFileSync(join(directory, "main.cf"), "");
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
    directory,
    SERVICES.map((name) => `${name} inet n - n - - smtpd -o smtpd_milters=${milters[name]}\n`).join("") +
      "unfolded unix n - n - 0 cleanup -o fold_long_headers=no\n",
  );
}, 120_000);

afterAll(async () => {
  await system?.stop();
  await sink?.close();
  for (const child of children) child.kill();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

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
