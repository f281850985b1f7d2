// mail_authentication by the compiled binary: what strangers send is checked, told of, and acted on.
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { createResolver } from "../../../src/dns/resolver.ts";
import { ContentVerifier } from "../../../src/mailauth/content_verifier.ts";
import { generateKey } from "../../../src/mailauth/dkim/signing_key.ts";
import { withPeers } from "../../kit/peers.ts";
import { memoryOf } from "../../kit/process_memory.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { type DnsServer, startDnsServer, type Zone } from "../../kit/servers/dns_server.ts";
import { type ScriptedMilter, startScriptedMilter } from "../../kit/servers/scripted_milter.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { keyZone, partsOf, sealed, signed, testKey } from "../../kit/foreign_mail.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

const BANK = testKey("bank.example");
const LIST = testKey("list.example");
const OUR_PEM = generateKey("ed25519-sha256");
const OURS = testKey("example.com", "arc", OUR_PEM);

const ZONE: Zone = {
  ...keyZone(BANK, LIST, OURS),
  "_dmarc.bank.example": { TXT: ["v=DMARC1; p=reject"] },
  "bank.example": { TXT: ["v=spf1 ip4:192.0.2.1 -all"] },
  "_dmarc.shop.example": { TXT: ["v=DMARC1; p=quarantine"] },
  "_dmarc.quiet.example": { TXT: ["v=DMARC1; p=none"] },
  "_dmarc.broken.example": "SERVFAIL",
  "slow._domainkey.slow.example": "silent",
  ...Object.fromEntries(
    Array.from({ length: 4800 }, (_, i) => [`k${i}._domainkey.slow.example`, "silent" as const]),
  ),
};

let dns: DnsServer;
let inside: SmtpPeer;

beforeAll(async () => {
  dns = await startDnsServer(ZONE);
  inside = await startSmtpPeer({});
});
afterAll(async () => {
  await inside.close();
  await dns.close();
});

const start = (...lines: readonly string[]) =>
  startServer({
    mainCf: [
      `dns_servers = ${dns.address}`,
      "myhostname = mx.example.com",
      "smtpd_authorized_xclient_hosts = 127.0.0.0/8",
      "smtpd_authorized_xforward_hosts = 127.0.0.0/8",
      "mynetworks = 10.0.0.0/8",
      "mydestination =",
      "relay_domains = example.com",
      `relay_transport = smtp:[127.0.0.1]:${inside.port}`,
      "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination",
      "mail_authentication = yes",
      "message_size_limit = 50000000",
      ...lines,
    ],
  });

const BODY_HASH = Buffer.alloc(32).toString("base64");

interface Sent {
  readonly reply: string;
  /** What arrived inside, if it did. */
  readonly content: string;
}

/** Sends a message from an address of the internet, and answers what came of it. */
async function send(
  { port }: Server,
  mail: string,
  { from = "bounces@elsewhere.example", address = "192.0.2.7" } = {},
): Promise<Sent> {
  const client = await talk(port);
  let said = client.greeting;
  for (
    const line of [
      "EHLO here",
      `XCLIENT NAME=[UNAVAILABLE] ADDR=${address}`,
      "EHLO mail.elsewhere.example",
      `MAIL FROM:<${from}>`,
      "RCPT TO:<root@example.com>",
      "DATA",
    ]
  ) {
    // Workers are exchanged for others.
    if (said.startsWith("421 4.3.2")) return { reply: said, content: "" };
    said = await client.say(line);
  }
  if (said.startsWith("421 4.3.2")) return { reply: said, content: "" };
  expect(said).toStartWith("354 ");
  const before = inside.mails.length;
  client.socket.write(Buffer.from(`${mail.replace(/^\./gm, "..")}.\r\n`, "latin1"));
  const reply = await client.reply();
  client.end();
  if (!reply.startsWith("250")) return { reply, content: "" };
  await until("the message inside", () => inside.mails.length > before);
  return { reply, content: inside.mails.at(-1)!.content };
}

const mailFrom = (from: string, body = "text\r\n") => `From: ${from}\r\nSubject: hello\r\n\r\n${body}`;
/** What stands in the fields of a name, unfolded. */
const fieldsNamed = (content: string, name: string) =>
  partsOf(content).fields.filter((field) => field.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((field) => field.slice(name.length + 1).replace(/\r\n/g, "").replace(/[ \t]+/g, " ").trim());

async function arcOf(content: string): Promise<readonly [string, string]> {
  const { fields, body } = partsOf(content);
  const verifier = new ContentVerifier({
    resolver: createResolver({ servers: [{ host: "127.0.0.1", port: dns.port }] }),
    now: () => Date.now(),
  });
  verifier.header(fields);
  verifier.body(Buffer.from(body, "latin1"));
  const { arc } = await verifier.end();
  return [arc.is, arc.links.map(({ domain }) => domain).join(" ")];
}

describe("mail_authentication", () => {
  let server: Server;
  let milter: ScriptedMilter;
  let http: number;
  beforeAll(async () => {
    http = await freePort();
    milter = await startScriptedMilter();
    server = await start(
      `smtpd_milters = ${milter.name}`,
      `http_listen = 127.0.0.1:${http}`,
      "smtpd_end_of_data_restrictions = check_dmarc_access inline:{quarantine=HOLD temperror=DUNNO}, check_dmarc, check_dkim",
    );
  });
  afterAll(async () => {
    await server.stop();
    await milter.close();
  });

  test("tells on top of the message what was found", async () => {
    const { content } = await send(server, await signed(mailFrom("Ann <ann@bank.example>"), BANK), {
      from: "ann@bank.example",
    });
    const [first, second] = partsOf(content).fields;
    expect(first).toStartWith("Authentication-Results: mx.example.com;\r\n");
    for (const line of first!.split("\r\n")) expect(line.length).toBeLessThanOrEqual(78);
    expect(second).toStartWith("Received: ");
    expect(fieldsNamed(content, "Authentication-Results")).toEqual([
      expect.stringMatching(
        /^mx\.example\.com; spf=fail \(bank\.example: -all\) smtp\.mailfrom=ann@bank\.example; dkim=pass \(256-bit key\) header\.d=bank\.example header\.i=@bank\.example header\.s=s header\.a=ed25519-sha256 header\.b=\S+; dmarc=pass \(p=reject sp=reject np=reject\) header\.from=bank\.example$/,
      ),
    ]);
    await server.logged(
      /smtpd\[\d+\]: \w+: authentication: spf=fail \(bank\.example\) dkim=pass \(d=bank\.example s=s\) arc=none dmarc=pass \(bank\.example\)/,
    );
  });

  test("takes out what others wrote in our name, and nothing else", async () => {
    milter.play({});
    const forged = [
      "Authentication-Results: mx.example.com; dmarc=pass header.from=bank.example\r\n",
      'AUTHENTICATION-RESULTS : (x) \r\n\t"MX.example.com"\r\n\t1; spf=pass\r\n',
      "Authentication-Results: mx.example.com./job; dkim=pass\r\n",
      "Authentication-Results: (open; dkim=pass\r\n",
    ];
    const kept = "Authentication-Results: mx.elsewhere.example; dkim=pass (mx.example.com)\r\n";
    const { content } = await send(server, [...forged, kept, mailFrom("a@nowhere.example")].join(""));
    expect(fieldsNamed(content, "Authentication-Results").length).toBe(2);
    expect(content).toContain(kept);
    // Filters see them neither.
    expect(milter.heard.filter((line) => /authentication-results/i.test(line)).length).toBe(1);
  });

  test("what milters add stays, and stands where they want it", async () => {
    milter.play({
      on: {
        bodyEnd: [
          { is: "insertHeader", index: 0, name: "X-First", value: "1" },
          { is: "addHeader", name: "X-Last", value: "2" },
          {
            is: "changeHeader",
            index: 1,
            name: "Authentication-Results",
            value: "mx.elsewhere.example; none",
          },
          { is: "accept" },
        ],
      },
    });
    const mail = `Authentication-Results: other.example; none\r\n${mailFrom("a@nowhere.example")}`;
    const { content } = await send(server, mail);
    milter.play({});
    const names = partsOf(content).fields.map((field) => field.slice(0, field.indexOf(":")));
    expect(names.slice(0, 2)).toEqual(["Authentication-Results", "X-First"]);
    expect(names).toContain("X-Last");
    expect(fieldsNamed(content, "Authentication-Results")[1]).toBe("mx.elsewhere.example; none");
  });

  test("check_dmarc refuses what the domain asks to refuse", async () => {
    const forged = await send(server, mailFrom("ann@bank.example"));
    expect(forged.reply).toStartWith(
      "550 5.7.26 <bank.example>: Author domain rejected: DMARC fails, and bank.example asks to reject such mail",
    );
    await server.logged(/reject: END-OF-MESSAGE from unknown\[192\.0\.2\.7\]: 550 5\.7\.26 <bank\.example>/);
    // SPF alone does.
    const own = await send(server, mailFrom("ann@bank.example"), {
      from: "x@bank.example",
      address: "192.0.2.1",
    });
    expect(own.reply).toStartWith("250 ");
    // The signature does not fit.
    const changed = (await signed(mailFrom("ann@bank.example"), BANK)).replace("hello", "hallo");
    expect((await send(server, changed)).reply).toStartWith("550 5.7.26 ");
    const quiet = await send(server, mailFrom("ann@quiet.example"));
    expect(fieldsNamed(quiet.content, "Authentication-Results")[0]).toContain("dmarc=fail");
    const two = "From: a@elsewhere.example, ceo@bank.example\r\nSubject: x\r\n\r\n";
    expect((await send(server, two)).reply).toStartWith("550 5.7.26 <bank.example>");
  });

  test("check_dmarc sees the author that goes on into the queue", async () => {
    // A NUL ends the line for cleanup.
    const cut = await send(server, mailFrom("ann@bank.example\0.elsewhere.example"));
    expect(cut.reply).toStartWith("550 5.7.26 <bank.example>: Author domain rejected: DMARC fails");
    // What comes behind a line that is no field is body, and the sender would be the author (always_add_missing_headers).
    const behind = await send(server, `no field\r\n${mailFrom("a@nowhere.example")}`, {
      from: "ann@bank.example",
    });
    expect(behind.reply).toStartWith("550 5.7.1 <nowhere.example>: Author domain rejected: more authors");
  });

  test("check_dmarc defers what cannot be told now", async () => {
    expect((await send(server, mailFrom("ann@broken.example"))).reply).toStartWith(
      "451 4.4.3 <broken.example>",
    );
  });

  test("check_dmarc_access holds", async () => {
    const client = await talk(server.port);
    for (
      const line of ["EHLO x", "MAIL FROM:<a@shop.example>", "RCPT TO:<root@example.com>", "DATA"]
    ) await client.say(line);
    expect(await client.say(`${mailFrom("a@shop.example")}.`)).toStartWith("250 ");
    client.end();
    await server.logged(/hold: END-OF-MESSAGE from \S+: <shop\.example>: Author domain triggers HOLD action/);
  });

  test("check_dkim refuses mail whose signatures say nothing", async () => {
    const changed = (await signed(mailFrom("ann@quiet.example"), LIST)).replace("hello", "hallo");
    expect((await send(server, changed)).reply).toStartWith(
      "550 5.7.20 <list.example>: DKIM signature rejected: no passing DKIM signature",
    );
  });

  test("mail of our own networks is not checked, and keeps what it has", async () => {
    const mail = `Authentication-Results: mx.example.com; none\r\n${mailFrom("ann@bank.example")}`;
    const { content } = await send(server, mail, { address: "10.1.2.3" });
    expect(fieldsNamed(content, "Authentication-Results")).toEqual(["mx.example.com; none"]);
  });

  test("mail of who has logged in is not checked, and has no results of ours", async () => {
    const client = await talk(server.port);
    await client.say("EHLO here");
    await client.say("XCLIENT ADDR=192.0.2.7 LOGIN=ann");
    await client.say("EHLO here");
    await client.say("MAIL FROM:<ann@example.com>");
    await client.say("RCPT TO:<root@example.com>");
    await client.say("DATA");
    const before = inside.mails.length;
    const fields =
      "Authentication-Results: mx.example.com; none\r\nAuthentication-Results: other.example; none\r\n";
    expect(await client.say(`${fields}${mailFrom("ann@bank.example")}.`)).toStartWith("250 ");
    client.end();
    await until("the message", () => inside.mails.length > before);
    expect(fieldsNamed(inside.mails.at(-1)!.content, "Authentication-Results")).toEqual([
      "other.example; none",
    ]);
  });

  test("who names keys that nobody answers for holds up no other mail", async () => {
    const set = (instance: number, key: number) =>
      [
        `ARC-Seal: i=${instance}; a=rsa-sha256; cv=${
          instance === 1 ? "none" : "pass"
        }; d=slow.example; s=k${key}; b=AA==\r\n`,
        `ARC-Message-Signature: i=${instance}; a=rsa-sha256; d=slow.example; s=k${
          key + 1
        }; h=from; bh=${BODY_HASH}; b=AA==\r\n`,
        `ARC-Authentication-Results: i=${instance}; mx.slow.example; none\r\n`,
      ].join("");
    const clients = await Promise.all(Array.from({ length: 48 }, async (_, at) => {
      const client = await talk(server.port);
      await client.say("EHLO here");
      await client.say("MAIL FROM:<x@elsewhere.example>");
      await client.say("RCPT TO:<root@example.com>");
      await client.say("DATA");
      const sets = Array.from({ length: 50 }, (_, i) => set(i + 1, at * 100 + i * 2));
      client.socket.write(`${sets.join("")}${mailFrom("a@nowhere.example")}`);
      return client;
    }));
    for (const client of clients.slice(24)) client.socket.destroy();
    const { reply } = await send(server, mailFrom("a@bystander.example"));
    for (const client of clients) client.socket.destroy();
    expect(reply).toStartWith("250 ");
  });

  test("several messages of a session, by BDAT too, have their own results", async () => {
    const client = await talk(server.port);
    await client.say("EHLO x");
    for (const domain of ["quiet.example", "bank.example", "none.example"]) {
      await client.say("MAIL FROM:<>");
      await client.say("RCPT TO:<root@example.com>");
      const mail = mailFrom(`a@${domain}`);
      client.socket.write(`BDAT ${mail.length - 5}\r\n${mail.slice(0, -5)}`);
      expect(await client.reply()).toStartWith("250 ");
      client.socket.write(`BDAT 5 LAST\r\n${mail.slice(-5)}`);
      expect(await client.reply()).toStartWith(domain === "bank.example" ? "550 5.7.26" : "250 ");
      await client.say("RSET");
    }
    client.end();
    await server.logged(/dmarc=none \(none\.example\)/);
  });

  test("mail that a filter hands back is judged by the client that it tells of", async () => {
    const client = await talk(server.port);
    await client.say("EHLO x");
    expect(await client.say("XFORWARD NAME=mail.bank.example ADDR=192.0.2.1 HELO=mail.bank.example"))
      .toStartWith("250");
    await client.say("MAIL FROM:<x@bank.example>");
    await client.say("RCPT TO:<root@example.com>");
    await client.say("DATA");
    expect(await client.say(`${mailFrom("x@bank.example")}.`)).toStartWith("250 ");
    client.end();
    await server.logged(/authentication: spf=pass \(bank\.example\) dkim=none arc=none dmarc=pass/);
  });

  test("metrics count results by method", async () => {
    const answer = await fetch(`http://127.0.0.1:${http}/metrics`);
    expect(await answer.text()).toMatch(
      /mta_smtpd_authentication_results_total\{method="dmarc",result="fail"\} \d+/,
    );
  });
});

describe("trusted_forwarders", () => {
  let server: Server;
  beforeAll(async () => {
    server = await start(
      "trusted_forwarders = inline:{192.0.2.99=client news.list.example=list other.example=domain}",
      "smtpd_end_of_data_restrictions = check_dmarc",
      "arc_sealing_domain = example.com",
      `dkim_signing_keys = inline:{ { example.com = arc:${OUR_PEM.replace(/-----[^-]+-----|\n/g, "")} } }`,
    );
  });
  afterAll(() => server.stop());

  test("of a client make a failure a pass", async () => {
    const { content } = await send(server, mailFrom("ann@bank.example"), { address: "192.0.2.99" });
    expect(fieldsNamed(content, "Authentication-Results")[0]).toContain(
      'dmarc=pass (p=reject sp=reject np=reject) reason="local policy: trusted forwarder 192.0.2.99"',
    );
    await server.logged(/dmarc=pass \(bank\.example: trusted forwarder 192\.0\.2\.99\)/);
    // Sealed on its way in: what it came with is told to whoever gets it next.
    expect(await arcOf(content)).toEqual(["pass", "example.com"]);
    const [seal] = fieldsNamed(content, "ARC-Authentication-Results");
    expect(seal).toStartWith("i=1; mx.example.com; spf=none ");
    expect(partsOf(content).fields[0]).toStartWith("ARC-Seal: ");
    await server.logged(/ARC set 1 added \(cv=none, s=arc, d=example\.com\)/);
  });

  test("by an ARC seal of a list that is trusted, where it saw the message pass", async () => {
    const list = `List-Id: News <news.list.example>\r\n${
      mailFrom("ann@bank.example", "text and a footer\r\n")
    }`;
    const saw = await sealed(list, LIST, "list.example; dmarc=pass header.from=bank.example");
    const { content } = await send(server, saw);
    expect(await arcOf(content)).toEqual(["pass", "example.com list.example"]);
    const [results] = fieldsNamed(content, "Authentication-Results");
    expect(results).toContain("arc=pass (i=1 d=list.example)");
    expect(results).toContain('reason="local policy: arc=pass, sealed by list.example"');
    const failed = await sealed(list, LIST, "list.example; dmarc=fail header.from=bank.example");
    expect((await send(server, failed)).reply).toStartWith("550 5.7.26");
    // Another list of the same server, a name that anybody can write, and a seal that is broken.
    for (const name of ["other.list.example", "other.example"]) {
      const other = list.replace("news.list.example", name);
      const mail = await sealed(other, LIST, "list.example; dmarc=pass header.from=bank.example");
      expect((await send(server, mail)).reply).toStartWith("550 5.7.26");
    }
    expect((await send(server, saw.replace("footer", "header"))).reply).toStartWith("550 5.7.26");
  });
});

describe("without mail_authentication", () => {
  let server: Server;
  beforeAll(async () => {
    server = await start("mail_authentication = no", "smtpd_end_of_data_restrictions = check_dmarc");
  });
  afterAll(() => server.stop());

  test("nothing is asked or changed, and restrictions on content refuse for now", async () => {
    const forged = "Authentication-Results: mx.example.com; none\r\n";
    const before = dns.asked.length;
    expect((await send(server, forged + mailFrom("ann@bank.example"))).reply).toStartWith(
      "451 4.3.5 Server configuration error",
    );
    await server.logged(/warning: restriction check_dmarc needs mail_authentication = yes/);
    server.writeMainCf(
      (await server.mta("postconf", "-n")).stdout.split("\n")
        .filter((line) => !line.startsWith("smtpd_end_of_data_restrictions")),
    );
    await server.mta("reload");
    await until("the restriction gone", async () => {
      const { reply, content } = await send(server, forged + mailFrom("ann@bank.example"));
      if (reply.startsWith("250")) {
        expect(fieldsNamed(content, "Authentication-Results")).toEqual(["mx.example.com; none"]);
      }
      return reply.startsWith("250");
    });
    expect(dns.asked.slice(before).filter((question) => question.includes("TXT"))).toEqual([]);
  });
});

describe("what it costs", () => {
  let server: Server;
  beforeAll(async () => {
    server = await start("relay_transport = discard");
  });
  afterAll(() => server.stop());

  test("memory does not grow with the message", async () => {
    const line = `${"0123456789abcdef".repeat(4)}\r\n`;
    const mail = mailFrom("ann@bank.example", line.repeat(25 * 1024 * 1024 / line.length));
    const big = await signed(mail, BANK);
    const workers = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "latin1").trim().split(
      " ",
    );
    const pids = [server.pid, ...workers.map(Number)];
    const offer = async (what: string) => {
      const client = await talk(server.port);
      for (const line of ["EHLO x", "MAIL FROM:<>", "RCPT TO:<root@example.com>", "DATA"]) {
        await client.say(line);
      }
      client.socket.write(Buffer.from(`${what}.\r\n`, "latin1"));
      expect(await client.reply()).toStartWith("250 ");
      client.end();
    };
    await offer(big);
    const before = pids.map((pid) => memoryOf(pid).peak);
    // Eight at a time: who kept them would need 200 MiB.
    await Promise.all(Array.from({ length: 8 }, () => offer(big)));
    expect(server.log().match(/dkim=pass/g)!.length).toBe(9);
    const grown = Math.max(...pids.map((pid, at) => memoryOf(pid).peak - before[at]!));
    expect(grown).toBeLessThan(100 * 1024 * 1024);
  }, 120_000);
});
