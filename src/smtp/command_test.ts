import { expect, test } from "bun:test";
import fc from "fast-check";
import { quoteAddress } from "../address/address.ts";
import { printable } from "../base/printable.ts";
import {
  type AttributesCommand,
  type BdatCommand,
  type MailCommand,
  type Malformed,
  parseAttributes,
  parseBdat,
  parseMail,
  parseRcpt,
  type RcptCommand,
} from "./command.ts";
import { printMailParameters } from "./mail_parameters.ts";
import { printRcptParameters } from "./rcpt_parameters.ts";
import { printReply } from "./reply.ts";
import { splitWords } from "./words.ts";
import { encodeXtext } from "./xtext.ts";

type Command = MailCommand | RcptCommand | BdatCommand | AttributesCommand;

const atom = fc.stringMatching(/^[a-z0-9!#$&'*+/=?^_{|}~]{1,8}$/);
const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const domain = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join("."));
const local = fc.oneof(atom, fc.string({ minLength: 1, maxLength: 12, unit: "grapheme-ascii" }))
  .filter((text) => !/^-|[\r\n\0]/.test(text));
const address = fc.tuple(local, domain).map(([l, d]) => `${l}@${d}`);
const printed = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).map((value) => printable(value));
const text = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme-ascii" });
const word = fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** Without the keys that are undefined, as the parser leaves them out. */
function lean<T extends object>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    verb: fc.constant("MAIL"),
    from: fc.oneof(fc.constant(""), address),
    parameters: fc.record({
      size: maybe(fc.nat()),
      body: maybe(fc.constantFrom("7BIT", "8BITMIME")),
      smtputf8: maybe(fc.constant(true)),
      requireTls: maybe(fc.constant(true)),
      ret: maybe(fc.constantFrom("FULL", "HDRS")),
      envid: maybe(text),
      auth: maybe(word),
      verp: maybe(fc.constantFrom("+=", "-=", "==")),
    }),
  }),
  fc.record({
    verb: fc.constant("RCPT"),
    to: address,
    parameters: fc.record({
      notify: fc.constantFrom(0, 1, 2, 4, 8, 6, 14),
      orcpt: maybe(
        fc.tuple(fc.oneof(word, fc.constant("utf-8")), printed).map(([type, value]) => `${type};${value}`),
      ),
    }),
  }),
  fc.record({ verb: fc.constant("BDAT"), size: fc.nat(), last: fc.boolean() }),
  fc.record({
    verb: fc.constantFrom("XCLIENT", "XFORWARD"),
    attributes: fc.array(fc.tuple(fc.constantFrom("NAME", "ADDR", "HELO"), text), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
) as fc.Arbitrary<Command>;

function parse(line: string): Command | Malformed {
  const words = splitWords(line);
  const verb = words[0]!.toUpperCase();
  if (verb === "MAIL") return parseMail(words, {}, { delimiters: "+=", filter: "-=+" });
  if (verb === "RCPT") return parseRcpt(words);
  return verb === "BDAT" ? parseBdat(words) : parseAttributes(words);
}

/** A command as clients write it. */
function print(command: Command): string {
  switch (command.verb) {
    case "MAIL":
      return `MAIL FROM:<${quoteAddress(command.from)}>${printMailParameters(command.parameters)}`;
    case "RCPT":
      return `RCPT TO:<${quoteAddress(command.to)}>${printRcptParameters(command.parameters)}`;
    case "BDAT":
      return `BDAT ${command.size}${command.last ? " LAST" : ""}`;
    default:
      return `${command.verb} ${command.attributes.map(([n, v]) => `${n}=${encodeXtext(v)}`).join(" ")}`;
  }
}

test("commands with parameters are read as they were written", () => {
  fc.assert(
    fc.property(command, (value) => {
      expect(lean(parse(print(lean(value))))).toEqual(lean(value));
    }),
    { numRuns: 5_000 },
  );
});

test("parseMail() never throws and never takes more than a moment", () => {
  const line = fc.array(
    fc.constantFrom("MAIL FROM:", "<", ">", '"', "\\", "(", "[", " ", "a@b", ";", ",", "+"),
    {
      maxLength: 30,
    },
  ).map((parts) => parts.join(""));
  fc.assert(fc.property(line, (text) => {
    expect(typeof parse(`MAIL FROM:${text}`).verb).toBe("string");
  }));
  expect(parse(`MAIL FROM:<${'"('.repeat(1_000)}`).verb).toBe("malformed");
});

test("splitWords() holds quotes and brackets together and parts FROM: from its path", () => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ["MAIL FROM:<a b@c> SIZE=1", ["MAIL", "FROM:", "<a b@c>", "SIZE=1"]],
    ["MAIL FROM: <a@b>", ["MAIL", "FROM:", "<a@b>"]],
    ["MAIL FROM :<a@b>", ["MAIL", "FROM", ":<a@b>"]],
    ['RCPT TO:"a b"@c  X', ["RCPT", "TO:", '"a b"@c', "X"]],
    ["HELO a:b", ["HELO", "a:b"]],
    ["\tNOOP\t", ["NOOP"]],
    ["", []],
  ];
  for (const [line, words] of rows) expect(splitWords(line)).toEqual([...words]);
});

// Lines as they were put to Postfix 3.7.11, and what it answered; undefined: accepted.
const OBSERVED: readonly (readonly [string, string | undefined])[] = [
  ["MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"],
  ["MAIL FROM", "501 5.5.4 Syntax: MAIL FROM:<address>"],
  ["MAIL FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>"],
  ["MAIL FROM :<a@b>", "501 5.5.4 Syntax: MAIL FROM:<address>"],
  ["MAIL TO:<a@b>", "501 5.5.4 Syntax: MAIL FROM:<address>"],
  ["MAIL FROM: <a@b>", undefined],
  ["mail from:<a@b>", undefined],
  ["MAIL\tFROM:<a@b>", undefined],
  ["MAIL FROM:<a@b> SIZE=", "501 5.5.4 Bad message size syntax"],
  ["MAIL FROM:<a@b> SIZE", "555 5.5.4 Unsupported option: SIZE"],
  ["MAIL FROM:<a@b> SIZE=-1", "501 5.5.4 Bad message size syntax"],
  [
    "MAIL FROM:<a@b> SIZE=99999999999999999999999",
    "552 5.3.4 Message size exceeds file system imposed limit",
  ],
  ["MAIL FROM:<a@b> size=5", undefined],
  ["MAIL FROM:<a@b> SIZE=1 SIZE=2", undefined],
  ["MAIL FROM:<a@b> BODY=8bitmime", undefined],
  ["MAIL FROM:<a@b> BODY=BINARYMIME", "555 5.5.4 Unsupported option: BODY=BINARYMIME"],
  ["MAIL FROM:<a@b> FOO=bar", "555 5.5.4 Unsupported option: FOO=bar"],
  ["MAIL FROM:<a@b> RET=x", "501 5.5.4 Bad RET parameter syntax"],
  ["MAIL FROM:<a@b> RET=FULL RET=HDRS", "501 5.5.4 Bad RET parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=+zz", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=a+0D+0AX-Inj:+201", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=a+0Ab", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=a+09b", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=a+7Fb", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=a+C3+A9b", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=a+E9b", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=a\x01b", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=é", "501 5.5.4 Bad ENVID parameter syntax"],
  ["MAIL FROM:<a@b> ENVID=+20", undefined],
  ["MAIL FROM:<a@b> AUTH=<>", undefined],
  ["MAIL FROM:<a@b> AUTH", "555 5.5.4 Unsupported option: AUTH"],
  ["MAIL FROM:<a@bücher.example> SMTPUTF8", undefined],
  ["MAIL FROM:<a@bücher.example>", "501 5.1.7 Bad sender address syntax"],
  ["RCPT TO", "501 5.5.4 Syntax: RCPT TO:<address>"],
  ["RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"],
  ["RCPT TO:<a@b> NOTIFY=SUCCESS,", undefined],
  ["RCPT TO:<a@b> NOTIFY=", "501 5.5.4 Error: Bad NOTIFY parameter syntax"],
  ["RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS", "501 5.5.4 Error: Bad NOTIFY parameter syntax"],
  ["RCPT TO:<a@b> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4 Error: Bad NOTIFY parameter syntax"],
  ["RCPT TO:<a@b> ORCPT=rfc822;", undefined],
  ["RCPT TO:<a@b> ORCPT=;a", "501 5.5.4 Error: Bad ORCPT parameter syntax"],
  ["RCPT TO:<a@b> ORCPT=rfc822;a+2", "501 5.5.4 Error: Bad ORCPT parameter syntax"],
  ["RCPT TO:<a@b> ORCPT=utf-8;\\x{110000}", "501 5.5.4 Error: Bad ORCPT parameter syntax"],
  ["RCPT TO:<a@b> FOO", "555 5.5.4 Unsupported option: FOO"],
  ["BDAT", "521 5.5.4 Syntax: BDAT count [LAST]"],
  ["BDAT +5", "521 5.5.4 Syntax: BDAT count [LAST]"],
  ["BDAT 5 x", "521 5.5.4 Syntax: BDAT count [LAST]"],
  ["BDAT 5 last", undefined],
  ["XCLIENT", "501 5.5.4 Syntax: XCLIENT attribute=value..."],
  ["XCLIENT FOO", "501 5.5.4 Error: attribute=value expected"],
  ["XCLIENT NAME=", "501 5.5.4 Error: attribute=value expected"],
  [`XCLIENT HELO=${"x".repeat(255)}`, undefined],
  [`XCLIENT HELO=${"x".repeat(256)}`, "501 5.5.4 Error: attribute value too long"],
  [`XFORWARD HELO=${"+20".repeat(86)}`, "501 5.5.4 Error: attribute value too long"],
];

test("commands that Postfix refuses are refused in its words", () => {
  const said = OBSERVED.map(([line]) => {
    const parsed = parse(line);
    if (parsed.verb !== "malformed") return [line, undefined];
    const { code, status, lines } = parsed.reply;
    return [line, [code, status, ...lines].filter((part) => part !== undefined).join(" ")];
  });
  expect(said).toEqual(OBSERVED.map((row) => [...row]));
});

// ORCPT as it was put to Postfix 3.7.11, and what its notice then showed as Original-Recipient.
const ORIGINALS: readonly (readonly [sent: string, shown: string])[] = [
  ["rfc822;a+0D+0AX-Inj:+20y", "rfc822;a??X-Inj: y"],
  ["rfc822;a+E9+07b", "rfc822;a??b"],
  ["rfc822;a\x01b+C3+A9", "rfc822;a?bé"],
  ["a\x01+0A;b", "a?+0A;b"],
  ["utf-8;a\\x{0A}b+0Ac", "utf-8;a?b+0Ac"],
  ["utf-8;a\\x{E9}\\x{1F4E7}+2Bb\\x{41}", "utf-8;aé\u{1f4e7}+2BbA"],
  ["utf-8;é+C3+A9+0Ab", "utf-8;é+C3+A9+0Ab"],
];

test("ORCPT is decoded by its type, and what would end a line is a question mark", () => {
  const read = ORIGINALS.map(([sent]) => {
    const parsed = parse(`RCPT TO:<a@b> ORCPT=${sent}`);
    return [sent, parsed.verb === "RCPT" ? parsed.parameters.orcpt : parsed];
  });
  expect(read).toEqual(ORIGINALS.map((row) => [...row]));
});

test("whatever a client encodes, no decoded value and no reply has a control character in it", () => {
  const byte = fc.integer({ min: 0, max: 255 }).map((n) => `+${n.toString(16).padStart(2, "0")}`);
  const point = fc.integer({ min: 0, max: 0x10ffff }).map((n) => `\\x{${n.toString(16)}}`);
  const encoded = fc.array(
    fc.oneof(byte, point, fc.constantFrom("a", ";", "+", "\\x{", "é", "\x01", "\r", "\n")),
    {
      minLength: 1,
      maxLength: 8,
    },
  ).map((parts) => parts.join(""));
  const form = fc.constantFrom(
    "MAIL FROM:<a@b> ENVID=",
    "MAIL FROM:<a@b> FOO=",
    "RCPT TO:<a@b> ORCPT=rfc822;",
    "RCPT TO:<a@b> ORCPT=utf-8;",
    "RCPT TO:<a@b> ORCPT=",
    "XCLIENT NAME=",
    "XFORWARD HELO=",
  );
  fc.assert(
    fc.property(form, encoded, (start, value) => {
      const parsed = parse(start + value);
      if (parsed.verb === "malformed") {
        expect(printReply(parsed.reply)).toMatch(/^\d{3} [^\r\n\0]*\r\n$/);
        // A backslash of the value itself is two in JSON.
      } else {expect(JSON.stringify(parsed).replaceAll("\\\\", "")).not.toMatch(
          /\\u00[01]|\\[rntbf]|[\x7f-\x9f]/,
        );}
    }),
    { numRuns: 5_000 },
  );
});
