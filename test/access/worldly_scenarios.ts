// Scenarios that need the world: the DNS, a policy server, logins. Placeholders: %POLICY% is the policy server.
import type { Attributes } from "../kit/servers/policy_daemon.ts";
import type { Scenario } from "./scenarios.ts";
import { at, rcpts } from "./script.ts";

/** The DNS that both sides see. */
export const ZONE = {
  "good.example": { A: ["192.0.2.80"], MX: ["10 mx.good.example"], NS: ["ns.good.example"] },
  "mx.good.example": { A: ["192.0.2.81"] },
  "ns.good.example": { A: ["192.0.2.82"] },
  "only-a.example": { A: ["192.0.2.83"] },
  "only-aaaa.example": { AAAA: ["2001:db8::83"] },
  "only-txt.example": { TXT: ["nothing"] },
  "nullmx.example": { MX: ["0 ."] },
  "servfail.example": "SERVFAIL",
  "badmx.example": { MX: ["10 mx.evil.example", "20 mx2.evil.example"] },
  "mx.evil.example": { A: ["198.51.100.66"], NS: ["ns.evil.example"] },
  "mx2.evil.example": { A: ["198.51.100.67"] },
  "evil.example": { NS: ["ns.evil.example"], A: ["198.51.100.68"] },
  "ns.evil.example": { A: ["198.51.100.69"] },
  "sub.evil.example": { A: ["198.51.100.70"] },
  "backup.example": { MX: ["10 mx.good.example", "20 mail.example.com"] },
  "primary.example": { MX: ["10 mail.example.com", "20 mx.good.example"] },
  "backup-outside.example": { MX: ["10 mx.evil.example", "20 mail.example.com"] },
  "mail.example.com": { A: ["127.0.0.1"] },
  "listed.sbl.example": { A: ["127.0.0.2"] },
  "66.2.0.192.bl.example": { A: ["127.0.0.2"], TXT: ["see https://bl.example/66"] },
  "67.2.0.192.bl.example": { A: ["127.0.0.4", "127.0.0.10"] },
  "68.2.0.192.bl.example": "SERVFAIL",
  "69.2.0.192.wl.example": { A: ["127.0.0.1"] },
  "70.2.0.192.wl.example": "SERVFAIL",
  "8.b.d.0.1.0.0.2.bl.example": { A: ["127.0.0.2"] },
  "6.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example": { A: ["127.0.0.3"] },
  "evil.example.rhs.example": { A: ["127.0.0.2"], TXT: ["evil domain", "and more"] },
  "client.bad.example.rhs.example": { A: ["127.0.0.3"] },
  "helo.bad.example.rhs.example": { A: ["127.0.0.2"] },
  "friend.example.rhs.example": { A: ["127.0.0.2"] },
} as const;

const DOMAINS = [
  "good.example",
  "only-a.example",
  "only-aaaa.example",
  "only-txt.example",
  "nullmx.example",
  "nosuch.example",
  "servfail.example",
  "example.com",
  "relay.example",
  "[192.0.2.1]",
];

export const WORLDLY: readonly Scenario[] = [
  {
    name: "unknown domains of senders and recipients",
    settings: {
      smtpd_sender_restrictions: "reject_unknown_sender_domain",
      smtpd_recipient_restrictions: "reject_unknown_recipient_domain, permit",
      smtpd_relay_restrictions: "check_client_access static:OK, reject_unauth_destination",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: [
      ...DOMAINS.map((domain) => ({ commands: rcpts(`ann@${domain}`, "bob@example.com") })),
      { commands: rcpts("ann@good.example", ...DOMAINS.map((domain) => `x@${domain}`)) },
      { commands: rcpts("", "bob@example.com") },
    ],
  },
  {
    name: "unknown domains deferred at once, other codes",
    settings: {
      unknown_address_tempfail_action: "defer",
      unknown_address_reject_code: "550",
      smtpd_sender_restrictions: "reject_unknown_address",
    },
    sessions: DOMAINS.map((domain) => ({
      commands: rcpts(`ann@${domain}`, "bob@example.com", "x@else.example"),
    })),
  },
  {
    name: "unknown HELO names",
    settings: {
      smtpd_helo_restrictions: "reject_unknown_helo_hostname",
      unknown_hostname_reject_code: "550",
    },
    sessions: [...DOMAINS, "192.0.2.1", "[1.2]", "a..b"].map((helo) => ({
      commands: [`EHLO ${helo}`, "MAIL a@b.example", "RCPT bob@example.com", "RCPT x@else.example"],
    })),
  },
  {
    name: "client blocklists",
    settings: {
      smtpd_client_restrictions:
        "reject_rbl_client bl.example=127.0.0.[3;9..11], check_client_access inline:{192.0.2.66=any,192.0.2.67=any}",
      smtpd_restriction_classes: "any",
      any: "reject_rbl_client bl.example",
      rbl_reply_maps:
        "inline:{{bl.example=$$rbl_code 5.7.9 $$rbl_class [$$rbl_what] is in $$rbl_domain${rbl_reason?: $$rbl_reason}}}",
    },
    sessions: ["192.0.2.66", "192.0.2.67", "192.0.2.68", "192.0.2.1", "2001:db8::66", "2001:db8::67"].map((
      address,
    ) => ({
      client: at(address),
      commands: rcpts("a@b.example", "bob@example.com"),
    })),
  },
  {
    name: "the usual blocklist reply",
    settings: {
      smtpd_recipient_restrictions: "reject_unauth_destination, reject_rbl_client bl.example",
      maps_rbl_reject_code: "521",
    },
    sessions: ["192.0.2.66", "192.0.2.67", "192.0.2.1"].map((address) => ({
      client: at(address),
      commands: rcpts("a@b.example", "bob@example.com"),
    })),
  },
  {
    name: "blocklists of domains",
    settings: {
      smtpd_recipient_restrictions:
        "reject_rhsbl_client rhs.example, reject_rhsbl_reverse_client rhs.example, reject_rhsbl_helo rhs.example=127.0.0.2, reject_rhsbl_sender rhs.example, reject_rhsbl_recipient rhs.example, reject_unauth_destination",
    },
    sessions: [
      {
        client: at("192.0.2.1", { name: "client.bad.example" }),
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: at("192.0.2.1", { reverseName: "client.bad.example" }),
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: at("192.0.2.1"),
        commands: ["EHLO helo.bad.example", "MAIL a@b.example", "RCPT bob@example.com"],
      },
      {
        client: at("192.0.2.1"),
        commands: ["EHLO client.bad.example", "MAIL a@b.example", "RCPT bob@example.com"],
      },
      { client: at("192.0.2.1"), commands: ["EHLO 1.2.3.4", "MAIL a@b.example", "RCPT bob@example.com"] },
      { client: at("192.0.2.1"), commands: rcpts("a@evil.example", "bob@example.com") },
      { client: at("192.0.2.1"), commands: rcpts("a@EVIL.example", "bob@example.com") },
      { client: at("192.0.2.1"), commands: rcpts("a@b.example", "x@evil.example", "x@[192.0.2.1]") },
      { client: at("192.0.2.1"), commands: rcpts("", "bob@example.com") },
    ],
  },
  {
    name: "allowlists never let anybody relay",
    settings: {
      smtpd_relay_restrictions: "",
      smtpd_recipient_restrictions: "permit_dnswl_client wl.example, permit_rhswl_client rhs.example, reject",
    },
    sessions: [
      { client: at("192.0.2.69"), commands: rcpts("a@b.example", "bob@example.com", "x@else.example") },
      { client: at("192.0.2.70"), commands: rcpts("a@b.example", "bob@example.com", "x@else.example") },
      {
        client: at("192.0.2.71", { name: "friend.example" }),
        commands: rcpts("a@b.example", "bob@example.com", "x@else.example"),
      },
      { client: at("192.0.2.71"), commands: rcpts("a@b.example", "bob@example.com") },
    ],
  },
  {
    name: "rules by servers",
    settings: {
      smtpd_sender_restrictions:
        "check_sender_mx_access inline:{{mx.evil.example=REJECT mx name},{198.51.100.67=REJECT mx address}}, check_sender_ns_access inline:{{ns.evil.example=REJECT ns name},{192.0.2.82=REJECT ns address}}, check_sender_a_access inline:{{192.0.2.83=REJECT a address},{192.0.2.80=OK},{sub.evil.example=REJECT never}}",
      smtpd_helo_restrictions:
        "check_helo_mx_access inline:{{198.51.100=REJECT helo network}}, check_helo_a_access inline:{{192.0.2.81=OK}}",
      smtpd_client_restrictions:
        "check_client_a_access inline:{{198.51.100.68=REJECT client address}}, check_client_ns_access inline:{{evil.example=REJECT client ns}}, check_client_mx_access inline:{{192.0.2.81=REJECT client mx}}",
      smtpd_recipient_restrictions:
        "check_recipient_mx_access inline:{{mx.good.example=DUNNO},{mx.evil.example=REJECT rcpt mx}}, check_recipient_a_access inline:{{192.0.2.83=554 rcpt a}}, reject_unauth_destination",
    },
    sessions: [
      ...[
        "badmx.example",
        "evil.example",
        "sub.evil.example",
        "good.example",
        "only-a.example",
        "nullmx.example",
        "nosuch.example",
        "servfail.example",
        "[192.0.2.83]",
        "[198.51.100.67]",
      ].map(
        (domain) => ({ client: at("192.0.2.1"), commands: rcpts(`a@${domain}`, "bob@example.com") }),
      ),
      ...["sub.evil.example", "mx.good.example", "nosuch.example", "[198.51.100.5]"].map((helo) => ({
        client: at("192.0.2.1"),
        commands: [`EHLO ${helo}`, "MAIL a@b.example", "RCPT bob@example.com"],
      })),
      ...["evil.example", "sub.evil.example", "good.example", "nosuch.example"].map((name) => ({
        client: at("192.0.2.1", { name }),
        commands: rcpts("a@b.example", "bob@example.com"),
      })),
      {
        client: at("192.0.2.1"),
        commands: rcpts("a@b.example", "x@good.example", "x@badmx.example", "x@only-a.example"),
      },
    ],
  },
  {
    name: "permit_mx_backup",
    settings: {
      smtpd_relay_restrictions: "",
      smtpd_recipient_restrictions: "permit_mx_backup, reject",
      permit_mx_backup_networks: "192.0.2.0/24",
    },
    sessions: [{
      client: at("198.51.100.200"),
      commands: rcpts(
        "a@b.example",
        "x@backup.example",
        "x@primary.example",
        "x@backup-outside.example",
        "x@good.example",
        "x@nosuch.example",
        "x@only-a.example",
        "bob@example.com",
        "known@relay.example",
        "a%b@backup.example",
        "x@[192.0.2.1]",
      ),
    }],
  },
  {
    name: "policy servers",
    settings: {
      smtpd_client_restrictions: "check_policy_service inet:%POLICY%",
      smtpd_recipient_restrictions:
        "check_policy_service { inet:%POLICY%, timeout=5s, policy_context=rcpt }, reject_unauth_destination",
      smtpd_data_restrictions: "check_policy_service inet:%POLICY%",
      smtpd_end_of_data_restrictions: "check_policy_service inet:%POLICY%",
      smtpd_restriction_classes: "polite",
      polite: "reject_unlisted_recipient, reject",
    },
    sessions: [
      ...["ok", "dunno", "reject", "defer", "dip", "hold", "prepend", "class", "junk", "unknown", "table"]
        .map((local) => ({
          client: at("192.0.2.1", { name: "c.example", reverseName: "r.example" }),
          commands: rcpts(`${local}@p.example`, "bob@example.com", "x@else.example"),
        })),
      {
        client: at("192.0.2.1"),
        commands: [...rcpts("a@p.example", "bob@example.com", "alice@example.com"), "DATA", "."],
      },
      { client: at("192.0.2.1"), commands: [...rcpts("eod@p.example", "bob@example.com"), "DATA", "."] },
    ],
  },
  {
    name: "policy servers that are down",
    settings: {
      smtpd_recipient_restrictions:
        "check_policy_service { inet:127.0.0.1:9, try_limit=1, { default_action = REJECT our default } }, reject_unauth_destination",
      smtpd_sender_restrictions: "check_sender_access inline:{{b@b.example=down}}",
      smtpd_restriction_classes: "down",
      down: "check_policy_service { inet:127.0.0.1:9, try_limit=2, retry_delay=1s }",
    },
    sessions: [
      { client: at("192.0.2.1"), commands: rcpts("a@b.example", "bob@example.com") },
      { client: at("192.0.2.1"), commands: rcpts("b@b.example", "bob@example.com") },
    ],
  },
  {
    name: "logins and sender addresses",
    settings: {
      smtpd_sasl_auth_enable: "yes",
      smtpd_sasl_type: "dovecot",
      smtpd_sasl_path: "inet:%AUTH%",
      smtpd_sender_login_maps:
        "inline:{bob@example.com=bob,{shared@example.com=bob, alice},@own.example=carol,sales=dave}",
      smtpd_sender_restrictions:
        "check_sasl_access inline:{{blocked=REJECT no more}}, check_helo_access inline:{auth.example=reject_authenticated_sender_login_mismatch,known.example=reject_known_sender_login_mismatch,unauth.example=reject_unauthenticated_sender_login_mismatch,both.example=reject_sender_login_mismatch}",
      smtpd_relay_restrictions: "permit_sasl_authenticated, reject_unauth_destination",
    },
    sessions: ["auth.example", "known.example", "unauth.example", "both.example"].flatMap((helo) =>
      [undefined, "bob", "alice", "BOB", "eve", "carol", "dave", "blocked"].map((login) => ({
        client: at("192.0.2.1", { login }),
        commands: [
          `EHLO ${helo}`,
          "MAIL bob@example.com",
          "RCPT alice@example.com",
          "RCPT x@else.example",
          "RSET",
          "MAIL shared@example.com",
          "RCPT alice@example.com",
          "RSET",
          "MAIL bob+ext@example.com",
          "RCPT alice@example.com",
          "RSET",
          "MAIL free@example.org",
          "RCPT alice@example.com",
          "RSET",
          "MAIL any@own.example",
          "RCPT alice@example.com",
          "RSET",
          "MAIL sales",
          "RCPT alice@example.com",
          "RSET",
          "MAIL ",
          "RCPT alice@example.com",
        ],
      }))
    ),
  },
  {
    name: "login restrictions without SASL",
    settings: { smtpd_sender_restrictions: "reject_sender_login_mismatch, check_sasl_access static:reject" },
    sessions: [{ commands: rcpts("a@b.example", "bob@example.com") }],
  },
];

/** What the policy server answers: rules by sender. */
export function policyRule(attributes: Attributes): string {
  const sender = attributes.sender ?? "";
  if (attributes.protocol_state === "END-OF-MESSAGE") {
    return sender === "eod@p.example" ? "REJECT at the end" : "DUNNO";
  }
  if (attributes.policy_context !== "rcpt") return "DUNNO";
  const actions: Record<string, string> = {
    ok: "OK",
    reject: "REJECT policy says no",
    defer: "450 4.7.1 later",
    dip: "DEFER_IF_PERMIT maybe later",
    hold: "HOLD for review",
    prepend: "PREPEND X-Policy: yes",
    class: "polite",
    junk: "junk",
    unknown: "whatever",
    table: "check_client_access hash:/x",
  };
  return actions[sender.slice(0, sender.indexOf("@"))] ?? "dunno";
}
