// Sessions before scripted milters: every command, response, change and accident, at every stage.
import type { Command } from "../../../src/milter/command.ts";
import { EVENTS } from "../../../src/milter/protocol.ts";
import type { Accident, Play } from "../servers/scripted_milter.ts";
import type { MilterServices, MilterSession } from "./milter_pair.ts";

/** A session with a name. */
export interface MilterScene extends MilterSession {
  readonly name: string;
}

const ALL_MACROS = [
  "j {daemon_name} {daemon_addr} {daemon_port} v _ {client_addr} {client_connections} {client_name}",
  "{client_ptr} {client_resolve} i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host}",
  "{mail_mailer} {rcpt_addr} {rcpt_host} {rcpt_mailer} {tls_version} {cipher} {cipher_bits} {own} {other} {none}",
].join(" ");

const EVERYWHERE = [
  "connect",
  "helo",
  "mail",
  "rcpt",
  "data",
  "end_of_header",
  "end_of_data",
  "unknown_command",
]
  .map((stage) => `milter_${stage}_macros=${ALL_MACROS.replaceAll(" ", ",")}`);

/** The smtpd services that the scenes use. */
export const MILTER_SERVICES: MilterServices = {
  one: ["smtpd_milters=A"],
  two: ["smtpd_milters=A,B"],
  accept: ["smtpd_milters=A,B", "milter_default_action=accept"],
  reject: ["smtpd_milters=A,B", "milter_default_action=reject"],
  quarantine: ["smtpd_milters=A,B", "milter_default_action=quarantine"],
  odd: ["smtpd_milters=A", "milter_default_action=perhaps"],
  nobody: ["smtpd_milters=NOBODY,A"],
  own: [
    "smtpd_milters={A,default_action=accept,command_timeout=1s,content_timeout=1s},{NOBODY,connect_timeout=1s,default_action=accept},B",
  ],
  short: ["smtpd_milters=A", "milter_command_timeout=1s", "milter_content_timeout=1s"],
  v2: ["smtpd_milters=A", "milter_protocol=2"],
  v3: ["smtpd_milters=A", "milter_protocol=3"],
  v4: ["smtpd_milters=A", "milter_protocol=4,no_header_reply"],
  bad: ["smtpd_milters=A", "milter_protocol=5"],
  noversion: ["smtpd_milters=A", "milter_protocol=no_header_reply"],
  macros: ["smtpd_milters=A", "milter_macro_defaults=own=1,{other=two},{i}=none", ...EVERYWHERE],
  early: ["smtpd_milters=A", "smtpd_delay_open_until_valid_rcpt=no"],
  strict: [
    "smtpd_milters=A",
    "smtpd_delay_reject=no",
    "smtpd_helo_restrictions=check_helo_access,inline:{bad=REJECT}",
  ],
  soft: ["smtpd_milters=A", "soft_bounce=yes"],
  none: ["smtpd_milters=A", "smtpd_milter_maps=inline:{127.0.0.1=DISABLE}"],
  mapped: ["smtpd_milters=NOBODY", "smtpd_milter_maps=static:A"],
  off: ["smtpd_milters=A", "receive_override_options=no_milters"],
  discard: [
    "smtpd_milters=A",
    "smtpd_recipient_restrictions=check_recipient_access,inline:{drop@example.net=DISCARD},permit",
  ],
};

const GREET = ["EHLO client.example"];
const ENVELOPE = [...GREET, "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>"];
const CONTENT =
  "Subject: x\r\nX-A: 1\r\nX-A: 2\r\nX-B:  two\r\n\tthree\r\nFrom: a@example.org\r\n\r\nbody\r\nmore\r\n.";
/** A whole message. */
export const MESSAGE = [...ENVELOPE, "DATA", CONTENT, "QUIT"];
/** One that says that it may be of 8 bits. */
const DECLARED = MESSAGE.map((line) => line.startsWith("MAIL") ? `${line} BODY=8BITMIME` : line);
const TWO_RECIPIENTS = [...ENVELOPE, "RCPT TO:<c@example.net>", "DATA", CONTENT, "QUIT"];

const code = (text: string): Play => [{ is: "replyCode", text }];

/** What a filter may answer to anything, or should not. */
const ANSWERS: Readonly<Record<string, Play>> = {
  accept: [{ is: "accept" }],
  reject: [{ is: "reject" }],
  tempfail: [{ is: "tempfail" }],
  discard: [{ is: "discard" }],
  skip: [{ is: "skip" }],
  "a reply": code("554 5.7.9 not you"),
  "a reply for now": code("450 4.7.9 not now"),
  "a reply of two lines": code("550-5.7.1 one\r\n550 5.7.1 two"),
  "a reply without status": code("550 go away"),
  "a reply that is none": code("250 2.0.0 fine"),
  "a reply with signs": code("550 5.7.1 100%% %s"),
  "a reply that ends the session": code("421 4.7.1 enough"),
  "progress, then continue": [{ is: "progress" }, { is: "progress" }, { is: "continue" }],
  "a letter that means nothing": [{ raw: "\0\0\0\x01Z" }],
  "a length of nothing": [{ raw: "\0\0\0\0" }],
  "data behind continue": [{ raw: "\0\0\0\x03cxx" }],
  "a change in the wrong place": [{ is: "addHeader", name: "X", value: "y" }],
  "the end": ["close"],
};

const STAGES = ["connect", "helo", "mail", "rcpt", "data", "header", "headerEnd", "body"] as const;

const answerScenes = STAGES.flatMap((stage) =>
  Object.entries(ANSWERS).map(([name, play]): MilterScene => ({
    name: `${stage}: ${name}`,
    lines: MESSAGE,
    scripts: [{ on: { [stage]: play } }],
  }))
);

const endScenes = Object.entries(ANSWERS).filter(([name]) => name !== "a change in the wrong place").map((
  [name, play],
): MilterScene => ({ name: `end: ${name}`, lines: MESSAGE, scripts: [{ on: { bodyEnd: play } }] }));

const unknownScenes = Object.entries(ANSWERS).map(([name, play]): MilterScene => ({
  name: `unknown command: ${name}`,
  lines: [...GREET, "XYZZY a b", "QUIT"],
  scripts: [{ on: { unknown: play } }],
}));

const CHANGES: Readonly<Record<string, Play>> = {
  "adds a field": [{ is: "addHeader", name: "X-New", value: "new" }],
  "adds a folded field": [{ is: "addHeader", name: "X-New", value: "new\n\tfolded\n more" }],
  "adds a field without blanks in the fold": [{ is: "addHeader", name: "X-New", value: "new\nfolded" }],
  "adds an empty field": [{ is: "addHeader", name: "X-New", value: "" }],
  "adds a field of other letters": [{ is: "addHeader", name: "X-New", value: "\xc3\xa9" }],
  "inserts at the top": [{ is: "insertHeader", index: 0, name: "X-Top", value: "t" }],
  "inserts behind Received": [{ is: "insertHeader", index: 1, name: "X-Second", value: "s" }],
  "inserts third": [{ is: "insertHeader", index: 2, name: "X-Third", value: "s" }],
  "inserts far behind": [{ is: "insertHeader", index: 99, name: "X-Last", value: "s" }],
  "inserts before the beginning": [{ is: "insertHeader", index: -2, name: "X", value: "s" }],
  "inserts two at the top": [
    { is: "insertHeader", index: 0, name: "X-Top", value: "1" },
    { is: "insertHeader", index: 0, name: "X-Top", value: "2" },
  ],
  "changes a field": [{ is: "changeHeader", index: 1, name: "Subject", value: "changed" }],
  "changes the second": [{ is: "changeHeader", index: 2, name: "X-A", value: "changed" }],
  "changes a field by another spelling": [{
    is: "changeHeader",
    index: 1,
    name: "sUBJECT",
    value: "changed",
  }],
  "changes field 0": [{ is: "changeHeader", index: 0, name: "X-A", value: "changed" }],
  "changes a folded field": [{ is: "changeHeader", index: 1, name: "X-B", value: "short" }],
  "changes one that is not there": [{ is: "changeHeader", index: 3, name: "X-A", value: "added" }],
  "changes a field that has a negative number": [{ is: "changeHeader", index: -1, name: "X-A", value: "x" }],
  "changes a field without a name": [{ is: "changeHeader", index: 1, name: "", value: "x" }],
  "changes our Received": [{ is: "changeHeader", index: 1, name: "Received", value: "x" }],
  "deletes a field": [{ is: "changeHeader", index: 1, name: "X-A", value: "" }],
  "deletes both": [
    { is: "changeHeader", index: 2, name: "X-A", value: "" },
    { is: "changeHeader", index: 1, name: "X-A", value: "" },
  ],
  "deletes one that is not there": [{ is: "changeHeader", index: 1, name: "X-Z", value: "" }],
  "deletes a folded field": [{ is: "changeHeader", index: 1, name: "X-B", value: "" }],
  "replaces the body": [{ is: "replaceBody", bytes: Buffer.from("new body\r\nline\r\n") }],
  "replaces the body in pieces": [
    { is: "replaceBody", bytes: Buffer.from("new bo") },
    { is: "replaceBody", bytes: Buffer.from("dy\r") },
    { is: "replaceBody", bytes: Buffer.from("\nline") },
  ],
  "replaces the body by LF lines": [{ is: "replaceBody", bytes: Buffer.from("a\nb\n\n\nc\r\n\nd") }],
  "replaces the body by nothing": [{ is: "replaceBody", bytes: Buffer.alloc(0) }],
  "replaces the body by dots": [{ is: "replaceBody", bytes: Buffer.from(".\r\n..\r\n.x\r\n") }],
  "replaces the body, then the header, then the body": [
    { is: "replaceBody", bytes: Buffer.from("one\r\n") },
    { is: "addHeader", name: "X-New", value: "new" },
    { is: "replaceBody", bytes: Buffer.from("two\r\n") },
  ],
  "changes the sender": [{ is: "changeSender", address: "<new@example.org>", parameters: "" }],
  "changes the sender without brackets": [{ is: "changeSender", address: "new@example.org", parameters: "" }],
  "changes the sender to nobody": [{ is: "changeSender", address: "<>", parameters: "" }],
  "changes the sender and its notices": [
    { is: "changeSender", address: "<new@example.org>", parameters: "RET=HDRS ENVID=ab+2Bc" },
  ],
  "changes the sender with parameters that are none": [
    { is: "changeSender", address: "<new@example.org>", parameters: "RET=SOME ENVID=+1 SIZE=3" },
  ],
  "adds a recipient": [{ is: "addRecipient", address: "<c@example.net>" }],
  "adds a quoted recipient": [{ is: "addRecipient", address: '<"c d"@example.net>' }],
  "adds a recipient twice": [
    { is: "addRecipient", address: "<c@example.net>" },
    { is: "addRecipient", address: "<c@example.net>" },
  ],
  "adds a recipient that is an alias": [{ is: "addRecipient", address: "<alias@example.net>" }],
  "adds nobody": [{ is: "addRecipient", address: "<>" }],
  "adds a recipient with notices": [
    {
      is: "addRecipientWith",
      address: "<c@example.net>",
      parameters: "NOTIFY=FAILURE ORCPT=rfc822;d@example.net",
    },
  ],
  "adds a recipient with parameters that are none": [
    { is: "addRecipientWith", address: "<c@example.net>", parameters: "NOTIFY=WHEN ORCPT=x SIZE=1" },
  ],
  "adds a recipient without parameters": [{
    is: "addRecipientWith",
    address: "<c@example.net>",
    parameters: "",
  }],
  "deletes the recipient and adds another": [
    { is: "addRecipient", address: "<c@example.net>" },
    { is: "deleteRecipient", address: "<b@example.net>" },
  ],
  "deletes a recipient without brackets": [
    { is: "addRecipient", address: "c@example.net" },
    { is: "deleteRecipient", address: "b@example.net" },
  ],
  "deletes a recipient that is not there": [{ is: "deleteRecipient", address: "<z@example.net>" }],
  quarantines: [{ is: "quarantine", text: "suspicious" }],
  "adds to a quarantined message": [
    { is: "addHeader", name: "X-New", value: "new" },
    { is: "quarantine", text: "suspicious" },
  ],
  "does all of it": [
    { is: "addHeader", name: "X-New", value: "new" },
    { is: "changeHeader", index: 1, name: "Subject", value: "changed" },
    { is: "changeSender", address: "<new@example.org>", parameters: "" },
    { is: "addRecipient", address: "<c@example.net>" },
    { is: "replaceBody", bytes: Buffer.from("new body\r\n") },
  ],
  "says half of a change": [{ raw: "\0\0\0\x05hX-Ne" }],
  "says a number too short": [{ raw: "\0\0\0\x03mab" }],
  "says more than a change": [{ raw: "\0\0\0\x08hX\0y\0zz" }],
};

const changeScenes = Object.entries(CHANGES).flatMap(([name, play]): MilterScene[] => [
  { name: `end: ${name}`, lines: DECLARED, scripts: [{ on: { bodyEnd: [...play, { is: "continue" }] } }] },
]);

/** The second filter sees what the first one made. */
const secondScenes = [
  "adds a field",
  "inserts at the top",
  "changes the second",
  "deletes a folded field",
  "replaces the body in pieces",
  "replaces the body by nothing",
  "does all of it",
  "quarantines",
].map((name): MilterScene => ({
  name: `the next one: ${name}`,
  service: "two",
  lines: MESSAGE,
  scripts: [
    { on: { bodyEnd: [...CHANGES[name]!, { is: "continue" }] } },
    { on: { bodyEnd: [{ is: "addHeader", name: "X-Second", value: "s" }, { is: "accept" }] } },
  ],
}));

const endingScenes = (["accept", "reject", "tempfail", "discard"] as const).map((is): MilterScene => ({
  name: `the next one when the first says ${is} at the end`,
  service: "two",
  lines: MESSAGE,
  scripts: [{ on: { bodyEnd: [{ is }] } }],
}));

/** The first says something final at each stage: what becomes of the second. */
const chainScenes = (["connect", "helo", "mail", "rcpt", "data", "header", "body"] as const).flatMap((
  stage,
) =>
  (["accept", "reject", "tempfail", "discard"] as const).map((is): MilterScene => ({
    name: `the next one when the first says ${is} to ${stage}`,
    service: "two",
    lines: TWO_RECIPIENTS,
    scripts: [{ on: { [stage]: [[{ is }], [{ is: "continue" }]] } }],
  }))
);

const bit = (name: string, events: number, more: Partial<MilterScene> = {}): MilterScene => ({
  name: `agreed: ${name}`,
  lines: TWO_RECIPIENTS,
  scripts: [{ negotiate: { events } }],
  ...more,
});

const MUTED: Readonly<Record<string, Command["is"]>> = {
  noConnectReply: "connect",
  noHeloReply: "helo",
  noMailReply: "mail",
  noRcptReply: "rcpt",
  noDataReply: "data",
  noUnknownReply: "unknown",
  noHeaderReply: "header",
  noHeaderEndReply: "headerEnd",
  noBodyReply: "body",
};

const agreementScenes: readonly MilterScene[] = [
  ...Object.entries(EVENTS).filter(([name]) => !(name in MUTED)).map(([name, events]) => bit(name, events)),
  ...Object.entries(MUTED).map(([name, command]) =>
    bit(name, EVENTS[name as keyof typeof EVENTS], {
      lines: ["EHLO client.example", "XYZZY", ...TWO_RECIPIENTS.slice(1)],
      scripts: [{ negotiate: { events: EVENTS[name as keyof typeof EVENTS] }, mute: [command] }],
    })
  ),
  bit("nothing but the end", 0x7f | EVENTS.noUnknown | EVENTS.noData),
  bit("refused recipients", EVENTS.refusedRecipients, {
    lines: [
      ...GREET,
      "MAIL FROM:<a@example.org>",
      "RCPT TO:<b@refused.example>",
      "RCPT TO:<b@example.net>",
      "RSET",
      "QUIT",
    ],
  }),
  bit("refused recipients are not told", 0, {
    lines: [...GREET, "MAIL FROM:<a@example.org>", "RCPT TO:<b@refused.example>", "QUIT"],
  }),
  ...[2, 3, 4, 5].map((version): MilterScene => ({
    name: `agreed: version ${version}`,
    lines: [...GREET, "XYZZY", ...MESSAGE.slice(1)],
    scripts: [{ negotiate: { version, actions: 0x1f } }],
  })),
  ...["v2", "v3", "v4"].map((service): MilterScene => ({
    name: `milter_protocol: ${service}`,
    service,
    lines: [...GREET, "XYZZY", ...MESSAGE.slice(1)],
    scripts: [service === "v4" ? { negotiate: { events: EVENTS.noHeaderReply }, mute: ["header"] } : {}],
  })),
  {
    name: "milter_protocol: v2, and a newer filter",
    service: "v2",
    lines: MESSAGE,
    scripts: [{ negotiate: { version: 6 } }],
  },
  { name: "milter_protocol is none", service: "bad", lines: MESSAGE },
  { name: "milter_protocol without a version", service: "noversion", lines: MESSAGE },
  { name: "agreed: more than there is", lines: MESSAGE, scripts: [{ negotiate: { version: 7 } }] },
  {
    name: "agreed: actions that there are not",
    lines: MESSAGE,
    scripts: [{ negotiate: { actions: 0x400 } }],
  },
  {
    name: "agreed: own macros",
    lines: MESSAGE,
    scripts: [{ negotiate: { more: "\0\0\0\0j _\0\0\0\0\x02{mail_addr}\0\0\0\0\x05i j\0" } }],
  },
  {
    name: "agreed: own macros for no stage",
    lines: MESSAGE,
    scripts: [{ negotiate: { more: "\0\0\0\x09j\0" } }],
  },
  { name: "agreed: own macros cut short", lines: MESSAGE, scripts: [{ negotiate: { more: "\0\0\0\x02j" } }] },
  { name: "no agreement: the end", lines: MESSAGE, scripts: [{ negotiate: "close" }] },
  {
    name: "no agreement: an answer to something else",
    lines: MESSAGE,
    scripts: [{ negotiate: { raw: "\0\0\0\x01c" } }],
  },
  {
    name: "no agreement: too short",
    lines: MESSAGE,
    scripts: [{ negotiate: { raw: "\0\0\0\x05O\0\0\0\x06" } }],
  },
  {
    name: "no agreement: none in time",
    service: "short",
    lines: MESSAGE,
    scripts: [{ negotiate: "silence" }],
  },
];

const ACCIDENTS: Readonly<Record<string, Accident>> = {
  "goes away": "close",
  "says what means nothing": { raw: "\0\0\0\x01Z" },
};

/** milter_default_action when a filter fails, at each stage. */
const defaultScenes = ["accept", "reject", "quarantine", "odd"].flatMap((service) =>
  (["connect", "helo", "mail", "rcpt", "data", "header", "bodyEnd"] as const).flatMap((stage) =>
    Object.entries(ACCIDENTS).map(([name, accident]): MilterScene => ({
      name: `milter_default_action, ${service}: ${stage}: a filter that ${name}`,
      service,
      lines: TWO_RECIPIENTS,
      scripts: [{ on: { [stage]: [accident] } }],
    }))
  )
);

const silentScenes = (["connect", "mail", "rcpt", "data", "header", "body", "bodyEnd"] as const).map((
  stage,
): MilterScene => ({
  name: `${stage}: no answer in time`,
  service: "short",
  lines: MESSAGE,
  scripts: [{ on: { [stage]: ["silence"] } }],
}));

const LONG = `Subject: long\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(3000)}.`;

const sessionScenes: readonly MilterScene[] = [
  { name: "two messages in a session", lines: [...TWO_RECIPIENTS.slice(0, -1), ...MESSAGE.slice(1)] },
  {
    name: "two messages, the first refused",
    lines: [...MESSAGE.slice(0, -1), ...MESSAGE.slice(1)],
    scripts: [{ on: { bodyEnd: [[{ is: "reject" }], [{ is: "continue" }]] } }],
  },
  {
    name: "a filter that goes away in the first of two",
    lines: [...MESSAGE.slice(0, -1), ...MESSAGE.slice(1)],
    scripts: [{ on: { bodyEnd: ["close"] } }],
  },
  { name: "RSET, and a second sender", lines: [...ENVELOPE, "RSET", ...MESSAGE.slice(1)] },
  { name: "a second EHLO", lines: [...ENVELOPE, ...MESSAGE] },
  { name: "HELO after EHLO", lines: [...GREET, "HELO other.example", "QUIT"] },
  { name: "a HELO of two words", lines: ["HELO a b", "MAIL FROM:<a@example.org>", "QUIT"] },
  { name: "no HELO", lines: MESSAGE.slice(1) },
  { name: "no QUIT", lines: MESSAGE.slice(0, -1) },
  { name: "gone after MAIL", lines: ENVELOPE.slice(0, 2) },
  { name: "nothing at all", lines: [] },
  { name: "a null sender", lines: [...GREET, "MAIL FROM:<>", ...MESSAGE.slice(2)] },
  {
    name: "parameters",
    lines: [
      ...GREET,
      "MAIL FROM:<a@example.org> SIZE=10 BODY=8BITMIME RET=FULL ENVID=x",
      "RCPT TO:<b@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@example.net",
      ...MESSAGE.slice(3),
    ],
  },
  {
    name: "addresses in other forms",
    lines: [
      ...GREET,
      "MAIL FROM: a@example.org",
      'RCPT TO:<"b c"@example.net>',
      "RCPT TO: d@example.net",
      "DATA",
      CONTENT,
      "QUIT",
    ],
  },
  { name: "an address without a domain", lines: [...GREET, "MAIL FROM:<a>", "RCPT TO:<b>", "RSET", "QUIT"] },
  {
    name: "an address that is none",
    lines: [...GREET, "MAIL FROM:<a@@b>", "MAIL FROM:<a@example.org>", "RCPT TO:<b@@c>", "QUIT"],
  },
  { name: "MAIL twice", lines: [...GREET, "MAIL FROM:<a@example.org>", "MAIL FROM:<b@example.org>", "QUIT"] },
  {
    name: "commands that no filter is told of",
    lines: [...GREET, "NOOP", "VRFY b@example.net", "RCPT TO:<b@example.net>", "DATA", "QUIT"],
  },
  {
    name: "BDAT",
    lines: [...ENVELOPE, `|BDAT ${CONTENT.length - 1} LAST\r\n${CONTENT.slice(0, -1)}`, "QUIT"],
  },
  {
    name: "BDAT that is refused at DATA",
    lines: [...ENVELOPE, `|BDAT 3\r\nabc`, "RSET", "QUIT"],
    scripts: [{ on: { data: [{ is: "reject" }] } }],
  },
  { name: "content in several pieces", lines: [...ENVELOPE, "DATA", LONG, "QUIT"] },
  {
    name: "content in several pieces, skipped",
    lines: [...ENVELOPE, "DATA", LONG, "QUIT"],
    scripts: [{ on: { body: [{ is: "skip" }] } }],
  },
  {
    name: "content in several pieces, refused at the second",
    lines: [...ENVELOPE, "DATA", LONG, "QUIT"],
    scripts: [{ on: { body: [[{ is: "continue" }], [{ is: "reject" }]] } }],
  },
  {
    name: "content in several pieces, to two filters",
    service: "two",
    lines: [...ENVELOPE, "DATA", LONG, "QUIT"],
    scripts: [{
      on: {
        bodyEnd: [{ is: "replaceBody", bytes: Buffer.from("y\r\n".repeat(50_000)) }, { is: "continue" }],
      },
    }],
  },
  {
    name: "header fields, skipped",
    lines: MESSAGE,
    scripts: [{ on: { header: [[{ is: "continue" }], [{ is: "skip" }]] } }],
  },
  { name: "a message without a header", lines: [...ENVELOPE, "DATA", "\r\nbody\r\n.", "QUIT"] },
  { name: "a message without a body", lines: [...ENVELOPE, "DATA", "Subject: x\r\n.", "QUIT"] },
  { name: "a message of nothing", lines: [...ENVELOPE, "DATA", ".", "QUIT"] },
  { name: "a body that begins at once", lines: [...ENVELOPE, "DATA", "no header\r\nat all\r\n.", "QUIT"] },
  {
    name: "a message with Received fields",
    lines: [...ENVELOPE, "DATA", "Received: from x\r\n\tby y; z\r\nSubject: x\r\n\r\nb\r\n.", "QUIT"],
    scripts: [{
      on: {
        bodyEnd: [{ is: "changeHeader", index: 1, name: "Received", value: "changed" }, {
          is: "insertHeader",
          index: 1,
          name: "X",
          value: "y",
        }, { is: "continue" }],
      },
    }],
  },
  {
    name: "odd fields",
    lines: [
      ...ENVELOPE,
      "DATA",
      "Subject:x\r\nX-B :\ttab\r\nX-C:\r\nX-D: \r\n \r\nX-E:   many\r\n\r\nb\r\n.",
      "QUIT",
    ],
  },
  {
    name: "odd fields with their blanks",
    lines: [...ENVELOPE, "DATA", "Subject:x\r\nX-B :\ttab\r\nX-C:\r\nX-E:   many\r\n\r\nb\r\n.", "QUIT"],
    scripts: [{
      negotiate: { events: EVENTS.leadingSpace },
      on: {
        bodyEnd: [{ is: "addHeader", name: "X-New", value: "none" }, {
          is: "addHeader",
          name: "X-New",
          value: " one",
        }, { is: "continue" }],
      },
    }],
  },
  {
    name: "the first recipient refused, the second not",
    lines: TWO_RECIPIENTS,
    scripts: [{ on: { rcpt: [[{ is: "reject" }], [{ is: "continue" }]] } }],
  },
  { name: "both recipients refused", lines: TWO_RECIPIENTS, scripts: [{ on: { rcpt: [{ is: "reject" }] } }] },
  {
    name: "accepted at MAIL, then a second message",
    lines: [...MESSAGE.slice(0, -1), ...MESSAGE.slice(1)],
    scripts: [{ on: { mail: [[{ is: "accept" }], [{ is: "continue" }]] } }],
  },
  {
    name: "refused at HELO, and STARTTLS, AUTH, VRFY and ETRN",
    lines: [
      ...GREET,
      "STARTTLS",
      "VRFY b@example.net",
      "ETRN example.net",
      "MAIL FROM:<a@example.org>",
      "QUIT",
    ],
    scripts: [{ on: { helo: [{ is: "reject" }] } }],
  },
  {
    name: "refused for now at connect, and other commands",
    lines: [...GREET, "VRFY b@example.net", "ETRN example.net", "MAIL FROM:<a@example.org>", "QUIT"],
    scripts: [{ on: { connect: [{ is: "tempfail" }] } }],
  },
  { name: "soft_bounce", service: "soft", lines: MESSAGE, scripts: [{ on: { rcpt: [{ is: "reject" }] } }] },
  {
    name: "soft_bounce, a reply of two lines",
    service: "soft",
    lines: MESSAGE,
    scripts: [{ on: { rcpt: code("550-5.7.1 a\r\n550 5.7.1 b") } }],
  },
  { name: "every macro", service: "macros", lines: [...GREET, "XYZZY", ...TWO_RECIPIENTS.slice(1)] },
  { name: "a queue id at MAIL", service: "early", lines: MESSAGE },
  { name: "restrictions come first", service: "strict", lines: ["HELO bad", "HELO good", "QUIT"] },
  { name: "DISABLE for the client", service: "none", lines: MESSAGE },
  { name: "the client's own filters", service: "mapped", lines: MESSAGE },
  { name: "no_milters", service: "off", lines: MESSAGE },
  {
    name: "what is thrown away",
    service: "discard",
    lines: [
      ...GREET,
      "MAIL FROM:<a@example.org>",
      "RCPT TO:<drop@example.net>",
      "RCPT TO:<b@example.net>",
      "DATA",
      CONTENT,
      "QUIT",
    ],
  },
  { name: "nobody there", service: "nobody", lines: MESSAGE },
  {
    name: "own settings in braces",
    service: "own",
    lines: MESSAGE,
    scripts: [{ on: { mail: ["silence"] } }],
  },
  {
    name: "fields of a filter that milter_header_checks refuses",
    lines: MESSAGE,
    scripts: [{
      on: {
        bodyEnd: [{ is: "addHeader", name: "X-Refused", value: "y" }, {
          is: "addHeader",
          name: "X-More",
          value: "y",
        }, { is: "continue" }],
      },
    }],
  },
  ...[
    "Ignored",
    "Warned",
    "Informed",
    "Held",
    "Discarded",
    "Replaced",
    "Prepended",
    "Redirected",
    "Copied",
    "Refused-Later",
    "Stripped",
    "Dunno",
  ].map((what): MilterScene => ({
    name: `fields of a filter that milter_header_checks has: ${what}`,
    lines: MESSAGE,
    scripts: [{
      on: {
        bodyEnd: [
          {
            is: "addHeader",
            name: `X-${what}`,
            value: "a long value that goes on for so long that a line of the log cuts it",
          },
          { is: "changeHeader", index: 1, name: "Subject", value: "later" },
          { is: "continue" },
        ],
      },
    }],
  })),
  {
    name: "the recipient deleted, and nobody added",
    lines: MESSAGE,
    scripts: [{
      on: { bodyEnd: [{ is: "deleteRecipient", address: "<b@example.net>" }, { is: "continue" }] },
    }],
  },
];

/** Notices that are made here are shown to filters too (non_smtpd_milters, internal_mail_filter_classes). */
const RETURNED = MESSAGE.map((line) => line.replace("<b@", "<bounce@"));
const noticeScenes: readonly MilterScene[] = [
  { name: "a notice", lines: RETURNED },
  {
    name: "a notice that is changed",
    lines: RETURNED,
    scripts: [{}, { on: { bodyEnd: [...CHANGES["does all of it"]!, { is: "continue" }] } }],
  },
  {
    name: "a notice that is quarantined",
    lines: RETURNED,
    scripts: [{}, { on: { bodyEnd: [{ is: "quarantine", text: "q" }, { is: "continue" }] } }],
  },
  {
    name: "a notice to a filter that wants nothing but the end",
    lines: RETURNED,
    scripts: [{}, { negotiate: { events: 0x7f } }],
  },
];

/** What main.cf says to both. */
export const MILTER_MAIN: Readonly<Record<string, string>> = {
  mail_name: "Mail",
  non_smtpd_milters: "B",
  internal_mail_filter_classes: "bounce",
  milter_macro_v: "Version",
  smtpd_peername_lookup: "no",
  smtpd_error_sleep_time: "0",
  smtpd_recipient_restrictions: "check_recipient_access inline:{b@refused.example=REJECT}, permit",
  virtual_alias_maps: "inline:{{alias@example.net=one@example.net, two@example.net}}",
  milter_header_checks:
    "regexp:{{/^X-Refused: / REJECT no}, {/^X-Refused-Later: / REJECT 4.7.1 later}, {/^X-Ignored/ IGNORE}, {/^X-Warned/ WARN w}, " +
    "{/^X-Informed/ INFO i}, {/^X-Held/ HOLD h}, {/^X-Discarded/ DISCARD d}, {/^X-Replaced/ REPLACE X-Other: r}, " +
    "{/^X-Prepended/ PREPEND X-P: p}, {/^X-Redirected/ REDIRECT r@example.net}, {/^X-Copied/ BCC c@example.net}, " +
    "{/^X-Stripped/ STRIP s}, {/^X-Dunno/ DUNNO}}",
};

/** All of them. */
export const MILTER_SCENES: readonly MilterScene[] = [
  ...answerScenes,
  ...endScenes,
  ...unknownScenes,
  ...changeScenes,
  ...secondScenes,
  ...endingScenes,
  ...chainScenes,
  ...agreementScenes,
  ...defaultScenes,
  ...silentScenes,
  ...sessionScenes,
  ...noticeScenes,
];
