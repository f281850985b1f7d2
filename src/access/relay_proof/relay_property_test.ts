import { expect, test } from "bun:test";
import fc from "fast-check";
import { holds } from "../../../test/kit/repeatable.ts";
import { MISTAKEN, SANE } from "../../../test/access/relay_configurations.ts";
import { buildProof, type BuiltProof, itemsOf } from "../../../test/kit/relay_proof.ts";
import type { Attempt } from "./relay_session.ts";
import { OWN_CERTIFICATE } from "../relay_effect.ts";

const RUNS = Number(process.env.RELAY_RUNS ?? 1000);
/** In milliseconds: 50 times what a thousand take; more runs have more time. */
const WITHIN = Math.max(1, RUNS / 1000) * 250_000;
/** The test's own limit comes later, so that the seed is told. */
const TEST_LIMIT = { timeout: WITHIN + 90_000 };

const BASE = `
myhostname = mail.example.com
mydestination = example.com
virtual_alias_domains = alias.example
local_recipient_maps =
smtpd_tls_ask_ccert = yes
smtpd_sasl_auth_enable = yes
smtpd_restriction_classes = strict, lenient, loop, checked, mixed
strict = permit_mynetworks, reject_unauth_destination
lenient = check_sender_access inline:{ann@example.org=OK}
loop = check_helo_access inline:{loop.example=permit}, mixed
checked = warn_if_reject strict, check_client_access inline:{friend.example=OK,unknown=DUNNO}
mixed = loop, reject_unauth_destination, permit
`;

const DOMAINS = [
  "example.org",
  "sub.example.org",
  "partner.example",
  "stranger.example",
  "elsewhere.example",
];
const OWN = ["example.com", "relay.example", "alias.example"];
const ADDRESSES = [
  ...[...DOMAINS, ...OWN].flatMap((domain) => [`ann@${domain}`, `bob+x@${domain}`]),
  "ann@elsewhere.com",
];
/** The stranger's own domains, by what SPF says of them. */
const SPF_SENDERS = ["pass", "fail", "softfail"].map((word) => `ann@${word}.spf.stranger.example`);
const RECIPIENTS = [
  ...ADDRESSES,
  "a%elsewhere.example@example.com",
  "a%elsewhere.example@relay.example",
  "elsewhere.example!a@example.com",
  "x@[203.0.113.200]",
  "a@elsewhere.example@example.com",
  '"a@elsewhere.example"@example.com',
  '"a@elsewhere.example"@relay.example',
  "a%elsewhere.example",
  "a@elsewhere.example.",
  "postmaster@elsewhere.example",
];
const HELOS = [
  "mail.stranger.example",
  "partner.example",
  "loop.example",
  "198.51.100.77",
  "[198.51.100.77]",
];
const CLIENTS = [
  ["198.51.100.77", "mail.stranger.example"],
  ["198.51.100.78", "unknown"],
  ["192.0.2.5", "unknown"],
  ["203.0.113.9", "host.friend.example"],
  ["203.0.113.10", "friend.example.stranger.example"],
  ["203.0.113.11", "mail.relay.example"],
  ["203.0.113.12", "10.stranger.example"],
  ["2a00:77::77", "mail.stranger.com"],
] as const;

const VALUES = [
  ...[
    "OK",
    "RELAY",
    "12345",
    "DUNNO",
    "DUNNO",
    "REJECT",
    "DISCARD",
    "HOLD",
    "permit",
    "strict",
    "lenient",
    "mixed",
  ],
  ...[
    "{permit_mynetworks, reject}",
    "{reject_unauth_destination, permit}",
    "checked",
    "loop",
    "permit_mynetworks",
  ],
  ...[
    "{warn_if_reject reject_unauth_destination}",
    "{450 later}",
    "DEFER_IF_PERMIT",
    "{REDIRECT x@example.com}",
  ],
];

const KEYS = {
  client: ["192.0.2.5", "203.0.113", "friend.example", ".friend.example", "unknown", "com", "198"],
  helo: ["partner.example", "loop.example", "stranger.example"],
  sender: [
    "ann@example.org",
    "example.org",
    ".example.org",
    "partner.example",
    "ann@",
    "@example.org",
    "<>",
    "com",
  ],
  recipient: [
    "partner.example",
    "ann@elsewhere.example",
    "postmaster@",
    "@elsewhere.example",
    "example.com",
    "org",
  ],
  spf: [
    "pass",
    "none",
    "fail",
    "softfail",
    "pass:stranger.example",
    "pass:pass.spf.stranger.example",
    "fail:.stranger.example",
    "none:partner.example",
  ],
};
const PATTERNS = {
  client: ["/friend\\.example/", "/friend\\.example$$/", "/^198\\./", "/unknown/", "/./", "/^mail/"],
  helo: ["/partner/", "/^\\[/", "/^[0-9.]+$$/", "/./"],
  sender: ["/@example\\.org$$/", "/example\\.org/", "/^(ann|bob)@/", "/^$$/", "/./", "!/stranger/"],
  recipient: ["/@partner\\.example$$/", "/partner/", "/^postmaster@/", "/./", "/elsewhere\\.com$$/"],
  spf: ["/^pass/", "/^none/", "/stranger/", "/./", "/^(soft)?fail:/"],
};
type About = keyof typeof KEYS;

const value = fc.constantFrom(...VALUES);
const indexed = (about: About) =>
  fc.array(fc.tuple(fc.constantFrom(...KEYS[about]), value), { minLength: 1, maxLength: 3 }).map((pairs) =>
    `check_${about}_access inline:{ ${
      pairs.map(([key, result]) => `{${key} = ${result.replace(/^\{|\}$/g, "")}}`).join(", ")
    } }`
  );
const rule = (about: About) =>
  fc.tuple(fc.constantFrom(...PATTERNS[about]), value).map(([pattern, result]) =>
    `{${pattern} ${result.replace(/^\{|\}$/g, "")}}`
  );
const patterns = (about: About) =>
  fc.tuple(
    fc.constantFrom("regexp", "pcre"),
    fc.option(fc.constantFrom(...PATTERNS[about])),
    fc.array(rule(about), { minLength: 1, maxLength: 3 }),
    fc.array(rule(about), { maxLength: 2 }),
  ).map(([type, condition, first, rest]) => {
    const rules = condition === null ? first : [`{if ${condition}}`, ...first, "{endif}"];
    return `check_${about}_access ${type}:{ ${[...rules, ...rest].join(", ")} }`;
  });
const everyKey = (about: About) => value.map((result) => `check_${about}_access static:${result}`);
const ABOUTS: readonly About[] = ["client", "helo", "sender", "recipient", "spf"];

const PLAIN = [
  ...["permit_mynetworks", "permit_sasl_authenticated", "permit_auth_destination", "permit_tls_clientcerts"],
  ...[
    "reject_unauth_destination",
    "reject_unauth_destination",
    "defer_unauth_destination",
    "reject",
    "defer",
  ],
  ...[
    "reject_unlisted_recipient",
    "reject_non_fqdn_sender",
    "reject_unknown_client_hostname",
    "defer_if_permit",
  ],
  ...[
    "defer_if_reject",
    "strict",
    "lenient",
    "loop",
    "checked",
    "mixed",
    "permit_naked_ip_address",
    "permit",
  ],
  ...[
    "reject_plaintext_session",
    "reject_non_fqdn_helo_hostname",
    "check_relay_domains",
    "permit_inet_interfaces",
  ],
  "check_spf",
  "check_ccert_access static:OK",
  "check_ccert_access inline:{AA:BB=OK}",
  "check_sasl_access static:OK",
  "check_reverse_client_hostname_access static:OK",
  "check_client_access cidr:{{192.0.2.0/24 OK}}",
  "check_client_access cidr:{{!10.0.0.0/8 permit}}",
  "permit_tls_all_clientcerts",
  "reject_rbl_client dnsbl.example",
  "check_policy_service inet:127.0.0.1:9",
  "permit_mx_backup",
  "permit_dnswl_client dnswl.example",
  "permit_rhswl_client dnswl.example",
  "reject_unverified_recipient",
  "reject_sender_login_mismatch",
  "reject_unknown_sender_domain",
  "check_sender_mx_access static:OK",
  "check_recipient_mx_access static:permit",
  "check_client_a_access static:OK",
  "check_helo_ns_access static:lenient",
  "check_sasl_access inline:{anonymous=OK}",
  "static:OK",
  "inline:{{partner.example = OK}}",
  "no_such_word",
  "PERMIT_MYNETWORKS",
  "Reject_Unauth_Destination",
  "check_recipient_access proxy:mysql:/etc/mta/recipients.cf",
  "check_recipient_access proxy:inline:{{partner.example = OK}}",
  "check_sender_access unionmap:{inline:{{example.org = OK}}, static:DUNNO}",
  "check_sender_access pipemap:{inline:{{example.org = x}}, inline:{{x = OK}}}",
  "check_sender_access mysql:/etc/mta/senders.cf",
  "check_client_access proxy:ldap:/etc/mta/clients.cf",
];

const restriction = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...PLAIN) },
  ...ABOUTS.map((about) => ({ weight: 2, arbitrary: indexed(about) })),
  ...ABOUTS.map((about) => ({ weight: 1, arbitrary: patterns(about) })),
  ...ABOUTS.map((about) => ({ weight: 1, arbitrary: everyKey(about) })),
);
const warned = fc.tuple(fc.boolean(), fc.boolean(), restriction).map(([a, b, text]) =>
  a && b ? `warn_if_reject ${text}` : text
);
const list = (maxLength: number) => fc.array(warned, { maxLength }).map((items) => items.join(",\n  "));
const yesNo = fc.constantFrom("yes", "no");

const configuration = fc.record({
  smtpd_relay_restrictions: fc.oneof({ weight: 2, arbitrary: fc.constant("") }, {
    weight: 3,
    arbitrary: list(4),
  }),
  smtpd_recipient_restrictions: list(5),
  smtpd_sender_restrictions: fc.oneof({ weight: 2, arbitrary: fc.constant("") }, {
    weight: 1,
    arbitrary: list(3),
  }),
  smtpd_client_restrictions: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, {
    weight: 1,
    arbitrary: list(2),
  }),
  smtpd_helo_restrictions: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, {
    weight: 1,
    arbitrary: list(2),
  }),
  smtpd_data_restrictions: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, {
    weight: 1,
    arbitrary: list(2),
  }),
  smtpd_end_of_data_restrictions: fc.oneof({ weight: 4, arbitrary: fc.constant("") }, {
    weight: 1,
    arbitrary: list(2),
  }),
  smtpd_delay_reject: yesNo,
  smtpd_relay_before_recipient_restrictions: yesNo,
  smtpd_helo_required: yesNo,
  access_at_domain_keys: yesNo,
  compatibility_level: fc.constantFrom("0", "3.6"),
  relay_domains: fc.constantFrom(...[
    "relay.example",
    "relay.example",
    "relay.example",
    "!x.example, relay.example",
  ], ...[
    "relay.example, example",
    "relay.example, static:all",
    "regexp:{{/^relay\\.example$$/ x}}",
    ".relay.example",
  ]),
  parent_domain_matches_subdomains: fc.constantFrom("smtpd_access_maps, relay_domains", "", "relay_domains"),
  allow_percent_hack: yesNo,
  swap_bangpath: yesNo,
  allow_untrusted_routing: fc.constantFrom("no", "no", "yes"),
  resolve_dequoted_address: fc.constantFrom("yes", "yes", "no"),
  mynetworks: fc.constantFrom(
    ...Array<string>(20).fill("10.0.0.0/8"),
    ...["10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8, 192.0.2.5", "0.0.0.0/0", "!192.0.2.5, 0.0.0.0/0"],
    ...["10.0.0.0/8, friend.example", "10.0.0.0/8, com", "10.0.0.0/8, .com", "10.0.0.0/8, inline:{{com=x}}"],
    ...["regexp:{{/^10\\./ x}}", "pcre:{{/^10\\.0\\./ x}}", "inline:{{unknown=x}}", "10.0.0.0/8, static:x"],
    ...["cidr:{{10.0.0.0/8 x}, {0.0.0.0/1 x}}", "regexp:{{/friend\\.example$$/ x}}", "!unknown, 10.0.0.0/8"],
  ),
  smtpd_sasl_security_options: fc.constantFrom("noanonymous", "noanonymous", "noplaintext"),
  relay_clientcerts: fc.constantFrom("", "", "inline:{{AA:BB=x}}", "static:x", "regexp:{{/:/ x}}"),
  permit_mx_backup_networks: fc.constantFrom("", "198.51.100.0/24"),
  reject_code: fc.constantFrom("554", "554", "200"),
  relay_domains_reject_code: fc.constantFrom("554", "554", "250"),
  soft_bounce: fc.constantFrom("no", "no", "yes"),
  recipient_delimiter: fc.constantFrom("", "+"),
  smtpd_reject_unlisted_recipient: yesNo,
});

/** Clients that mynetworks names one by one. */
function isNamed(mynetworks: string, [address, name]: readonly [string, string]): boolean {
  return (mynetworks === "10.0.0.0/8, 192.0.2.5" && address === "192.0.2.5") ||
    (/, friend\.example$|friend\\\.example\$\$/.test(mynetworks) && name.endsWith(".friend.example"));
}

const session = fc.record({
  client: fc.constantFrom(...CLIENTS),
  helo: fc.option(fc.constantFrom(...HELOS)),
  sender: fc.constantFrom("", ...ADDRESSES, ...SPF_SENDERS),
  recipient: fc.constantFrom(...RECIPIENTS),
  secured: fc.constantFrom("no", "plain", "certificate"),
  recipients: fc.constantFrom(1, 2),
  others: fc.constantFrom("silent", "silent", "lenient"),
  login: fc.constantFrom("none", "none", "anonymous"),
});

function attemptOf({ client: [address, name], helo, sender, recipient, secured, recipients, login }: {
  readonly client: readonly [string, string];
  readonly helo: string | null;
  readonly sender: string;
  readonly recipient: string;
  readonly secured: string;
  readonly recipients: number;
  readonly login?: string;
}): Attempt {
  const status = name === "unknown" ? 5 : 2;
  const facts: Attempt["facts"] = {
    service: "smtp",
    client: {
      address,
      port: 40_000,
      name,
      reverseName: name,
      nameStatus: status,
      reverseNameStatus: status,
    },
    server: { address: "192.0.2.1", port: 25 },
    peerAddress: address,
    protocol: "ESMTP",
    ...(helo !== null && { helo }),
    sender,
    recipient,
    recipientCount: 0,
    size: 0,
    ...(login === "anonymous" && { saslUsername: "anonymous", saslMethod: "ANONYMOUS" }),
    ...(secured !== "no" && { tls: { ...OWN_CERTIFICATE, ...(secured === "plain" && { peer: undefined }) } }),
  };
  return { facts, recipients };
}

/** Whether the report names the client or the recipient's domain of a session. */
function isStated(
  { proof }: BuiltProof,
  { facts: { client } }: Attempt,
  recipient: string,
  others: string,
): boolean {
  const domain = recipient.slice(recipient.lastIndexOf("@") + 1);
  const named = [...proof.surely, ...proof.loosely].join("\n").replace(
    "name in relay_domains",
    "$& relay.example",
  );
  if (others === "lenient" && named.includes("permit_mx_backup")) return true;
  const parts = client.name.split(".");
  const names = parts.map((_, at) => parts.slice(at).join(".")).filter((name) => name.includes("."));
  const prefix = client.address.split(".").slice(0, 3).join(".");
  return [
    client.address,
    prefix,
    client.address.split(".")[0]!,
    ...names,
    domain,
    domain.replace(/^[^.]*\./, ""),
  ]
    .some((text) => named.includes(text.replaceAll(".", "\\.")) || named.includes(text));
}

test(
  "a configuration that is called closed lets no stranger relay, whatever the lists, the tables and the session",
  async () => {
    const verdicts = { open: 0, doubt: 0, loose: 0, closed: 0 };
    let relayed = 0;
    await holds(
      fc.asyncProperty(
        configuration,
        fc.array(session, { minLength: 25, maxLength: 25 }),
        async (settings, sessions) => {
          const main = Object.entries(settings).map(([name, text]) => `${name} = ${text}\n`).join("");
          const built = await buildProof(BASE + main);
          verdicts[built.verdict]++;
          for (const each of sessions) {
            const anonymous = settings.smtpd_sasl_security_options !== "noanonymous";
            const attempt = attemptOf(anonymous ? each : { ...each, login: "none" });
            if (settings.smtpd_helo_required === "yes" && attempt.facts.helo === undefined) continue;
            const to = await built.relaysTo(attempt, /[@.]relay\.example\.?$/, each.others);
            if (to === undefined || isNamed(settings.mynetworks, each.client)) continue;
            relayed++;
            const warned = built.verdict === "open" || built.verdict === "doubt" ||
              isStated(built, attempt, to, each.others);
            expect(warned, `${main}\n${JSON.stringify(attempt)}`).toBe(true);
          }
        },
      ),
      { numRuns: RUNS, within: WITHIN },
    );
    console.log(`${RUNS} configurations: ${JSON.stringify(verdicts)}; ${relayed} sessions relayed`);
    expect(relayed).toBeGreaterThan(RUNS / 10);
  },
  TEST_LIMIT,
);

/** One edit of a restriction list, such as somebody makes late at night. */
const EDITS = [
  ...["permit", "check_sender_access static:OK", "check_recipient_access static:permit", "warn_if_reject"],
  ...["check_client_access regexp:{{/example/ OK}}", "check_helo_access inline:{{partner.example = OK}}"],
  ...[
    "reject_unauth_destination",
    "check_sender_access inline:{{partner.example = OK},{example.org = OK}}",
    "",
  ],
];

test("one edit anywhere in a list that people run never opens it unnoticed", async () => {
  const lists = ["smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_sender_restrictions"];
  const verdicts = { open: 0, doubt: 0, loose: 0, closed: 0 };
  let relayed = 0;
  await holds(
    fc.asyncProperty(
      fc.constantFrom(...SANE, ...MISTAKEN),
      fc.constantFrom(...lists),
      fc.nat(),
      fc.boolean(),
      fc.constantFrom(...EDITS),
      fc.array(session, { minLength: 20, maxLength: 20 }),
      async ({ main }, list, at, replaces, edit, sessions) => {
        const items = itemsOf(main, list).map((item) => item.replaceAll("$", "$$$$"));
        items.splice(at % (items.length + 1), replaces ? 1 : 0, ...edit === "" ? [] : [edit]);
        const edited = `${main}\n${list} = ${items.join(", ")}\n`;
        const built = await buildProof(edited);
        verdicts[built.verdict]++;
        for (const each of sessions) {
          const attempt = attemptOf({ ...each, login: "none" });
          const to = await built.relaysTo(attempt, undefined, each.others);
          if (to === undefined || built.trusts(attempt.facts.client.address)) continue;
          relayed++;
          const noticed = built.verdict === "open" || built.verdict === "doubt" ||
            isStated(built, attempt, to, each.others);
          expect(noticed, `${edited}\n${JSON.stringify(attempt)}`).toBe(true);
        }
      },
    ),
    { numRuns: RUNS, within: WITHIN },
  );
  console.log(`${RUNS} edits: ${JSON.stringify(verdicts)}; ${relayed} sessions relayed`);
  expect(relayed).toBeGreaterThan(RUNS / 10);
}, TEST_LIMIT);
