// notify_classes: what the postmaster is told of sessions, on both sides, as the real Postfix tells it.
import { expect, setDefaultTimeout } from "bun:test";
import { type Pair, startPair, times } from "../../kit/scenes/compare_delivery.ts";
import { type Act, type PeerScript, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, test } = withPeers(import.meta.path, "postfix", "root");

setDefaultTimeout(180_000);

const ALL = "bounce, 2bounce, data, delay, policy, protocol, resource, software";

const pairs: Pair[] = [];
afterAll(async () => {
  for (const pair of pairs) await pair.stop();
});

async function pairWith(main: Readonly<Record<string, string>>): Promise<Pair> {
  const pair = await startPair(
    {
      alias_maps: "texthash:$root/aliases",
      // Each kind of postmaster has a mailbox.
      error_notice_recipient: "irc",
      bounce_notice_recipient: "news",
      smtpd_peername_lookup: "no",
      smtpd_error_sleep_time: "0",
      ...main,
    },
    { aliases: "postmaster games\n" },
  );
  pairs.push(pair);
  return pair;
}

const noticed = (count: number) => times("from=<double-bounce@mail.example.com>, size", count);

async function same(pair: Pair, sessions: readonly (readonly string[])[], notices: number): Promise<void> {
  const [theirs, ours] = await pair.converse(sessions, noticed(notices));
  const count = theirs.lines.filter((line) => line.includes("from=<double-bounce@mail.example.com>")).length;
  expect(ours.files).toEqual(theirs.files);
  // What else there is to say of the trouble, each says in its own words.
  const plain = (lines: readonly string[]) => lines.filter((line) => !line.includes(": warning: "));
  expect(plain(ours.lines)).toEqual(plain(theirs.lines));
  expect(count).toBe(notices);
}

const LONG = "x".repeat(100);

test("what the client does wrong, or may not do, is told with all that was said, when the session is over", async () => {
  const pair = await pairWith({ notify_classes: ALL, smtpd_relay_restrictions: "reject_unauth_destination" });
  await same(pair, [
    // Nothing is wrong.
    ["EHLO client.example", "RSET", "VRFY games@example.com", "QUIT"],
    // Protocol.
    ["EHLO client.example", "MAIL", "QUIT"],
    ["HELO client.example", `NOSUCH ${LONG} ${LONG} ${LONG}`, "DATA", "QUIT"],
    ["EHLO", "MAIL FROM:<a b@example.com>", "MAIL FROM:<a@example.com> FOO=BAR", "XCLIENT NAME=x"],
    ["NOSUCH"],
    ["EHLO client.example", "N\xe9SUCH \xff\xfe", "NOSUCH \xc3\xa9\x01", "  noop", "QUIT"],
    ["BDAT x"],
    // Policy.
    ["EHLO client.example", "MAIL FROM:<a@example.org>", "RCPT TO:<b@elsewhere.example>", "QUIT"],
    ["EHLO client.example", "MAIL FROM:<a@example.org> SIZE=99999999", "QUIT"],
    // No class: these are nobody's fault.
    ["EHLO client.example", "MAIL FROM:<a@example.org>", "DATA", "QUIT"],
    // What went wrong before a message came in does not matter.
    [
      "EHLO client.example",
      "MAIL",
      "MAIL FROM:<>",
      "RCPT TO:<nobody@example.com>",
      "DATA",
      "Subject: x\r\n\r\n",
      ".",
      "QUIT",
    ],
  ], 8);
});

/** Sessions with trouble of one class each, and with none. */
const TROUBLE: readonly (readonly string[])[] = [
  // policy: HELO is missing, VRFY is off, an access table, a table of checks, the size.
  ["MAIL FROM:<a@example.org>", "QUIT"],
  ["EHLO client.example", "VRFY x", "QUIT"],
  ["EHLO client.example", "MAIL FROM:<refused@example.org>", "RCPT TO:<games@example.com>", "RSET", "QUIT"],
  [
    "EHLO client.example",
    "MAIL FROM:<a@example.org>",
    "RCPT TO:<games@example.com>",
    "DATA",
    "Subject: bad\r\n\r\n",
    ".",
    "QUIT",
  ],
  ["EHLO client.example", "XFORWARD NAME=x", "QUIT"],
  // protocol: too many errors end the session.
  ["HELO client.example", "A", "B", "C"],
  // bounce: a user that nobody knows, a message that is too large, or has been here too often.
  ["EHLO client.example", "MAIL FROM:<a@example.org>", "RCPT TO:<nosuch@example.com>", "QUIT"],
  [
    "EHLO client.example",
    "MAIL FROM:<a@example.org>",
    "RCPT TO:<games@example.com>",
    "DATA",
    `Subject: x\r\n\r\n${"text\r\n".repeat(1000)}`,
    ".",
    "QUIT",
  ],
  [
    "EHLO client.example",
    "MAIL FROM:<a@example.org>",
    "RCPT TO:<games@example.com>",
    "DATA",
    "Received: x\r\n".repeat(60) + "\r\n",
    ".",
    "QUIT",
  ],
  // software: a restriction that there is not. data: a table that there is not.
  ["EHLO client.example", "MAIL FROM:<broken@example.org>", "RCPT TO:<games@example.com>", "QUIT"],
  ["EHLO client.example", "MAIL FROM:<a@example.org>", "RCPT TO:<x@virtual.example>", "QUIT"],
  // None: a command too many, a recipient that there is not.
  ["EHLO client.example", "MAIL FROM:<a@example.org>", "DATA", "QUIT"],
  ["EHLO client.example", "STARTTLS\r\n", "QUIT"],
];

test("each class is told of where it is wanted, the default ones too", async () => {
  const settings = {
    smtpd_relay_restrictions: "permit_mynetworks, reject",
    smtpd_recipient_restrictions: "check_sender_access " +
      "inline:{refused@example.org=REJECT, broken@example.org=no_such_restriction}, permit_mynetworks",
    local_recipient_maps: "inline:{games=x, irc=x, news=x, postmaster=x}",
    virtual_mailbox_domains: "virtual.example",
    virtual_mailbox_maps: "texthash:$root/nosuch",
    header_checks: "regexp:{{/^Subject: bad/ REJECT}}",
    message_size_limit: "4000",
    mailbox_size_limit: "100000",
    virtual_mailbox_limit: "100000",
    smtpd_helo_required: "yes",
    disable_vrfy_command: "yes",
    smtpd_hard_error_limit: "3",
    header_from_format: "obsolete",
  };
  const notices = { policy: 5, protocol: 2, "bounce, data": 4, "resource, software": 1 } as const;
  for (const [notify_classes, count] of Object.entries(notices)) {
    await same(await pairWith({ ...settings, notify_classes }), TROUBLE, count);
  }
});

test("a long session is told of in pieces, each where a transaction ends (smtpd_history_flush_threshold)", async () => {
  const pair = await pairWith({
    notify_classes: ALL,
    smtpd_history_flush_threshold: "10",
    smtpd_timeout: "2",
  });
  const message = (
    to: string,
  ) => ["MAIL FROM:<>", `RCPT TO:<${to}@example.com>`, "DATA", "Subject: x\r\n\r\n", "."];
  await same(pair, [
    ["EHLO client.example", "NOSUCH", "RSET", "NOSUCH", "RSET", "QUIT"],
    ["EHLO client.example", "NOSUCH", ...message("games"), "MAIL", ...message("games"), "QUIT"],
    ["HELO client.example", ...Array.from({ length: 6 }, () => "NOOP"), "MAIL", "HELO again", "QUIT"],
    // XCLIENT ends what was before; the client is called by its new name already.
    [
      "EHLO client.example",
      "NOSUCH",
      "XCLIENT NAME=other.example ADDR=192.0.2.7",
      "EHLO again.example",
      "NOSUCH",
      "QUIT",
    ],
    // Who says nothing any more is told of with what was wrong before.
    ["EHLO client.example", "NOSUCH", ""],
  ], 6);
});

const KEYWORDS = ["SIZE 10240000", "8BITMIME"];

/** Servers that answer what they should not, and some that may. */
const SERVERS: Readonly<Record<string, PeerScript>> = {
  "syntax.example": { ehlo: KEYWORDS, rcpt: "501 5.5.4 what is that?" },
  "pipelined.example": { rcpt: (line): Act => line.includes("<a@") ? "502 5.5.1 not here" : "250 Ok" },
  "sender.example": { mail: "555 5.5.4 Unsupported option" },
  "data.example": { data: "250 go on then" },
  "long.example": { dot: `503 5.5.1 ${"a long story ".repeat(12)}` },
  "garbage.example": { ehlo: KEYWORDS, mail: "what?\r\n250 Ok" },
  "greeting.example": { greeting: "500 no" },
  "unknown.example": { rcpt: "550 5.1.1 User unknown" },
  "later.example": { rcpt: "450 4.2.0 Later" },
  "lmtp.example": { lhlo: KEYWORDS, rcpt: "500 5.5.1 what?" },
};

/** Mail for these comes back when its time is over. */
const DEFERRED = ["greeting.example", "later.example"];

test("servers that do not understand us are told of, unless the mail is a notice itself", async () => {
  const peers = await Promise.all(
    Object.entries(SERVERS).map(async ([name, script]) => [name, await startSmtpPeer(script)] as const),
  );
  const ways = peers.map(([name, { port }]) =>
    `${name}=${name === "lmtp.example" ? `lmtp:inet:127.0.0.1:${port}` : `smtp:[127.0.0.1]:${port}`}`
  );
  const pair = await pairWith({
    notify_classes: "protocol",
    transport_maps: `inline:{${ways.join(", ")}}`,
    smtpd_recipient_restrictions: "permit",
    maximal_queue_lifetime: "0",
    bounce_queue_lifetime: "0",
    minimal_backoff_time: "1000s",
  });
  try {
    for (const name of Object.keys(SERVERS)) {
      const to = name === "pipelined.example" ? [`a@${name}`, `b@${name}`] : [`a@${name}`];
      const needed = DEFERRED.includes(name) ? /status=expired/ : undefined;
      const [theirs, ours] = await pair.compare([{ from: "games@example.com", to }], needed);
      expect(ours.files, name).toEqual(theirs.files);
    }
    const silent = await pair.compare([
      { from: "", to: ["a@syntax.example"] },
      { from: "double-bounce@mail.example.com", to: ["a@syntax.example"] },
    ]);
    expect(silent.map(({ files }) => files)).toEqual([{}, {}]);
  } finally {
    for (const [, peer] of peers) await peer.close();
  }
});
