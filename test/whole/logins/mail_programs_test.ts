// Other people's mail programs send as users of ours, over 587 and 465 of config/production, and look at the certificate.
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import nodemailer from "nodemailer";
import { selfMadeAuthority } from "../../kit/memory/authority.ts";
import { type PeerName, withPeers } from "../../kit/peers.ts";
import { type Production, SECRET, startProduction } from "../../kit/servers/production.ts";
import { tied } from "../../kit/servers/tied_child.ts";
import { until } from "../../kit/waiting.ts";

const PEERS = ["dist/mta", "openssl"] as const;
const { afterAll, beforeAll } = withPeers(import.meta.path, ...PEERS);

let folder = "";
let production: Production;
const [OURS, STRANGE] = ["ca.pem", "stranger.pem"];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mail-programs-"));
  const authority = selfMadeAuthority("Example mail CA");
  writeFileSync(join(folder, OURS), authority.certificate);
  writeFileSync(join(folder, STRANGE), selfMadeAuthority("Another CA").certificate);
  const own = authority.issue({
    name: "mail.example.com",
    names: "DNS:mail.example.com,DNS:localhost,IP:127.0.0.1",
    purpose: "serverAuth",
  });
  // Those who try wrong passwords here are not to be kept waiting.
  production = await startProduction(
    own,
    "login_failure_exceptions = 127.0.0.0/8",
    "smtpd_error_sleep_time = 0",
  );
}, 120_000);

afterAll(async () => {
  await production?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** What a program is told: where to, TLS from the start or by STARTTLS, whom to trust, who logs in with what password. */
interface Order {
  readonly port: number;
  readonly wrapped: boolean;
  readonly ca: string;
  readonly user: string;
  readonly secret: string;
  readonly to: string;
}

interface Ended {
  readonly sent: boolean;
  readonly out: string;
}

const FROM = "ann@example.com";
const LETTER = (to: string) => `From: ${FROM}\r\nTo: ${to}\r\nSubject: hello\r\n\r\nhello\r\n`;

/** Runs a program; it has sent when it ends with 0. */
function run(command: readonly string[], input = ""): Promise<Ended> {
  const [program, ...args] = tied(command);
  const env = { ...process.env, HOME: folder };
  const child = spawn(program!, args, { stdio: ["pipe", "pipe", "pipe"], env });
  let out = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => out += chunk);
  // One that gives up before it has read all.
  child.stdin.on("error", () => {}).end(input);
  return new Promise((done) => child.on("close", (code) => done({ sent: code === 0, out })));
}

/** A file of settings, for one program's own eyes. */
function settings(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o600 });
  return path;
}

async function withNodemailer({ port, wrapped, ca, user, secret, to }: Order): Promise<Ended> {
  const transport = nodemailer.createTransport({
    host: "127.0.0.1",
    port,
    secure: wrapped,
    requireTLS: true,
    tls: { ca: readFileSync(ca), servername: "mail.example.com" },
    auth: { user, pass: secret },
  });
  try {
    const { response } = await transport.sendMail({ from: FROM, to, subject: "hello", text: "hello" });
    return { sent: true, out: response };
  } catch (error) {
    return { sent: false, out: String(error) };
  } finally {
    transport.close();
  }
}

function withMsmtp({ port, wrapped, ca, user, secret, to }: Order): Promise<Ended> {
  const file = settings("msmtprc", [
    "account default",
    "host 127.0.0.1",
    `port ${port}`,
    "tls on",
    `tls_starttls ${wrapped ? "off" : "on"}`,
    `tls_trust_file ${ca}`,
    "tls_host_override mail.example.com",
    "auth on",
    `user ${user}`,
    `password "${secret}"`,
    `from ${FROM}`,
  ]);
  return run(["msmtp", "-C", file, "-v", to], LETTER(to));
}

function withMutt({ port, wrapped, ca, user, secret, to }: Order): Promise<Ended> {
  const file = settings("muttrc", [
    `set smtp_url = "${wrapped ? "smtps" : "smtp"}://${encodeURIComponent(user)}@127.0.0.1:${port}/"`,
    `set smtp_pass = "${secret}"`,
    `set from = "${FROM}"`,
    "set ssl_starttls = yes ssl_force_tls = yes ssl_usesystemcerts = no",
    `set certificate_file = "${ca}"`,
    "unset copy",
  ]);
  return run(["mutt", "-n", "-F", file, "-s", "hello", "--", to], "hello\n");
}

function withSwaks({ port, wrapped, ca, user, secret, to }: Order): Promise<Ended> {
  const tls = [wrapped ? "--tls-on-connect" : "-tls", "--tls-verify", "--tls-ca-path", ca];
  const login = ["--auth", "PLAIN", "--auth-user", user, "--auth-password", secret];
  return run(["swaks", "--server", `127.0.0.1:${port}`, ...tls, ...login, "--from", FROM, "--to", to]);
}

function withCurl({ port, wrapped, ca, user, secret, to }: Order): Promise<Ended> {
  const where = ["--resolve", `mail.example.com:${port}:127.0.0.1`, "--cacert", ca, "--ssl-reqd"];
  const url = `${wrapped ? "smtps" : "smtp"}://mail.example.com:${port}`;
  const mail = ["--user", `${user}:${secret}`, "--mail-from", FROM, "--mail-rcpt", to, "-T", "-"];
  return run(["curl", "-sS", "-v", ...where, url, ...mail], LETTER(to));
}

const SMTPLIB = `
import smtplib, ssl, sys
port, wrapped, ca, user, secret, sender, to = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if wrapped == "true":
    smtp = smtplib.SMTP_SSL("localhost", int(port), context=context)
else:
    smtp = smtplib.SMTP("localhost", int(port))
    smtp.starttls(context=context)
smtp.login(user, secret)
smtp.sendmail(sender, [to], sys.stdin.read())
smtp.quit()
`;

function withSmtplib({ port, wrapped, ca, user, secret, to }: Order): Promise<Ended> {
  return run(
    ["python3", "-c", SMTPLIB, String(port), String(wrapped), ca, user, secret, FROM, to],
    LETTER(to),
  );
}

interface Program {
  readonly name: string;
  readonly peers: readonly PeerName[];
  readonly send: (order: Order) => Promise<Ended>;
}

const PROGRAMS: readonly Program[] = [
  { name: "nodemailer", peers: [], send: withNodemailer },
  { name: "msmtp", peers: ["msmtp"], send: withMsmtp },
  { name: "mutt", peers: ["mutt"], send: withMutt },
  { name: "swaks", peers: ["swaks"], send: withSwaks },
  { name: "curl", peers: ["curl"], send: withCurl },
  { name: "smtplib", peers: ["python3"], send: withSmtplib },
];

/** Whether a message to somebody came with Ann's login, by this service, and went on. */
function arrived(service: string, to: string): boolean {
  const log = production.log();
  const id = new RegExp(` (\\w+): to=<${to}>,.* status=sent `).exec(log)?.[1];
  if (id === undefined) return false;
  return new RegExp(`postfix/${service}/smtpd\\S*: ${id}: client=.*, sasl_username=ann@example\\.com`).test(
    log,
  );
}

const failures = () => production.log().match(/SASL \S+ authentication failed/g)?.length ?? 0;

const WAYS = [["587 with STARTTLS", "submission", false], ["465", "submissions", true]] as const;

for (const { name, peers, send } of PROGRAMS) {
  const { describe, test } = withPeers(import.meta.path, ...PEERS, ...peers);

  describe.each(WAYS)(`${name} over %s`, (_way, service, wrapped) => {
    const order = () => ({
      port: production.ports[service],
      wrapped,
      ca: join(folder, OURS),
      user: FROM,
      secret: SECRET,
      to: `${name}-${service}@elsewhere.example`,
    });

    test("sends as a user of ours", async () => {
      const { sent, out } = await send(order());
      expect({ sent, out }).toEqual({ sent: true, out });
      const { to } = order();
      await until(() => `mail to ${to}:\n${production.log()}`, () => arrived(service, to));
    }, 60_000);

    test("sends nothing with a wrong password", async () => {
      const [before, to] = [failures(), `wrong-${order().to}`];
      const { sent, out } = await send({ ...order(), to, secret: "wrong" });
      expect({ sent, out }).toEqual({ sent: false, out });
      await until("the failed login in the log", () => failures() > before);
      expect(production.log()).not.toContain(to);
    }, 60_000);

    test("shows no password to a server whose certificate it does not trust", async () => {
      // A late line of the log would be seen by the next of these.
      const to = `untrusted-${order().to}`;
      const bob = { user: "bob@example.com", secret: "wrong" };
      const { sent, out } = await send({ ...order(), ...bob, to, ca: join(folder, STRANGE) });
      expect({ sent, out }).toEqual({ sent: false, out });
      expect(production.log()).not.toContain("bob@example.com");
      expect(production.log()).not.toContain(to);
    }, 60_000);
  });
}
