// What `explain` says a session is answered, a live session is answered: over all scenarios of the access policy, and over
// random lists, tables and sessions; and the edits that it names do what it says, when they are made.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ACTION_SCENARIOS } from "../../test/access/action_scenarios.ts";
import { COMMON, type Scenario, SCENARIOS } from "../../test/access/scenarios.ts";
import { ROW_ZONE, WORLDLY_ROWS } from "../../test/access/worldly_row_scenarios.ts";
import { policyRule, WORLDLY, ZONE } from "../../test/access/worldly_scenarios.ts";
import { type DnsServer, startDnsServer } from "../../test/kit/servers/dns_server.ts";
import { policyKit } from "../../test/kit/policy.ts";
import { type PolicyDaemon, startPolicyDaemon } from "../../test/kit/servers/policy_daemon.ts";
import { type MemorySmtpd, memorySmtpd } from "../../test/kit/memory/memory_smtpd.ts";
import {
  ask,
  type Dialogue,
  dialogueOver,
  enter,
  type ScriptClient,
} from "../../test/kit/scenes/play_session.ts";
import { explainKit } from "../../test/kit/explain.ts";
import { quoteAddress } from "../address/address.ts";
import { createSystemResolver } from "../dns/system_resolver.ts";
import { openExplainParts } from "../worker/explain_parts.ts";
import { accept } from "../smtp/reply.ts";
import { anywhere, COMMANDS, type CommandTable } from "../smtpd/session/commands.ts";
import { answer } from "../smtpd/step.ts";
import type { ClientName } from "../dns/reverse.ts";
import { explain } from "./explain.ts";
import type { Explanation } from "./explanation.ts";
import { meaningOf } from "./outcome.ts";
import type { ExplainOptions, SessionDescription } from "./session_description.ts";

const PLAIN: Readonly<Record<string, string>> = {
  smtpd_authorized_xclient_hosts: "127.0.0.0/8",
  smtpd_error_sleep_time: "0",
  smtpd_soft_error_limit: "1000",
  smtpd_hard_error_limit: "1000",
  smtpd_policy_service_try_limit: "1",
};

const missing = (status: 4 | 5 | undefined) => status === 4 ? "[TEMPUNAVAIL]" : "[UNAVAILABLE]";

function clientOf(client: ScriptClient): SessionDescription["client"] {
  const name = client.name ?? missing(client.nameStatus);
  const reverseName = client.reverseName ?? client.name ?? missing(client.reverseNameStatus);
  return { address: client.address ?? "192.0.2.7", port: 40_000, name, reverseName };
}

const written = (address: string) => /[ "]/.test(address) ? quoteAddress(address) : address;

/** The first transaction of a script as a description; undefined for scripts about something else. */
function describeScript(client: ScriptClient, commands: readonly string[]): SessionDescription | undefined {
  const rest = (command: string) => command.slice(command.indexOf(" ") + 1);
  const hello = commands.find((command) => /^(?:EHLO|HELO) /.test(command));
  const mail = commands.findIndex((command) => command === "MAIL" || command.startsWith("MAIL "));
  if (hello === undefined || client.peer !== undefined) return undefined;
  const after = mail < 0 ? [] : commands.slice(mail + 1);
  const end = after.findIndex((command) => !command.startsWith("RCPT "));
  const recipients = after.slice(0, end < 0 ? undefined : end).map(rest).map(written);
  return {
    client: clientOf(client),
    helo: rest(hello),
    ...(hello.startsWith("HELO") && { smtp: true }),
    ...(mail >= 0 && { sender: written(commands[mail] === "MAIL" ? "" : rest(commands[mail]!)) }),
    recipients,
    ...(client.login !== undefined && { login: { username: client.login, method: "XCLIENT" } }),
  };
}

const HOW = { dns: false, askPolicy: true, edits: false } as const;

function xclient({ client: { address, name, reverseName }, login }: SessionDescription): string {
  const as = login === undefined ? "" : ` LOGIN=${login.username}`;
  const given = address.includes(":") ? `IPV6:${address}` : address;
  return `XCLIENT NAME=${name} REVERSE_NAME=${reverseName} ADDR=${given} PORT=40000${as}`;
}

/** Says to a live smtpd what the explanation says that the client says. */
async function livingReplies(dialogue: Dialogue, { session, commands }: Explanation): Promise<string[]> {
  await dialogue.reply();
  const replies: string[] = [];
  for (const { command } of commands) {
    replies.push(await ask(dialogue, command === "" ? xclient(session) : command));
  }
  dialogue.close();
  return replies;
}

const queued = (reply: string) => reply.replace(/queued as \w+/, "queued as ID");

/** XCLIENT is offered to the live session's real peer only. */
const offered = (reply: string) =>
  reply.replace("250-XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT\r\n", "");

async function agrees(
  parts: MemorySmtpd,
  session: SessionDescription,
  live: (explanation: Explanation) => Promise<string[]> = (explanation) =>
    livingReplies(enter(parts), explanation),
  how: ExplainOptions = HOW,
): Promise<Explanation> {
  const explanation = await explain(parts.configuration, session, how, openExplainParts);
  const living = await live(explanation);
  const said = explanation.commands.map(({ reply }) => reply.join("\r\n"));
  expect(said.map(queued)).toEqual(living.map(queued).map(offered));
  return explanation;
}

/** Their answer depends on the real peer of the connection, who is another under XCLIENT. */
const KNOWS_PEER = /permit_inet_interfaces/;

describe("a scenario of the access policy is explained as it is answered", () => {
  for (const { name, settings, sessions } of [...SCENARIOS, ...ACTION_SCENARIOS] satisfies Scenario[]) {
    if (KNOWS_PEER.test(JSON.stringify(settings))) continue;
    test(name, async () => {
      const parts = memorySmtpd({ ...COMMON, ...PLAIN, ...settings });
      for (const { client = {}, commands } of sessions) {
        const session = describeScript(client, commands);
        if (session !== undefined) await agrees(parts, session);
      }
    });
  }
});

describe("a scenario that needs the DNS, policy servers and logins is explained as it is answered", () => {
  let dns: DnsServer;
  let policy: PolicyDaemon;
  beforeAll(async () => {
    dns = await startDnsServer({ ...ZONE, ...ROW_ZONE });
    policy = await startPolicyDaemon(policyRule);
  });
  afterAll(() => Promise.all([dns.close(), policy.close()]));

  for (const { name, settings, sessions } of [...WORLDLY, ...WORLDLY_ROWS]) {
    test(name, async () => {
      const named = JSON.parse(JSON.stringify(settings).replaceAll("%POLICY%", `127.0.0.1:${policy.port}`));
      const main = { ...COMMON, ...PLAIN, dns_servers: dns.address, ...named };
      const text = memorySmtpd(main).configuration.texts!.main;
      const access = policyKit(text, { dns: createSystemResolver([dns.address]) }).policy;
      const parts = memorySmtpd(main, { access });
      for (const { client = {}, commands } of sessions) {
        const session = describeScript(client, commands);
        if (session !== undefined) await agrees(parts, session, undefined, { ...HOW, dns: true });
      }
    });
  }
});

const ACTIONS = [
  "OK",
  "REJECT",
  "REJECT gone away",
  "DUNNO",
  "DEFER",
  "450 later",
  "554 5.7.1 no",
  "HOLD",
  "DISCARD",
  "WARN hm",
  "INFO hm",
  "REDIRECT bob@example.com",
  "PREPEND X-Seen: yes",
  "FILTER smtp:[127.0.0.1]",
  "BCC alice@example.com",
  "DEFER_IF_PERMIT",
  "DEFER_IF_REJECT",
  "strict",
  "lenient",
  "permit_mynetworks",
  "reject_unauth_destination",
  "12345",
];
const KEYS = [
  "ann@example.org",
  "example.org",
  "org",
  "@example.org",
  "bob@example.com",
  "nobody@example.com",
  "example.com",
  "bob@",
  "192.0.2.7",
  "192.0.2",
  "10.1.2.3",
  "client.example.org",
  "client",
  "x@elsewhere.example",
  "elsewhere.example",
  "<>",
  "@example.com",
];
const entry = fc.tuple(fc.constantFrom(...KEYS), fc.constantFrom(...ACTIONS)).map(([key, action]) =>
  `{ ${key} = ${action} }`
);
const table = fc.array(entry, { minLength: 1, maxLength: 4 }).map((entries) =>
  `inline:{ ${entries.join(", ")} }`
);
const lookup = fc.tuple(
  fc.constantFrom("client", "helo", "sender", "recipient", "reverse_client_hostname"),
  table,
).map(([what, of]) => `check_${what}_access ${of}`);
const plain = fc.constantFrom(
  "permit_mynetworks",
  "permit_sasl_authenticated",
  "reject_unauth_destination",
  "defer_unauth_destination",
  "permit_auth_destination",
  "reject_unlisted_recipient",
  "reject_unlisted_sender",
  "reject_non_fqdn_sender",
  "reject_non_fqdn_recipient",
  "reject_non_fqdn_helo_hostname",
  "reject_invalid_helo_hostname",
  "reject_unknown_client_hostname",
  "reject_unknown_reverse_client_hostname",
  "reject_unknown_sender_domain",
  "reject_unknown_recipient_domain",
  "reject_rbl_client bl.example",
  "permit_dnswl_client wl.example",
  "check_sender_mx_access static:REJECT",
  "check_policy_service inet:127.0.0.1:1",
  "reject_multi_recipient_bounce",
  "sleep 0",
  "defer_if_permit",
  "defer_if_reject",
  "reject_plaintext_session",
  "strict",
  "lenient",
  "defer",
  "reject",
  "permit",
  "warn_if_reject reject",
  "warn_if_reject reject_unauth_destination",
  "warn_if_reject strict",
  "nonsense",
);
const restrictions = fc.array(fc.oneof({ weight: 3, arbitrary: plain }, { weight: 2, arbitrary: lookup }), {
  maxLength: 5,
})
  .map((items) => items.join(", "));
const yes = fc.constantFrom("yes", "no");
const settings = fc.record({
  smtpd_client_restrictions: restrictions,
  smtpd_helo_restrictions: restrictions,
  smtpd_sender_restrictions: restrictions,
  smtpd_recipient_restrictions: restrictions,
  smtpd_data_restrictions: fc.constantFrom(
    "",
    "",
    "reject_multi_recipient_bounce",
    "reject_unauth_pipelining",
    "defer",
  ),
  smtpd_end_of_data_restrictions: fc.constantFrom(
    "",
    "",
    "",
    "check_sender_access inline:{example.org=REJECT}",
  ),
  smtpd_delay_reject: yes,
  smtpd_reject_unlisted_sender: yes,
  smtpd_relay_before_recipient_restrictions: yes,
  soft_bounce: fc.constantFrom("no", "no", "yes"),
  access_at_domain_keys: yes,
});
const session = fc.record({
  client: fc.constantFrom<SessionDescription["client"]>(
    { address: "192.0.2.7", port: 40_000, name: "client.example.org", reverseName: "client.example.org" },
    { address: "192.0.2.7", port: 40_000, name: "[UNAVAILABLE]", reverseName: "client.example.org" },
    { address: "198.51.100.9", port: 40_000, name: "[TEMPUNAVAIL]", reverseName: "[TEMPUNAVAIL]" },
    { address: "10.1.2.3", port: 40_000, name: "host.inside.example", reverseName: "host.inside.example" },
    { address: "2001:db8::7", port: 40_000, name: "[UNAVAILABLE]", reverseName: "[UNAVAILABLE]" },
  ),
  helo: fc.constantFrom("client.example.org", "client", "[192.0.2.7]", "a..b"),
  smtp: fc.boolean(),
  sender: fc.constantFrom("ann@example.org", "", "nobody@example.com", "bob", "ann@[192.0.2.1]"),
  recipients: fc.array(
    fc.constantFrom(
      "bob@example.com",
      "bob+x@example.com",
      "nobody@example.com",
      "x@elsewhere.example",
      "known@relay.example",
      "x@relay.example",
      "info@alias.example",
      "ann@vmail.example",
      "user%elsewhere.example@example.com",
      "postmaster",
    ),
    { minLength: 1, maxLength: 3 },
  ),
  login: fc.option(fc.constant({ username: "ann", method: "XCLIENT" }), { nil: undefined }),
});

const CLASSES = {
  smtpd_restriction_classes: "strict, lenient",
  strict: "permit_mynetworks, reject_unauth_destination, check_sender_access inline:{example.org=REJECT}",
  lenient: "check_client_access inline:{192.0.2.7=OK}, permit_auth_destination",
};

/** The commands, with an AUTH that believes everybody. */
function commandsWith(login: SessionDescription["login"]): CommandTable {
  const auth = anywhere((phase, { facts }) => ({
    ...answer(phase, accept(235, "2.7.0", "Authentication successful")),
    facts: { ...facts, login },
  }));
  return { ...COMMANDS, AUTH: { counted: "auth", places: auth } };
}

/** Says the same from the client's own address; whoever logs in does so after EHLO, as with AUTH. */
async function ownReplies(parts: MemorySmtpd, { session, commands }: Explanation): Promise<string[]> {
  const connection = parts.connect(session.client.address);
  const dialogue = dialogueOver(connection, parts);
  const replies = [await dialogue.reply()];
  for (const { command } of commands.slice(1)) {
    replies.push(await ask(dialogue, command));
    if (/^(?:EHLO|HELO)/.test(command) && session.login !== undefined) await ask(dialogue, "AUTH");
  }
  dialogue.close();
  return replies;
}

const status = (name: string | undefined) => name === "[TEMPUNAVAIL]" ? 4 : name === "[UNAVAILABLE]" ? 5 : 2;
const known = (name: string | undefined) => status(name) === 2 ? name! : "unknown";

/** What the DNS says of a described client. */
function nameOf({ name, reverseName }: SessionDescription["client"]): ClientName {
  return {
    name: known(name),
    nameStatus: status(name),
    reverseName: known(reverseName),
    reverseNameStatus: status(reverseName),
  };
}

test("random lists, tables and sessions are explained as they are answered", async () => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(settings, session, async (lists, described) => {
      const main = { ...COMMON, ...PLAIN, ...CLASSES, ...lists, smtpd_peername_lookup: "yes" };
      const parts = memorySmtpd(main, {
        clientName: nameOf(described.client),
        commands: commandsWith(described.login),
      });
      const { outcome } = await agrees(parts, described, (explanation) => ownReplies(parts, explanation));
      if (outcome !== "permit") refused++;
    }),
    { numRuns: 200 },
  );
  expect(refused).toBeGreaterThan(50);
}, 60_000);

/** A list over several lines of main.cf, as people write them. */
const overLines = (items: string) => items.replaceAll(", ", ",\n  # and\n  ");

test("edits for random lists and sessions do what they say when they are made", async () => {
  let made = 0;
  await fc.assert(
    fc.asyncProperty(settings, session, fc.boolean(), async (lists, described, long) => {
      const entries = Object.entries({
        ...COMMON,
        ...CLASSES,
        ...lists,
        smtpd_policy_service_try_limit: "1",
      });
      const main = entries.map(([name, value]) => `${name} = ${long ? overLines(value) : value}\n`).join("");
      const kit = explainKit(main, {}, false);
      try {
        const { edits, outcome } = await kit.explain(described, { ...HOW, askPolicy: false, edits: true });
        for (const edit of edits) {
          kit.write("main.cf", main);
          kit.make(edit);
          const again = await kit.explain(described, { ...HOW, askPolicy: false });
          const command = again.commands.find((each) => each.command === edit.command)!;
          expect(command.reply.join(" / ")).toBe(edit.reply);
          expect(meaningOf(command) === "permit").toBe(outcome !== "permit");
          made++;
        }
      } finally {
        kit.close();
      }
    }),
    { numRuns: 50 },
  );
  expect(made).toBeGreaterThan(10);
}, 60_000);
