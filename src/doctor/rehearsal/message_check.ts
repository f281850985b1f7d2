import { authorDomains } from "../../mailauth/dmarc/author_domains.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { sizeText } from "../health/queue_check.ts";
import { checkBulk } from "./bulk_check.ts";
import { type MessageExpectation, type MessageFacts, valuesOf } from "./message_facts.ts";

const NAME = "message";

/** Large receivers take 20 to 25 MB, as it travels. */
const COMMON_SIZE = 20_000_000;
/** RFC 5322 §2.1.1. */
const LINE = 998;
const DAY = 86_400_000;

/** Fields that may be there once (RFC 5322 §3.6, RFC 2045 §3, RFC 2369 §3, RFC 8058 §3.1). */
const ONCE = [
  "from",
  "sender",
  "reply-to",
  "to",
  "cc",
  "subject",
  "date",
  "message-id",
  "mime-version",
  "content-type",
  "content-transfer-encoding",
  "list-unsubscribe",
  "list-unsubscribe-post",
];

/** What receivers have against a message as it stands. */
export function checkMessage(facts: MessageFacts, expected: MessageExpectation): CheckResult[] {
  const found = [
    ...authorOf(facts, expected),
    ...dateOf(facts, expected),
    ...idOf(facts),
    ...shapeOf(facts),
    ...sizesOf(facts, expected),
  ];
  const own = found.length > 0 ? found : [
    ok(
      NAME,
      `${facts.fields.length} fields, ${
        sizeText(facts.size)
      }: From, Date, Message-ID, lines and size are right`,
    ),
  ];
  return [...own, ...checkBulk(facts, expected)];
}

function authorOf(facts: MessageFacts, { domain }: MessageExpectation): CheckResult[] {
  if (valuesOf(facts, "from").length === 0) {
    return [problem(NAME, "no From: field", { fix: "From: NAME <you@DOMAIN>" })];
  }
  const domains = authorDomains(facts.fields);
  if (domains.length === 0) {
    return [problem(NAME, "From: has no address", { fix: "From: NAME <you@DOMAIN>" })];
  }
  if (domains.length > 1) {
    return [
      problem(NAME, `From: has several domains (${domains.join(", ")}): many refuse that`, {
        fix: "one author",
      }),
    ];
  }
  if (domains[0] === domain) return [];
  return [warning(NAME, `From: is of ${domains[0]}, the sender of ${domain}: DMARC goes by the first`, {
    fix: `mta rehearse with an address of ${domains[0]}, or write From: with ${domain}`,
  })];
}

const DATE =
  /^(?:[A-Z][a-z]{2},\s*)?\d{1,2}\s+[A-Z][a-z]{2}\s+\d{4}\s+\d{2}:\d{2}(?::\d{2})?\s+(?:[+-]\d{4}|GMT|UT|[ECMP][SD]T|Z)/;

function dateOf(facts: MessageFacts, { now }: MessageExpectation): CheckResult[] {
  const [date] = valuesOf(facts, "date");
  const fix = "let the program that writes it say when, as RFC 5322 §3.3 has it";
  if (date === undefined) {
    return [warning(NAME, "no Date: field", { fix: "a local submission gets one; else write it" })];
  }
  const time = DATE.test(date) ? Date.parse(date.replace(/\s*\([^)]*\)/g, "")) : NaN;
  if (Number.isNaN(time)) return [problem(NAME, `Date: is none: ${date.slice(0, 60)}`, { fix })];
  if (time > now + DAY) return [warning(NAME, `Date: is in the future: ${date.slice(0, 60)}`, { fix })];
  return time < now - 7 * DAY ? [warning(NAME, `Date: is long ago: ${date.slice(0, 60)}`, { fix })] : [];
}

const MESSAGE_ID = /^<[^<>@\s]+@[^<>@\s]+>$/;

function idOf(facts: MessageFacts): CheckResult[] {
  const [id] = valuesOf(facts, "message-id");
  if (id === undefined) {
    return [warning(NAME, "no Message-ID: field", { fix: "a local submission gets one; else write it" })];
  }
  if (MESSAGE_ID.test(id)) return [];
  return [
    problem(NAME, `Message-ID: is none: ${id.slice(0, 80)}`, { fix: "<SOMETHING@DOMAIN> (RFC 5322 §3.6.4)" }),
  ];
}

function shapeOf(facts: MessageFacts): CheckResult[] {
  const twice = ONCE.filter((name) => valuesOf(facts, name).length > 1);
  const [stray] = facts.strays;
  return [
    ...(twice.length === 0 ? [] : [
      problem(NAME, `more than once: ${twice.join(", ")}: large receivers refuse that`, {
        fix: "one of each (RFC 5322 §3.6)",
      }),
    ]),
    ...(stray === undefined ? [] : [
      problem(NAME, `a line of the head is no field: ${stray.slice(0, 60)}`, {
        fix: "an empty line ends the head",
      }),
    ]),
    ...(facts.rawHeader
      ? [warning(NAME, "the head has bytes beyond ASCII: only servers with SMTPUTF8 take those", {
        fix: "encoded words (RFC 2047)",
      })]
      : []),
    ...(facts.rawBody && valuesOf(facts, "mime-version").length === 0
      ? [warning(NAME, "bytes beyond ASCII, and no MIME-Version: nobody knows what they mean", {
        fix: "MIME-Version: 1.0 and Content-Type: text/plain; charset=utf-8",
      })]
      : []),
  ];
}

function sizesOf({ size, longestLine }: MessageFacts, { sizeLimit }: MessageExpectation): CheckResult[] {
  const tooLarge = sizeLimit > 0 && size > sizeLimit;
  return [
    ...(tooLarge
      ? [
        problem(NAME, `${sizeText(size)}, where message_size_limit is ${sizeText(sizeLimit)}`, {
          fix: "make it smaller",
        }),
      ]
      : []),
    ...(!tooLarge && size > COMMON_SIZE
      ? [
        warning(NAME, `${sizeText(size)}: many receivers take no more than 20 to 25 MB`, {
          fix: "send a link",
        }),
      ]
      : []),
    ...(longestLine > LINE
      ? [
        warning(
          NAME,
          `a line of ${longestLine} bytes, where 998 are allowed: it is broken on its way (RFC 5322 §2.1.1)`,
          {
            fix: "quoted-printable or base64, and fold the head",
          },
        ),
      ]
      : []),
  ];
}
