// What the compiled binary signs, over two hops: OpenDKIM before the second one and rspamd behind it find it good.
import { expect } from "bun:test";
import fs from "node:fs";
import path from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { freePort, runMta, type Server, startServer } from "../../kit/server.ts";
import { type DebianFilters, debianFilters } from "../../kit/servers/debian_filters.ts";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "opendkim", "rspamd", "root");

let dns: DnsServer;
let filters: DebianFilters;
let world: SmtpPeer;
let relay: Server;
let server: Server;
/** Where OpenDKIM signs first, what our server signs too. */
let filtered: number;
let scan: (message: Buffer) => Promise<readonly string[]>;

const BIG = ["message_size_limit = 60000000", "smtpd_peername_lookup = no"];

beforeAll(async () => {
  world = await startSmtpPeer({ ehlo: ["PIPELINING", "SIZE 60000000", "8BITMIME"] });
  dns = await startDnsServer({});
  filters = debianFilters();
  filtered = await freePort();
  const signer = await filters.signer();
  server = await startServer({
    mainCf: BIG,
    masterCf: [`127.0.0.1:${filtered} inet n - n - - smtpd`, `  -o smtpd_milters=${signer}`],
  });
  const theirs = fs.readFileSync(path.join(filters.directory, "public"), "utf8").trimEnd();
  const known: Record<string, string> = { [theirs.split(" ")[0]!]: theirs.slice(theirs.indexOf(" ") + 1) };
  const entries: string[] = [];
  for (const options of [["--selector", "rsa"], ["--selector", "ed", "--ed25519"]]) {
    const made = JSON.parse((await server.mta("dkim", "genkey", "--json", "example.com", ...options)).stdout);
    known[made.name] = made.record;
    entries.push(`${made.selector}:${made.file}`);
  }
  // The same key for another domain.
  known["rsa._domainkey.example.org"] = known["rsa._domainkey.example.com"]!;
  dns.setZone(Object.fromEntries(Object.entries(known).map(([name, record]) => [name, { TXT: [record] }])));
  scan = await filters.scanner(dns.address);
  relay = await startServer({
    mainCf: [
      ...BIG,
      "mydestination =",
      `relayhost = [127.0.0.1]:${world.port}`,
      `smtpd_milters = ${await filters.verifier(known)}`,
      "smtpd_recipient_restrictions = check_recipient_access inline:{nobody@far.example=REJECT}",
    ],
  });
  server.writeMainCf([
    ...BIG,
    "mydestination =",
    `relayhost = [127.0.0.1]:${relay.port}`,
    `dns_servers = ${dns.address}`,
    `dkim_signing_keys = inline:{ { example.com = ${entries.join(", ")} } { .example.com = ${
      entries[0]
    } } { example.org = ${entries[0]} } }`,
  ]);
  await server.mta("reload");
}, 300_000);
afterAll(async () => {
  await server?.stop();
  await relay?.stop();
  await filters?.stop();
  await dns?.close();
  await world?.close();
});

/** The message with this word as it comes out behind the second hop. */
async function arrived(word: string): Promise<string> {
  const found = () => world.mails.find(({ content }) => content.includes(word));
  const log = () =>
    [server, relay].map((each) => each.log().split("\n").slice(-15).join("\n")).join("\n--\n");
  await until(() => `mail with ${word}:\n${log()}`, () => found() !== undefined);
  return found()!.content;
}

/** What both say of the signatures that a message has. */
async function judged(content: string) {
  const [, results = ""] =
    /^Authentication-Results: mail\.example\.com;((?:.*\r\n[ \t])*.*)/m.exec(content) ?? [];
  const opendkim = [...results.matchAll(/dkim=(\w+)[^;]*header\.s=(\w+)/g)].map(([, is, selector]) =>
    `${selector} ${is}`
  );
  const symbols = await scan(Buffer.from(content, "latin1"));
  return {
    opendkim,
    rspamd: symbols.filter((each) => /^R_DKIM_(?:ALLOW|REJECT|PERMFAIL|TEMPFAIL|NA)/.test(each)),
  };
}

const HEADER = "From: Ann <ann@example.com>\r\nTo: b@far.example\r\nSubject: x\r\n";
const MIME =
  "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
const PART = `\r\n--q\r\n${MIME.replace("MIME-Version: 1.0\r\n", "")}\r\ngr\xc3\xbc\xc3\x9fe\r\n`;

const CONTENTS: Readonly<Record<string, string>> = {
  "a usual message": `${HEADER}\r\nhello\r\n`,
  "8-bit text": `${HEADER}${MIME}\r\ngr\xc3\xbc\xc3\x9fe \r\n\tx\r\n`,
  "8-bit text that nobody declares": `${HEADER}\r\ngr\xc3\xbc\xc3\x9fe\r\n`,
  "long lines": `${HEADER}\r\n${"x".repeat(5000)}\r\n${"y ".repeat(3000)}\r\n`,
  "an empty body": `${HEADER}\r\n`,
  "trailing blank lines": `${HEADER}\r\nhello\r\n\r\n\r\n  \r\n\r\n`,
  "blanks and dots": `${HEADER}\r\n.\r\n..x \t \r\n  a   b \r\n`.replace("\r\n.\r\n", "\r\n..\r\n"),
  "folded and repeated fields":
    `${HEADER.replace("To: ", "To:\r\n\t")}Cc: c@far.example,\r\n d@far.example\r\nComments: 1\r\n` +
    `Comments: 2\r\nX-Empty:\r\nReferences: ${"<a@b.example> ".repeat(150)}\r\n\r\nhello\r\n`,
  "parts":
    `${HEADER}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\nprologue${PART}${PART}\r\n--q--\r\n`,
};

async function send(content: string, port = server.port): Promise<string> {
  const client = await talk(port);
  for (
    const line of ["EHLO x", "MAIL FROM:<ann@example.com> BODY=8BITMIME", "RCPT TO:<b@far.example>", "DATA"]
  ) {
    expect(await client.say(line)).toMatch(/^[23]/);
  }
  const word = `word-${crypto.randomUUID()}`;
  client.send(`X-Word: ${word}\r\n${content}`);
  expect(await client.say(".")).toStartWith("250");
  client.end();
  return word;
}

const GOOD = {
  opendkim: ["rsa pass", "ed pass"],
  rspamd: ["R_DKIM_ALLOW example.com:s=rsa example.com:s=ed"],
};

test.each(Object.keys(CONTENTS))(
  "OpenDKIM and rspamd find the signature good over two hops: %s",
  async (name) => {
    expect(await judged(await arrived(await send(CONTENTS[name]!)))).toEqual(GOOD);
  },
  120_000,
);

test.each(["8-bit text", "long lines", "parts", "folded and repeated fields"])(
  "a filter of ours has signed what leaves too: %s",
  async (name) => {
    const content = CONTENTS[name]!.replaceAll("ann@example.com", "ann@example.org");
    const { opendkim } = await judged(await arrived(await send(content, filtered)));
    expect(opendkim).toEqual(["rsa pass", "sel pass"]);
  },
  120_000,
);

test("and that of 25 MiB", async () => {
  const line = `${"z".repeat(70)}\r\n`;
  const word = await send(`${HEADER}\r\n${line.repeat(Math.ceil(25 * 1024 * 1024 / line.length))}`);
  expect(await judged(await arrived(word))).toEqual(GOOD);
}, 300_000);

test("and that of mail by sendmail, and of the notice that it could not be delivered", async () => {
  const args = [
    "-c",
    server.configDirectory,
    "sendmail",
    "-f",
    "ann@example.com",
    "nobody@far.example",
    "b@far.example",
  ];
  const input = "From: ann@example.com\nSubject: by sendmail\nX-Word: local-word\n\ngr\xfc\xdfe\n";
  expect((await runMta(args, { input })).code).toBe(0);
  expect(await judged(await arrived("local-word"))).toEqual(GOOD);
  const notice = await arrived("Undelivered Mail Returned to Sender");
  expect(await judged(notice)).toEqual({
    opendkim: ["rsa pass"],
    rspamd: ["R_DKIM_ALLOW example.com:s=rsa"],
  });
}, 120_000);

test("a body that was changed on the way is found out", async () => {
  const content = await arrived(await send(`${HEADER}\r\ntransfer 100\r\n`));
  const { rspamd } = await judged(content.replace("transfer 100", "transfer 900"));
  expect(rspamd.join()).toContain("R_DKIM_REJECT");
}, 120_000);
