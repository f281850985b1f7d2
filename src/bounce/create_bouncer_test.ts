import { internalAddress } from "../address/address.ts";
import { expect, test } from "bun:test";
import { contentOf } from "../../test/kit/memory/memory_store.ts";
import { countedIds, memoryCleanup } from "../../test/kit/memory/memory_cleanup.ts";
import { memoryLog } from "../../test/kit/memory/memory_log.ts";
import type { Envelope, QueueId, Recipient } from "../queue/envelope.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { ReportedRecipient } from "./bouncer.ts";
import { createBouncer } from "./create_bouncer.ts";
import type { BounceSettings } from "./notice_sender.ts";
import { parseTemplates, type Templates } from "./template.ts";

const NOW = Date.UTC(2026, 10, 25, 1, 54, 39);

const SETTINGS: BounceSettings = {
  myhostname: "mail.example.com",
  myorigin: "example.com",
  mail_name: "Postfix",
  bounce_size_limit: 50000,
  bounce_notice_recipient: "postmaster",
  "2bounce_notice_recipient": "postmaster",
  delay_notice_recipient: "postmaster",
  disable_verp_bounces: false,
  double_bounce_sender: "double-bounce",
  notify_classes: "resource, software",
  header_from_format: "standard",
  enable_threaded_bounces: false,
  smtputf8_enable: true,
  requiretls_enable: true,
  requiretls_redact_dsn: true,
  tls_required_enable: true,
  maximal_queue_lifetime: 432000,
  delay_warning_time: 14400,
};

const ORIGINAL = [
  "Received: from client.example.org (localhost [127.0.0.1])",
  "\tby mail.example.com (Postfix) with ESMTP id 11DD5249AA6;",
  "\tWed, 25 Nov 2026 01:54:39 +0000 (UTC)",
  "Subject: hello",
  "",
  "body",
  "",
].join("\r\n");

const recipient = (address: string, more: Partial<Recipient> = {}): Recipient => ({
  address: internalAddress(address),
  original: internalAddress(address),
  notify: 0,
  ...more,
});

const envelope = (more: Partial<Envelope> = {}): Envelope => ({
  id: "11DD5249AA6" as QueueId,
  arrival: NOW,
  sender: internalAddress("alice@example.com"),
  recipients: [],
  origin: {},
  ...more,
});

const failure = (address: string, status: string, text: string, diagnostic: string): ReportedRecipient => ({
  recipient: recipient(address),
  detail: {
    status,
    text,
    action: "failed",
    remoteMta: "mx1.example.net",
    diagnosticType: "smtp",
    diagnostic,
  },
});

function rig(settings: Partial<BounceSettings> = {}, templates?: Templates) {
  const cleanup = memoryCleanup();
  const log = memoryLog();
  const bouncer = createBouncer({
    cleanup,
    newId: countedIds(),
    log,
    now: () => NOW,
    settings: { ...SETTINGS, ...settings },
    parameter: (name) => ({ myhostname: "mail.example.com", mydomain: "example.com" })[name],
    templates,
  });
  return { bouncer, cleanup, log };
}

const subject = (more: Partial<Envelope> = {}, text = ORIGINAL) => ({
  envelope: envelope(more),
  content: contentOf(text),
});

/** As bounce(8) writes it; cleanup's Message-Id is not there yet. */
const FAILURE = `Received: by mail.example.com (Postfix)
	id N1; Wed, 25 Nov 2026 01:54:39 +0000 (UTC)
Date: Wed, 25 Nov 2026 01:54:39 +0000 (UTC)
From: Mail Delivery System <MAILER-DAEMON@example.com>
Subject: Undelivered Mail Returned to Sender
To: alice@example.com
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="11DD5249AA6.1795571679/mail.example.com"
Content-Transfer-Encoding: 8bit

This is a MIME-encapsulated message.

--11DD5249AA6.1795571679/mail.example.com
Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This is the mail system at host mail.example.com.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

For further assistance, please send mail to postmaster.

If you do so, please include this problem report. You can
delete your own text from the attached returned message.

                   The mail system

<multi@example.net>: host mx1.example.net[192.0.2.25] said: 550-5.7.1 line one
    550 5.7.1 line two (in reply to RCPT TO command)

<reject@example.net>: host mx1.example.net[192.0.2.25] said: 550 5.1.1
    <reject@example.net>: Recipient address rejected: User unknown (in reply to
    RCPT TO command)

--11DD5249AA6.1795571679/mail.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
Original-Envelope-Id: QQ31
X-Postfix-Queue-ID: 11DD5249AA6
X-Postfix-Sender: rfc822; alice@example.com
Arrival-Date: Wed, 25 Nov 2026 01:54:39 +0000 (UTC)

Final-Recipient: rfc822; multi@example.net
Original-Recipient: rfc822;orig@example.net
Action: failed
Status: 5.7.1
Remote-MTA: dns; mx1.example.net
Diagnostic-Code: smtp; 550-5.7.1 line one 550 5.7.1 line two

Final-Recipient: rfc822; reject@example.net
Original-Recipient: rfc822;orig@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx1.example.net
Diagnostic-Code: smtp; 550 5.1.1 <reject@example.net>: Recipient address
    rejected: User unknown

--11DD5249AA6.1795571679/mail.example.com
Content-Description: Undelivered Message
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Return-Path: <alice@example.com>
Received: from client.example.org (localhost [127.0.0.1])
	by mail.example.com (Postfix) with ESMTP id 11DD5249AA6;
	Wed, 25 Nov 2026 01:54:39 +0000 (UTC)
Subject: hello

body

--11DD5249AA6.1795571679/mail.example.com--
`;

const ENTRIES: readonly ReportedRecipient[] = [
  failure(
    "multi@example.net",
    "5.7.1",
    "host mx1.example.net[192.0.2.25] said: 550-5.7.1 line one 550 5.7.1 line two (in reply to RCPT TO command)",
    "550-5.7.1 line one 550 5.7.1 line two",
  ),
  failure(
    "reject@example.net",
    "5.1.1",
    "host mx1.example.net[192.0.2.25] said: 550 5.1.1 <reject@example.net>: Recipient address rejected: " +
      "User unknown (in reply to RCPT TO command)",
    "550 5.1.1 <reject@example.net>: Recipient address rejected: User unknown",
  ),
].map((entry) => ({ ...entry, recipient: { ...entry.recipient, orcpt: "rfc822;orig@example.net" } }));

const lf = (text: string) => text.replaceAll("\r\n", "\n");

test("a failure notice is Postfix's, byte for byte", async () => {
  const { bouncer, cleanup, log } = rig();
  expect(await bouncer.failed(subject({ envid: "QQ31" }), ENTRIES)).toBe(true);
  expect(cleanup.submitted).toHaveLength(1);
  expect(cleanup.submitted[0]!.text).toBe(FAILURE.replaceAll("\n", "\r\n"));
  expect(cleanup.submitted[0]!.submission).toMatchObject({
    sender: "",
    recipients: [{ address: "alice@example.com" }],
    kind: "bounce",
    completeHeaders: true,
  });
  expect(log.lines).toEqual(["bounce: 11DD5249AA6: sender non-delivery notification: N1"]);
});

const OWN: RecipientDetail = { status: "5.1.1", text: 'unknown user: "x"', action: "failed" };
const own = (more: Partial<Recipient> = {}, detail: Partial<RecipientDetail> = {}): ReportedRecipient => ({
  recipient: recipient("x@example.com", more),
  detail: { ...OWN, ...detail },
});

test("RET=HDRS and bounce_size_limit return headers only", async () => {
  for (
    const [settings, more] of [[{}, { ret: "HDRS" as const }], [{ bounce_size_limit: 10 }, {}]] as const
  ) {
    const { bouncer, cleanup } = rig(settings);
    await bouncer.failed(subject(more), [own()]);
    const text = lf(cleanup.submitted[0]!.text);
    expect(text).toEndWith(
      "Content-Description: Undelivered Message Headers\nContent-Type: text/rfc822-headers\n" +
        "Content-Transfer-Encoding: 8bit\n\nReturn-Path: <alice@example.com>\n" +
        lf(ORIGINAL).replace("\nbody\n", "") + "\n--11DD5249AA6.1795571679/mail.example.com--\n",
    );
  }
});

test("NOTIFY decides over the sender's notice, not over the postmaster's copy", async () => {
  const { bouncer, cleanup, log } = rig({ notify_classes: "bounce" });
  await bouncer.failed(subject(), [own({ notify: 1 }), own({ notify: 2 })]);
  expect<unknown>(cleanup.submitted.map(({ submission }) => submission.sender)).toEqual([
    "double-bounce@mail.example.com",
  ]);
  const text = lf(cleanup.submitted[0]!.text);
  expect(text).toContain(
    "Subject: Postmaster Copy: Undelivered Mail\nTo: postmaster@example.com\nAuto-Submitted: auto-generated\n",
  );
  expect(text).toContain('Content-Transfer-Encoding: 8bit\n\n\n<x@example.com>: unknown user: "x"\n\n<x@');
  expect(log.lines).toEqual(["bounce: 11DD5249AA6: postmaster non-delivery notification: N1"]);
});

test("a failure of a notice goes to 2bounce_notice_recipient when bounces of any kind are wanted", async () => {
  const quiet = rig();
  expect(await quiet.bouncer.failed(subject({ sender: internalAddress("") }), [own()])).toBe(true);
  expect(quiet.cleanup.submitted).toHaveLength(0);
  const any = rig({ notify_classes: "bounce" });
  await any.bouncer.failed(subject({ sender: internalAddress("") }), [own()]);
  expect(any.cleanup.submitted).toHaveLength(1);
  const { bouncer, cleanup } = rig({ notify_classes: "2bounce" });
  await bouncer.failed(subject({ sender: internalAddress("") }), [own()]);
  expect<unknown>(cleanup.submitted[0]!.submission.recipients[0]!.address).toBe("postmaster");
  const text = lf(cleanup.submitted[0]!.text);
  expect(text).toContain("X-Postfix-Sender: rfc822; MAILER-DAEMON@mail.example.com\n");
  expect(text).toContain("Content-Description: Undelivered Message\n");
});

test("a postmaster may be called sender and is not mistaken for one", async () => {
  const { bouncer, cleanup } = rig({ notify_classes: "bounce", bounce_notice_recipient: "sender" });
  await bouncer.failed(subject(), [own()]);
  const told = cleanup.submitted.map(({ submission }) => submission.recipients[0]?.address);
  expect<unknown>(told).toEqual(["alice@example.com", "sender"]);
});

test("a failure of a double bounce ends there", async () => {
  const { bouncer, cleanup, log } = rig({ notify_classes: "bounce, 2bounce" });
  expect(
    await bouncer.failed(subject({ sender: internalAddress("double-bounce@mail.example.com") }), [own()]),
  ).toBe(true);
  expect(cleanup.submitted).toHaveLength(0);
  expect(log.lines).toEqual([
    "bounce: warning: 11DD5249AA6: undeliverable postmaster notification discarded",
  ]);
});

test("a delay notice says until when it is tried and returns headers", async () => {
  const { bouncer, cleanup, log } = rig();
  const detail = { status: "4.4.1", text: "connect to mx: Connection refused", action: "delayed" } as const;
  await bouncer.delayed(subject(), [own({}, detail), own({ notify: 4 }, detail)]);
  const text = lf(cleanup.submitted[0]!.text);
  expect(text).toContain("Subject: Delayed Mail (still being retried)\n");
  expect(text).toContain(
    "Your message could not be delivered for more than 4 hour(s).\nIt will be retried until it is 5 day(s) old.\n",
  );
  expect(text).toContain(
    "Diagnostic-Code: X-Postfix; connect to mx: Connection refused\nWill-Retry-Until: Mon, 30 Nov 2026 01:54:39 +0000 (UTC)\n\n--",
  );
  expect(text.match(/Final-Recipient/g)).toHaveLength(1);
  expect(text).toContain("Content-Description: Undelivered Message Headers\n");
  expect(log.lines).toEqual(["bounce: 11DD5249AA6: sender delay notification: N1"]);
});

test("a success report names how it was delivered", async () => {
  const { bouncer, cleanup, log } = rig();
  const detail = {
    status: "2.0.0",
    text: "delivery via local: delivered to mailbox",
    action: "delivered",
  } as const;
  await bouncer.succeeded(subject(), [own({}, detail)]);
  const text = lf(cleanup.submitted[0]!.text);
  expect(text).toContain("Subject: Successful Mail Delivery Report\n");
  expect(text).toContain("\n<x@example.com>: delivery via local: delivered to mailbox\n");
  expect(text).toContain("Content-Description: Message Headers\n");
  expect(log.lines).toEqual(["bounce: 11DD5249AA6: sender delivery status notification: N1"]);
});

test("an expanded recipient shows where it came from", async () => {
  const { bouncer, cleanup } = rig();
  await bouncer.failed(subject(), [
    own({ original: internalAddress("list@example.com") }, { address: "y z@example.com" }),
  ]);
  const text = lf(cleanup.submitted[0]!.text);
  expect(text).toContain('<"y z"@example.com> (expanded from <list@example.com>): unknown user: "x"\n');
  expect(text).toContain(
    'Final-Recipient: rfc822; "y z"@example.com\nOriginal-Recipient: rfc822;list@example.com\n',
  );
});

test("without smtputf8_enable an ASCII message's notice is us-ascii and has no encoding lines; an 8-bit message's is 8bit", async () => {
  const { bouncer, cleanup } = rig({ smtputf8_enable: false });
  await bouncer.failed(subject(), [own()]);
  const text = lf(cleanup.submitted[0]!.text);
  expect(text).toContain("Content-Type: text/plain; charset=us-ascii\n\nThis is");
  expect(text).not.toContain("Content-Transfer-Encoding");
  await bouncer.failed(subject({ body: "8BITMIME" }), [own()]);
  expect(lf(cleanup.submitted[1]!.text)).toContain(
    "charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nThis is",
  );
});

test("header_from_format and enable_threaded_bounces change the header", async () => {
  const { bouncer, cleanup } = rig({ header_from_format: "obsolete", enable_threaded_bounces: true });
  await bouncer.failed(subject({ messageId: "<m1@example.com>" }), [own()]);
  const text = lf(cleanup.submitted[0]!.text);
  expect(text).toContain("From: MAILER-DAEMON@example.com (Mail Delivery System)\n");
  expect(text).toContain("References: <m1@example.com>\nIn-Reply-To: <m1@example.com>\nAuto-Submitted:");
});

test("a refused notice is reported as not told; one too large is tried as headers", async () => {
  const busy = rig();
  busy.cleanup.refuse = () => ({ code: 451, lines: ["queue file write error"] });
  expect(await busy.bouncer.failed(subject(), [own()])).toBe(false);
  expect(busy.log.lines).toEqual([
    "bounce: warning: 11DD5249AA6: cannot queue a notice: queue file write error",
  ]);
  const large = rig();
  large.cleanup.refuse = (text) =>
    text.includes("\r\nbody\r\n") ? { code: 552, lines: ["too large"] } : undefined;
  expect(await large.bouncer.failed(subject(), [own()])).toBe(true);
  expect(large.cleanup.submitted).toHaveLength(1);
});

test("a template file replaces texts and headers of its sections only", async () => {
  const templates = parseTemplates(
    "# ours\nfailure_template = <<END\nCharset: iso-8859-1\nFrom: postman (The Post)\nSubject: Returned\n" +
      "Postmaster-Subject: Copy\n\nfrom ${myhostname} in $(mydomain): $$5, $maximal_queue_lifetime_hours h\nEND\n",
  );
  if ("is" in templates) throw new Error(templates.why);
  const { bouncer, cleanup } = rig({}, templates);
  await bouncer.failed(subject(), [own()]);
  const text = lf(cleanup.submitted[0]!.text);
  expect(text).toContain("From: postman@example.com (The Post)\nSubject: Returned\n");
  expect(text).toContain("charset=iso-8859-1\n");
  expect(text).toContain("\n\nfrom mail.example.com in example.com: $5, 120 h\n\n<x@example.com>");
  await bouncer.delayed(subject(), [own()]);
  expect(lf(cleanup.submitted[1]!.text)).toContain("Subject: Delayed Mail (still being retried)\n");
});

test("parseTemplates() says line and reason of what it cannot use", () => {
  const rows = [
    ["nonsense\n", 1, "expected"],
    ["other_template = <<EOF\nEOF\n", 1, "unknown template"],
    ["failure_template = <<EOF\nSubject: x\n\n", 1, 'no line "EOF"'],
    ["failure_template = <<EOF\nSubjekt: x\n\nEOF\n", 2, "unknown header"],
    ["success_template = <<EOF\nPostmaster-Subject: x\n\nEOF\n", 2, "Postmaster-Subject"],
    ["failure_template = <<EOF\nSubject: $x\n\nEOF\n", 2, "ASCII"],
    ["failure_template = <<EOF\nSubject: x\nEOF\n", 3, "no empty line"],
  ] as const;
  for (const [file, line, why] of rows) {
    const parsed = parseTemplates(file);
    expect(parsed).toMatchObject({ is: "malformed", line });
    expect("why" in parsed && parsed.why).toContain(why);
  }
});

test("what came under REQUIRETLS goes back as headers, and without it; unredacted it is demanded of the notice too", async () => {
  const { bouncer, cleanup } = rig();
  await bouncer.failed(subject({ requireTls: true, tlsNotRequired: true }), [own()]);
  const [redacted] = cleanup.submitted;
  expect(redacted!.submission.requireTls).toBeUndefined();
  expect(lf(redacted!.text)).toContain("Content-Type: text/rfc822-headers\n");
  expect(lf(redacted!.text)).not.toContain("TLS-Required");

  const whole = rig({ requiretls_redact_dsn: false });
  await whole.bouncer.failed(subject({ requireTls: true }), [own()]);
  expect(whole.cleanup.submitted[0]!.submission.requireTls).toBeTrue();
  expect(lf(whole.cleanup.submitted[0]!.text)).toContain("Content-Type: message/rfc822\n");

  const off = rig({ requiretls_enable: false });
  await off.bouncer.failed(subject({ requireTls: true }), [own()]);
  expect(off.cleanup.submitted[0]!.submission.requireTls).toBeUndefined();
  expect(lf(off.cleanup.submitted[0]!.text)).toContain("Content-Type: message/rfc822\n");
});

test("TLS-Required: no goes on into the notice", async () => {
  const { bouncer, cleanup } = rig();
  await bouncer.failed(subject({ tlsNotRequired: true }), [own()]);
  expect(lf(cleanup.submitted[0]!.text)).toContain("\nTLS-Required: no\nAuto-Submitted: auto-replied\n");
  const off = rig({ tls_required_enable: false });
  await off.bouncer.failed(subject({ tlsNotRequired: true }), [own()]);
  expect(lf(off.cleanup.submitted[0]!.text)).not.toContain("TLS-Required");
});

test("a postmaster's copy that is refused is logged, and the sender is not told again", async () => {
  const { bouncer, cleanup, log } = rig({ notify_classes: "bounce" });
  cleanup.refuse = (text) =>
    text.includes("Postmaster Copy") ? { code: 451, lines: ["queue file write error"] } : undefined;
  expect(await bouncer.failed(subject(), [own()])).toBe(true);
  expect(cleanup.submitted).toHaveLength(1);
  expect(log.lines).toEqual([
    "bounce: 11DD5249AA6: sender non-delivery notification: N1",
    "bounce: warning: 11DD5249AA6: cannot queue a notice: queue file write error",
    "bounce: warning: 11DD5249AA6: postmaster notice failed while bouncing to alice@example.com",
  ]);
});

test("with VERP each failed recipient has a notice of its own, to the sender of its copy, unless disable_verp_bounces", async () => {
  const entries = [
    own({ original: internalAddress("X@old.example") }),
    own({ address: internalAddress("y@example.com"), original: internalAddress("y@example.com"), notify: 1 }),
    own({ address: internalAddress("z@example.com"), original: internalAddress("z@example.com") }),
  ];
  const toldFor = async (settings: Partial<BounceSettings>) => {
    const { bouncer, cleanup } = rig(settings);
    expect(await bouncer.failed(subject({ verp: "+=" }), entries)).toBe(true);
    return cleanup.submitted.map(({ submission, text }) => [
      submission.recipients[0]!.address as string,
      (text.match(/^Final-Recipient: .*$/gm) ?? []).length,
      /^To: (.*)\r$/m.exec(text)?.[1],
      /^X-Postfix-Sender: (.*)\r$/m.exec(text)?.[1],
    ]);
  };
  const [first, last] = ["alice+X=old.example@example.com", "alice+z=example.com@example.com"];
  const sender = "rfc822; alice@example.com";
  expect(await toldFor({})).toEqual([[first, 1, first, sender], [last, 1, last, sender]]);
  const all = "alice@example.com";
  expect(await toldFor({ disable_verp_bounces: true })).toEqual([[all, 2, all, sender]]);
  const copy = ["postmaster", 1, "postmaster@example.com", sender];
  expect(await toldFor({ notify_classes: "bounce" })).toEqual([
    [first, 1, first, sender],
    copy,
    copy,
    [last, 1, last, sender],
    copy,
  ]);
});

test("a report that was asked for has the verify template, and goes by the rules of bounces", async () => {
  const detail = {
    status: "2.0.0",
    text: "delivery via local: delivers to mailbox",
    action: "deliverable",
  } as const;
  const told = async (sender: string, classes: string) => {
    const { bouncer, cleanup, log } = rig({ notify_classes: classes });
    expect(await bouncer.traced(subject({ sender: internalAddress(sender) }), [own({ notify: 1 }, detail)]))
      .toBe(true);
    const [sent] = cleanup.submitted;
    return [
      sent?.submission.sender,
      sent?.submission.recipients[0]?.address,
      sent && lf(sent.text),
      log.lines,
    ];
  };
  const [from, to, text = "", lines] = await told("alice@example.com", "");
  expect([from, to] as unknown[]).toEqual(["", "alice@example.com"]);
  expect(lines).toEqual(["bounce: 11DD5249AA6: sender delivery status notification: N1"]);
  expect(text).toContain(
    "Subject: Mail Delivery Status Report\nTo: alice@example.com\nAuto-Submitted: auto-replied\n",
  );
  expect(text).toContain(
    "\n\nEnclosed is the mail delivery report that you requested.\n\n                   The mail system\n\n" +
      "<x@example.com>: delivery via local: delivers to mailbox\n\n--",
  );
  expect(text).toContain("Action: deliverable\nStatus: 2.0.0\n");
  expect(text).toContain("Content-Description: Message Headers\n");
  const refused = (what: string) => [
    undefined,
    undefined,
    undefined,
    [`bounce: 11DD5249AA6: not sending trace/success notification for ${what} message`],
  ];
  expect(await told("", "bounce")).toEqual(refused("single-bounce"));
  expect(await told("double-bounce@mail.example.com", "2bounce")).toEqual(refused("double-bounce"));
  expect((await told("", "2bounce")).slice(0, 2) as unknown[]).toEqual([
    "double-bounce@mail.example.com",
    "postmaster",
  ]);
});
