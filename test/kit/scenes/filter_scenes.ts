// Sessions with a service whose mail goes through a filter before the queue, and filters that behave in every way.
import type { PeerScript } from "../servers/smtp_peer.ts";

/** What a client says, and what the filter answers. */
export interface FilterScene {
  readonly filter: PeerScript;
  readonly lines: readonly string[];
}

const MAIL = [
  "EHLO c.example",
  "MAIL FROM:<a@x.example> SIZE=100 BODY=8BITMIME",
  "RCPT TO:<b@y.example> NOTIFY=NEVER",
  "RCPT TO:<c@y.example>",
  "DATA",
] as const;
const SHORT = ["EHLO c.example", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>"] as const;
const CONTENT = "Subject: x\r\n\r\n..hello\r\n.";
const WHOLE = [...MAIL, CONTENT, "QUIT"];
const TELLS = ["PIPELINING", "XFORWARD NAME ADDR PROTO HELO PORT IDENT SOURCE DOMAIN"];
const from = (sender: string) => ["EHLO c.example", `MAIL FROM:<${sender}>`, ...WHOLE.slice(3)];
const LONG = "h".repeat(200);

const whole = (filter: PeerScript): FilterScene => ({ filter, lines: WHOLE });
const said = (...lines: string[]): FilterScene => ({ filter: {}, lines });
const told = (...lines: string[]): FilterScene => ({ filter: { ehlo: TELLS }, lines });

/** By what they show. */
export const FILTER_SCENES: Readonly<Record<string, FilterScene>> = {
  "a filter that takes it": whole({}),
  "one that wants to know whose it is": told(...WHOLE),
  "one that takes two attributes": whole({ ehlo: ["XFORWARD NAME HELO"] }),
  "one that refuses XFORWARD": whole({ ehlo: TELLS, xforward: "500 no" }),
  "XFORWARD is passed on": told(
    "EHLO c.example",
    "XFORWARD NAME=spike.example ADDR=192.0.2.4 PROTO=ESMTP HELO=foo IDENT=abc SOURCE=REMOTE PORT=77",
    ...WHOLE.slice(1),
  ),
  "attributes that make two commands": told(
    "EHLO c.example",
    `XFORWARD NAME=${"n.".repeat(100)}example HELO=${LONG} IDENT=${LONG}`,
    ...SHORT.slice(1),
    "DATA",
    CONTENT,
    "QUIT",
  ),
  "attributes that are not available": told(
    "HELO c.example",
    "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]",
    "MAIL FROM:<a@x.example>",
    ...WHOLE.slice(3),
  ),
  "no HELO": told("MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA", "x\r\n.", "QUIT"),
  "a greeting that refuses": whole({ greeting: "554 no\r\n" }),
  "a connection lost before the greeting": whole({ greeting: "drop" }),
  "EHLO refused": whole({ ehlo: "502 no" }),
  "MAIL refused": whole({ mail: "550 5.1.0 bad sender" }),
  "MAIL refused in two lines": whole({ mail: "550-5.1.0 bad\r\n550 5.1.0 sender" }),
  "MAIL refused for now": whole({ mail: "450 later" }),
  "MAIL answered with 421": whole({ mail: "421 4.3.2 closing" }),
  "a connection lost at MAIL": whole({ mail: "drop" }),
  "a recipient refused": whole({ rcpt: (line) => line.includes("b@y") ? "550 no b" : "250 ok c" }),
  "all recipients refused": whole({ rcpt: "450 4.2.1 full" }),
  "a connection lost at RCPT": whole({ rcpt: "drop" }),
  "DATA refused": whole({ data: "554 no data" }),
  "DATA answered with 250": whole({ data: "250 what" }),
  "content refused": whole({ dot: "550-5.7.1 spam\r\n550 5.7.1 really" }),
  "content refused for now": whole({ dot: "451 4.7.1 wait" }),
  "content taken in other words": whole({ dot: "250 2.6.0 queued elsewhere as X" }),
  "content taken, in two lines": whole({ dot: "250-2.0.0 taken\r\n250 2.0.0 as X" }),
  "content answered with 221": whole({ dot: "221 bye" }),
  "content answered with 421": whole({ dot: "421 4.3.2 closing" }),
  "unprintable text": whole({ dot: "550 5.7.1 sp\x07am" }),
  "a connection lost at the end": whole({ dot: "drop" }),
  "a connection lost in content": whole({ dot: "drop-in-body" }),
  "silence at MAIL": whole({ mail: "silent" }),
  "silence at the end": whole({ dot: "silent" }),
  "a second message, after RSET and after a message": said(
    ...SHORT,
    "RSET",
    "MAIL FROM:<a2@x.example>",
    "RCPT TO:<b2@y.example>",
    "DATA",
    "x\r\n.",
    "MAIL FROM:<a3@x.example>",
    "RCPT TO:<b3@y.example>",
    "QUIT",
  ),
  "too large": said(...MAIL, `${"x".repeat(900)}\r\n`.repeat(8) + ".", "QUIT"),
  "a line put in front": said(...from("prepend@x.example")),
  "HOLD": said(...from("hold@x.example")),
  "DISCARD": said(...from("discard@x.example")),
  "FILTER": said(...from("filter@x.example")),
  "chunks": said(...SHORT, "BDAT 12\r\nSubject: x\r\n", "BDAT 6 LAST\r\n\r\n.y\r\n", "QUIT"),
  "chunks, and DATA refused": {
    filter: { data: "554 no" },
    lines: [...SHORT, "BDAT 12\r\nSubject: x\r\n", "BDAT 6 LAST\r\n\r\n.y\r\n", "QUIT"],
  },
  "bare newlines, a long line, a NUL": said(
    ...MAIL,
    `A: b\nC: d\r\n\r\nx\ry\r\n${"z".repeat(2500)}\r\n\0q\r\n.`,
    "QUIT",
  ),
  "a bad recipient, and nothing as content": said(
    "EHLO c.example",
    "MAIL FROM:<a@x.example>",
    "RCPT TO:<bad",
    "RCPT TO:<b@y.example>",
    "DATA",
    ".",
    "QUIT",
  ),
  "parameters as they are written": said(
    "EHLO c.example",
    "mail from: <A@X.example> ret=hdrs envid=QQ body=7bit",
    "rcpt to: <B@Y.example> notify=success orcpt=rfc822;b@y.example",
    "data",
    CONTENT,
    "QUIT",
  ),
};
