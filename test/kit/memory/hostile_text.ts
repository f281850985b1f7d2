// Text of somebody who wants a line, a field or a command of his own wherever it is printed.
import fc from "fast-check";

const ENDS = ["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", " ", "\t"];
const LINES = [
  "X-Inj: y",
  "Action: delivered",
  "RCPT TO:<victim@example.org>",
  "250 2.0.0 Ok",
  "action=OK",
  "Nov 25 01:02:03 mail postfix/smtpd[1]: forged",
  "get x",
  "PATH=/tmp",
];
const SIGNS = [
  "<",
  ">",
  '"',
  "\\",
  "@",
  "=",
  "+",
  ";",
  ":",
  "%",
  "$",
  "`",
  "é",
  "\u{1f4e7}",
  "\ud800",
  "\x07",
  "\x7f",
];

/** Any text, most of it bad; never none at all, which may mean something of its own. */
export const hostileText = fc.array(
  fc.oneof(
    fc.constantFrom(...ENDS),
    fc.constantFrom(...LINES),
    fc.constantFrom(...SIGNS),
    fc.string({ minLength: 1, maxLength: 12 }),
  ),
  { minLength: 1, maxLength: 8 },
).map((pieces) => pieces.join(""));
