// sendmail -bv and -v: what would become of a message, and what has, as the real Postfix reports it by mail.
import { expect, setDefaultTimeout } from "bun:test";
import { type Pair, startBinaryPair, times } from "../../kit/scenes/compare_delivery.ts";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, test } = withPeers(import.meta.path, "dist/mta", "postfix", "root");

setDefaultTimeout(180_000);

const MASTER = "told unix - n n - 1 pipe flags=X user=nobody argv=/bin/sh -c {cat >/dev/null; echo taken}\n" +
  "fails unix - n n - 1 pipe user=nobody argv=/bin/sh -c {cat >/dev/null; echo no such box; exit 67}\n";

const ALIASES = `postmaster news
list games, nobodyhere
owned games
owner-owned irc
file /dev/null
command "|cat >/dev/null"
remote x@discard.example
`;

const TEMPLATES = `verify_template = <<EOF
Charset: utf-8
From: MAILER-DAEMON (The Post)
Subject: What became of it

\$myhostname knows.
EOF
`;

const pairs: Pair[] = [];
afterAll(async () => {
  for (const pair of pairs) await pair.stop();
});

async function pairWith(main: Readonly<Record<string, string>>): Promise<Pair> {
  const pair = await startBinaryPair(
    {
      alias_maps: "texthash:$root/aliases",
      notify_classes: "",
      virtual_alias_maps: "inline:{ {many@example.com = a@told.example, b@told.example} }",
      local_destination_concurrency_limit: "1",
      ...main,
    },
    { aliases: ALIASES, "bounce.cf": TEMPLATES },
    MASTER,
  );
  pairs.push(pair);
  return pair;
}

/** `reports` so many are to come. */
async function same(
  pair: Pair,
  calls: readonly (readonly string[])[],
  reports: number,
): Promise<readonly string[]> {
  const needed = times("sender delivery status notification: ", reports);
  const { results: [theirs, ours], said } = await pair.submit(calls, needed);
  expect(said[1]).toEqual(said[0]);
  expect(ours.files).toEqual(theirs.files);
  // Our ids are longer, and so are messages that name them.
  const plain = (lines: readonly string[]) => lines.map((line) => line.replace(/ size=\d+,/, "")).sort();
  expect(plain(ours.lines)).toEqual(plain(theirs.lines));
  return theirs.lines;
}

test("-bv tells what every way would do, and does nothing", async () => {
  const peers = [
    await startSmtpPeer({
      rcpt: (line) => line.includes("<bad@") ? "550 5.1.1 User unknown" : "250 2.1.5 Ok",
    }),
    await startSmtpPeer({ rcpt: "450 4.2.0 Not now" }),
  ] as const;
  const transport_maps =
    `inline:{told.example=told:, discard.example=discard:silently, {err.example=error:5.2.1 gone}, {retry.example=retry:4.3.2 later},
     smtp.example=smtp:[127.0.0.1]:${peers[0].port}, later.example=smtp:[127.0.0.1]:${
      peers[1].port
    }, lmtp.example=lmtp:inet:127.0.0.1:${peers[0].port},
     dead.example=smtp:[127.0.0.1]:1 }`.replace(/\s+/g, " ");
  const pair = await pairWith({
    transport_maps,
    virtual_mailbox_domains: "virtual.example",
    virtual_mailbox_maps: "inline:{box@virtual.example=box, dir@virtual.example=dir/}",
    virtual_mailbox_base: "$root/mail",
    virtual_uid_maps: "static:65534",
    virtual_gid_maps: "static:65534",
  });
  const from = ["-f", "irc@example.com"];
  try {
    const to = [
      ...["games", "nobodyhere", "file", "command", "remote", "list", "owned", "many"].map((n) =>
        `${n}@example.com`
      ),
      ...["told", "discard", "err", "retry", "later", "dead"].map((n) => `a@${n}.example`),
      "good@smtp.example",
      "bad@smtp.example",
      ...["box", "dir", "nobodyhere"].map((name) => `${name}@virtual.example`),
      "good@lmtp.example",
    ];
    const lines = await same(pair, [
      ...to.map((each) => ["-bv", ...from, each]),
      ["-bv", ...from, "-V", "ENV-1", "games@example.com"],
    ], to.length + 1);
    expect(lines.filter((line) => /status=(?:sent|bounced|deferred)/.test(line) && !/ to=<irc@/.test(line)))
      .toEqual([]);
    expect(peers.flatMap(({ mails }) => mails)).toEqual([]);
  } finally {
    for (const peer of peers) await peer.close();
  }
});

test("-v delivers, and tells of the first attempt", async () => {
  const peer = await startSmtpPeer();
  const transport_maps =
    "inline:{told.example=told:, fails.example=fails:, discard.example=discard:silently, " +
    `{retry.example=retry:4.3.2 later}, smtp.example=smtp:[127.0.0.1]:${peer.port}}`;
  const pair = await pairWith({
    transport_maps,
    maximal_queue_lifetime: "5s",
    minimal_backoff_time: "2s",
    maximal_backoff_time: "2s",
    queue_run_delay: "2s",
  });
  const from = ["-v", "-f", "irc@example.com"];
  try {
    await same(pair, [
      ...[
        "games@example.com",
        "owned@example.com",
        "file@example.com",
        "remote@example.com",
        "a@told.example",
      ]
        .map((to) => [...from, to]),
      [...from, "b@smtp.example"],
      [...from, "a@fails.example"],
      ["-N", "success,failure", ...from, "a@told.example"],
      ["-N", "never", ...from, "a@fails.example"],
    ], 9);
    // What waits is told of once, and then comes back.
    const expired = /status=expired[^]*non-delivery notification/;
    const { results: [theirs, ours] } = await pair.submit([[...from, "a@retry.example"]], expired);
    expect(ours.files).toEqual(theirs.files);
    const reports = (lines: readonly string[]) =>
      lines.filter((line) => line.includes("delivery status notification"));
    expect([reports(theirs.lines).length, reports(ours.lines).length]).toEqual([1, 1]);
    expect(peer.mails).toHaveLength(2);
  } finally {
    await peer.close();
  }
});

test("reports have the texts of a template file, and go by the rules of bounces", async () => {
  const transport_maps = "inline:{told.example=told:}";
  const pair = await pairWith({
    transport_maps,
    bounce_template_file: "$root/bounce.cf",
    notify_classes: "2bounce",
    "2bounce_notice_recipient": "games",
  });
  await same(pair, [
    ["-bv", "-f", "irc@example.com", "a@told.example"],
    ["-v", "-f", "irc@example.com", "a@told.example"],
    ["-v", "-f", "<>", "a@told.example"],
  ], 3);
});

test("-XV asks for VERP", async () => {
  const pair = await pairWith({ transport_maps: "inline:{told.example=told:, fails.example=fails:}" });
  const { results: [theirs, ours] } = await pair.submit([
    ["-XV", "-f", "irc@example.com", "games@example.com"],
    ["-XV+-", "-f", "irc@example.com", "a@fails.example"],
  ], times("queue active", 3));
  expect(ours.files).toEqual(theirs.files);
  expect(JSON.stringify(theirs.files)).toContain("Return-Path: <irc+games=example.com@example.com>");
});
