// Logins at an authentication server that does not answer, against the compiled program: they do not keep all others out.
import { expect } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server as SocketServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { type Talk, talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

const SESSIONS = 20;
const folder = mkdtempSync(join(tmpdir(), "slow-logins-"));
let dovecot: SocketServer;
let server: Server;
let port = 0;
let asked = 0;

/** As much of Dovecot's auth socket as a client needs to ask, and no answer. */
beforeAll(async () => {
  chmodSync(folder, 0o755);
  const socket = join(folder, "auth");
  dovecot = createServer((client) => {
    client.on("error", () => {}).on("data", (chunk) => {
      asked += String(chunk).split("\n").filter((line) => line.startsWith("AUTH\t")).length;
    });
    client.write("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tab\nDONE\n");
  });
  await new Promise<void>((done) => dovecot.listen(socket, () => done()));
  chmodSync(socket, 0o666);
  port = await freePort();
  server = await startServer({
    mainCf: [
      "worker_processes = 1",
      "smtpd_peername_lookup = no",
      "login_failure_exceptions =",
      "smtpd_client_connection_count_limit = 0",
      "mydestination = example.com",
      "local_recipient_maps =",
      "local_transport = discard",
      "smtpd_sasl_type = dovecot",
      `smtpd_sasl_path = unix:${socket}`,
    ],
    masterCf: [`127.0.0.1:${port} inet n - n - ${SESSIONS} smtpd -o smtpd_sasl_auth_enable=yes`],
  });
}, 60_000);

afterAll(async () => {
  await server?.stop();
  dovecot?.close();
  rmSync(folder, { recursive: true, force: true });
});

test(
  "half of the sessions wait at most, the others are told to come again, and mail is taken meanwhile",
  async () => {
    const clients = await Promise.all(Array.from({ length: SESSIONS }, () => talk(port)));
    const refused: string[] = [];
    let others = 0;
    const logIn = async (client: Talk) => {
      await client.say("EHLO client.example");
      const reply = await client.say(`AUTH PLAIN ${Buffer.from("\0ann\0secret").toString("base64")}`);
      if (reply.startsWith("454 4.7.0 Temporary authentication failure: too many logins")) {
        refused.push(
          reply,
        );
      } else others++;
      client.end();
    };
    const logins = clients.map((client) => logIn(client).catch(() => {}));
    await until("half of the logins refused", () => refused.length === SESSIONS / 2);
    await until("half of them asked", () => asked === SESSIONS / 2);
    expect(new Set(refused)).toEqual(
      new Set([
        "454 4.7.0 Temporary authentication failure: too many logins wait for the authentication server",
      ]),
    );
    const mail = await talk(port);
    for (const line of ["EHLO c.example", "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.com>"]) {
      expect(await mail.say(line)).toStartWith("250");
    }
    expect(await mail.say("DATA")).toStartWith("354");
    expect(await mail.say("Subject: x\r\n\r\nx\r\n.")).toStartWith("250 2.0.0 Ok: queued as ");
    expect([refused.length, others, asked]).toEqual([SESSIONS / 2, 0, SESSIONS / 2]);
    mail.end();
    for (const client of clients) client.end();
    await Promise.all(logins);
  },
  120_000,
);
