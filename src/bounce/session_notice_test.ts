import { expect, test } from "bun:test";
import { settle } from "../../test/kit/memory/fake_clock.ts";
import { countedIds, memoryCleanup } from "../../test/kit/memory/memory_cleanup.ts";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import type { SessionNotice } from "../smtp/session_notice.ts";
import { SessionNotices, type SessionNoticeSettings } from "./session_notice.ts";

const SETTINGS: SessionNoticeSettings = {
  bounce_notice_recipient: "bounces@example.com",
  double_bounce_sender: "double-bounce",
  error_notice_recipient: "postmaster",
  header_from_format: "standard",
  mail_name: "Postfix",
  myhostname: "mail.example.com",
  myorigin: "example.com",
  notify_classes: "protocol, bounce, delay",
};

const NOTICE: SessionNotice = {
  role: "SMTP server",
  peer: "unknown[192.0.2.1]",
  classes: new Set(["protocol"]),
  lines: ["Out: 220 mail.example.com ESMTP", `In:  NOSUCH\r\nSubject: \x01mine ${"words ".repeat(15)}`],
  reason: "lost connection",
};

function rig() {
  const [cleanup, log] = [memoryCleanup(), memoryLog()];
  const notices = new SessionNotices({
    program: "smtpd",
    cleanup,
    newId: countedIds(),
    now: () => Date.UTC(2026, 10, 25),
    log,
    settings: SETTINGS,
  });
  return { cleanup, log, notices };
}

test("a notice is plain text from the double-bounce address, and nobody adds a line to it", async () => {
  const { cleanup, notices } = rig();
  expect([...notices.wanted]).toEqual(["bounce", "protocol"]);
  notices.tell(NOTICE);
  await notices.settled();
  const [{ submission, text } = { submission: undefined, text: "" }] = cleanup.submitted;
  expect(submission as unknown).toMatchObject({
    sender: "double-bounce@mail.example.com",
    recipients: [{ address: "postmaster" }],
    kind: "notify",
  });
  expect(text.replaceAll("\r\n", "\n")).toBe(`Received: by mail.example.com (Postfix)
\tid N1; Wed, 25 Nov 2026 00:00:00 +0000 (UTC)
Date: Wed, 25 Nov 2026 00:00:00 +0000 (UTC)
From: Mail Delivery System <MAILER-DAEMON@mail.example.com>
To: Postmaster <postmaster@example.com>
Subject: Postfix SMTP server: errors from unknown[192.0.2.1]

Transcript of session follows.

 Out: 220 mail.example.com ESMTP
 In:  NOSUCH??Subject: ?mine words words words words words words words words
     words words words words words words words

Session aborted, reason: lost connection

For other details, see the local mail logfile
`);
});

test("trouble of class bounce goes to bounce_notice_recipient; a client's notice says what it is about", async () => {
  const { cleanup, notices } = rig();
  notices.tell({
    ...NOTICE,
    classes: new Set(["protocol", "bounce"]),
    role: "LMTP client",
    reason: undefined,
  });
  await notices.settled();
  const [sent] = cleanup.submitted;
  expect(sent?.submission.recipients[0]?.address as string).toBe("bounces@example.com");
  expect(sent?.text).toContain(
    "\r\n\r\nUnexpected response from unknown[192.0.2.1].\r\n\r\nTranscript of session follows.\r\n\r\n",
  );
  expect(sent?.text).toEndWith("words\r\n\r\nFor other details, see the local mail logfile\r\n");
});

test("mail of nobody and of the double-bounce address may be a notice", () => {
  const { notices } = rig();
  const senders = ["", "double-bounce@mail.example.com", "a@example.com"];
  expect(senders.map((sender) => notices.isNotice(sender))).toEqual([true, true, false]);
});

test("a notice that is refused is logged, and no more than a hundred are under way", async () => {
  const { cleanup, log, notices } = rig();
  cleanup.refuse = () => ({ code: 451, lines: ["queue file write error"] });
  for (let i = 0; i < 150; i++) notices.tell(NOTICE);
  await notices.settled();
  await settle();
  const said = (why: string) =>
    log.lines.filter((line) =>
      line === `smtpd: warning: postmaster notify: SMTP server: errors from unknown[192.0.2.1]: ${why}`
    );
  expect(said("100 others are under way")).toHaveLength(50);
  expect(said("queue file write error")).toHaveLength(100);
  notices.tell(NOTICE);
  await notices.settled();
  expect(said("queue file write error")).toHaveLength(101);
});
