import { expect, test } from "bun:test";
import { settle } from "../../test/kit/memory/fake_clock.ts";
import { memoryDovecot } from "../../test/kit/memory/memory_dovecot.ts";
import { memorySmtpd } from "../../test/kit/memory/memory_smtpd.ts";
import { SASL_MAIN_CF } from "../../test/kit/scenes/sasl_sessions.ts";
import { countEvents } from "../observe/event_metrics.ts";
import { Metrics } from "../observe/metrics.ts";

const MAIN = { ...SASL_MAIN_CF, smtpd_sasl_path: "private/auth" };

/** The message of a client that has said some lines before MAIL. */
async function mailed(main: Readonly<Record<string, string>>, ...before: readonly string[]) {
  const of = memorySmtpd({ ...MAIN, ...main });
  const connection = of.connect();
  const lines = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.com>", "DATA", "Subject: s\r\n\r\nx\r\n."];
  for (const line of [...before, ...lines]) {
    await settle();
    connection.send(`${line}\r\n`);
  }
  await settle();
  const [message] = [...of.store.messages.values()];
  const { bytes, envelope: { origin } } = message!;
  return { received: Buffer.from(bytes).toString("latin1").split("\r\nMessage-I")[0], origin };
}

const LOGIN = ["EHLO x", "AUTH plain", "AGFsaWNlAHNlY3JldA=="];

test("a message knows who has logged in", async () => {
  const { received, origin } = await mailed({}, ...LOGIN);
  expect(origin).toMatchObject({ saslMethod: "plain", saslUsername: "alice", protocol: "ESMTP" });
  expect(received).toMatch(
    /^Received: from x \(unknown \[127\.0\.0\.1\]\)\r\n\tby \S+ \(mta\) with ESMTPA id /,
  );
});

test("smtpd_sasl_authenticated_header says it to everybody", async () => {
  const header = { smtpd_sasl_authenticated_header: "yes" };
  expect((await mailed(header, ...LOGIN)).received).toContain("\r\n\t(Authenticated sender: alice)\r\n\tby ");
  expect((await mailed(header, "EHLO x")).received).not.toContain("Authenticated sender");
});

test("after HELO there is no word for it (RFC 3848)", async () => {
  expect((await mailed({}, "HELO x", ...LOGIN.slice(1))).received).toContain(" with SMTP id ");
});

test("logins that fail are counted, apart from those that nobody could judge", async () => {
  const metrics = new Metrics();
  const count = countEvents(metrics);
  const failed = { client: "c", mechanism: "PLAIN", reason: "", username: "alice" };
  for (const temporary of [true, false, false]) count("saslFailed", { ...failed, temporary });
  const text = JSON.stringify(metrics.snapshot());
  expect(text).toContain("mta_smtpd_login_failures_total");
  expect(text).toMatch(/temporary\D+1\b/);
  expect(text).toMatch(/refused\D+2\b/);
});

test("a service whose Dovecot is gone greets nobody, and the sessions that it had go on", async () => {
  const dovecot = memoryDovecot();
  const of = memorySmtpd(MAIN, { dovecot });
  const connection = of.connect();
  await settle();
  dovecot.restart();
  dovecot.gone = true;
  const late = of.connect();
  await settle();
  expect(late.read()).toBe("421 4.3.5 mail.example.com Server configuration error\r\n");
  connection.read();
  connection.send("EHLO x\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
  await settle();
  expect(connection.read()).toMatch(
    /\r\n250-AUTH PLAIN [^]*\r\n454 4\.7\.0 Temporary authentication failure: /,
  );
  connection.send("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n");
  await settle();
  expect(connection.read()).toBe("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n");
});
