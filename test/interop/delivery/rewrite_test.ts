// Envelope rewriting and alias expansion against cleanup(8) of a private real Postfix: what it queues is what we would.
import { internalAddress } from "../../../src/address/address.ts";
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import type { Recipient } from "../../../src/queue/envelope.ts";
import type { Rewriter } from "../../../src/rewrite/rewriter.ts";
import { freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { ask, dial } from "../../kit/scenes/play_session.ts";
import { policyKit } from "../../kit/policy.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const COMMON: Readonly<Record<string, string>> = {
  compatibility_level: "3.6",
  myhostname: "mail.example.com",
  mydomain: "example.com",
  myorigin: "example.com",
  mydestination: "example.com, localhost",
  inet_interfaces: "127.0.0.1",
  inet_protocols: "ipv4",
  recipient_delimiter: "+",
  mynetworks: "127.0.0.0/8",
  local_recipient_maps: "",
  smtpd_recipient_restrictions: "check_client_access static:HOLD",
  virtual_alias_recursion_limit: "20",
  virtual_alias_expansion_limit: "50",
  virtual_alias_maps: "texthash:$config_directory/virtual",
  canonical_maps:
    "inline:{{old@example.com=new@example.com},{@dom.example=@canon.example},{c1@example.com=c2@example.com},{c2@example.com=c3@example.com},{flip@example.com=flop@example.com},{flop@example.com=flip@example.com}}",
  sender_canonical_maps: "inline:{{ann@example.org=Ann.Example@example.org}}",
  recipient_canonical_maps: "inline:{{rcpt@example.com=recipient@example.com}}",
  masquerade_domains: "!keep.example.net, example.net",
  masquerade_exceptions: "root",
  masquerade_classes: "envelope_sender, envelope_recipient",
  sender_bcc_maps: "inline:{{watched@example.org=watch@example.com}}",
  recipient_bcc_maps: "inline:{{a@example.com=bcc@example.com},{copied@example.com=one@example.com}}",
};

/** virtual(5). */
const ALIASES = `
one@example.com two@example.com
two@example.com three@example.com, four@example.com
list@example.com a@example.com, b@example.com c@example.com
self@example.com self@example.com, other@example.com
loop1@example.com loop2@example.com
loop2@example.com loop1@example.com
grow@example.com grow2@example.com, x@a.example
grow2@example.com grow@example.com, y@a.example
@catch.example caught@example.com
@moved.example @new.example
bare bare2
bare2 bare3@elsewhere.example
full+ext@example.com exact@example.com
plain@example.com target@example.com
"a b"@example.com "c d"@example.com
quoted@example.com "x y"@example.com
angle@example.com Some One <real@example.com>
junk@example.com ,
`;

const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  defaults: {},
  "no original recipient, no propagation": {
    enable_original_recipient: "no",
    propagate_unmatched_extensions: "",
  },
  "no mappings": { receive_override_options: "no_address_mappings" },
};

/** Sender and recipients as the client writes them, and how they are quoted. */
const MESSAGES: readonly (readonly [sender: string, ...recipients: string[]])[] = [
  ["ann@example.org", "bob@example.com"],
  ["ann", "bob", "Bob@Example.com"],
  ["", "one@example.com"],
  ["mailer-daemon@example.com", "list@example.com", "a@example.com"],
  ["x@y", "self@example.com"],
  ["x@y", "anything@catch.example", "any+ext@catch.example"],
  ["x@y", "user@moved.example", "user+ext@moved.example"],
  ["x@y", "bare", "bare+ext", "bare2@localhost"],
  ["x@y", "full+ext@example.com", "full@example.com", "plain+ext@example.com"],
  ["x@y", '"a b"@example.com', "quoted@example.com", "angle@example.com"],
  ["old@example.com", "old@example.com", "old+ext@example.com"],
  ["u@dom.example", "u+x@dom.example"],
  ["c1@example.com", "c1@example.com", "flip@example.com"],
  ["ann@example.org", "rcpt@example.com", "rcpt+e@example.com"],
  ["u@host.example.net", "u@sub.host.example.net", "root@host.example.net", "u@a.keep.example.net"],
  ["watched@example.org", "copied@example.com", "a@example.com", "z@example.com"],
  ["x@y", "one@example.com", "two@example.com", "three@example.com"],
  ["x@y", "loop1@example.com"],
  ["x@y", "grow@example.com"],
  ["x@y", "ok@example.com", "loop2@example.com"],
  ["x@y", "junk@example.com"],
];

interface Queued {
  readonly sender: string;
  readonly recipients: readonly string[];
}

for (const [name, settings] of Object.entries(VARIANTS)) {
  describe(`recipients are rewritten as cleanup does: ${name}`, () => {
    const main = { ...COMMON, ...settings };
    const text = Object.entries(main).map(([key, value]) => `${key} = ${value}\n`).join("");
    let rewriter: Rewriter;
    let postfix: PostfixInstance;
    let port = 0;

    beforeAll(async () => {
      [port = 0] = await freePorts(1);
      const master = `127.0.0.1:${port} inet n - n - - smtpd`;
      postfix = await startPostfix({ main, master, files: { virtual: ALIASES } });
      rewriter = policyKit(text, { directory: postfix.configDirectory }).rewriter;
    }, 180_000);
    afterAll(() => postfix?.stop());

    async function ours(sender: string, given: readonly string[]): Promise<Queued | string> {
      const noMappings = name === "no mappings";
      const clean = await rewriter.envelopeSender(sender, { noMappings });
      if (typeof clean !== "string") return "451";
      const recipients = given.map((text): Recipient => {
        const address = text.replaceAll('"', "");
        return { address: internalAddress(address), original: internalAddress(address), notify: 0 };
      });
      const expansion = await rewriter.expandRecipients(clean, recipients, { noMappings });
      if (expansion.is === "trouble") return `451 ${expansion.status} ${expansion.text}`;
      return { sender: clean, recipients: expansion.recipients.map(({ address }) => address) };
    }

    async function real(sender: string, recipients: readonly string[]): Promise<Queued | string> {
      const dialogue = dial(port);
      await dialogue.reply();
      for (
        const line of [
          "EHLO client",
          `MAIL FROM:<${sender}>`,
          ...recipients.map((to) => `RCPT TO:<${to}>`),
          "DATA",
        ]
      ) {
        expect(await ask(dialogue, line)).toMatch(/^[23]/);
      }
      const end = await ask(dialogue, "Subject: x\r\n\r\nbody\r\n.");
      dialogue.close();
      const id = /queued as (\w+)/.exec(end)?.[1];
      if (id === undefined) return end;
      const listing =
        spawnSync("postqueue", ["-c", postfix.configDirectory, "-j"], { encoding: "utf8" }).stdout;
      const row = listing.split("\n").find((line) => line.includes(`"${id}"`));
      const queued = JSON.parse(row ?? "{}");
      // The listing shows external forms, and MAILER-DAEMON for the null sender.
      return {
        sender: queued.sender === "MAILER-DAEMON" ? "" : queued.sender,
        recipients: queued.recipients.map(({ address }: { address: string }) => address.replaceAll('"', "")),
      };
    }

    test.each(MESSAGES.map((message) => [message.join(" "), message] as const))("%s", async (_, message) => {
      const [sender, ...recipients] = message;
      expect(await ours(sender, recipients)).toEqual(await real(sender, recipients));
    });
  });
}
