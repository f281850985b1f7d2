// Filters behind the queue: what content_filter's server is told of where a message comes from, by Postfix and by ours.
import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { secure, talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "openssl", "root");

/** What a client says before MAIL. */
const CLIENTS: Readonly<Record<string, readonly string[]>> = {
  "EHLO": ["EHLO c.example"],
  "HELO": ["HELO c.example"],
  "no HELO": [],
  "STARTTLS": ["EHLO c.example", "STARTTLS", "EHLO d.example"],
  "XFORWARD, everything": [
    "EHLO c.example",
    "XFORWARD NAME=spike.example ADDR=192.0.2.4 PROTO=ESMTP HELO=foo IDENT=abc SOURCE=LOCAL PORT=77",
  ],
  "XFORWARD, one attribute": ["EHLO c.example", "XFORWARD HELO=foo"],
  "XFORWARD, not available": ["EHLO c.example", "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]"],
  "XFORWARD, a name and an id": ["EHLO c.example", "XFORWARD NAME=n.example IDENT=id"],
  "XFORWARD, an address": ["EHLO c.example", "XFORWARD ADDR=192.0.2.9 HELO=[UNAVAILABLE]"],
  "XFORWARD, another protocol": ["EHLO c.example", "XFORWARD SOURCE=REMOTE PROTO=SMTPX"],
  "XFORWARD, twice": ["EHLO c.example", "XFORWARD NAME=n.example", "XFORWARD HELO=h NAME=m.example"],
};
const MESSAGE = [
  "MAIL FROM:<a@x.example>",
  "RCPT TO:<b@y.example>",
  "DATA",
  "Subject: x\r\n\r\nx\r\n.",
  "QUIT",
];

let filter: SmtpPeer;
let postfix: PostfixInstance;
let server: Server;
let folder: string;
let ports: { readonly postfix: number; readonly local: number; readonly ourLocal: number };

beforeAll(async () => {
  filter = await startSmtpPeer({ ehlo: ["PIPELINING", "XFORWARD NAME ADDR PROTO HELO PORT IDENT SOURCE"] });
  folder = mkdtempSync(join(tmpdir(), "filter-"));
  const { certificate, key } = selfSigned("mail.example.com");
  writeFileSync(join(folder, "pair.pem"), `${key}\n${certificate}`, { mode: 0o644 });
  const main = {
    smtpd_authorized_xforward_hosts: "127.0.0.1",
    smtpd_recipient_restrictions: "permit_mynetworks,reject",
    smtpd_peername_lookup: "no",
    smtp_send_xforward_command: "yes",
    content_filter: `smtp:[127.0.0.1]:${filter.port}`,
    smtpd_tls_security_level: "may",
    smtpd_tls_cert_file: join(folder, "pair.pem"),
    smtpd_tls_key_file: join(folder, "pair.pem"),
    local_header_rewrite_clients: "",
  };
  ports = { postfix: await freePort(), local: await freePort(), ourLocal: await freePort() };
  const local = (port: number) => [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    "  -o local_header_rewrite_clients=permit_mynetworks",
  ];
  postfix = await startPostfix({
    main,
    master: [`127.0.0.1:${ports.postfix} inet n - n - - smtpd`, ...local(ports.local)].join("\n"),
  });
  server = await startServer({
    mainCf: Object.entries(main).map(([name, value]) => `${name} = ${value}`),
    masterCf: local(ports.ourLocal),
  });
});

afterAll(async () => {
  await server.stop();
  await postfix.stop();
  await filter.close();
  rmSync(folder, { recursive: true });
});

/** What the filter was told, and what the log says of the client. */
async function told(port: number, log: () => string, before: readonly string[]) {
  const [lines, mails, logged] = [filter.lines.length, filter.mails.length, log().length];
  let client: Awaited<ReturnType<typeof secure>> = await talk(port);
  for (const line of [...before, ...MESSAGE]) {
    await client.say(line);
    if (line === "STARTTLS") client = await secure(client);
  }
  client.end();
  await until("the message at the filter", () => filter.mails.length > mails);
  const norm = (text: string) =>
    text.replace(/PORT=\d{4,}/, "PORT=N").replace(/IDENT=[0-9A-F]{8,}/, "IDENT=ID");
  return {
    xforward: filter.lines.slice(lines).filter((line) => line.startsWith("XFORWARD")).map(norm),
    client: /: client=(.*)/.exec(log().slice(logged))?.[1],
  };
}

describe("a filter behind the queue is told", () => {
  for (const [name, before] of Object.entries(CLIENTS)) {
    test(name, async () => {
      const theirs = await told(ports.postfix, postfix.log, before);
      expect(await told(server.port, server.log, before)).toEqual(theirs);
    });
  }

  test("a client whose headers are completed", async () => {
    const theirs = await told(ports.local, postfix.log, CLIENTS.EHLO!);
    expect(await told(ports.ourLocal, server.log, CLIENTS.EHLO!)).toEqual(theirs);
    expect(theirs.xforward.at(-1)).toContain("SOURCE=LOCAL");
  });
});
