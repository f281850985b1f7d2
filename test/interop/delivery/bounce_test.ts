// bounce(8): every kind of notice as the real Postfix writes it, delivered to mailboxes.
import { expect, setDefaultTimeout } from "bun:test";
import { type Mail, type Pair, startPair } from "../../kit/scenes/compare_delivery.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, test } = withPeers(import.meta.path, "postfix", "root");

setDefaultTimeout(180_000);

const MAIN: Readonly<Record<string, string>> = {
  alias_maps: "texthash:$root/aliases",
  transport_maps:
    "inline:{discard.example=discard:silently, {err.example=retry:4.2.1 not now}, fails.example=fails:}",
  smtpd_reject_unlisted_recipient: "no",
  smtpd_recipient_restrictions: "permit",
  bounce_size_limit: "3000",
  virtual_alias_maps:
    "inline:{ {many@example.com = games@example.com, news@example.com}, {bad@example.com = nobodyhere, games} }",
};

/** irc sends and gets the notices, postmaster's go to news. */
const ALIASES = `postmaster news
list games, nobodyhere
owned games
owner-owned irc
cmd "|exit 67"
owner-cmd news
file /nosuchdir/x
owner-file news
mixed "|exit 67", games
owner-mixed news
bad nobodyhere
owner-bad news
remote x@discard.example
long-name-of-a-list-that-makes-the-line-of-the-notice-wrap-somewhere nobodyhere
`;

const MASTER =
  "fails unix - n n - - pipe user=nobody argv=/bin/sh -c {cat >/dev/null; echo no such box; exit 67}\n";

const TEMPLATES = `# Ours.
failure_template = <<EOF
Charset: us-ascii
From: MAILER-DAEMON (The Post)
Subject: Mail came back
Postmaster-Subject: Copy of what came back

\$myhostname of \${mydomain} kept it \$maximal_queue_lifetime_hours hours (\$(maximal_queue_lifetime_days) days), \$\$5.
EOF
success_template = <<END
Charset: utf-8
From: postman@example.com (Post)
Subject: It is there

Gr\u00fc\u00dfe.
END
`;

const pairs: Pair[] = [];
afterAll(async () => {
  for (const pair of pairs) await pair.stop();
});

/** `needed`: what the log must have before all has come to rest; with `retried` lines count once, as a busy machine has time for more tries. */
async function same(
  main: Readonly<Record<string, string>>,
  mails: readonly Mail[],
  needed?: RegExp,
  retried = false,
): Promise<void> {
  const pair = await startPair({ ...MAIN, ...main }, { aliases: ALIASES, "bounce.cf": TEMPLATES }, MASTER);
  pairs.push(pair);
  const [theirs, ours] = await pair.compare(mails, needed);
  expect(theirs.lines.length).toBeGreaterThan(0);
  expect(ours.files).toEqual(theirs.files);
  const counted = (lines: readonly string[]) => retried ? [...new Set(lines)] : lines;
  expect(counted(ours.lines)).toEqual(counted(theirs.lines));
  expect(Object.keys(theirs.files)).not.toHaveLength(0);
}

const mail = (to: string | readonly string[], more: Partial<Mail> = {}): Mail => ({
  from: "irc@example.com",
  to: (typeof to === "string" ? [to] : to).map((name) => `${name}@example.com`),
  ...more,
});

const LONG = `Subject: long\n\n${"a line of text to fill it up\n".repeat(200)}`;

test(
  "failures: RET, ENVID, ORCPT, NOTIFY, size, several recipients, expansion",
  () =>
    same({ notify_classes: "" }, [
      mail("nobodyhere"),
      mail("nobodyhere", { mail: "RET=HDRS ENVID=QQ31", rcpt: "ORCPT=rfc822;orig+2B@example.net" }),
      mail("nobodyhere", { mail: "RET=FULL" }),
      mail("nobodyhere", { rcpt: "NOTIFY=NEVER" }),
      mail("nobodyhere", { rcpt: "NOTIFY=DELAY" }),
      mail("nobodyhere", { rcpt: "NOTIFY=FAILURE,DELAY" }),
      mail("nobodyhere", {
        mail: "ENVID=a+20b",
        rcpt: "ORCPT=rfc822;a+0D+0AAction:+20delivered+0D+0A+0D+0A--b",
      }),
      mail("nobodyhere", { rcpt: "ORCPT=rfc822;a+E9+07+7Fb+C3+A9" }),
      mail("nobodyhere", { rcpt: "ORCPT=utf-8;a\\x{0A}b+0A\\x{E9}\\x{1F4E7}" }),
      mail('"a\x01b\x7f"'),
      mail("nobodyhere", { from: '"a\rb\x01"@example.com' }),
      mail("nobodyhere", { text: LONG }),
      mail(["nobodyhere", "games"]),
      mail('"with blank"'),
      { from: "irc@example.com", to: ["b@fails.example", "a@fails.example", "games@example.com"] },
      mail("list"),
      mail("long-name-of-a-list-that-makes-the-line-of-the-notice-wrap-somewhere"),
      mail("nobodyhere", { from: '"a b+x"@example.com' }),
    ]),
);

test(
  "postmaster copies and double bounces",
  () =>
    same({ notify_classes: "bounce, 2bounce, delay" }, [
      mail("nobodyhere"),
      mail("nobodyhere", { rcpt: "NOTIFY=NEVER" }),
      mail("nobodyhere", { from: "nosender@example.com" }),
      mail("nobodyhere", { from: "" }),
      mail("nobodyhere", { text: LONG }),
      mail("nobodyhere", { from: "double-bounce@mail.example.com" }),
    ]),
);

test(
  "successes: mailbox, alias, list with an owner, forwarded",
  () =>
    same({ notify_classes: "" }, [
      mail("games", { rcpt: "NOTIFY=SUCCESS ORCPT=rfc822;games@old.example", mail: "ENVID=E+2B1 RET=FULL" }),
      mail("remote", { rcpt: "NOTIFY=SUCCESS,FAILURE" }),
      mail("owned", { rcpt: "NOTIFY=SUCCESS" }),
      mail("list", { rcpt: "NOTIFY=SUCCESS,FAILURE" }),
      { from: "irc@example.com", to: ["a@discard.example"], rcpt: "NOTIFY=SUCCESS" },
      mail("games", { rcpt: "NOTIFY=SUCCESS", from: "" }),
      mail("many", { rcpt: "NOTIFY=SUCCESS" }),
      mail("many", { rcpt: "NOTIFY=SUCCESS,FAILURE", mail: "ENVID=V1" }),
      mail("bad", { rcpt: "NOTIFY=SUCCESS,FAILURE" }),
    ]),
);

test("7-bit notices, obsolete From, threads", () =>
  same({
    notify_classes: "",
    smtputf8_enable: "no",
    header_from_format: "obsolete",
    enable_threaded_bounces: "yes",
  }, [
    mail("nobodyhere"),
    mail("nobodyhere", { rcpt: "ORCPT=rfc822;a+C3+A9b" }),
    mail("nobodyhere", { mail: "BODY=8BITMIME", text: "Subject: 8\nMessage-Id: <m8@x>\n\nna\xefve\n" }),
  ]));

test("delay notices", () =>
  same(
    {
      notify_classes: "delay",
      delay_warning_time: "1s",
      minimal_backoff_time: "2s",
      maximal_backoff_time: "1000s",
      queue_run_delay: "2s",
    },
    [
      { from: "irc@example.com", to: ["a@err.example", "b@err.example"] },
      { from: "irc@example.com", to: ["a@err.example"], rcpt: "NOTIFY=FAILURE" },
      { from: "irc@example.com", to: ["a@err.example"], rcpt: "NOTIFY=DELAY", mail: "ENVID=D1" },
      { from: "", to: ["a@err.example"] },
    ],
    /(?:postmaster delay notification[^]*){3}/,
    true,
  ));

test(
  "expired mail returns",
  () =>
    same({ notify_classes: "", maximal_queue_lifetime: "0", bounce_queue_lifetime: "0" }, [
      { from: "irc@example.com", to: ["a@err.example", "games@example.com"] },
      { from: "", to: ["a@err.example"] },
    ], /(?:status=expired[^]*){2}/),
);

test(
  "texts of a template file",
  () =>
    same(
      { notify_classes: "bounce", bounce_template_file: "$root/bounce.cf", maximal_queue_lifetime: "3d" },
      [
        mail("nobodyhere"),
        mail("games", { rcpt: "NOTIFY=SUCCESS" }),
      ],
    ),
);

test(
  "what fails of a list with an owner comes to the owner, each by itself",
  () =>
    same({ notify_classes: "bounce", bounce_notice_recipient: "games" }, [
      ...["cmd", "file", "mixed", "bad"].flatMap((list) => [
        mail(list),
        mail(list, { rcpt: "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b.example", mail: "ENVID=x RET=HDRS" }),
        mail(list, { rcpt: "NOTIFY=NEVER" }),
      ]),
      mail("cmd", { from: "" }),
      mail(["cmd", "nobodyhere"]),
      ...["cmd", "cmd+box", "list"].map((list) =>
        mail(list, { text: `Delivered-To: ${list}@example.com\n\nx\n` })
      ),
    ]),
);
