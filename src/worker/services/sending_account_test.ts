// What becomes of a user's message when master, who counts what users send, does not answer.
import { expect, test } from "bun:test";
import { memoryCleanup } from "../../../test/kit/memory/memory_cleanup.ts";
import { memoryDovecot } from "../../../test/kit/memory/memory_dovecot.ts";
import { settle } from "../../../test/kit/memory/fake_clock.ts";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { configurationOf, memorySmtpd } from "../../../test/kit/memory/memory_smtpd.ts";
import { memoryStore } from "../../../test/kit/memory/memory_store.ts";
import { SASL_MAIN_CF } from "../../../test/kit/scenes/sasl_sessions.ts";
import { until } from "../../../test/kit/waiting.ts";
import { SendingLedger, type Sent, type SentVerdict } from "../../anvil/sending_ledger.ts";
import { Metrics } from "../../observe/metrics.ts";
import { internalAddress } from "../../address/address.ts";
import type { AskMaster } from "../protocol/master_verbs.ts";
import { openSendingAccount } from "./sending_account.ts";

const MAIN = { ...SASL_MAIN_CF, smtpd_sasl_path: "private/auth", user_hourly_message_limit: "1" };

/** A session of a user who has logged in; `answer` is master's to what the user sends. */
async function session(answer: (sent: Sent) => Promise<SentVerdict>) {
  const { settings } = configurationOf(MAIN).services.find(({ program }) => program === "smtpd")!;
  const [log, notices] = [memoryLog(), memoryCleanup()];
  const request = ((_: string, sent: Sent) => answer(sent)) as unknown as AskMaster;
  const context = { request, store: memoryStore(), metrics: new Metrics() };
  const sending = openSendingAccount({ context, settings, cleanup: notices, log, timeLimit: 20 })!;
  const { connect, store } = memorySmtpd(MAIN, { dovecot: memoryDovecot(), sending, log });
  const connection = connect("192.0.2.1");
  await settle();
  const say = async (line: string) => {
    connection.read();
    connection.send(`${line}\r\n`);
    let reply = "";
    await until(`a reply to ${line}`, () => (reply += connection.read()).endsWith("\r\n"));
    return reply;
  };
  await say("EHLO client.example");
  expect(await say("AUTH PLAIN AGFsaWNlAHNlY3JldA==")).toStartWith("235 ");
  const send = async () => {
    await say("MAIL FROM:<alice@example.com>");
    await say("RCPT TO:<bob@example.com>");
    expect(await say("DATA")).toStartWith("354 ");
    return await say("Subject: x\r\n\r\nx\r\n.");
  };
  return { send, store, log, notices };
}

test("without an answer of master a message is refused for now, and taken when he answers again", async () => {
  const ledger = new SendingLedger({
    user_daily_message_limit: 0,
    user_daily_new_recipient_limit: 0,
    user_daily_recipient_limit: 0,
    user_hourly_message_limit: 1,
    user_hourly_new_recipient_limit: 0,
    user_hourly_recipient_limit: 0,
  }, () => 0);
  const answers = [
    () => new Promise<never>(() => {}),
    () => Promise.reject(new Error("too many requests at a time")),
    (sent: Sent) => Promise.resolve(ledger.take(sent)),
  ];
  const { send, store, log, notices } = await session((sent) =>
    (answers.length > 1 ? answers.shift()! : answers[0]!)(sent)
  );
  const refused = "451 4.3.0 Error: sending limits cannot be looked up, try again later\r\n";
  expect([await send(), await send()]).toEqual([refused, refused]);
  expect(store.messages.size).toBe(0);
  const text = log.lines.join("\n");
  expect(text).toContain("smtpd: warning: sending limits of alice: no answer within 20 ms");
  expect(text).toContain("smtpd: warning: sending limits of alice: too many requests at a time");
  expect(text).toMatch(
    /\w+: reject: END-OF-MESSAGE from unknown\[192\.0\.2\.1\]: 451 4\.3\.0 Error: sending limits cannot be looked up, try again later; from=<alice@example\.com> to=<bob@example\.com>/,
  );
  expect(await send()).toStartWith("250 2.0.0 Ok: queued as ");
  expect([...store.messages.values()].map(({ queue }) => queue)).toEqual(["incoming"]);
  expect(await send()).toStartWith("250 2.0.0 Ok: queued as ");
  expect([...store.messages.values()].map(({ queue }) => queue)).toContain("hold");
  expect(notices.submitted.map(({ submission }) => submission.recipients[0]!.address)).toEqual([
    internalAddress("postmaster"),
  ]);
});
