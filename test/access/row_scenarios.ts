// What the other scenarios leave out: each restriction's rarer verdicts, key forms of access(5), codes of one's own.
import type { ScriptClient } from "../kit/scenes/play_session.ts";
import type { Scenario } from "./scenarios.ts";
import { bySender as classesBySender, rcpts } from "./script.ts";

const STRANGER: ScriptClient = { address: "192.0.2.7", name: "client.example.org" };
const BOTH = ["bob@example.com", "x@elsewhere.example"] as const;

const bySender = (classes: Readonly<Record<string, string>>) =>
  classesBySender(classes, "permit_auth_destination, defer_unauth_destination");
const sessionsBySender = (names: readonly string[], client: ScriptClient = STRANGER) =>
  names.map((name) => ({ client, commands: rcpts(`${name}@c.example`, ...BOTH) }));

const WORDS = {
  w_defer: "defer",
  w_reject: "reject",
  w_permit: "permit, reject",
  w_sleep: "sleep 1, reject",
  w_dip: "defer_if_permit, permit",
  w_dir: "defer_if_reject, reject",
  w_plain: "reject_plaintext_session",
  w_warn: "warn_if_reject defer, warn_if_reject reject, warn_if_reject reject_plaintext_session, permit",
  w_nets:
    "permit_mynetworks, permit_sasl_authenticated, permit_tls_clientcerts, permit_tls_all_clientcerts, reject",
  w_cert: "check_ccert_access inline:{{x=REJECT never}}, reject",
  w_certs: "check_ccert_access { inline:{{x=REJECT never}}, { search_order = cert_fingerprint } }, reject",
  w_pipe: "reject_unauth_pipelining, reject",
  w_inet: "permit_inet_interfaces, reject",
  w_unknown: "reject_unknown_client, permit",
  w_reverse: "reject_unknown_reverse_client_hostname, permit",
  w_helo: "reject_invalid_hostname, reject_non_fqdn_hostname, permit_naked_ip_address, reject",
  w_naked: "permit_naked_ip_address, reject",
  w_maps: "check_recipient_maps, permit",
  w_relay: "check_relay_domains",
  w_auth: "permit_auth_destination, reject",
  w_unauth: "reject_unauth_destination, permit",
  w_defer_unauth: "defer_unauth_destination, permit",
  w_fqdn: "reject_non_fqdn_sender, reject_non_fqdn_recipient, permit",
  w_multi: "reject_multi_recipient_bounce, permit",
  w_unlisted: "reject_unlisted_sender, reject_unlisted_recipient, permit",
  w_etrn: "check_etrn_access inline:{{x.example=REJECT never}}, reject",
  w_sasl: "check_sasl_access inline:{{x=REJECT never}}, reject_sender_login_mismatch, reject",
};

const CODES = {
  access_map_reject_code: "552",
  access_map_defer_code: "451",
  reject_code: "553",
  defer_code: "452",
  plaintext_reject_code: "454",
  unknown_client_reject_code: "551",
  invalid_hostname_reject_code: "555",
  non_fqdn_reject_code: "556",
  relay_domains_reject_code: "557",
  multi_recipient_bounce_reject_code: "558",
  unknown_local_recipient_reject_code: "559",
};

const HELOS = [
  "192.0.2.1",
  "[192.0.2.1]",
  "[192.0.2]",
  "2001:db8::1",
  "1.2.3",
  "bad_name!",
  "host",
  "a.example.",
  ".",
];

export const ROW_SCENARIOS: readonly Scenario[] = [
  {
    name: "each restriction's own words",
    settings: bySender(WORDS),
    sessions: [
      ...sessionsBySender(Object.keys(WORDS)),
      { client: { ...STRANGER, peer: "127.0.0.5" }, commands: rcpts("w_inet@c.example", ...BOTH) },
      { client: { address: "10.1.2.3" }, commands: rcpts("w_nets@c.example", ...BOTH) },
      ...(["w_unknown", "w_reverse"] as const).flatMap((name) => [
        {
          client: { address: "192.0.2.7", nameStatus: 4, reverseNameStatus: 4 } as const,
          commands: rcpts(`${name}@c.example`, ...BOTH),
        },
        {
          client: { address: "192.0.2.7", reverseName: "r.example" },
          commands: rcpts(`${name}@c.example`, ...BOTH),
        },
        { client: { address: "192.0.2.7" }, commands: rcpts(`${name}@c.example`, ...BOTH) },
      ]),
      ...HELOS.map((helo) => ({
        client: STRANGER,
        commands: [`EHLO ${helo}`, "MAIL w_helo@c.example", "RCPT bob@example.com"],
      })),
      ...HELOS.map((helo) => ({
        client: STRANGER,
        commands: [`EHLO ${helo}`, "MAIL w_naked@c.example", ...BOTH.map((to) => `RCPT ${to}`)],
      })),
      ...HELOS.map((helo) => ({
        client: STRANGER,
        commands: [`HELO ${helo}`, "MAIL w_helo@c.example", "RCPT bob@example.com"],
      })),
      {
        client: STRANGER,
        commands: rcpts("w_maps@c.example", "nobody@example.com", "unknown@relay.example"),
      },
      {
        client: STRANGER,
        commands: rcpts("w_fqdn@c.example", "bob", "bob@host", "bob@host.", "bob@[192.0.2.1]"),
      },
      { client: STRANGER, commands: rcpts("w_unlisted@c.example", "nobody@example.com", "bob@example.com") },
      {
        client: { address: "192.0.2.80", name: "relay.example" },
        commands: rcpts("w_relay@c.example", ...BOTH),
      },
    ],
  },
  {
    name: "each restriction's own words, with other codes",
    settings: {
      ...bySender(Object.fromEntries(Object.entries(WORDS).map(([name, list]) => [`c${name}`, list]))),
      ...CODES,
    },
    sessions: [
      ...sessionsBySender(Object.keys(WORDS).filter((name) => name !== "w_sleep").map((name) => `c${name}`)),
      { client: { address: "192.0.2.7" }, commands: rcpts("cw_unknown@c.example", ...BOTH) },
      { client: { address: "192.0.2.7" }, commands: rcpts("cw_reverse@c.example", ...BOTH) },
      ...HELOS.map((helo) => ({
        client: STRANGER,
        commands: [`EHLO ${helo}`, "MAIL cw_helo@c.example", "RCPT bob@example.com"],
      })),
      {
        client: STRANGER,
        commands: rcpts("cw_maps@c.example", "nobody@example.com", "unknown@relay.example"),
      },
      { client: STRANGER, commands: rcpts("cw_fqdn@c.example", "bob", "bob@host") },
    ],
  },
  {
    name: "each restriction's own words, softened",
    settings: {
      ...bySender(Object.fromEntries(Object.entries(WORDS).map(([name, list]) => [`s${name}`, list]))),
      soft_bounce: "yes",
    },
    sessions: sessionsBySender(
      Object.keys(WORDS).filter((name) => name !== "w_sleep").map((name) => `s${name}`),
    ),
  },
  {
    name: "restrictions about the recipient in lists that run before it",
    settings: {
      smtpd_delay_reject: "no",
      smtpd_client_restrictions:
        "reject_unauth_destination, permit_auth_destination, reject_unlisted_recipient, reject_non_fqdn_recipient, check_recipient_access static:reject, check_sender_access static:reject, check_helo_access static:reject, permit_mx_backup, reject_multi_recipient_bounce, check_client_access inline:{{192.0.2.66=REJECT last}}",
      smtpd_helo_restrictions:
        "reject_non_fqdn_sender, reject_unlisted_sender, check_helo_access inline:{{bad.example=REJECT last}}",
    },
    sessions: [
      { client: { address: "192.0.2.66" }, commands: rcpts("a@b.example", ...BOTH) },
      {
        client: STRANGER,
        commands: ["EHLO bad.example", "EHLO good.example", "MAIL a@b.example", "RCPT bob@example.com"],
      },
    ],
  },
  {
    name: "lists of other stages in each stage",
    settings: {
      smtpd_data_restrictions:
        "reject_unauth_destination, check_client_access inline:{{192.0.2.66=REJECT client at data}}, check_helo_access inline:{{h.example=REJECT helo at data}}, check_recipient_access inline:{{alice@example.com=REJECT recipient at data}}, reject_unlisted_recipient, check_etrn_access static:reject",
      smtpd_end_of_data_restrictions:
        "check_recipient_access inline:{{bob@example.com=REJECT recipient at the end}}",
      smtpd_relay_restrictions: "reject_unauth_destination",
    },
    sessions: [
      {
        client: { address: "192.0.2.66" },
        commands: [...rcpts("a@b.example", "bob@example.com"), "DATA", "."],
      },
      {
        client: STRANGER,
        commands: ["EHLO h.example", "MAIL a@b.example", "RCPT bob@example.com", "DATA", "."],
      },
      { client: STRANGER, commands: [...rcpts("a@b.example", "alice@example.com"), "DATA", "."] },
      { client: STRANGER, commands: [...rcpts("a@b.example", "bob@example.com"), "DATA", "."] },
      {
        client: STRANGER,
        commands: [...rcpts("a@b.example", "bob@example.com", "alice@example.com"), "DATA", "."],
      },
    ],
  },
  {
    name: "keys: client addresses, networks and names of every form",
    settings: {
      smtpd_client_restrictions: `check_client_access cidr:{${
        [
          "{!192.0.2.0/24 DUNNO}",
          "{192.0.2.0/30 REJECT cidr thirty}",
          "{192.0.2.4 REJECT cidr one}",
          "{2001:db8::/32 REJECT cidr six}",
        ].join(",")
      }}, check_client_access inline:{${
        [
          "192.0.2.9=REJECT whole",
          "192.0.2.=REJECT with dot",
          "192.0.2=REJECT three",
          "198.51=REJECT two",
          "203=REJECT one",
          "2001:0db8=REJECT long six",
          "2001:db9=REJECT six",
          "2001:dba::1=REJECT whole six",
          "unknown=REJECT nameless",
          "example.net=REJECT domain",
          ".sub.example.org=REJECT dotted",
          "HOST.example.edu=REJECT upper",
        ].map((row) => `{${row}}`).join(",")
      }}`,
      parent_domain_matches_subdomains: "smtpd_access_maps",
    },
    sessions: [
      ...[
        "192.0.2.1",
        "192.0.2.4",
        "192.0.2.9",
        "192.0.2.99",
        "198.51.100.1",
        "203.0.113.9",
        "2001:db8::1",
        "2001:db9::1",
        "2001:dba::1",
        "2001:dba::2",
      ]
        .map((address) => ({
          client: { address, name: "n.example.com" },
          commands: rcpts("a@b.example", "bob@example.com"),
        })),
      ...[
        "example.net",
        "a.example.net",
        "a.b.example.net",
        "sub.example.org",
        "x.sub.example.org",
        "host.example.edu",
        "HOST.EXAMPLE.EDU",
      ]
        .map((name) => ({
          client: { address: "100.64.0.1", name },
          commands: rcpts("a@b.example", "bob@example.com"),
        })),
      { client: { address: "100.64.0.1" }, commands: rcpts("a@b.example", "bob@example.com") },
    ],
  },
  {
    name: "keys: mail addresses of every form",
    settings: {
      smtpd_null_access_lookup_key: "null-sender",
      recipient_delimiter: "+-",
      smtpd_sender_restrictions: `check_sender_access inline:{${
        [
          "null-sender=REJECT null",
          "<>=REJECT never",
          "user@example.org=REJECT whole",
          "user2@example.org=REJECT without extension",
          "local@=REJECT local part",
          "sub.example.net=REJECT domain",
          "net.example=REJECT parent",
          ".dot.example=REJECT dotted",
          '"a b"@q.example=REJECT quoted',
          '"e f"@=REJECT quoted local',
          "owner-list@example.org=REJECT owner",
          "list-request@example.org=REJECT request",
          "192.0.2.1=REJECT address domain",
          "[192.0.2.2]=REJECT literal",
          "192.0.2.2=REJECT bare literal",
          "numeric=REJECT numeric",
          "example.com=REJECT own domain",
          "plain@=REJECT plain",
        ].map((row) => `{${row}}`).join(",")
      }}`,
      smtpd_relay_restrictions: "reject_unauth_destination",
    },
    sessions: [
      "",
      "user@example.org",
      "USER@EXAMPLE.ORG",
      "user+x@example.org",
      "user2+x@example.org",
      "user2-x@example.org",
      "local@any.example",
      "local+x@any.example",
      "x@sub.example.net",
      "x@a.sub.example.net",
      "x@net.example",
      "x@deep.er.net.example",
      "x@dot.example",
      "x@a.dot.example",
      "a b@q.example",
      "e f@z.example",
      "owner-list@example.org",
      "list-request@example.org",
      "x@[192.0.2.1]",
      "x@[192.0.2.2]",
      "x@numeric",
      "plain",
      "other",
    ].map((sender) => ({ commands: rcpts(sender, "bob@example.com") })),
  },
  {
    name: "parent_domain_matches_subdomains without access tables",
    settings: {
      parent_domain_matches_subdomains: "debug_peer_list, mynetworks",
      smtpd_helo_restrictions:
        "check_helo_access inline:{{dom.example=REJECT exact},{.dom.example=REJECT dotted},{.example.net=REJECT net}}",
      smtpd_sender_restrictions:
        "check_sender_access inline:{{dom.example=REJECT exact},{.dom.example=REJECT dotted}}",
      smtpd_etrn_restrictions:
        "check_etrn_access inline:{{dom.example=REJECT exact},{.dom.example=REJECT dotted}}",
    },
    sessions: [
      ...["dom.example", "a.dom.example", "a.b.dom.example", "example.net", "x.example.net"].map((name) => ({
        commands: [`EHLO ${name}`, "MAIL a@b.example", "RCPT bob@example.com"],
      })),
      ...["dom.example", "a.dom.example", "a.b.dom.example"].map((name) => ({
        commands: rcpts(`x@${name}`, "bob@example.com"),
      })),
      ...["dom.example", "a.dom.example"].map((name) => ({ commands: ["EHLO x.org", `ETRN ${name}`] })),
    ],
  },
  {
    name: "ETRN goes through client, HELO and ETRN lists",
    settings: {
      smtpd_client_restrictions:
        "check_client_access inline:{{192.0.2.1=REJECT client},{192.0.2.2=DEFER_IF_PERMIT client},{192.0.2.3=WARN client}}",
      smtpd_helo_restrictions: "check_helo_access inline:{{bad.example=REJECT helo}}",
      smtpd_sender_restrictions: "reject",
      smtpd_etrn_restrictions:
        "check_etrn_access inline:{{ok.example=OK},{no.example=REJECT etrn},{dip.example=DEFER_IF_PERMIT etrn},{h.example=HOLD},{a_class.example=etrn_class}}, permit_mynetworks, reject_unauth_destination, check_client_access inline:{{192.0.2.9=REJECT nine}}",
      smtpd_restriction_classes: "etrn_class",
      etrn_class: "reject_unknown_client_hostname, reject",
    },
    sessions: ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.7", "192.0.2.9", "10.1.1.1"].flatMap((
      address,
    ) =>
      ["good.example", "bad.example"].map((helo) => ({
        client: { address },
        commands: [
          `EHLO ${helo}`,
          ...["ok", "no", "dip", "h", "a_class", "other"].map((name) => `ETRN ${name}.example`),
        ],
      }))
    ),
  },
  {
    name: "ETRN at once",
    settings: {
      smtpd_delay_reject: "no",
      smtpd_helo_restrictions: "check_helo_access inline:{{dip.example=DEFER_IF_PERMIT helo}}",
      smtpd_etrn_restrictions:
        "check_etrn_access inline:{{no.example=REJECT etrn}}, reject_unknown_client_hostname",
    },
    sessions: [
      { commands: ["EHLO dip.example", "ETRN ok.example", "ETRN no.example"] },
      { client: STRANGER, commands: ["EHLO dip.example", "ETRN ok.example", "ETRN no.example"] },
      { client: STRANGER, commands: ["EHLO x.example", "ETRN ok.example", "ETRN no.example"] },
    ],
  },
  {
    name: "VRFY goes through all lists of a recipient",
    settings: {
      disable_vrfy_command: "no",
      smtpd_client_restrictions: "check_client_access inline:{{192.0.2.1=REJECT client}}",
      smtpd_helo_restrictions:
        "check_helo_access inline:{{bad.example=REJECT helo},{dip.example=DEFER_IF_PERMIT helo}}",
      smtpd_sender_restrictions: "check_sender_access inline:{{no@a.example=REJECT sender}}",
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{alice@example.com=REJECT alice},{carol@example.com=HOLD},{bob@example.com=DISCARD}}",
      smtpd_relay_restrictions: "reject_unauth_destination",
    },
    sessions: [
      ...["192.0.2.1", "192.0.2.7"].map((address) => ({
        client: { address },
        commands: [
          "EHLO good.example",
          ...["alice", "carol", "bob", "nobody"].map((name) => `VRFY ${name}@example.com`),
          "VRFY x@else.example",
        ],
      })),
      ...["bad.example", "dip.example"].map((helo) => ({
        commands: [`EHLO ${helo}`, "VRFY alice@example.com", "VRFY carol@example.com"],
      })),
      { commands: [...rcpts("no@a.example", "bob@example.com"), "VRFY carol@example.com"] },
    ],
  },
  {
    name: "classes: case, nesting, and a table's result that names several",
    settings: {
      smtpd_restriction_classes: "k_outer, k_inner, k_none, K_Mixed",
      k_outer: "k_inner",
      k_inner:
        "check_recipient_access inline:{{alice@example.com=k_none},{carol@example.com=K_Mixed},{nobody@example.com=k_mixed}}, reject",
      k_none: "check_sender_access inline:{{x@never.example=reject}}",
      K_Mixed: "permit",
      smtpd_recipient_restrictions:
        "reject_unauth_destination, check_sender_access inline:{{out@c.example=k_outer},{in@c.example=k_inner},{e@c.example=k_none},{two@c.example=k_none K_Mixed}}, warn_if_reject k_outer, permit",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: ["out", "in", "e", "two", "none"].map((name) => ({
      commands: rcpts(
        `${name}@c.example`,
        "bob@example.com",
        "alice@example.com",
        "carol@example.com",
        "nobody@example.com",
      ),
    })),
  },
  {
    name: "restrictions with missing or bad arguments",
    settings: bySender({
      b_sleep: "sleep soon, reject",
      b_table: "check_client_access, reject",
      b_table2: "check_client_access permit, reject",
      b_rbl: "reject_rbl_client",
      b_rhsbl: "reject_rhsbl_sender",
      b_policy: "check_policy_service",
      b_word: "reject_everything",
      b_comma: ",,permit,,",
      b_case: "REJECT_UNAUTH_DESTINATION, Permit",
      b_warn: "warn_if_reject",
      b_after: "permit, reject_unauth_destination",
    }),
    sessions: sessionsBySender([
      "b_sleep",
      "b_table",
      "b_table2",
      "b_rbl",
      "b_rhsbl",
      "b_policy",

      "b_word",
      "b_comma",
      "b_case",
      "b_warn",
      "b_after",
    ]),
  },
];
