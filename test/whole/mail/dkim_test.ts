// Our own mail is signed: the compiled binary makes keys, says what to publish, and signs what is ours.
import { expect } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { createResolver } from "../../../src/dns/resolver.ts";
import { ContentVerifier } from "../../../src/mailauth/content_verifier.ts";
import { withPeers } from "../../kit/peers.ts";
import { runMta, type Server, startServer } from "../../kit/server.ts";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

let dns: DnsServer;
let world: SmtpPeer;
let server: Server;
const zone: Record<string, { readonly TXT: readonly string[] }> = {};

interface Made {
  readonly file: string;
  readonly name: string;
  readonly record: string;
}

function publish({ name, record }: Made): void {
  zone[name] = { TXT: [record] };
  dns.setZone(zone);
}

async function genkey(...args: readonly string[]): Promise<Made> {
  const { code, stdout, stderr } = await server.mta("dkim", "genkey", "--json", ...args);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const settings = () => [
  `dns_servers = ${dns.address}`,
  `relayhost = [127.0.0.1]:${world.port}`,
  "mydestination =",
  "smtpd_authorized_xclient_hosts = 127.0.0.1",
  "smtpd_authorized_xforward_hosts = 127.0.0.1",
  "relay_domains = far.example",
  "smtpd_peername_lookup = no",
];

beforeAll(async () => {
  dns = await startDnsServer(zone);
  world = await startSmtpPeer({
    rcpt: (line) => line.includes("nobody") ? "550 5.1.1 unknown" : "250 2.1.5 Ok",
  });
  server = await startServer({ mainCf: settings() });
  const rsa = await genkey("example.com", "--selector", "s1");
  const ed = await genkey("example.com", "--selector", "ed", "--ed25519");
  publish(rsa);
  publish(ed);
  server.writeMainCf([
    ...settings(),
    `dkim_signing_keys = inline:{ { example.com = s1:${rsa.file}, ed:${ed.file} } { .example.com = s1:${rsa.file} } }`,
  ]);
  await server.mta("reload");
  await server.logged(/reload(?:ed)?/);
}, 180_000);
afterAll(async () => {
  await server?.stop();
  await world?.close();
  await dns?.close();
});

/** The signatures of a message that came over the wire, one character a byte, and whether they are good. */
async function verified(content: string): Promise<readonly string[]> {
  const verifier = new ContentVerifier({
    resolver: createResolver({ servers: [{ host: "127.0.0.1", port: dns.port }] }),
    now: () => Date.now(),
  });
  const end = content.indexOf("\r\n\r\n");
  verifier.header(content.slice(0, end + 2).split(/(?<=\r\n)(?![ \t])/));
  verifier.body(Buffer.from(content.slice(end + 4), "latin1"));
  const { dkim } = await verifier.end();
  return dkim.map(({ is, selector, domain }) => `${selector} ${domain} ${is}`);
}

const BOTH = ["s1 example.com pass", "ed example.com pass"];

/** What the next hop gets that has this word in it. */
async function arrived(word: string): Promise<string> {
  const found = () => world.mails.find(({ content }) => content.includes(word));
  await until(
    () => `mail with ${word}:\n${server.log().split("\n").slice(-30).join("\n")}`,
    () => found() !== undefined,
  );
  return found()!.content;
}

let last = 0;

/** Sends a message with a word of its own behind some commands; answers the word. */
async function send(
  { before = [], from = "ann@example.com", to = "b@far.example", body = "hello" }: {
    readonly before?: readonly string[];
    readonly from?: string;
    readonly to?: string;
    readonly body?: string;
  } = {},
): Promise<string> {
  const word = `word-${++last}`;
  const client = await talk(server.port);
  const lines = ["EHLO client.example", ...before, `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, "DATA"];
  for (const line of lines) expect(await client.say(line)).toMatch(/^[23]/);
  const header = `From: ${from}\r\nTo: ${to}\r\nX-Word: ${word}\r\nSubject: x\r\n`;
  expect(await client.say(`${header}\r\n${body}\r\n.`)).toStartWith("250");
  client.end();
  return word;
}

test("genkey makes a file for its owner alone, overwrites nothing, and says what to publish and to write", async () => {
  const { code, stdout } = await server.mta("dkim", "genkey", "new.example", "--selector", "k1");
  const file = path.join(server.configDirectory, "dkim/k1.new.example.pem");
  expect([code, fs.statSync(file).mode & 0o777]).toEqual([0, 0o600]);
  expect(stdout).toContain('k1._domainkey.new.example. IN TXT ( "v=DKIM1; k=rsa; p=');
  expect(stdout).toContain(`new.example k1:${file}`);
  expect(stdout).not.toContain("PRIVATE");
  const before = fs.readFileSync(file, "utf8");
  const again = await server.mta("dkim", "genkey", "new.example", "--selector", "k1");
  expect([again.code, again.stderr]).toEqual([1, `mta dkim: fatal: ${file}: File exists\n`]);
  expect(fs.readFileSync(file, "utf8")).toBe(before);
  const record = await server.mta("dkim", "record", file);
  expect(record.stdout).toStartWith('( "v=DKIM1; k=rsa; p=');
  const ours = await server.mta("dkim", "record", "example.com");
  expect(ours.stdout.match(/^\S+\. IN TXT/gm)).toEqual([
    "s1._domainkey.example.com. IN TXT",
    "ed._domainkey.example.com. IN TXT",
  ]);
});

test("check compares keys with what is published, and says by its status what it found", async () => {
  const good = await server.mta("dkim", "check");
  expect([good.code, good.stdout]).toEqual([
    0,
    "good: s=s1 d=example.com, RSA 2048 bits\ngood: s=ed d=example.com, Ed25519\n",
  ]);
  const other = await server.mta("dkim", "check", "other.example");
  expect([other.code, other.stdout]).toEqual([1, "no key: mail from other.example is not signed\n"]);
  dns.setZone({ ...zone, "s1._domainkey.example.com": "NXDOMAIN", "ed._domainkey.example.com": "SERVFAIL" });
  const bad = await server.mta("dkim", "check", "--json", "example.com");
  const found = JSON.parse(bad.stdout);
  expect([bad.code, found.ok, found.keys.map((key: { published: string }) => key.published)]).toEqual([
    1,
    false,
    ["missing", "unknown"],
  ]);
  expect(found.keys[0].problems[0].fix).toStartWith(
    'publish s1._domainkey.example.com TXT "v=DKIM1; k=rsa; p=',
  );
  const check = await server.mta("check");
  expect(check.stderr).toMatch(
    /nobody finds its key, s1\._domainkey\.example\.com has no TXT record; publish/,
  );
  dns.setZone(zone);
  expect((await server.mta("check")).stderr).not.toContain("_domainkey");
}, 60_000);

test("the start says which signatures will fail, and what to publish", async () => {
  const { stdout } = await server.mta("dkim", "genkey", "--json", "late.example", "--selector", "l");
  const { file } = JSON.parse(stdout) as Made;
  fs.chmodSync(file, 0o644);
  const other = await startServer({
    mainCf: [...settings(), `dkim_signing_keys = inline:{late.example=l:${file}}`],
  });
  const line = await other.logged(/cleanup\[\d+\]: warning: mail of late\.example signed with s=l fails/);
  expect(line).toContain(
    'l._domainkey.late.example has no TXT record; publish l._domainkey.late.example TXT "v=DKIM1;',
  );
  await other.logged(/everybody on this machine may read this key, and sign as late\.example; chmod 600/);
  await other.stop();
}, 60_000);

test("mail of a permitted client is signed with all keys of the domain, each with a line in the log", async () => {
  const content = await arrived(await send({ body: "gr\xc3\xbc\xc3\x9fe\r\n\r\n" }));
  expect(content).toStartWith("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s1;");
  expect(await verified(content)).toEqual(BOTH);
  await server.logged(/cleanup\[\d+\]: \w+: DKIM-Signature field added \(s=s1, d=example\.com\)/);
  await server.logged(/cleanup\[\d+\]: \w+: DKIM-Signature field added \(s=ed, d=example\.com\)/);
  const parent = await arrived(await send({ from: "ann@sub.example.com" }));
  expect(await verified(parent)).toEqual([BOTH[0]!]);
});

test("mail of strangers is not signed, whoever they say they are, nor what a filter brings of theirs", async () => {
  const stranger = "XCLIENT ADDR=192.0.2.7 NAME=client.example.net";
  const forged = await arrived(await send({ before: [stranger, "EHLO client.example"] }));
  expect(forged).not.toContain("DKIM-Signature");
  const user = "XCLIENT ADDR=192.0.2.7 NAME=client.example.net LOGIN=ann";
  expect(await verified(await arrived(await send({ before: [user, "EHLO client.example"] })))).toEqual(BOTH);
  const filtered = await arrived(await send({ before: ["XFORWARD ADDR=192.0.2.7 NAME=client.example.net"] }));
  expect(filtered).not.toContain("DKIM-Signature");
  const own = await arrived(await send({ before: ["XFORWARD ADDR=127.0.0.9 NAME=own.example.net"] }));
  expect(await verified(own)).toEqual(BOTH);
});

test(
  "mail of local users is signed, and what is said to them of mail that could not be delivered",
  async () => {
    const { code, stderr } = await runMta(
      [
        "-c",
        server.configDirectory,
        "sendmail",
        "-f",
        "ann@example.com",
        "nobody@far.example",
        "b@far.example",
      ],
      { input: "From: ann@example.com\nSubject: by sendmail\nX-Word: local\n\nhello\n" },
    );
    expect([code, stderr]).toEqual([0, ""]);
    const content = await arrived("by sendmail");
    expect(await verified(content)).toEqual(BOTH);
    const notice = await arrived("Undelivered Mail Returned to Sender");
    expect(notice).toMatch(/^From: .*MAILER-DAEMON@mail\.example\.com/m);
    expect(await verified(notice)).toEqual([BOTH[0]!]);
  },
  60_000,
);

test("a key that only root may read is signed with, and its successor when the file changes", async () => {
  const other = await genkey("example.com", "--selector", "next");
  const file = path.join(server.configDirectory, "dkim/s1.example.com.pem");
  fs.writeFileSync(`${file}.new`, fs.readFileSync(other.file), { mode: 0o600 });
  fs.renameSync(`${file}.new`, file);

  zone["s1._domainkey.example.com"] = { TXT: [other.record] };
  dns.setZone(zone);
  await until(
    () => "a signature by the new key",
    async () => (await verified(await arrived(await send())))[0] === BOTH[0],
  );
}, 120_000);

test("mail waits while there is no key for it", async () => {
  const other = await startServer({
    mainCf: [...settings(), "dkim_signing_keys = inline:{example.com=s1:$config_directory/dkim/none.pem}"],
  });
  const client = await talk(other.port);
  for (const line of ["EHLO x", "MAIL FROM:<a@example.com>", "RCPT TO:<b@far.example>", "DATA"]) {
    await client.say(line);
  }
  expect(await client.say("From: a@example.com\r\n\r\nx\r\n.")).toBe("451 4.3.5 Server configuration error");
  client.end();
  await other.logged(
    /no DKIM-Signature field added \(d=example\.com\): DKIM key s=s1 d=example\.com: .*none\.pem: No such file/,
  );
  await other.stop();
}, 60_000);

test("mail of local users waits for its key in the maildrop, and is signed when it is there", async () => {
  const other = await startServer({
    mainCf: [...settings(), "dkim_signing_keys = inline:{example.com=s1:$config_directory/late.pem}"],
  });
  const args = ["-c", other.configDirectory, "sendmail", "-f", "ann@example.com", "b@far.example"];
  expect((await runMta(args, { input: "From: ann@example.com\nSubject: late key\n\nx\n" })).code).toBe(0);
  await other.logged(/late\.pem: No such file or directory -- message not accepted, try again later/);
  const key = path.join(server.configDirectory, "dkim/next.example.com.pem");
  fs.copyFileSync(key, path.join(other.configDirectory, "late.pem"));
  expect(await verified(await arrived("late key"))).toEqual([BOTH[0]!]);
  await other.stop();
}, 180_000);

test("no line of a key is in the log, or in what is said of keys", async () => {
  const folder = path.join(server.configDirectory, "dkim");
  const lines = fs.readdirSync(folder).flatMap((name) =>
    fs.readFileSync(path.join(folder, name), "utf8").split("\n").filter((line) =>
      /^[A-Za-z0-9+/=]{40,}$/.test(line)
    )
  );
  const told = [server.log()];
  for (
    const args of [["dkim", "check"], ["dkim", "record", "example.com"], ["dkim", "check", "--json"], [
      "check",
    ]]
  ) {
    const { stdout, stderr } = await server.mta(...args);
    told.push(stdout, stderr);
  }
  const secrets = lines.filter((line) => !told.slice(1).join().includes(`p=${line}`));
  expect(secrets.length).toBeGreaterThan(20);
  expect(secrets.filter((line) => told.join().includes(line))).toEqual([]);
}, 60_000);
