// Filters of Debian's that judge mail, before the compiled server and beside the real Postfix: OpenDMARC, SpamAssassin, ClamAV.
import { expect } from "bun:test";
import { type DebianFilters, debianFilters } from "../../kit/servers/debian_filters.ts";
import { type DnsServer, startDnsServer } from "../../kit/servers/dns_server.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { sendMessage } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(
  import.meta.path,
  "dist/mta",
  "clamav-milter",
  "opendkim",
  "opendmarc",
  "openssl",
  "postfix",
  "spamass-milter",
  "root",
);

const NAME_SERVER = "127.0.0.81";
const ZONE = {
  "_dmarc.example.org": { TXT: ["v=DMARC1; p=reject"] },
  "_dmarc.example.net": "NXDOMAIN",
} as const;

/** In two halves, so that no scanner of files takes this one for infected. */
const EICAR = String.raw`X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-` + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
const RULES = ["body MTA_OFFER /a strange offer/", "score MTA_OFFER 7", "describe MTA_OFFER A strange offer"];

/** Of now: SpamAssassin holds an old date against a message. */
const DATE = new Date().toUTCString().replace("GMT", "+0000");

/** Who filters the mail of which service. */
type Chain = "authenticated" | "unsigned" | "spam" | "virus";

/** A server, and where its mail goes. */
interface Side {
  readonly ports: ReadonlyMap<string, number>;
  readonly log: () => string;
  readonly sink: SmtpPeer;
}

let filters: DebianFilters;
let dns: DnsServer;
let sinks: readonly SmtpPeer[] = [];
let postfix: PostfixInstance;
let server: Server;
let theirs: Side;
let ours: Side;

async function startFilters(): Promise<Readonly<Record<Chain, string>>> {
  const [signer, verifier] = [await filters.signer(), await filters.verifier()];
  const dmarc = await filters.dmarc(NAME_SERVER);
  return {
    authenticated: `${signer},${verifier},${dmarc}`,
    unsigned: `${verifier},${dmarc}`,
    spam: await filters.spamassassin(RULES),
    virus: await filters.clamav({ "Eicar-Test": EICAR }),
  };
}

/** Services with these filters, each side's at ports of its own. */
async function services(chains: Readonly<Record<Chain, string>>) {
  const ports = new Map<string, number>();
  for (const name of Object.keys(chains)) ports.set(name, await freePort());
  const master = Object.entries(chains).map(([name, milters]) =>
    `127.0.0.1:${ports.get(name)} inet n - n - - smtpd -o smtpd_milters=${milters}`
  );
  return { ports, master };
}

beforeAll(async () => {
  filters = debianFilters();
  dns = await startDnsServer(ZONE, { host: NAME_SERVER, port: 53 });
  const chains = await startFilters();
  sinks = [await startSmtpPeer(), await startSmtpPeer()];
  const [real, own] = [await services(chains), await services(chains)];
  const relayhost = (at: number) => `[127.0.0.1]:${sinks[at]!.port}`;
  postfix = await startPostfix({
    main: { relayhost: relayhost(0) },
    master: real.master.join("\n"),
  });
  server = await startServer({
    mainCf: [`relayhost = ${relayhost(1)}`, "mydestination ="],
    masterCf: own.master,
  });
  theirs = { ports: real.ports, log: () => postfix.log(), sink: sinks[0]! };
  ours = { ports: own.ports, log: () => server.log(), sink: sinks[1]! };
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await postfix?.stop();
  for (const sink of sinks) await sink.close();
  await dns?.close();
  await filters?.stop();
}, 120_000);

/** What became of a message. */
interface Fate {
  readonly reply: string;
  /** What the log says that filters have done. */
  readonly done: readonly string[];
  /** What the next hop has, without the trace field. */
  readonly relayed?: string;
}

/** Mail that is `relayed` is waited for; other mail has met its end with the reply. */
async function fateAt(side: Side, chain: Chain, body: string, ends: "relayed" | "here"): Promise<Fate> {
  const [logged, before] = [side.log().length, side.sink.mails.length];
  const content = `From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\nDate: ${DATE}\r\n` +
    `Message-ID: <20261130100000.0001@example.org>\r\n\r\n${body}`;
  const mail = { from: "a@example.org", to: "b@example.net", body: content };
  const reply = await sendMessage(side.ports.get(chain)!, mail);
  const said = () => side.log().slice(logged);
  await until(() => `the end of the session:\n${said()}`, () => / disconnect from /.test(said()));
  if (ends === "relayed") {
    await until(() => `the message; ${reply}\n${said()}`, () => side.sink.mails.length > before);
  }
  const id = /queued as (\w+)/.exec(reply)?.[1] ?? "none";
  return {
    reply: plain(reply, id),
    done: [...said().matchAll(/milter-\w+: .*/g)].map(([line]) => plain(line, id)),
    ...(ends === "relayed" ? { relayed: plain(side.sink.mails[before]!.content, id) } : {}),
  };
}

/** Without what differs from one message to the next. */
function plain(text: string, id: string): string {
  return text
    .replace(/^Received: .*\r\n(?:[ \t].*\r\n)*/gm, "")
    .replaceAll(id, "ID")
    .replace(/\bb=[^;]*?(?=;|\r\n(?![ \t]))/g, "b=SIGNATURE")
    .replace(/=_[0-9A-F]{8}\.[0-9A-F]{8}\b/g, "=_BOUNDARY")
    .replace(/\bt=\d+/g, "t=TIME")
    .replace(/^(X-Virus-Scanned|X-Spam-Checker-Version): (.*?)(?: at| on) .*(?:\r\n[ \t].*)*/gm, "$1: $2");
}

/** The fate of a message here; Postfix's is the same. */
async function fateOf(chain: Chain, body: string, ends: "relayed" | "here"): Promise<Fate> {
  const [real, own] = [await fateAt(theirs, chain, body, ends), await fateAt(ours, chain, body, ends)];
  expect(own).toEqual(real);
  return own;
}

test("OpenDMARC finds in order what OpenDKIM before it has found signed", async () => {
  const { reply, relayed } = await fateOf("authenticated", "hello", "relayed");
  expect(reply).toBe("250 2.0.0 Ok: queued as ID");
  expect(relayed).toMatch(/^Authentication-Results: mail\.example\.com; dmarc=pass \(p=reject/m);
  expect(relayed).toMatch(/^Authentication-Results: mail\.example\.com;\r\n\tdkim=pass /m);
}, 240_000);

test("OpenDMARC refuses unsigned mail of a domain whose policy is reject", async () => {
  const { reply, done } = await fateOf("unsigned", "hello", "here");
  expect(reply).toBe("550 5.7.1 rejected by DMARC policy for example.org");
  expect(done.join("\n")).toStartWith(
    "milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 5.7.1 rejected by DMARC",
  );
}, 240_000);

test("SpamAssassin says of good mail that it has looked at it", async () => {
  const { relayed } = await fateOf("spam", "Lunch at noon?", "relayed");
  expect(relayed).toMatch(/^X-Spam-Status: No, score=/m);
  expect(relayed).toEndWith("\r\n\r\nLunch at noon?\r\n");
}, 240_000);

test("SpamAssassin puts its report in the place of the body of spam", async () => {
  const { relayed } = await fateOf("spam", "This is a strange offer.", "relayed");
  expect(relayed).toMatch(/^X-Spam-Flag: YES\r$/m);
  expect(relayed).toMatch(/^Content-Type: multipart\/mixed; boundary=/m);
  expect(relayed).toContain("7.0 MTA_OFFER");
}, 240_000);

test("spamass-milter refuses what is certain to be spam", async () => {
  const { reply } = await fateOf("spam", GTUBE, "here");
  expect(reply).toBe("550 5.7.1 Blocked by SpamAssassin");
}, 240_000);

test("clamav-milter says of clean mail that it has looked at it", async () => {
  const { relayed } = await fateOf("virus", "hello", "relayed");
  expect(relayed).toMatch(/^X-Virus-Status: Clean\r$/m);
}, 240_000);

test("clamav-milter has infected mail held", async () => {
  const { reply, done } = await fateOf("virus", EICAR, "here");
  expect(reply).toBe("250 2.0.0 Ok: queued as ID");
  expect(done.join("\n")).toStartWith("milter-hold: END-OF-MESSAGE from localhost[127.0.0.1]: ");
  expect((await server.mta("postqueue", "-p")).stdout).toMatch(/^[0-9A-F]+!/m);
}, 240_000);
