// Random restriction lists, tables and sessions. Everything that matters meets often: keys and names come from small pools.
import fc from "fast-check";
import type { ScriptClient } from "../kit/scenes/play_session.ts";
import { ACTIONS } from "./action_scenarios.ts";
import type { Scenario } from "./scenarios.ts";

const CLIENT_ADDRESSES = [
  "192.0.2.66",
  "192.0.2.67",
  "192.0.2.1",
  "10.1.2.3",
  "198.51.100.68",
  "2001:db8:1::5",
  "2001:db8::66",
];
const CLIENT_NAMES = [
  "client.example.org",
  "evil.example",
  "sub.evil.example",
  "good.example",
  "bad.example",
  "host.trusted.example",
];
const HELOS = [
  "client.example.org",
  "evil.example",
  "host",
  "[192.0.2.1]",
  "[1.2]",
  "192.0.2.1",
  "bad_name!",
  "nosuch.example",
  "servfail.example",
  "bad.example",
];
const SENDERS = [
  "ann@example.org",
  "",
  "x@evil.example",
  "x@sub.evil.example",
  "bob@example.com",
  "nobody@example.com",
  "me@bad.example",
  "a@host",
  "plain",
  "x@nosuch.example",
  "x@servfail.example",
  "x@nullmx.example",
  "x@[192.0.2.1]",
  "list-owner@relay.example",
  "user+tag@good.example",
  "a b@good.example",
];
const RECIPIENTS = [
  "bob@example.com",
  "alice@example.com",
  "bob+ext@example.com",
  "nobody@example.com",
  "postmaster",
  "info@alias.example",
  "unknown@alias.example",
  "ann@vmail.example",
  "nobody@vmail.example",
  "known@relay.example",
  "unknown@relay.example",
  "x@elsewhere.example",
  "x@evil.example",
  "x@backup.example",
  "x@nosuch.example",
  "x@servfail.example",
  "closed@example.com",
  "bob%elsewhere.example@example.com",
  "known@relay.example@example.com",
  "x@[192.0.2.9]",
  "plain",
  "x@host",
];
const ETRNS = ["evil.example", "good.example", "sub.evil.example", "relay2.example"];

const CLIENT_KEYS = [
  ...CLIENT_ADDRESSES,
  ...CLIENT_NAMES,
  "192.0.2",
  "10.1",
  "2001:db8",
  "example",
  ".evil.example",
  "unknown",
];
const HELO_KEYS = [...HELOS, "example.org", "example", ".evil.example"];
const SENDER_KEYS = [
  ...SENDERS.filter((key) => key !== "" && !key.includes(" ")),
  "evil.example",
  "bad.example",
  "example.org",
  "x@",
  "<>",
  "user@good.example",
  ".evil.example",
  '"a b"@good.example',
];
const RECIPIENT_KEYS = [
  ...RECIPIENTS,
  "example.com",
  "relay.example",
  "x@",
  "bob@",
  "evil.example",
  "example",
];
const SERVER_KEYS = [
  "mx.evil.example",
  "ns.evil.example",
  "198.51.100",
  "198.51.100.68",
  "192.0.2.81",
  "ns.good.example",
  "evil.example",
  "127.0.0.1",
];

/** Actions that end a session at once hide what follows: there are fewer of them. */
const CALM_ACTIONS = ACTIONS.filter((action) => !/^(?:421|521)/.test(action) && !action.startsWith("554 "));

interface Names {
  /** Classes that may be named here; only of later ones, so that no class reaches itself. */
  readonly classes: readonly string[];
}

const action = ({ classes }: Names) =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom(
        "OK",
        "REJECT",
        "DUNNO",
        "DEFER",
        "DEFER_IF_PERMIT x",
        "DEFER_IF_REJECT y",
        "450 4.7.9 z",
        "550 5.1.1 w",
      ),
    },
    { weight: 6, arbitrary: fc.constantFrom(...CALM_ACTIONS.filter((text) => !/a_class/i.test(text))) },
    { weight: 1, arbitrary: fc.constantFrom("421 4.3.2 leave", "521 5.3.2 closed") },
    { weight: classes.length === 0 ? 0 : 4, arbitrary: fc.constantFrom(...classes, "reject") },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        "reject_unauth_destination",
        "permit_auth_destination",
        "permit_mynetworks reject",
        "warn_if_reject reject_non_fqdn_sender",
        "reject_non_fqdn_helo_hostname, permit",
      ),
    },
  );

const tableOf = (keys: readonly string[], names: Names) =>
  fc.uniqueArray(fc.tuple(fc.constantFrom(...keys), action(names)), {
    minLength: 1,
    maxLength: 6,
    selector: ([key]) => key.toLowerCase(),
  })
    .map((rows) => `inline:{${rows.map(([key, value]) => `{${key}=${value}}`).join(",")}}`);

/** Patterns see whole keys only; `$$` is a `$` in main.cf. */
const patternTable = (names: Names) =>
  fc.tuple(
    fc.constantFrom("regexp", "pcre"),
    fc.uniqueArray(
      fc.tuple(
        fc.constantFrom(
          "evil",
          "^bob@",
          "example\\.com$$",
          "^192\\.0\\.2\\.6[67]$$",
          "@",
          "^unknown$$",
          "!/good/",
          "^(.*)@host$$",
          "bad",
        ),
        action(names),
      ),
      { minLength: 1, maxLength: 3, selector: ([pattern]) => pattern },
    ),
  ).map(([type, rows]) =>
    `${type}:{${
      rows.map(([pattern, value]) => `{${pattern.startsWith("!") ? pattern : `/${pattern}/`} ${value}}`).join(
        ",",
      )
    }}`
  );
const cidrTable = (names: Names) =>
  fc.uniqueArray(
    fc.tuple(
      fc.constantFrom(
        "192.0.2.64/26",
        "192.0.2.1",
        "10.0.0.0/8",
        "!10.0.0.0/8",
        "2001:db8::/32",
        "0.0.0.0/0",
        "198.51.100.68",
      ),
      action(names),
    ),
    { minLength: 1, maxLength: 3, selector: ([network]) => network },
  ).map((rows) => `cidr:{${rows.map(([network, value]) => `{${network} ${value}}`).join(",")}}`);
const staticTable = (names: Names) => action(names).map((value) => `static:{${value}}`);

const KEYS: Readonly<Record<string, readonly string[]>> = {
  check_client_access: CLIENT_KEYS,
  check_reverse_client_hostname_access: CLIENT_KEYS,
  check_helo_access: HELO_KEYS,
  check_sender_access: SENDER_KEYS,
  check_recipient_access: RECIPIENT_KEYS,
  check_etrn_access: ETRNS,
};
const SERVER_CHECKS = ["client", "reverse_client_hostname", "helo", "sender", "recipient"].flatMap((who) =>
  ["a", "mx", "ns"].map((type) => `check_${who}_${type}_access`)
);

const PLAIN = [
  ...[
    "permit_mynetworks",
    "permit_inet_interfaces",
    "permit_sasl_authenticated",
    "permit_auth_destination",
    "permit_mx_backup",
  ],
  ...["reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname", "reject_plaintext_session"],
  ...[
    "reject_invalid_helo_hostname",
    "reject_non_fqdn_helo_hostname",
    "reject_unknown_helo_hostname",
    "permit_naked_ip_address",
  ],
  ...["reject_unknown_sender_domain", "reject_non_fqdn_sender"],
  ...[
    "reject_unknown_recipient_domain",
    "reject_non_fqdn_recipient",
    "reject_unlisted_recipient",
    "reject_multi_recipient_bounce",
  ],
  ...["reject_unauth_destination", "defer_unauth_destination", "defer_if_permit", "defer_if_reject"],
  ...[
    "permit_tls_clientcerts",
    "reject_unauth_pipelining",
    "reject_sender_login_mismatch",
    "check_recipient_maps",
    "Reject_Unauth_Destination",
  ],
];
const FINAL = ["permit", "reject", "defer", "check_relay_domains", "no_such_restriction"];
const LISTS = [
  "reject_rbl_client bl.example",
  "reject_rbl_client bl.example=127.0.0.[2..4]",
  "reject_rbl_client bl.example=127.0.0.9",
  "reject_rhsbl_client dom.example",
  "reject_rhsbl_reverse_client dom.example",
  "reject_rhsbl_helo dom.example",
  "reject_rhsbl_sender dom.example",
  "reject_rhsbl_recipient dom.example=127.0.0.2",
  "permit_dnswl_client wl.example",
  "permit_rhswl_client dom.example",
];

/** With a chance of one in weight + 1 not there. */
const maybe = <Value>(value: fc.Arbitrary<Value>, weight = 1) =>
  fc.option(value, { nil: undefined, freq: weight });

/** What the policy server answers by sender. */
const POLICY: Readonly<Record<string, string>> = {
  "x@evil.example": "REJECT policy",
  "": "DEFER_IF_PERMIT policy",
  plain: "450 4.7.1 policy",
  "bob@example.com": "OK",
  "me@bad.example": "PREPEND X-Policy: yes",
  "x@nosuch.example": "reject_unauth_destination",
  "user+tag@good.example": "WARN policy",
  "a@host": "no_such_action",
};

/** The policy server of the random scenarios. */
export function randomPolicy({ sender = "" }: Readonly<Record<string, string>>): string {
  return POLICY[sender] ?? "dunno";
}

/** Without SASL they are ignored, with a warning. */
const LOGINS = [
  "permit_sasl_authenticated",
  "check_sasl_access inline:{{bob=REJECT bob},{eve=DEFER_IF_PERMIT eve},{carol=OK}}",
  "reject_sender_login_mismatch",
  "reject_authenticated_sender_login_mismatch",
  "reject_known_sender_login_mismatch",
  "reject_unauthenticated_sender_login_mismatch",
];
const sasl = maybe(
  fc.constantFrom(
    "inline:{{bob@example.com=bob},{x@evil.example=eve, bob},{plain=carol}}",
    "inline:{{@example.com=carol},{ann@example.org=bob}}",
    "",
  ).map((maps) => ({
    smtpd_sasl_auth_enable: "yes",
    smtpd_sasl_type: "dovecot",
    smtpd_sasl_path: "inet:%AUTH%",
    smtpd_sender_login_maps: maps,
  })),
  2,
);

const restriction = (names: Names): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom(...PLAIN) },
    { weight: 1, arbitrary: fc.constantFrom(...FINAL) },
    { weight: 3, arbitrary: fc.constantFrom(...LISTS) },
    {
      weight: 9,
      arbitrary: fc.constantFrom(...Object.keys(KEYS)).chain((check) =>
        tableOf(KEYS[check]!, names).map((table) => `${check} ${table}`)
      ),
    },
    {
      weight: 3,
      arbitrary: fc.constantFrom(...SERVER_CHECKS).chain((check) =>
        tableOf(SERVER_KEYS, names).map((table) => `${check} ${table}`)
      ),
    },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        "check_client_access",
        "check_helo_access",
        "check_sender_access",
        "check_recipient_access",
      )
        .chain((check) => patternTable(names).map((table) => `${check} ${table}`)),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom("check_client_access", "check_sender_mx_access", "check_helo_a_access")
        .chain((check) => fc.oneof(cidrTable(names), staticTable(names)).map((table) => `${check} ${table}`)),
    },
    { weight: 2, arbitrary: fc.constantFrom(...LOGINS) },
    { weight: 1, arbitrary: fc.constant("check_policy_service inet:%POLICY%") },
    { weight: 1, arbitrary: tableOf([...CLIENT_KEYS, ...SENDER_KEYS, ...RECIPIENT_KEYS], names) },
    { weight: names.classes.length === 0 ? 0 : 3, arbitrary: fc.constantFrom(...names.classes, "permit") },
  );

const list = (names: Names, maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.tuple(fc.constantFrom("", "", "", "", "", "warn_if_reject "), restriction(names)), {
    maxLength,
  })
    .map((items) => items.map(([prefix, item]) => prefix + item).join(", "));

const code = (...codes: string[]) => maybe(fc.constantFrom(...codes), 4);

/** Settings that change what restrictions say. Lookups by trivial-rewrite(8) are shared by all services, and stay out. */
const parameters = fc.record({
  smtpd_delay_reject: fc.constantFrom("yes", "yes", "yes", "no"),
  smtpd_relay_before_recipient_restrictions: fc.constantFrom("yes", "yes", "no"),
  smtpd_reject_unlisted_recipient: fc.constantFrom("yes", "yes", "no"),
  smtpd_reject_unlisted_sender: fc.constantFrom("no", "no", "yes"),
  soft_bounce: fc.constantFrom("no", "no", "no", "yes"),
  allow_untrusted_routing: fc.constantFrom("no", "no", "yes"),
  disable_vrfy_command: fc.constantFrom("no", "no", "yes"),
  smtpd_log_access_permit_actions: maybe(fc.constantFrom("static:all", "permit_mynetworks, ok"), 4),
  parent_domain_matches_subdomains: maybe(fc.constantFrom("", "smtpd_access_maps", "mynetworks"), 3),
  smtpd_null_access_lookup_key: maybe(fc.constantFrom("x@"), 5),
  access_map_reject_code: code("521", "550", "450"),
  access_map_defer_code: code("451", "550"),
  reject_code: code("550", "450", "299"),
  defer_code: code("451", "554"),
  unknown_client_reject_code: code("550", "554"),
  unknown_address_reject_code: code("550"),
  unknown_hostname_reject_code: code("550"),
  relay_domains_reject_code: code("550", "551"),
  invalid_hostname_reject_code: code("550"),
  unknown_local_recipient_reject_code: code("450"),
  maps_rbl_reject_code: code("450"),
  unknown_address_tempfail_action: code("defer"),
  unknown_helo_hostname_tempfail_action: code("defer"),
  permit_mx_backup_networks: code("192.0.2.0/24"),
}, { requiredKeys: [] });

const present = (values: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => value === undefined ? [] : [[name, value]]),
  );

/**
 * Where reject_unlisted_sender is generated: in the sender list alone. Elsewhere Postfix asks only every other time, as it keeps
 * from one recipient to the next that it has asked; an unlisted sender passes at the second try. We ask every time.
 */
const senderList = (names: Names) =>
  fc.tuple(
    list(names, 2),
    fc.constantFrom("", "", "reject_unlisted_sender", "warn_if_reject reject_unlisted_sender"),
    list(names, 1),
  )
    .map((parts) => parts.filter((part) => part !== "").join(", "));

/** Without the words that end a list, as the list that must keep strangers from relaying. */
const relayList = (names: Names) =>
  fc.array(restriction(names).filter((item) => !FINAL.includes(item) && item !== "permit"), { maxLength: 3 })
    .map((items) => items.join(", "));

/** A configuration; class names are the scenario's own, as all scenarios share one main.cf. */
function settings(prefix: string): fc.Arbitrary<Record<string, string>> {
  const classes = ["one", "two", "three"].map((name) => `${prefix}${name}`);
  const all = { classes };
  const nonEmpty = (names: Names) =>
    list(names, 4).map((text) => text === "" ? "reject_unauth_destination" : text);
  return fc.record({
    more: parameters,
    logins: sasl,
    one: nonEmpty({ classes: classes.slice(1) }),
    two: nonEmpty({ classes: classes.slice(2) }),
    three: nonEmpty({ classes: [] }),
    smtpd_client_restrictions: list(all, 3),
    smtpd_helo_restrictions: list(all, 3),
    smtpd_sender_restrictions: senderList(all),
    relay: relayList(all),
    smtpd_recipient_restrictions: list(all, 5),
    smtpd_data_restrictions: list(all, 2),
    smtpd_end_of_data_restrictions: list(all, 2),
    smtpd_etrn_restrictions: list(all, 2),
    ending: fc.constantFrom(
      "reject_unauth_destination",
      "permit_mynetworks, reject_unauth_destination",
      "permit_auth_destination, defer",
    ),
  }).map(({ more, logins, one, two, three, relay, ending, ...lists }) => ({
    ...present(more),
    ...logins,
    smtpd_peername_lookup: "no",
    ...lists,
    smtpd_relay_restrictions: relay === "" ? ending : `${relay}, ${ending}`,
    smtpd_restriction_classes: classes.join(", "),
    [classes[0]!]: one,
    [classes[1]!]: two,
    [classes[2]!]: three,
  }));
}

const client: fc.Arbitrary<ScriptClient> = fc.record({
  address: fc.constantFrom(...CLIENT_ADDRESSES),
  name: fc.option(fc.constantFrom(...CLIENT_NAMES), { nil: undefined, freq: 3 }),
  nameStatus: fc.constantFrom(4 as const, 5 as const),
  reverseName: fc.option(fc.constantFrom(...CLIENT_NAMES), { nil: undefined }),
  reverseNameStatus: fc.constantFrom(4 as const, 5 as const),
  login: fc.option(fc.constantFrom("bob", "BOB", "carol", "eve"), { nil: undefined }),
});

const transaction = fc.record({
  sender: fc.constantFrom(...SENDERS),
  recipients: fc.array(fc.constantFrom(...RECIPIENTS), { minLength: 1, maxLength: 4 }),
  // RSET always: Postfix 3.7.11 dies of a second DATA after a message that was refused at its end.
  end: fc.constantFrom(["RSET"], ["DATA", ".", "RSET"]),
}).map(({ sender, recipients, end }) => [`MAIL ${sender}`, ...recipients.map((to) => `RCPT ${to}`), ...end]);

const aside = fc.oneof(
  fc.constantFrom(...ETRNS).map((domain) => [`ETRN ${domain}`]),
  fc.constantFrom("bob@example.com", "x@elsewhere.example", "nobody@example.com").map((
    address,
  ) => [`VRFY ${address}`]),
);

const session = fc.record({
  client,
  hello: fc.tuple(fc.constantFrom("EHLO", "EHLO", "HELO"), fc.constantFrom(...HELOS)),
  steps: fc.array(fc.oneof({ weight: 5, arbitrary: transaction }, { weight: 1, arbitrary: aside }), {
    minLength: 1,
    maxLength: 2,
  }),
}).map(({ client, hello, steps }) => ({ client, commands: [hello.join(" "), ...steps.flat()] }));

function firstTransaction(commands: readonly string[]): string[] {
  const calm = commands.filter((command) => !/^(?:VRFY|ETRN) /.test(command));
  return calm.includes("RSET") ? calm.slice(0, calm.indexOf("RSET") + 1) : calm;
}

/** So many configurations with so many sessions each; the same seed gives the same. */
export function randomScenarios(
  { seed, configurations, sessions }: {
    readonly seed: number;
    readonly configurations: number;
    readonly sessions: number;
  },
): Scenario[] {
  return Array.from({ length: configurations }, (_, at) => {
    const [settingsOf] = fc.sample(settings(`r${at}`), { seed: seed + at, numRuns: 1 });
    // Without smtpd_delay_reject an earlier list's deferral is later given the reason of whatever list deferred last.
    const atOnce = settingsOf!.smtpd_delay_reject === "no";
    return {
      name: `seed ${seed}, configuration ${at}`,
      settings: settingsOf!,
      sessions: fc.sample(session, { seed: seed + at, numRuns: sessions })
        .map(({ client, commands }) => ({
          client: settingsOf!.smtpd_sasl_auth_enable === undefined ? { ...client, login: undefined } : client,
          commands: atOnce ? firstTransaction(commands) : commands,
        })),
    };
  });
}
