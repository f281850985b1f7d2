// VERP_README: copies under senders that name their recipients, and the notices about them, as the real Postfix does it.
import { expect, setDefaultTimeout } from "bun:test";
import { type Mail, type Pair, startPair } from "../../kit/scenes/compare_delivery.ts";
import { startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, test } = withPeers(import.meta.path, "postfix", "root");

setDefaultTimeout(180_000);

const MASTER =
  "told unix - n n - 1 pipe user=nobody argv=/bin/sh -c {cat >/dev/null; echo $sender; exit 0}\n" +
  "fails unix - n n - 1 pipe user=nobody argv=/bin/sh -c {cat >/dev/null; printf '%s\\tno\\r\\001box\\n' $sender; exit 67}\n";

const ALIASES = `postmaster news
list games, news, remote@told.example
owned games, remote@told.example
owner-owned news
`;

const pairs: Pair[] = [];
afterAll(async () => {
  for (const pair of pairs) await pair.stop();
});

async function pairWith(main: Readonly<Record<string, string>>): Promise<Pair> {
  const pair = await startPair(
    {
      alias_maps: "texthash:$root/aliases",
      smtpd_authorized_verp_clients: "127.0.0.0/8",
      smtpd_reject_unlisted_recipient: "no",
      smtpd_recipient_restrictions: "permit",
      virtual_alias_maps: "inline:{ {many@example.com = games@example.com, news@example.com} }",
      notify_classes: "",
      ...main,
    },
    { aliases: ALIASES },
    MASTER,
  );
  pairs.push(pair);
  return pair;
}

async function same(pair: Pair, mails: readonly Mail[], needed?: RegExp): Promise<readonly string[]> {
  const [theirs, ours] = await pair.compare(mails, needed);
  expect(ours.files).toEqual(theirs.files);
  expect(ours.lines).toEqual(theirs.lines);
  return theirs.lines;
}

const verp = (to: readonly string[], more: Partial<Mail> = {}): Mail => ({
  from: "irc@example.com",
  to,
  mail: "XVERP",
  ...more,
});

test("mailboxes, aliases, lists with an owner and commands see the sender of their copy", async () => {
  const transport_maps = "inline:{told.example=told:, fails.example=fails:}";
  const lines = await same(await pairWith({ transport_maps }), [
    verp(["games@example.com", "news@example.com"]),
    verp(["games@example.com"], { mail: "XVERP=-=" }),
    verp(["games+box@example.com"], { from: '"a b"@example.com', mail: "XVERP=== RET=HDRS" }),
    verp(["a@told.example", "b@told.example"], { from: "list@lists.example" }),
    verp(["many@example.com"]),
    verp(["list@example.com"]),
    verp(["owned@example.com"]),
    verp(['"x y"@told.example']),
    verp(["games@example.com"], { from: "nodomain" }),
  ]);
  expect(lines.join("\n")).toContain("(list+a=told.example@lists.example)");
});

test("each failed recipient has a notice of its own, as its NOTIFY says, with the copies for the postmaster", async () => {
  const transport_maps = "inline:{told.example=told:, fails.example=fails:}";
  const pair = await pairWith({ transport_maps, notify_classes: "bounce" });
  await same(pair, [
    verp(["nobody1@example.com", "nobody2@example.com", "games@example.com"]),
    verp(["a@fails.example", "b@fails.example"], { mail: "XVERP RET=HDRS ENVID=V1" }),
    verp(["nobody1@example.com"], { rcpt: "NOTIFY=NEVER" }),
    verp(["nobody1@example.com"], { rcpt: "ORCPT=rfc822;other@example.net" }),
    verp(["games@example.com"], { rcpt: "NOTIFY=SUCCESS" }),
  ]);
});

test("with disable_verp_bounces one notice goes to the sender", async () => {
  const transport_maps = "inline:{told.example=told:, fails.example=fails:}";
  await same(await pairWith({ transport_maps, disable_verp_bounces: "yes" }), [
    verp(["a@fails.example", "b@fails.example", "games@example.com"]),
  ]);
});

test("a next hop gets a transaction for each recipient, under its own sender and without XVERP", async () => {
  const peers = [
    await startSmtpPeer({ ehlo: ["PIPELINING", "DSN", "XVERP"] }),
    await startSmtpPeer({ ehlo: ["PIPELINING", "DSN", "XVERP"] }),
  ] as const;
  const pair = await pairWith({ transport_maps: "texthash:$root/transport" });
  try {
    for (const [at, peer] of peers.entries()) {
      await Bun.write(`${pair.roots[at]}/transport`, `far.example smtp:[127.0.0.1]:${peer.port}\n`);
    }
    const [theirs, ours] = await pair.compare([
      verp(["a@far.example", "b@far.example", "c@far.example"], { mail: "XVERP=-= RET=FULL" }),
    ]);
    const envelopes = peers.map(({ lines }) =>
      lines.filter((line) => /^(?:MAIL|RCPT)/.test(line)).map((line) => line.replace(/ SIZE=\d+/, "")).sort()
    );
    expect(envelopes[1]).toEqual(envelopes[0]!);
    expect(envelopes[0]).toContain("MAIL FROM:<irc-b=far.example@example.com> RET=FULL");
    // Which delivery finds a connection that another has left is chance.
    const plain = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/:\d+(?=,)/, ":PORT").replace(/ conn_use=\d+,/, ""));
    expect(plain(ours.lines)).toEqual(plain(theirs.lines));
  } finally {
    for (const peer of peers) await peer.close();
  }
});
