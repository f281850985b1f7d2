// What OpenDKIM and rspamd sign, over two hops: the compiled binary finds it good, and says so in its field.
import { expect } from "bun:test";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type DebianFilters, debianFilters } from "../../kit/servers/debian_filters.ts";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "opendkim",
  "rspamd",
  "root",
);

let dns: DnsServer;
let filters: DebianFilters;
let world: SmtpPeer;
let receiver: Server;

const BIG = ["message_size_limit = 60000000", "smtpd_peername_lookup = no"];

beforeAll(async () => {
  world = await startSmtpPeer({ ehlo: ["PIPELINING", "SIZE 60000000", "8BITMIME"] });
  filters = debianFilters();
  const { name, record } = filters.published();
  dns = await startDnsServer({
    [name]: { TXT: [record] },
    "_dmarc.example.org": { TXT: ["v=DMARC1; p=reject; adkim=s"] },
  });
  receiver = await startServer({
    mainCf: [
      ...BIG,
      "mydestination =",
      `relayhost = [127.0.0.1]:${world.port}`,
      `dns_servers = ${dns.address}`,
      "mail_authentication = yes",
      "mail_authentication_exempt =",
    ],
  });
}, 300_000);
afterAll(async () => {
  await receiver?.stop();
  await filters?.stop();
  await dns?.close();
  await world?.close();
});

const HEADER = "From: Ann <ann@example.org>\r\nTo: b@far.example\r\nSubject: x\r\n";
const MIME =
  "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
const LINE = `${"z".repeat(70)}\r\n`;

const CONTENTS: Readonly<Record<string, string>> = {
  "a usual message": `${HEADER}\r\nhello\r\n`,
  "8-bit text": `${HEADER}${MIME}\r\ngr\xc3\xbc\xc3\x9fe \r\n\tx\r\n`,
  "8-bit text that nobody declares": `${HEADER}\r\ngr\xfc\xdfe\r\n`,
  "long lines": `${HEADER}\r\n${"x".repeat(990)}\r\n${"y ".repeat(490)}\r\n`,
  "an empty body": `${HEADER}\r\n`,
  "trailing blank lines": `${HEADER}\r\nhello\r\n\r\n\r\n  \r\n\r\n`,
  "blanks and dots": `${HEADER}\r\n..x \t \r\n  a   b \r\n\t\r\n`,
  "folded and repeated fields":
    `${HEADER.replace("To: ", "To:\r\n\t")}Cc: c@far.example,\r\n d@far.example\r\nComments: 1\r\n` +
    `Comments: 2\r\nX-Empty:\r\nReferences: ${"<a@b.example>\r\n ".repeat(50)}<c@b.example>\r\n\r\nhello\r\n`,
  "25 MiB": `${HEADER}\r\n${LINE.repeat(Math.ceil(25 * 1024 * 1024 / LINE.length))}`,
};

async function send(to: Server, content: string): Promise<string> {
  const client = await talk(to.port);
  for (
    const line of ["EHLO x", "MAIL FROM:<ann@example.org> BODY=8BITMIME", "RCPT TO:<b@far.example>", "DATA"]
  ) {
    expect(await client.say(line)).toMatch(/^[23]/);
  }
  const word = `word-${crypto.randomUUID()}`;
  client.send(`X-Word: ${word}\r\n${content}`);
  expect(await client.say(".")).toStartWith("250");
  client.end();
  const found = () => world.mails.find((mail) => mail.content.includes(word));
  await until(() => `mail with ${word}: ${to.log().slice(-2000)}`, () => found() !== undefined);
  return found()!.content.slice(0, 20_000);
}

function resultsIn(content: string): string {
  const [, results = ""] = /^Authentication-Results: mail\.example\.com;((?:.*\r\n[ \t])*.*)/.exec(content) ??
    [];
  return results.replace(/\s+/g, " ");
}

describe.each(
  ["relaxed/simple", "simple/simple", "relaxed/relaxed", "simple/relaxed", "rspamd"],
)("what is signed %s", (how) => {
  let sender: Server;
  beforeAll(async () => {
    const milter = how === "rspamd" ? await filters.rspamdSigner() : await filters.signer(how);
    sender = await startServer({
      mainCf: [
        ...BIG,
        "mydestination =",
        `relayhost = [127.0.0.1]:${receiver.port}`,
        `smtpd_milters = ${milter}`,
        "milter_default_action = tempfail",
      ],
    });
  }, 60_000);
  afterAll(() => sender?.stop());

  test.each(Object.keys(CONTENTS))("passes: %s", async (name) => {
    const results = resultsIn(await send(sender, CONTENTS[name]!));
    expect(results).toMatch(/dkim=pass \(2048-bit key\) header\.d=example\.org /);
    expect(results).toContain("dmarc=pass (p=reject sp=reject np=reject) header.from=example.org");
  }, 120_000);
});

test("what is not signed fails", async () => {
  const results = resultsIn(await send(receiver, CONTENTS["a usual message"]!));
  expect(results).toContain("dkim=none");
  expect(results).toContain(
    "dmarc=fail (p=reject sp=reject np=reject) header.from=example.org policy.dmarc=reject",
  );
});
