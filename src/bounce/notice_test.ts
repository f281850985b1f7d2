import { internalAddress } from "../address/address.ts";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { contentOf } from "../../test/kit/memory/memory_store.ts";
import type { QueueId } from "../queue/envelope.ts";
import type { ReportedRecipient } from "./bouncer.ts";
import { type NoticeParts, printNotice } from "./notice.ts";
import { BUILT_IN } from "./template.ts";

const NOW = Date.UTC(2026, 10, 25, 1, 54, 39);
const BOUNDARY = `11DD5249AA6.${NOW / 1000}/mail.example.com`;

/** Text of somebody who wants a field, a part or an end of his own. */
const hostile = fc.array(
  fc.oneof(
    fc.constantFrom("\r\n", "\n", "\r", "\0", "\x85", "\u2028", " ", "\t", ":", "é", "\ud800"),
    fc.constantFrom(
      "Action: delivered",
      "X-Inj: 1",
      `--${BOUNDARY}`,
      `--${BOUNDARY}--`,
      "Content-Type: text/html",
    ),
    fc.string({ maxLength: 100 }),
  ),
  { minLength: 1, maxLength: 6 },
).map((pieces) => pieces.join(""));

const entry: fc.Arbitrary<ReportedRecipient> = fc.record({
  recipient: fc.record({
    address: hostile.map(internalAddress),
    original: hostile.map(internalAddress),
    notify: fc.constant(0),
    orcpt: fc.option(hostile, { nil: undefined }),
  }),
  detail: fc.record({
    status: fc.constant("5.1.1"),
    text: hostile,
    action: fc.constant("failed" as const),
    address: fc.option(hostile, { nil: undefined }),
    remoteMta: fc.option(hostile, { nil: undefined }),
    diagnosticType: fc.constantFrom("smtp", "X-Postfix", "x-unix"),
    diagnostic: fc.option(hostile, { nil: undefined }),
  }),
});

const parts: fc.Arbitrary<NoticeParts> = fc.record({
  sender: hostile.map(internalAddress),
  envid: hostile,
  messageId: hostile,
  entries: fc.array(entry, { minLength: 1, maxLength: 3 }),
  smtputf8Enabled: fc.boolean(),
}).map(({ sender, envid, messageId, entries, smtputf8Enabled }) => ({
  subject: {
    envelope: {
      id: "11DD5249AA6" as QueueId,
      arrival: NOW,
      sender,
      recipients: [],
      origin: {},
      envid,
      messageId,
    },
    content: contentOf("Subject: x\r\n\r\nbody\r\n"),
  },
  entries,
  template: BUILT_IN.failure_template,
  text: "words\nof\tthe template\n",
  heading: "Undelivered Mail Returned to Sender",
  to: sender,
  from: "MAILER-DAEMON@example.com (Mail Delivery System)",
  forPostmaster: false,
  shownSender: sender,
  retryUntil: undefined,
  returned: "headers",
  returnedName: "Undelivered Message",
  now: NOW,
  hostname: "mail.example.com",
  mailName: "Postfix",
  tlsNotRequired: false,
  smtputf8Enabled,
  threaded: true,
}));

const STATUS_FIELD = new RegExp(
  "^(?:Reporting-MTA|Original-Envelope-Id|X-Postfix-Queue-ID|X-Postfix-Sender|Arrival-Date|Final-Recipient|" +
    "Original-Recipient|Action|Status|Remote-MTA|Diagnostic-Code): ",
);

test("nothing that is reported adds a line, a field or a part to a notice", () => {
  fc.assert(
    fc.property(parts, (given) => {
      const { before, after } = printNotice(given);
      expect(before + after).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)|(?<!\r)\n/);
      const lines = before.split("\r\n");
      expect(lines.filter((line) => line.startsWith("--"))).toEqual([1, 2, 3].map(() => `--${BOUNDARY}`));
      const [, , delivery = ""] = before.split(`\r\n--${BOUNDARY}\r\n`);
      const status = delivery.split("\r\n").slice(3, -2);
      const odd = status.filter((line) =>
        line !== "" && !STATUS_FIELD.test(line) && !line.startsWith("    ")
      );
      expect(odd).toEqual([]);
      // An empty line begins a recipient's fields (RFC 3464 section 2.1).
      expect(status.filter((line) => line === "")).toHaveLength(given.entries.length);
      expect(status.filter((line) => line.startsWith("Action: "))).toHaveLength(given.entries.length);
      if (!given.smtputf8Enabled) expect(status.join("")).toMatch(/^[\x20-\x7e]*$/);
    }),
    { numRuns: 1000 },
  );
});
