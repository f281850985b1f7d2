// What the other worldly scenarios leave out: blocklist filters and reply templates, servers of reverse names, mail exchangers in
// trouble.
import type { Scenario } from "./scenarios.ts";
import { at, bySender as classesBySender, rcpts } from "./script.ts";

/** Names that only these scenarios ask for. */
export const ROW_ZONE = {
  "1.2.0.192.f.example": { A: ["127.0.0.1"], TXT: ["one"] },
  "2.2.0.192.f.example": { A: ["127.0.0.2"] },
  "3.2.0.192.f.example": { A: ["127.0.0.5", "127.0.1.9"], TXT: ["three $client", "and\r\n250 (more)\x07é"] },
  "4.2.0.192.f.example": { A: ["127.0.0.255"] },
  "5.2.0.192.f.example": { A: ["10.1.2.3"] },
  "6.2.0.192.f.example": "SERVFAIL",
  "7.2.0.192.f.example": { TXT: ["no address"] },
  "8.2.0.192.f.example": { A: ["127.0.0.8"], TXT: "SERVFAIL" },
  "9.2.0.192.f.example": { CNAME: ["1.2.0.192.f.example"] },
  "10.2.0.192.f.example": { A: ["127.0.0.10"], TXT: [`long ${"x".repeat(60)}`] },
  "bad.example.dom.example": { A: ["127.0.0.2"], TXT: ["bad domain"] },
  "sub.bad.example.dom.example": { A: ["127.0.0.3"] },
  "broken.example.dom.example": "SERVFAIL",
  "r-evil.example": { A: ["198.51.100.9"], MX: ["10 mx.r-evil.example"], NS: ["ns.r-evil.example"] },
  "mx.r-evil.example": { A: ["198.51.100.10"] },
  "ns.r-evil.example": { A: ["198.51.100.11"] },
  "mx-broken.example": { MX: "SERVFAIL" },
  "mx-host-broken.example": { MX: ["10 broken-host.example", "20 mail.example.com"] },
  "mx-host-gone.example": { MX: ["10 gone-host.example", "20 mail.example.com"] },
  "broken-host.example": "SERVFAIL",
  "mx-only-us.example": { MX: ["10 mail.example.com"] },
  "mx-twice.example": { MX: ["10 mx.r-evil.example", "10 mail.example.com"] },
  "mx-literal.example": { MX: ["10 198.51.100.10"] },
  "ns-broken.example": { NS: "SERVFAIL", A: ["192.0.2.1"] },
  "ns-host-gone.example": { NS: ["gone-ns.example"] },
  "alias.example.org": { CNAME: ["r-evil.example"] },
} as const;

const bySender = (classes: Readonly<Record<string, string>>) =>
  classesBySender(classes, "reject_unauth_destination");

const FILTERS = {
  f_any: "reject_rbl_client f.example",
  f_exact: "reject_rbl_client f.example=127.0.0.2",
  f_list: "reject_rbl_client f.example=127.0.0.[1;5]",
  f_range: "reject_rbl_client f.example=127.0.[0..1].[4..9;255]",
  f_all: "reject_rbl_client f.example=[0..255].[0..255].[0..255].[0..255]",
  f_old: "reject_rbl f.example",
  f_maps: "reject_maps_rbl",
  f_allow: "permit_dnswl_client f.example=127.0.0.[0..9], reject",
  f_two:
    "reject_rbl_client none.example, reject_rbl_client f.example=127.0.0.1, warn_if_reject reject_rbl_client f.example, permit",
};
const LISTED = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((last) => `192.0.2.${last}`);

/** A template that shows every attribute of postconf(5), default_rbl_reply. */
const TEMPLATE = [
  "$rbl_code 5.7.77",
  "$client|$client_address|$client_name|$client_port|$reverse_client_name|$helo_name",
  "$rbl_class|$rbl_domain|$rbl_what|$rbl_reason|$rbl_txt|$server_name",
  "$sender|$sender_name|$sender_domain|$recipient|$recipient_name|$recipient_domain",
  "${rbl_reason?yes: $rbl_reason}${rbl_reason:none}${nosuch:no such}${helo_name?{has}:{has not}}",
].join(" ");

export const WORLDLY_ROWS: readonly Scenario[] = [
  {
    name: "blocklist filters",
    settings: { ...bySender(FILTERS), maps_rbl_domains: "none.example, f.example" },
    sessions: LISTED.flatMap((address) =>
      Object.keys(FILTERS).map((name) => ({
        client: at(address),
        commands: rcpts(`${name}@c.example`, "bob@example.com"),
      }))
    ),
  },
  {
    name: "a blocklist reply of one's own shows every attribute",
    settings: {
      default_rbl_reply: TEMPLATE,
      maps_rbl_reject_code: "550",
      smtpd_client_restrictions: "reject_rbl_client f.example",
      smtpd_sender_restrictions: "reject_rhsbl_sender dom.example",
      smtpd_recipient_restrictions: "reject_rhsbl_recipient dom.example, reject_rhsbl_helo dom.example",
      smtpd_relay_restrictions: "check_client_access static:OK, reject",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: [
      ...LISTED.map((address) => ({
        client: at(address, { name: "c.example" }),
        commands: rcpts("a b@s.example", "x+y@bad.example"),
      })),
      {
        client: at("192.0.2.77", { reverseName: "r.example" }),
        commands: rcpts("me@bad.example", "x@good.example"),
      },
      {
        client: at("192.0.2.77"),
        commands: rcpts("", "x@sub.bad.example", "x@bad.example", "x@good.example", "x@broken.example"),
      },
      { client: at("192.0.2.77"), commands: ["HELO bad.example", "MAIL a@b.example", "RCPT x@good.example"] },
      { client: at("192.0.2.77"), commands: rcpts("x", "nodomain") },
    ],
  },
  {
    name: "blocklist replies by list, good and bad",
    settings: {
      ...bySender({
        t_plain: "reject_rbl_client f.example",
        t_filter: "reject_rbl_client f.example=127.0.0.1",
        t_rhsbl: "reject_rhsbl_helo dom.example",
      }),
      rbl_reply_maps: `inline:{${
        [
          "{f.example=450 4.7.9 slow down $$client_address}",
          "{f.example=127.0.0.1=no code at all}",
          "{dom.example=$$rbl_code $$rbl_class [$$rbl_what]}",
        ].join(",")
      }}`,
    },
    sessions: ["t_plain", "t_filter", "t_rhsbl"].map((name) => ({
      client: at("192.0.2.1"),
      commands: ["EHLO bad.example", `MAIL ${name}@c.example`, "RCPT bob@example.com"],
    })),
  },
  {
    name: "domain blocklists with filters, and lists in trouble",
    settings: {
      ...bySender({
        r_client: "reject_rhsbl_client dom.example",
        r_reverse: "reject_rhsbl_reverse_client dom.example=127.0.0.2",
        r_helo: "reject_rhsbl_helo dom.example=127.0.0.3",
        r_allow: "permit_rhswl_client dom.example, reject",
        r_allow2: "permit_rhswl_client dom.example=127.0.0.3, reject",
      }),
    },
    sessions: ["bad.example", "sub.bad.example", "broken.example", "good.example"].flatMap((name) =>
      ["r_client", "r_reverse", "r_helo", "r_allow", "r_allow2"].map((by) => ({
        client: at("192.0.2.77", { name }),
        commands: [`EHLO ${name}`, `MAIL ${by}@c.example`, "RCPT bob@example.com", "RCPT x@else.example"],
      }))
    ),
  },
  {
    name: "rules by servers of reverse names, HELO names and recipients",
    settings: {
      ...bySender({
        v_a:
          "check_reverse_client_hostname_a_access inline:{{198.51.100.9=REJECT reverse a},{192.0.2.80=OK}}",
        v_mx: "check_reverse_client_hostname_mx_access inline:{{mx.r-evil.example=REJECT reverse mx}}",
        v_ns: "check_reverse_client_hostname_ns_access inline:{{198.51.100.11=REJECT reverse ns}}",
        v_ca: "check_client_a_access inline:{{198.51.100=REJECT client a}}",
        v_cmx: "check_client_mx_access inline:{{198.51.100.10=REJECT client mx},{192.0.2.81=OK}}",
        v_cns: "check_client_ns_access inline:{{r-evil.example=REJECT client ns}}",
        v_hns: "check_helo_ns_access inline:{{ns.r-evil.example=REJECT helo ns},{ns.good.example=OK}}",
        v_hmx: "check_helo_mx_access inline:{{mx.r-evil.example=450 4.7.1 helo mx}}",
        v_ha: "check_helo_a_access inline:{{198.51.100.9=DEFER_IF_PERMIT helo a}}",
        v_ra: "check_recipient_a_access inline:{{198.51.100.9=REJECT rcpt a},{192.0.2.80=OK}}",
        v_rmx: "check_recipient_mx_access inline:{{198.51.100.10=REJECT rcpt mx},{mx.good.example=OK}}",
        v_rns: "check_recipient_ns_access inline:{{ns.r-evil.example=REJECT rcpt ns},{ns.good.example=OK}}",
        v_sub: "check_helo_ns_access fail:x, permit",
      }),
      smtpd_relay_restrictions: "check_client_access static:OK, reject",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: [
      ...["v_a", "v_mx", "v_ns", "v_ca", "v_cmx", "v_cns", "v_hns", "v_hmx", "v_ha", "v_sub"].flatMap((by) =>
        [
          "r-evil.example",
          "good.example",
          "alias.example.org",
          "ns-broken.example",
          "ns-host-gone.example",
          "mx-broken.example",
          "mx-literal.example",
          "nosuch.example",
        ]
          .map((name) => ({
            client: at("192.0.2.77", { name, reverseName: name }),
            commands: [`EHLO ${name}`, `MAIL ${by}@c.example`, "RCPT bob@example.com"],
          }))
      ),
      ...["v_a", "v_ca", "v_cns"].map((by) => ({
        client: at("192.0.2.77"),
        commands: rcpts(`${by}@c.example`, "bob@example.com"),
      })),
      ...["v_ra", "v_rmx", "v_rns"].map((by) => ({
        client: at("192.0.2.77"),
        commands: rcpts(
          `${by}@c.example`,
          ...[
            "r-evil.example",
            "good.example",
            "mx-broken.example",
            "mx-host-gone.example",
            "ns-broken.example",
            "mx-literal.example",
            "nosuch.example",
            "[198.51.100.9]",
          ]
            .map((domain) => `x@${domain}`),
        ),
      })),
    ],
  },
  {
    name: "mail exchangers in trouble",
    settings: {
      smtpd_relay_restrictions: "",
      smtpd_recipient_restrictions: "permit_mx_backup, reject",
      permit_mx_backup_networks: "198.51.100.0/24",
    },
    sessions: [{
      client: at("192.0.2.77"),
      commands: rcpts(
        "a@b.example",
        ...[
          "mx-broken",
          "mx-host-broken",
          "mx-host-gone",
          "mx-only-us",
          "mx-twice",
          "mx-literal",
          "nosuch",
          "r-evil",
          "backup",
          "backup-outside",
        ]
          .map((name) => `x@${name}.example`),
      ),
    }],
  },
  {
    name: "mail exchangers without networks",
    settings: {
      smtpd_relay_restrictions: "permit_mx_backup, defer_unauth_destination",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: [{
      client: at("192.0.2.77"),
      commands: rcpts(
        "a@b.example",
        "x@backup.example",
        "x@backup-outside.example",
        "x@mx-host-broken.example",
        "x@mx-broken.example",
      ),
    }],
  },
  {
    name: "lookups that fail are deferred at once where asked for",
    settings: {
      unknown_helo_hostname_tempfail_action: "defer",
      unknown_address_tempfail_action: "defer",
      unknown_hostname_reject_code: "555",
      unknown_address_reject_code: "556",
      ...bySender({
        u_helo: "reject_unknown_hostname",
        u_helo2: "reject_unknown_helo_hostname",
        u_rcpt: "reject_unknown_recipient_domain",
      }),
      smtpd_relay_restrictions: "check_client_access static:OK, reject",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: [
      ...[
        "good.example",
        "servfail.example",
        "nosuch.example",
        "only-txt.example",
        "[192.0.2.1]",
        "nullmx.example",
      ].flatMap((helo) =>
        ["u_helo", "u_helo2"].map((by) => ({
          commands: [`EHLO ${helo}`, `MAIL ${by}@c.example`, "RCPT bob@example.com"],
        }))
      ),
      {
        commands: rcpts(
          "u_rcpt@c.example",
          ...["good.example", "servfail.example", "nosuch.example", "only-txt.example", "nullmx.example"].map(
            (d) => `x@${d}`,
          ),
        ),
      },
    ],
  },
  {
    name: "lookups that fail are deferred if nothing else refuses, softened",
    settings: {
      soft_bounce: "yes",
      ...bySender({
        d_helo: "reject_unknown_helo_hostname",
        d_rcpt: "reject_unknown_recipient_domain, reject_unauth_destination",
        d_rbl: "reject_rbl_client f.example",
      }),
      smtpd_relay_restrictions: "check_client_access static:OK, reject",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: [
      ...["servfail.example", "nosuch.example"].map((helo) => ({
        commands: [`EHLO ${helo}`, "MAIL d_helo@c.example", "RCPT bob@example.com"],
      })),
      { commands: rcpts("d_rcpt@c.example", "x@servfail.example", "x@nosuch.example", "bob@example.com") },
      { client: at("192.0.2.1"), commands: rcpts("d_rbl@c.example", "bob@example.com") },
    ],
  },
];
