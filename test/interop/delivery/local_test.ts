// local(8), virtual(8), pipe(8), error(8), discard(8): log lines and mailbox files as with the real Postfix.
import { expect, setDefaultTimeout } from "bun:test";
import { type Mail, type Pair, startPair } from "../../kit/scenes/compare_delivery.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "postfix", "root");

setDefaultTimeout(180_000);

/** Users of every Debian system: games and news get the mail, irc sends it and gets the bounces. */
const ALIASES: Readonly<Record<string, string>> = {
  postmaster: "irc",
  list: "games, news",
  nested: "list, single",
  single: "games",
  twice: "games, games, single",
  ext: "games+foo",
  upper: "Games",
  self: "self",
  direct: "\\games",
  loop1: "loop2",
  loop2: "loop1",
  nouser: "nobodyhere",
  remote: "x@discard.example",
  remotes: "x@discard.example, y@discard.example",
  mixed: "games, x@discard.example",
  "remote-later": 'x@discard.example, games, "|exit 75"',
  "remote-never": 'x@discard.example, games, "|exit 67"',
  owned: "games, x@discard.example",
  "owner-owned": "irc",
  include: ":include:$root/list",
  gone: ":include:$root/gone",
  file: "$root/mail/file.txt",
  quoted: '"$root/mail/with space"',
  maildir: "$root/mail/md/",
  null: "/dev/null",
  badfile: "$root/nodir/x",
  cat: '"|cat > $root/mail/cat.txt"',
  unquoted: "|cat > $root/mail/unquoted.txt",
  plain: "|/bin/true",
  builtin: '"|exit 0"',
  exit1: '"|exit 1"',
  exit67: '"|exit 67"',
  exit75: '"|exit 75"',
  exit77: '"|echo no way; exit 77"',
  own: '"|echo 5.2.2 over there; exit 1"',
  own4: '"|echo 4.2.2 over there; exit 1"',
  signal: '"|kill -9 $$"',
  slow: '"|sleep 20"',
  environment:
    '"|env | grep -v -e ^PWD -e ^LANG -e ^MAIL_CONFIG -e ^TZ -e ^SHLVL -e ^_= -e ^OLDPWD | sort > $root/mail/env.txt"',
};

const TABLE = Object.entries(ALIASES).map(([name, value]) => `${name} ${value}\n`).join("");

let pair: Pair;
beforeAll(async () => {
  pair = await startPair(
    {
      alias_maps: "texthash:$root/aliases",
      transport_maps:
        "inline:{discard.example=discard:silently, virtual.example=virtual:, {err.example=error:5.2.1 mailbox disabled}, " +
        "nosuch.example=nosuch:, later.example=later:, pipe.example=sink:nh, pipe1.example=args:nh, fails.example=fails:, small.example=small:}",
      virtual_mailbox_base: "$root/mail",
      virtual_mailbox_maps:
        "inline:{box@virtual.example=virtual, dir@virtual.example=dir/, bad@virtual.example=nodir/x}",
      virtual_uid_maps: "static:39",
      virtual_gid_maps: "static:39",
      virtual_minimum_uid: "1",
      defer_transports: "later",
      args_destination_recipient_limit: "1",
      smtpd_reject_unlisted_recipient: "no",
      notify_classes: "",
    },
    { aliases: TABLE, list: "games, news\nx@discard.example\n" },
    MASTER,
  );
});
afterAll(() => pair?.stop());

const MASTER = `later unix - - n - - discard
sink unix - n n - - pipe user=nobody argv=/bin/cat
fails unix - n n - - pipe user=nobody argv=/bin/sh -c {cat >/dev/null; echo bad >&2; exit 67}
small unix - n n - - pipe user=nobody size=100 argv=/bin/cat
args unix - n n - - pipe flags=FBORDhu.> user=nobody null_sender= argv=/bin/sh -c {cat > $root/mail/args; echo "$$@" >> $root/mail/args} -- $sender $recipient $user@$domain $size $extension $mailbox $nexthop $original_recipient $client_address $client_helo $$
`;

async function same(mails: readonly Mail[]): Promise<void> {
  const [theirs, ours] = await pair.compare(mails);
  expect(theirs.lines.length).toBeGreaterThan(0);
  expect(ours.lines).toEqual(theirs.lines);
  expect(ours.files).toEqual(theirs.files);
}

const to = (...names: readonly string[]): Mail[] =>
  names.map((name) => ({ from: "irc@example.com", to: [name.includes("@") ? name : `${name}@example.com`] }));

test("mailboxes are the same, byte for byte", () =>
  same([
    ...to("games", "GAMES", "games+ext", "nobodyhere", "postmaster"),
    { from: "", to: ["games@example.com"] },
    { from: '"a b"@example.com', to: ["games@example.com", "news@example.com"] },
    { from: "irc@example.com", to: ["games@example.com"], text: "Delivered-To: games@example.com\n\nloop\n" },
    {
      from: "irc@example.com",
      to: ["games@example.com"],
      text: "Subject: bodies\n\nFrom the start\n>From quoted\nfrom small\n\n",
    },
  ]));

test(
  "aliases expand the same",
  () =>
    same(
      to(
        "list",
        "nested",
        "single",
        "twice",
        "ext",
        "upper",
        "self",
        "direct",
        "loop1",
        "nouser",
        "single+x",
      ),
    ),
);

test(
  "forwarding is the same",
  () => same(to("remote", "remotes", "mixed", "remote-later", "remote-never", "owned", "include", "gone")),
);

test(
  "files get the same",
  () => same(to("file", "quoted", "maildir", "null", "badfile")),
);

test("commands are told and asked the same", () =>
  same(to(
    "cat",
    "unquoted",
    "plain",
    "builtin",
    "exit1",
    "exit67",
    "exit75",
    "exit77",
    "own",
    "own4",
    "signal",
    "slow",
    "environment+more",
  )));

test("virtual mailboxes are the same", () =>
  same(to(
    "box@virtual.example",
    "box+ext@virtual.example",
    "dir@virtual.example",
    "bad@virtual.example",
    "nobody@virtual.example",
  )));

test(
  "discard, error, missing and deferred transports are the same",
  () => same(to("a@discard.example", "a@nosuch.example", "a@later.example")),
);

test("pipes are the same", () =>
  same([
    ...to("a@pipe.example", "a@fails.example", "a@small.example", "Foo+Bar@Pipe1.example"),
    { from: "irc@example.com", to: ["a@pipe.example", "b@pipe.example"] },
    { from: "", to: ["x@pipe.example"] },
  ]));
