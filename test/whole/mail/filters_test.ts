// Filters as people run them: a program of their own before the queue or behind it, that hands mail back on another port.
import { expect } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { reachable } from "../../kit/servers/reachable.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta", "python3");

/** As in SMTPD_PROXY_README and FILTER_README: refuses what it does not like, marks the rest, and sends it back for the queue. */
const FILTER = `
import asyncore, smtpd, smtplib, sys

class Filter(smtpd.SMTPServer):
    def __init__(self, listen, back):
        super().__init__(("127.0.0.1", listen), None, decode_data=False)
        self.back = back

    def process_message(self, peer, mailfrom, rcpttos, data, **kwargs):
        if b"spam spam" in data:
            return "554 5.7.1 Spam"
        try:
            with smtplib.SMTP("127.0.0.1", self.back) as client:
                client.ehlo("filter.example")
                client.sendmail(mailfrom, rcpttos, b"X-Filtered: yes\\r\\n" + data)
        except smtplib.SMTPException as error:
            return "451 4.3.0 " + str(error)
        return "250 2.0.0 Ok: filtered"

Filter(int(sys.argv[1]), int(sys.argv[2]))
print("ready", flush=True)
asyncore.loop()
`;

let folder: string;
let peer: SmtpPeer;
let server: Server;
let ports: Readonly<Record<"before" | "behind" | "filter" | "back", number>>;
let ended: (() => void) | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "filters-"));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "filter.py"), FILTER);
  peer = await startSmtpPeer();
  ports = {
    before: await freePort(),
    behind: await freePort(),
    filter: await freePort(),
    back: await freePort(),
  };
  server = await startServer({
    mainCf: [
      "mydestination =",
      "smtpd_relay_restrictions = permit_mynetworks, reject",
      `relayhost = [127.0.0.1]:${peer.port}`,
      "always_bcc = archive@y.example",
    ],
    masterCf: [
      `127.0.0.1:${ports.before} inet n - n - - smtpd`,
      `  -o smtpd_proxy_filter=127.0.0.1:${ports.filter} -o smtpd_proxy_options=speed_adjust`,
      `127.0.0.1:${ports.behind} inet n - n - - smtpd`,
      `  -o content_filter=scan:[127.0.0.1]:${ports.filter} -o receive_override_options=no_address_mappings`,
      "scan unix - - n - 10 smtp -o smtp_send_xforward_command=yes -o disable_mime_output_conversion=yes",
      `127.0.0.1:${ports.back} inet n - n - - smtpd`,
      "  -o content_filter= -o smtpd_authorized_xforward_hosts=127.0.0.0/8",
      "  -o receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters",
    ],
  });
  const filter = spawnTied("/usr/bin/python3", [
    "-W",
    "ignore",
    join(folder, "filter.py"),
    String(ports.filter),
    String(ports.back),
  ]);
  ended = () => void filter.kill();
  await reachable(ports.filter);
}, 180_000);

afterAll(async () => {
  ended?.();
  await server?.stop();
  await peer?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function send(port: number, body: string): Promise<string> {
  const client = await talk(port);
  for (const line of ["EHLO c.example", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA"]) {
    await client.say(line);
  }
  const reply = await client.say(`Subject: x\r\n\r\n${body}\r\n.`);
  await client.say("QUIT");
  client.end();
  return reply;
}

async function arrival(before: number) {
  await until("the mail", () => peer.mails.length > before);
  return peer.mails[before]!;
}

describe("a program of somebody's", () => {
  test("before the queue answers for the mail that it takes, and hands it back", async () => {
    const before = peer.mails.length;
    expect(await send(ports.before, "hello")).toBe("250 2.0.0 Ok: filtered");
    const mail = await arrival(before);
    expect(mail.content).toStartWith("Received: from filter.example");
    expect(mail.content).toContain("X-Filtered: yes\r\nReceived: from c.example");
    expect([...mail.to].sort()).toEqual(["archive@y.example", "b@y.example"]);
  });

  test("before the queue gets all of a large message", async () => {
    const before = peer.mails.length;
    const lines = Array.from({ length: 60_000 }, (_, at) => `line ${at} ${"x".repeat(40)}`).join("\r\n");
    expect(await send(ports.before, lines)).toBe("250 2.0.0 Ok: filtered");
    expect((await arrival(before)).content.includes(lines)).toBe(true);
  });

  test("before the queue refuses, and the client hears why", async () => {
    expect(await send(ports.before, "spam spam")).toBe("554 5.7.1 Spam");
    await server.logged(
      /smtpd\[\d+\]: proxy-reject: END-OF-MESSAGE: 554 5\.7\.1 Spam; from=<a@x\.example> to=<b@y\.example>/,
    );
  });

  test("behind the queue gets it once, and copies are made once", async () => {
    const before = peer.mails.length;
    expect(await send(ports.behind, "hello")).toStartWith("250 2.0.0 Ok: queued as");
    const mail = await arrival(before);
    expect(mail.content.match(/X-Filtered: yes/g)).toHaveLength(1);
    expect(mail.content.match(/^Received:/gm)).toHaveLength(2);
    expect([...mail.to].sort()).toEqual(["archive@y.example", "b@y.example"]);
    expect(peer.mails.length).toBe(before + 1);
  });

  test("behind the queue refuses: the sender gets the mail back", async () => {
    const before = peer.mails.length;
    expect(await send(ports.behind, "spam spam")).toStartWith("250 2.0.0 Ok: queued as");
    const mail = await arrival(before);
    expect(mail.from).toBe("");
    expect(mail.to).toContain("a@x.example");
    expect(mail.content).toContain("554 5.7.1 Spam");
  });
});
