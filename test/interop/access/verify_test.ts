// Address verification beside the real Postfix: the same sessions, the same replies, log lines and commands to the probed server.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { startMailSystem } from "../../kit/servers/mail_system.ts";
import type { PeerScript } from "../../kit/servers/smtp_peer.ts";
import { talk } from "../../kit/talk.ts";
import {
  type Question,
  startVerifyPair,
  type VerifyPair,
  type VerifySetting,
} from "../../kit/scenes/verify_pair.ts";
import { withPeers } from "../../kit/peers.ts";
import { untilNextTick } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "root", "postfix");

/** Knows addresses by what they begin with. */
const PEER: PeerScript = {
  mail: (line) => /<nosender/.test(line) ? "553 5.1.8 who are you" : "250 2.1.0 Ok",
  rcpt: (line) =>
    /<good/.test(line)
      ? "250 2.1.5 Ok"
      : /<later/.test(line)
      ? "450 4.2.0 greylisted, come back"
      : /<slow/.test(line)
      ? "silent"
      : /<drop/.test(line)
      ? "drop"
      : "550 5.1.1 no such user here",
};

async function same(
  pair: VerifyPair,
  scene: string,
  questions: readonly Question[],
): Promise<readonly string[]> {
  const [theirs, ours] = await pair.ask(questions);
  expect({ scene, ...ours }).toEqual({ scene, ...theirs });
  return ours.replies;
}

const each = (...addresses: readonly string[]): Question[] => addresses.map((to) => ({ to: [to] }));

/** A scene for a pair that the test starts; several pairs run side by side. */
function play(name: string, setting: VerifySetting, scenes: (pair: VerifyPair) => Promise<void>): void {
  test.concurrent(name, async () => {
    const pair = await startVerifyPair(setting, PEER);
    try {
      await scenes(pair);
    } finally {
      await pair.stop();
    }
  }, 180_000);
}

/** Reply codes, reasons and what a failure leads to: an smtpd service each. */
const CODES = {
  "reject codes of 5xx": {
    unverified_recipient_reject_code: "577",
    unverified_sender_reject_code: "550",
    unverified_recipient_defer_code: "430",
    unverified_sender_defer_code: "431",
  },
  "codes of 2xx let pass": {
    unverified_recipient_reject_code: "250",
    unverified_sender_reject_code: "250",
    unverified_recipient_defer_code: "250",
    unverified_sender_defer_code: "250",
  },
  "reasons of our own": {
    unverified_recipient_reject_code: "550",
    unverified_recipient_reject_reason: "Recipient is not known here",
    unverified_sender_reject_reason: "Sender is not known there",
  },
  "deferrals at once": { reject_tempfail_action: "defer" },
  "deferrals that wait for a permit": {
    smtpd_recipient_restrictions: "reject_unverified_recipient, reject_unverified_sender, " +
      "check_recipient_access inline:{{later@relay.example = REJECT a later rule}}",
  },
  "deferrals of one kind only": {
    unverified_sender_tempfail_action: "defer",
    unverified_recipient_tempfail_action: "defer_if_permit",
    smtpd_recipient_restrictions: "reject_unverified_recipient, check_recipient_access " +
      "inline:{{later@relay.example = REJECT a later rule}}",
  },
  "trusted clients before the check": {
    smtpd_sender_restrictions: "permit_mynetworks, reject_unverified_sender",
    smtpd_recipient_restrictions: "permit_mynetworks, reject_unverified_recipient",
  },
  "warnings only": {
    smtpd_sender_restrictions: "warn_if_reject reject_unverified_sender",
    smtpd_recipient_restrictions: "warn_if_reject reject_unverified_recipient",
    unverified_recipient_reject_code: "550",
    unverified_sender_reject_code: "550",
  },
  "a table and a class that ask": {
    smtpd_restriction_classes: "verify_all",
    verify_all: "reject_unverified_sender, reject_unverified_recipient",
    smtpd_sender_restrictions: "",
    smtpd_recipient_restrictions: "check_recipient_access " +
      "inline:{bad@relay.example=verify_all, later@relay.example=reject_unverified_recipient}",
  },
  "senders at MAIL": { smtpd_delay_reject: "no" },
} satisfies Record<string, Record<string, string>>;

const CODE_QUESTIONS: readonly Question[] = [
  { from: "good@relay.example", to: ["good1@relay.example", "bad@relay.example", "later@relay.example"] },
  { from: "bad1@relay.example", to: ["good@relay.example", "bad2@relay.example"] },
  { from: "later1@relay.example", to: ["good@relay.example", "bad3@relay.example"] },
  { from: "", to: ["good@relay.example", "bad4@relay.example"] },
];

const DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZ";
/** The slot of time that a probe sender carries, `by` slots from now. */
function slotWord(seconds: number, by: number): string {
  let out = "";
  for (let rest = Math.floor(Date.now() / 1000 / seconds) + by; rest > 0; rest = Math.floor(rest / 31)) {
    out = DIGITS[rest % 31]! + out;
  }
  return out;
}

const SLOT = 8_640_000;

play("destinations, codes, slow servers, our own probe sender", {
  main: {
    mydestination: "example.com, mail.example.com",
    virtual_alias_domains: "alias.example",
    virtual_alias_maps: "inline:{ { multi@alias.example = good1@relay.example, good2@relay.example }, " +
      "one@alias.example=good3@relay.example, gone@alias.example=nobody@relay.example }",
    virtual_mailbox_domains: "box.example, lmtp.example",
    virtual_mailbox_maps: "inline:{ ann@box.example=ann, dir@box.example=dir/, x@lmtp.example=x }",
    virtual_mailbox_base: "/tmp",
    virtual_uid_maps: "static:65534",
    virtual_gid_maps: "static:65534",
    alias_maps: "inline:{ al=root, { file=/tmp/file }, { cmd=|cat } }",
    recipient_canonical_maps: "inline:{ canon@relay.example=good4@relay.example }",
    always_bcc: "copy@relay.example",
    defer_transports: "discard2",
    transport_maps:
      "inline:{ { err.example = error:5.7.1 not here }, { retry.example = retry:4.2.1 not now }, " +
      "disc.example=discard:silently, held.example=discard2:silently, pipe.example=cat:, " +
      "dead.example=smtp:[127.0.0.1]:1, data.example=data:[127.0.0.1]:$peer, slow.example=slow:[127.0.0.1]:$peer, " +
      "dead2.example=smtp:[127.0.0.2]:1, lmtp.example=lmtp:[127.0.0.1]:1 }",
  },
  master: "data unix - - n - - smtp\n  -o smtp_address_verify_target=data\n" +
    "slow unix - - n - - smtp\n  -o smtp_rcpt_timeout=3s\n" +
    "discard2 unix - - n - - discard\n",
  services: {
    ...Object.fromEntries(
      Object.entries(CODES).map(([name, own]) => [
        name,
        { smtpd_sender_restrictions: "reject_unverified_sender", ...own },
      ]),
    ),
    impatient: { address_verify_poll_count: "2" },
    strangers: {
      mynetworks: "192.0.2.0/24",
      smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
      smtpd_recipient_restrictions: "check_recipient_access static:{REJECT nobody}",
      address_verify_sender_ttl: `${SLOT}s`,
    },
  },
}, async (pair) => {
  const questions = each(
    "good@relay.example",
    "bad@relay.example",
    "later@relay.example",
    "drop@relay.example",
    "Good@relay.example",
    "canon@relay.example",
    "multi@alias.example",
    "one@alias.example",
    "gone@alias.example",
    "unknown@alias.example",
    "ann@box.example",
    "dir@box.example",
    "nobody@box.example",
    "x@lmtp.example",
    "nobody@example.com",
    "nosuchuser@example.com",
    "al@example.com",
    "file@example.com",
    "x@err.example",
    "x@retry.example",
    "x@disc.example",
    "x@held.example",
    "x@pipe.example",
    "x@dead.example",
    '"odd user"@relay.example',
    "double-bounce@example.com",
  );
  const others = [
    ...each("good1@relay.example", "later1@relay.example"),
    ...each(...[1, 2, 3, 4].map((n) => `bad${n}@relay.example`)),
    ...each("good@data.example", "bad@data.example", "later@data.example"),
  ];
  const replies = await same(pair, "every kind of destination", [...questions, ...others]);
  expect(replies[1]).toEndWith(
    "450 4.1.1 <bad@relay.example>: Recipient address rejected: unverified address: " +
      "host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no such user here (in reply to RCPT TO command)",
  );
  expect(await same(pair, "the same from the cache", [...questions, ...others])).toEqual([...replies]);
  const services = Object.keys(CODES);
  await same(
    pair,
    "codes and reasons",
    services.flatMap((service) => CODE_QUESTIONS.map((question) => ({ ...question, service }))),
  );
  pair.script({ ...PEER, data: "554 5.7.1 not from you" });
  await same(pair, "DATA refused", each("good1@data.example"));
  pair.script({ ...PEER, ehlo: ["SIZE 1000000", "8BITMIME"] });
  const slow: Question[] = [{ service: "impatient", to: ["slow@slow.example"] }];
  const [waiting] = await same(pair, "a slow server", slow);
  expect(waiting).toEndWith("unverified address: Address verification in progress");
  await same(pair, "a slow server is not asked twice", slow);
  await untilNextTick(2000); // of the clocks of both, by more than the limit
  const [late] = await same(pair, "a server that was too slow", slow);
  expect(late).toContain("timed out while sending RCPT TO");
  const ownSender = await same(
    pair,
    "our own probe sender, in its slots",
    [
      ...[-2, -1, 0, 1, 2].map((by) => `double-bounce${slotWord(SLOT, by)}@mail.example.com`),
      "double-bounce@mail.example.com",
      `DOUBLE-Bounce${slotWord(SLOT, 0)}@Mail.Example.Com`,
      "x@example.com",
    ].map((to) => ({
      service: "strangers",
      from: `double-bounce${slotWord(SLOT, 0)}@mail.example.com`,
      to: [to],
    })),
  );
  expect(ownSender.map((text) => text.includes("250 2.1.5"))).toEqual(
    [false, true, true, true, false, false, true, false],
  );
  pair.script({ greeting: "421 4.3.2 closed" });
  await same(pair, "a server that is closed", each("good8@relay.example"));
  await same(pair, "and its other addresses", each("good9@relay.example"));
});

play("failures are forgotten without a negative cache, whatever soft_bounce says", {
  main: {
    address_verify_negative_cache: "no",
    address_verify_poll_count: "1",
    soft_bounce: "yes",
    unverified_recipient_reject_code: "550",
  },
}, async (pair) => {
  const questions = each("good@relay.example", "bad@relay.example", "later@relay.example");
  const replies = await same(pair, "first", questions);
  expect(replies[1]).toEndWith("unverified address: Address verification in progress");
  await same(pair, "second", questions);
});

play("probes take ways of their own, and a sender of their own", {
  main: {
    virtual_mailbox_domains: "box.example",
    relay_transport: "error:no relaying here",
    default_transport: "error:nothing for strangers",
    local_transport: "error:nobody at home",
    virtual_transport: "error:no boxes",
    relayhost: "[127.0.0.1]:1",
    address_verify_relayhost: "[127.0.0.1]:$peer",
    address_verify_relay_transport: "smtp:[127.0.0.1]:$peer",
    address_verify_default_transport: "smtp",
    address_verify_local_transport: "discard:asked the local",
    address_verify_virtual_transport: "discard:asked the virtual",
    address_verify_transport_maps: "inline:{ mapped.example=discard:by-map }",
    address_verify_sender: "nosender@probes.example",
    sender_dependent_default_transport_maps: "inline:{ nosender@probes.example=discard:never }",
    address_verify_sender_dependent_default_transport_maps: "",
    sender_dependent_relayhost_maps: "inline:{ nosender@probes.example=[127.0.0.1]:2 }",
    address_verify_sender_dependent_relayhost_maps: "",
  },
}, async (pair) => {
  await same(
    pair,
    "classes",
    each("good@relay.example", "good@other.example", "x@example.com", "x@box.example", "x@mapped.example"),
  );
  pair.script({ ...PEER, mail: "250 2.1.0 Ok" });
  await same(
    pair,
    "a sender that is liked",
    each("good1@relay.example", "good1@other.example", "bad1@other.example"),
  );
});

play("what is old is asked again in the background, and a null sender asks", {
  main: {
    address_verify_sender: "<>",
    address_verify_positive_refresh_time: "1s",
    address_verify_negative_refresh_time: "1s",
    unverified_recipient_reject_code: "550",
  },
}, async (pair) => {
  const questions = each("good@relay.example", "bad@relay.example");
  await same(pair, "first", questions);
  await untilNextTick(2200); // of the clocks of both: answers have become stale
  pair.script({ ...PEER, rcpt: (line) => /<good/.test(line) ? "550 5.1.1 left us" : "250 2.1.5 Ok" });
  const stale = await same(pair, "stale answers", questions);
  expect(stale[1]).toContain("550 5.1.1 <bad@relay.example>");
  const fresh = await same(pair, "fresh ones; what was good stays good", questions);
  expect(fresh.map((text) => text.includes("250 2.1.5"))).toEqual([true, true]);
});

play("what is expired is asked again while the session waits", {
  main: {
    address_verify_sender: "postmaster",
    address_verify_positive_refresh_time: "1s",
    address_verify_negative_refresh_time: "1s",
    address_verify_positive_expire_time: "1s",
    address_verify_negative_expire_time: "1s",
  },
}, async (pair) => {
  const questions = each("good@relay.example", "bad@relay.example");
  await same(pair, "first", questions);
  await untilNextTick(2200); // of the clocks of both: answers have become stale
  pair.script({ ...PEER, rcpt: (line) => /<good/.test(line) ? "550 5.1.1 left us" : "250 2.1.5 Ok" });
  const replies = await same(pair, "anew", questions);
  expect(replies.map((text) => text.includes("250 2.1.5"))).toEqual([false, true]);
});

test("what Postfix knew is taken over from its btree, hash or lmdb file", async () => {
  const root = fs.mkdtempSync("/tmp/verify-take-over-");
  const now = Math.floor(Date.now() / 1000);
  const rows =
    `good@relay.example 0:0:${now - 60}:250 2.1.5 Ok\nbad@relay.example 2:0:${now - 60}:no such user\n` +
    `old@relay.example 2:0:${
      now - 60 * 86_400
    }:long ago\ntodo@relay.example 3:${now}:0:Address verification in progress\n` +
    `_LAST_CACHE_CLEANUP_COMPLETED_ ${now}\n`;
  fs.writeFileSync(`${root}/verify_cache`, rows);
  try {
    for (const type of ["btree", "hash", "lmdb"]) {
      const made = spawnSync("/usr/sbin/postmap", [`${type}:${root}/verify_cache`], { encoding: "utf8" });
      expect(made.stderr).toBe("");
      const system = await startMailSystem({
        compatibility_level: "3.6",
        mynetworks: "127.0.0.0/8",
        inet_interfaces: "127.0.0.1",
        inet_protocols: "ipv4",
        queue_directory: root,
        data_directory: root,
        relay_domains: "relay.example",
        relay_transport: "discard:asked",
        smtpd_recipient_restrictions: "reject_unverified_recipient",
        address_verify_poll_count: "1",
        address_verify_map: `proxy:${type}:${root}/verify_cache`,
      }, root);
      const client = await talk(system.port);
      await client.say("EHLO c.example");
      await client.say("MAIL FROM:<a@relay.example>");
      const answers = [];
      for (const who of ["good", "bad", "old", "todo"]) {
        answers.push(
          (await client.say(`RCPT TO:<${who}@relay.example>`)).replace(
            /^.*?: Recipient address rejected: /,
            "",
          ),
        );
      }
      expect(answers).toEqual([
        "250 2.1.5 Ok",
        "unverified address: no such user",
        "unverified address: Address verification in progress",
        "unverified address: Address verification in progress",
      ]);
      client.end();
      await system.stop();
      for (const suffix of ["", "-wal", "-shm"]) {
        fs.rmSync(`${root}/verify_cache.sqlite${suffix}`, { force: true });
      }
    }
  } finally {
    fs.rmSync(root, { recursive: true });
  }
}, 180_000);
