// A message on its way over servers of ours: signed where it begins, relayed, sent on by an alias and by a list that changes it, and judged
// where it ends, each by the compiled binary.
import { expect } from "bun:test";
import { generateKey } from "../../../src/mailauth/dkim/signing_key.ts";
import { keyZone, partsOf, testKey } from "../../kit/foreign_mail.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type ScriptedMilter, startScriptedMilter } from "../../kit/servers/scripted_milter.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { sendMessage } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

const [BANK_PEM, LIST_PEM] = [generateKey("ed25519-sha256"), generateKey("ed25519-sha256")];
const inTable = (domain: string, pem: string) =>
  `dkim_signing_keys = inline:{ { ${domain} = s:${pem.replace(/-----[^-]+-----|\n/g, "")} } }`;

const ZONE = {
  ...keyZone(testKey("bank.example", "s", BANK_PEM), testKey("list.example", "s", LIST_PEM)),
  "_dmarc.bank.example": { TXT: ["v=DMARC1; p=reject"] },
  "bank.example": { TXT: ["v=spf1 ip4:192.0.2.1 -all"] },
  "list.example": { TXT: ["v=spf1 ip4:127.0.0.1 -all"] },
};

let dns: DnsServer;
let inside: SmtpPeer;
let milter: ScriptedMilter;
const servers: Server[] = [];

async function start(...lines: readonly string[]): Promise<Server> {
  const server = await startServer({
    mainCf: [`dns_servers = ${dns.address}`, "mydestination =", "smtpd_peername_lookup = no", ...lines],
  });
  servers.push(server);
  return server;
}

const RECEIVES = [
  "mail_authentication = yes",
  "mail_authentication_exempt =",
  "smtpd_end_of_data_restrictions = check_dmarc",
];

interface Way {
  readonly trusting: Server;
  readonly strict: Server;
  readonly list: Server;
  readonly bank: Server;
}
let way: Way;

beforeAll(async () => {
  dns = await startDnsServer(ZONE);
  inside = await startSmtpPeer({});
  milter = await startScriptedMilter();
  const toInside = `relayhost = [127.0.0.1]:${inside.port}`;
  const trusting = await start(
    "myhostname = mx.far.example",
    ...RECEIVES,
    toInside,
    "trusted_forwarders = inline:{list.example=yes}",
  );
  const strict = await start("myhostname = mx.strict.example", ...RECEIVES, toInside);
  const list = await start(
    "myhostname = mx.list.example",
    ...RECEIVES,
    "virtual_alias_domains = list.example",
    "virtual_alias_maps = inline:{{news@list.example=bob@far.example} {strict@list.example=bob@strict.example} {alias@list.example=bob@far.example}}",
    "srs_domain = list.example",
    "srs_secret = 0123456789abcdef0123456789abcdef",
    "arc_sealing_domain = list.example",
    inTable("list.example", LIST_PEM),
    "dkim_signing_clients =",
    `transport_maps = inline:{{far.example=smtp:[127.0.0.1]:${trusting.port}} {strict.example=smtp:[127.0.0.1]:${strict.port}}}`,
    `smtpd_milters = ${milter.name}`,
  );
  const bank = await start(
    "myhostname = mail.bank.example",
    inTable("bank.example", BANK_PEM),
    `transport_maps = inline:{{list.example=smtp:[127.0.0.1]:${list.port}} {far.example=smtp:[127.0.0.1]:${trusting.port}}}`,
    toInside,
  );
  way = { trusting, strict, list, bank };
}, 120_000);
afterAll(async () => {
  for (const server of servers.reverse()) await server.stop();
  await milter?.close();
  await inside?.close();
  await dns?.close();
});

/** Sends one from the bank; the message as it is at its end. */
async function send(to: string): Promise<{ readonly from: string; readonly content: string }> {
  const word = crypto.randomUUID();
  const body = `From: Ann <ann@bank.example>\r\nTo: ${to}\r\nSubject: ${word}\r\n\r\nhello\r\n`;
  expect(await sendMessage(way.bank.port, { from: "ann@bank.example", to, body })).toStartWith("250 ");
  const found = () => inside.mails.find(({ content }) => content.includes(word));
  const logs = () => servers.map((server) => server.log().split("\n").slice(-12).join("\n")).join("\n--\n");
  await until(() => `the message to ${to}:\n${logs()}`, () => found() !== undefined);
  return found()!;
}

/** What the receiver's field says, unfolded. */
function resultsIn(content: string): string {
  const field = partsOf(content).fields.find((each) =>
    /^Authentication-Results: mx\.(?:far|strict)\./.test(each)
  );
  return (field ?? "").replace(/\r\n/g, "").replace(/\s+/g, " ");
}

test("what is relayed as it is keeps its signature", async () => {
  const { content } = await send("bob@far.example");
  const results = resultsIn(content);
  expect(results).toContain("dkim=pass (256-bit key) header.d=bank.example");
  expect(results).toMatch(/dmarc=pass \(p=reject sp=reject np=reject\) header\.from=bank\.example$/);
});

test("an alias with SRS passes SPF in its own name, and DMARC by the signature", async () => {
  const { from, content } = await send("alias@list.example");
  expect(from).toMatch(/^SRS0=\S+=bank\.example=ann@list\.example$/);
  const results = resultsIn(content);
  expect(results).toMatch(/spf=pass \(list\.example: ip4:127\.0\.0\.1\) smtp\.mailfrom="?SRS0/);
  expect(results).toContain("dkim=pass (256-bit key) header.d=bank.example");
  expect(results).toContain("arc=pass (i=1 d=list.example)");
  expect(results).toMatch(/dmarc=pass \(p=reject sp=reject np=reject\) header\.from=bank\.example$/);
});

test("a list that changes what was signed passes where its seal is trusted, and nowhere else", async () => {
  milter.play({
    on: {
      bodyEnd: [
        { is: "changeHeader", index: 1, name: "Subject", value: "[news] changed" },
        { is: "addHeader", name: "X-Word", value: "to be found" },
        { is: "replaceBody", bytes: Buffer.from("hello\r\n-- \r\nunsubscribe here\r\n") },
        { is: "accept" },
      ],
    },
  });
  const body = "From: Ann <ann@bank.example>\r\nSubject: x\r\n\r\nhello\r\n";
  await sendMessage(way.bank.port, { from: "ann@bank.example", to: "news@list.example", body });
  await until(
    "the list's message",
    () => inside.mails.some(({ content }) => content.includes("unsubscribe")),
  );
  const { content } = inside.mails.find((mail) => mail.content.includes("unsubscribe"))!;
  const results = resultsIn(content);
  expect(results).toMatch(/dkim=fail \(.*\) header\.d=bank\.example/);
  expect(results).toContain("arc=pass (i=1 d=list.example)");
  expect(results).toContain(
    'reason="local policy: arc=pass, sealed by list.example" header.from=bank.example',
  );
  const count = inside.mails.length;
  await sendMessage(way.bank.port, { from: "ann@bank.example", to: "strict@list.example", body });
  await way.list.logged(
    /to=<bob@strict\.example>, .*status=bounced \(host .* said: 550 5\.7\.26 <bank\.example>: Author domain rejected: DMARC fails/,
  );
  milter.play({});
  expect(inside.mails.length).toBe(count);
});
