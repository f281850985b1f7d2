// Addresses that end in `@`, with and without resolve_null_domain: what a session hears, and where the mail goes, beside the real Postfix.
import { expect } from "bun:test";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { freePort, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix");

const COMMON: Readonly<Record<string, string>> = {
  mail_name: "Postfix",
  myorigin: "example.com",
  mydestination: "example.com, mail.example.com",
  local_recipient_maps: "inline:{bob=x, table=x}",
  local_transport: "discard:local",
  default_transport: "discard:remote",
  relay_transport: "discard:relay",
  virtual_transport: "discard:virtual",
  relay_domains: "relay.example",
  relay_recipient_maps: "",
  virtual_alias_domains: "alias.example",
  virtual_alias_maps:
    "inline:{ {one@alias.example=bob@} , {two@alias.example=bob@relay.example@} , {three@alias.example=@} , {bob@=table@example.com} }",
  transport_maps: "inline:{ {bob@example.com=discard:bob} , {mail.example.com=discard:host} }",
  recipient_canonical_maps: "inline:{ {canon@relay.example=bob@} }",
  mynetworks: "",
  smtpd_client_port_logging: "no",
  smtpd_peername_lookup: "no",
  fast_flush_domains: "",
  smtpd_reject_unlisted_sender: "yes",
  smtpd_relay_restrictions: "reject_unauth_destination",
};

const LISTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: {},
  "sender and recipient checks": {
    smtpd_sender_restrictions:
      "check_sender_access inline:{ {ann@=REJECT null key} , {ann@example.com=REJECT own key} , {carl@=DUNNO} }, reject_unlisted_sender",
    smtpd_recipient_restrictions:
      "check_recipient_access inline:{ {eve@=REJECT null key} , {eve@example.com=REJECT own key} , {eve@mail.example.com=REJECT host key} }, reject_unauth_destination",
  },
  "fully qualified names": {
    smtpd_sender_restrictions: "reject_non_fqdn_sender",
    smtpd_recipient_restrictions: "reject_non_fqdn_recipient, reject_unauth_destination",
  },
  "nothing rewritten": { append_at_myorigin: "no", allow_percent_hack: "no", swap_bangpath: "no" },
  "rewriting for own clients": {
    local_header_rewrite_clients: "static:all",
    remote_header_rewrite_domain: "remote.invalid",
  },
};

const SENDERS = [
  "",
  "ann@",
  "ann@relay.example@",
  "ann@elsewhere.example@",
  "bob@",
  "nobody@",
  "@",
  '""@',
  "carl@",
];
const RECIPIENTS = [
  ...[
    "bob@",
    "nobody@",
    "bob@example.com@",
    "bob@relay.example@",
    "bob@elsewhere.example@",
    "@",
    '""@',
    '"bob"@',
    "bob.@",
  ],
  ...[
    "bob@@",
    "bob@example.com@@",
    '"bob@"',
    '"bob@elsewhere.example"@',
    "bob%elsewhere.example@",
    "elsewhere.example!bob@",
  ],
  ...[
    "bob@.",
    "eve@",
    "eve@example.com@",
    "postmaster@",
    "@relay.example:bob@",
    "one@alias.example",
    "two@alias.example",
  ],
  ...["three@alias.example", "canon@relay.example", "bob@relay.example.@", "bob+x@"],
];

interface System {
  readonly port: number;
  log(): string;
}

async function story({ port, log }: System): Promise<unknown> {
  const said: string[] = [];
  for (const sender of SENDERS) {
    const client = await talk(port);
    await client.say("EHLO x");
    for (const line of [`MAIL FROM:<${sender}>`, "RCPT TO:<bob@relay.example>", `VRFY <${sender}>`]) {
      said.push(`${line}: ${await client.say(line)}`);
    }
    client.end();
  }
  let taken = 0;
  for (const recipient of RECIPIENTS) {
    const client = await talk(port);
    await client.say("EHLO x");
    await client.say("MAIL FROM:<s@relay.example>");
    for (const line of [`VRFY <${recipient}>`, `RCPT TO:<${recipient}>`]) {
      said.push(`${line}: ${await client.say(line)}`);
    }
    if (said.at(-1)!.includes(": 250 ")) {
      await client.say("DATA");
      await client.say(`To: <${recipient}>\r\n\r\n.`);
      taken++;
    }
    client.end();
  }
  // Notices to the sender come later than what they tell of.
  const ends = () => log().split("\n").flatMap((line) => / (to=<(?!s@).*, status=.*)/.exec(line)?.[1] ?? []);
  await until(() => `the end of ${taken} messages:\n${log().slice(-3000)}`, () => ends().length >= taken);
  const plain = (text: string) => text.replace(/delays?=[^,]*, /g, "");
  return { said, ends: ends().map(plain).sort() };
}

for (const [name, lists] of Object.entries(LISTS)) {
  for (const nullDomain of ["no", "yes"]) {
    test(`${name}, resolve_null_domain = ${nullDomain}`, async () => {
      const main = { ...COMMON, ...lists, resolve_null_domain: nullDomain };
      const port = await freePort();
      const postfix = await startPostfix({ main, master: `127.0.0.1:${port} inet n - n - - smtpd` });
      const server = await startServer({
        mainCf: Object.entries(main).map(([key, value]) => `${key} = ${value}`),
      });
      try {
        await postfix.waitForLog(/daemon started/);
        const [theirs, ours] = await Promise.all([story({ port, log: postfix.log }), story(server)]);
        expect(ours).toEqual(theirs);
      } finally {
        await postfix.stop();
        await server.stop();
      }
    }, 180_000);
  }
}
