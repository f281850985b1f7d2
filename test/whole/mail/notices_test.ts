// What the compiled binary tells postmasters and senders by mail: of sessions with trouble, and what would become of a message.
import { expect } from "bun:test";
import { type Server, startServer } from "../../kit/server.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

/** Where notices go, and a server that does not understand us. */
let box: SmtpPeer;
let strange: SmtpPeer;
let server: Server;

const start = (directory?: string) =>
  startServer({
    directory,
    mainCf: [
      "notify_classes = bounce, 2bounce, delay, data, policy, protocol, resource, software",
      "error_notice_recipient = postmaster@box.example",
      "bounce_notice_recipient = bounces@box.example",
      "2bounce_notice_recipient = 2bounces@box.example",
      `transport_maps = inline:{box.example=smtp:[127.0.0.1]:${box.port}, strange.example=smtp:[127.0.0.1]:${strange.port}}`,
      "worker_processes = 2",
      "smtpd_error_sleep_time = 0",
      "smtpd_peername_lookup = no",
    ],
  });

beforeAll(async () => {
  box = await startSmtpPeer();
  strange = await startSmtpPeer({ rcpt: "501 5.5.4 what is that?" });
  server = await start();
});

afterAll(async () => {
  await server.stop();
  await box.close();
  await strange.close();
});

/** What has come and was not looked at; content for nobody does not count. */
const unseen = () => box.mails.filter(({ to }) => to.length > 0);

/** Mail for one of the box, once there is some; it is taken out. */
async function mailFor(local: string, about: RegExp): Promise<string> {
  const at = () =>
    box.mails.findIndex(({ to, content }) => to[0] === `${local}@box.example` && about.test(content));
  await until(() => `mail about ${about} for ${local}:\n${server.log().slice(-3000)}`, () => at() >= 0);
  return box.mails.splice(at(), 1)[0]!.content;
}

test("a session with trouble is told of, and no password with it", async () => {
  const client = await talk(server.port);
  await client.say("EHLO client.example");
  await client.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
  await client.say("QUIT");
  client.end();
  const mail = await mailFor("postmaster", /AUTH/);
  expect(mail).toContain("\r\nSubject: mta SMTP server: errors from unknown[127.0.0.1]\r\n");
  expect(mail).toContain(
    "\r\n In:  AUTH PLAIN ...\r\n Out: 503 5.5.1 Error: authentication not enabled\r\n In:  QUIT\r\n Out: 221 2.0.0 Bye\r\n",
  );
  expect(mail).not.toContain("AGFsaWNl");
});

test("a server that does not understand us is told of, but not when the mail is a notice", async () => {
  const client = await talk(server.port);
  for (
    const line of [
      "EHLO x",
      "MAIL FROM:<ann@box.example>",
      "RCPT TO:<b@strange.example>",
      "DATA",
      "\r\nx\r\n.",
    ]
  ) {
    await client.say(line);
  }
  client.end();
  const mail = await mailFor("postmaster", /SMTP client: errors/);
  expect(mail).toContain(`Unexpected response from 127.0.0.1[127.0.0.1]:${strange.port}.`);
  expect(mail).toContain("\r\n In:  501 5.5.4 what is that?\r\n");
  await mailFor("ann", /Undelivered Mail Returned to Sender/);
  await mailFor("bounces", /Postmaster Copy: Undelivered Mail/);
  // A notice about a session that nobody takes: it is discarded, and that is all.
  box.setScript({ rcpt: "501 5.5.4 what is that?" });
  const other = await talk(server.port);
  await other.say("NOSUCH");
  other.end();
  await server.logged(/undeliverable postmaster notification discarded/);
  box.setScript({});
  const last = await talk(server.port);
  await last.say("NOSUCH again");
  last.end();
  expect(await mailFor("postmaster", /NOSUCH/)).toContain("NOSUCH again");
  expect(unseen()).toEqual([]);
});

test("a session that the end of the service ends is told of after the next start", async () => {
  const client = await talk(server.port);
  await client.say("NOSUCH at the end");
  const { directory } = server;
  box.setScript({ greeting: "421 4.3.2 not now" });
  await server.stop({ keep: true });
  expect(unseen()).toEqual([]);
  box.setScript({});
  server = await start(directory);
  expect(await server.mta("postqueue", "-f")).toMatchObject({ code: 0 });
  expect(await mailFor("postmaster", /NOSUCH at the end/)).toContain("Service shutting down");
});

test("sendmail -bv tells the sender what would become of a message", async () => {
  const asked = await server.mta(
    "sendmail",
    "-bv",
    "-f",
    "ann@box.example",
    "a@box.example",
    "b@strange.example",
  );
  expect(asked).toMatchObject({
    code: 0,
    stdout: "Mail Delivery Status Report will be mailed to <ann@box.example>.\n",
  });
  const report = await mailFor("ann", /Mail Delivery Status Report/);
  expect(report).toContain(
    `\r\n<a@box.example>: delivery via 127.0.0.1[127.0.0.1]:${box.port}: 250 2.1.5 Ok\r\n`,
  );
  expect(report).toContain("\r\nAction: deliverable\r\nStatus: 2.1.5\r\n");
  expect(report).toContain("\r\nAction: undeliverable\r\nStatus: 5.5.4\r\n");
  expect(unseen().filter(({ to }) => to[0] !== "postmaster@box.example")).toEqual([]);
});
