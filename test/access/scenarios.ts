// Facts and verdicts: configurations, clients and commands whose replies are Postfix's. The interop test plays them
// against the real one; the replies are then compared code by code and letter by letter.
import type { ScriptClient } from "../kit/scenes/play_session.ts";
import { rcpts } from "./script.ts";

export interface Scenario {
  readonly name: string;
  /** Settings of smtpd, on top of COMMON. */
  readonly settings: Readonly<Record<string, string>>;
  /** They are settings of trivial-rewrite(8) too: Postfix gets a service of its own for them, which does the warning. */
  readonly routing?: boolean;
  readonly sessions: readonly {
    readonly client?: ScriptClient;
    readonly commands: readonly string[];
  }[];
}

/** Settings that all scenarios share: one of each address class, and tables of known addresses. */
export const COMMON: Readonly<Record<string, string>> = {
  compatibility_level: "3.6",
  myhostname: "mail.example.com",
  mydomain: "example.com",
  myorigin: "example.com",
  mydestination: "example.com, localhost, mail.example.com",
  mynetworks: "10.0.0.0/8, [2001:db8:1::]/48, .trusted.example",
  inet_interfaces: "127.0.0.1",
  inet_protocols: "all",
  recipient_delimiter: "+",
  relay_domains: "relay.example",
  relay_recipient_maps: "inline:{known@relay.example=x, list-owner@relay.example=x}",
  virtual_alias_domains: "alias.example",
  virtual_alias_maps:
    "inline:{info@alias.example=bob@example.com, @catch.example=bob@example.com, aliased=bob, gone@example.com=bob@elsewhere.example}",
  virtual_mailbox_domains: "vmail.example",
  virtual_mailbox_maps: "inline:{ann@vmail.example=ann/}",
  local_recipient_maps: "inline:{bob=x, alice=x, carol@example.com=x}",
  canonical_maps: "inline:{old@example.com=bob@example.com}",
  transport_maps:
    "inline:{{closed@example.com=error:5.2.1 mailbox closed},{busy@example.com=retry:4.3.3 try later},{dead.example=error:no such place},{odd@example.com=error:4.3.3 odd}}",
  relocated_maps: "inline:{{moved@example.com=moved@new.example}}",
};

const STRANGER: ScriptClient = { address: "192.0.2.7", name: "client.example.org" };
const TRUSTED: ScriptClient = { address: "10.1.2.3", name: "host.inside.example" };

const EVERYWHERE = [
  "bob@example.com",
  "bob+ext@example.com",
  "BOB@EXAMPLE.COM",
  "nobody@example.com",
  "bob",
  "nobody",
  "postmaster",
  "PostMaster",
  "postmaster@example.com",
  "abuse@example.com",
  "mailer-daemon@example.com",
  "double-bounce@example.com",
  "carol@example.com",
  "carol@localhost",
  "aliased@example.com",
  "aliased+x@example.com",
  "gone@example.com",
  "old@example.com",
  "info@alias.example",
  "info+tag@alias.example",
  "unknown@alias.example",
  "anything@catch.example",
  "ann@vmail.example",
  "ann+x@vmail.example",
  "bob@vmail.example",
  "known@relay.example",
  "known+x@relay.example",
  "unknown@relay.example",
  "x@sub.relay.example",
  "someone@elsewhere.example",
  "closed@example.com",
  "busy@example.com",
  "odd@example.com",
  "x@dead.example",
  "moved@example.com",
  "moved+x@example.com",
  "bob%elsewhere.example@example.com",
  "bob@elsewhere.example@example.com",
  "elsewhere.example!bob@example.com",
  "bob%example.com@example.com",
  "bob%relay.example@example.com",
  "known@relay.example@example.com",
  "a%b@relay.example",
  "a!b@relay.example",
  "a%b@elsewhere.example",
  "bob@[127.0.0.1]",
  "bob@[192.0.2.99]",
  "bob@[IPv6:2001:db8::1]",
  "bob@[1.2.3]",
  "bob@example.com.",
  "bob@example..com",
  "bob@-bad.example",
  "bob@192.0.2.1",
  "-dash@example.com",
  "a b@example.com",
  "a b@elsewhere.example",
];

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "defaults at level 3.6",
    settings: {},
    sessions: [
      { client: STRANGER, commands: rcpts("ann@example.org", ...EVERYWHERE) },
      { client: TRUSTED, commands: rcpts("ann@example.org", ...EVERYWHERE) },
      { client: STRANGER, commands: rcpts("", ...EVERYWHERE.slice(0, 12)) },
      { client: { address: "2001:db8:1::5" }, commands: rcpts("ann@example.org", "x@elsewhere.example") },
      { client: { address: "2001:db8:2::5" }, commands: rcpts("ann@example.org", "x@elsewhere.example") },
      {
        client: { address: "192.0.2.9", name: "a.trusted.example" },
        commands: rcpts("ann@example.org", "x@elsewhere.example"),
      },
      {
        client: { address: "192.0.2.9", name: "trusted.example" },
        commands: rcpts("ann@example.org", "x@elsewhere.example"),
      },
    ],
  },
  {
    name: "reject_unauth_destination with soft_bounce",
    settings: { smtpd_relay_restrictions: "reject_unauth_destination", soft_bounce: "yes" },
    sessions: [{
      commands: rcpts("ann@example.org", "x@elsewhere.example", "nobody@example.com", "bob@example.com"),
    }],
  },
  {
    name: "no table names, other codes",
    settings: {
      smtpd_relay_restrictions: "reject_unauth_destination",
      relay_domains_reject_code: "551",
      unknown_local_recipient_reject_code: "450",
      unknown_relay_recipient_reject_code: "552",
      unknown_virtual_mailbox_reject_code: "553",
      unknown_virtual_alias_reject_code: "451",
      show_user_unknown_table_name: "no",
    },
    sessions: [{
      commands: rcpts(
        "ann@example.org",
        ...EVERYWHERE.filter((address) => address !== "unknown@alias.example"),
      ),
    }],
  },
  {
    name: "unlisted senders are refused",
    settings: { smtpd_reject_unlisted_sender: "yes", smtpd_relay_restrictions: "reject_unauth_destination" },
    sessions: EVERYWHERE.filter((address) => address !== "postmaster").map((sender) => ({
      commands: rcpts(sender, "bob@example.com"),
    })),
  },
  {
    name: "unlisted recipients pass, unless asked for in the list",
    settings: {
      smtpd_reject_unlisted_recipient: "no",
      smtpd_recipient_restrictions: "permit_mynetworks, reject_unlisted_recipient, reject_unauth_destination",
    },
    sessions: [
      {
        client: STRANGER,
        commands: rcpts("ann@example.org", "nobody@example.com", "bob@example.com", "x@else.example"),
      },
      {
        client: TRUSTED,
        commands: rcpts("ann@example.org", "nobody@example.com", "bob@example.com", "x@else.example"),
      },
    ],
  },
  {
    name: "the basic verbs, each list",
    settings: {
      smtpd_client_restrictions:
        "check_client_access inline:{{192.0.2.1=reject},{192.0.2.2=defer},{192.0.2.3=permit},{192.0.2.4=defer_if_permit},{192.0.2.5=defer_if_reject}}",
      smtpd_helo_restrictions:
        "check_helo_access inline:{{reject.example=reject},{defer.example=defer},{ok.example=OK}}",
      smtpd_sender_restrictions:
        "check_sender_access inline:{{r@a.example=reject},{d@a.example=defer},{p@a.example=permit},{dip@a.example=defer_if_permit},{dir@a.example=defer_if_reject}}",
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{r@example.com=reject},{d@example.com=defer},{bob@example.com=permit},{dip@example.com=defer_if_permit},{dir@example.com=defer_if_reject,reject},{alice@example.com=defer_if_reject}}, reject_unauth_destination",
    },
    sessions: [
      ...[1, 2, 3, 4, 5, 6].map((last) => ({
        client: { address: `192.0.2.${last}` },
        commands: rcpts("ann@example.org", "bob@example.com", "nobody@example.com", "x@else.example"),
      })),
      ...["reject.example", "defer.example", "ok.example"].map((helo) => ({
        commands: [`EHLO ${helo}`, "MAIL ann@example.org", "RCPT bob@example.com"],
      })),
      ...["r", "d", "p", "dip", "dir"].map((local) => ({
        commands: rcpts(
          `${local}@a.example`,
          "bob@example.com",
          "r@example.com",
          "nobody@example.com",
          "x@else.example",
        ),
      })),
      {
        commands: rcpts(
          "ann@example.org",
          "r@example.com",
          "d@example.com",
          "bob@example.com",
          "dip@example.com",
          "dir@example.com",
          "alice@example.com",
          "nobody@example.com",
        ),
      },
    ],
  },
  {
    name: "access actions for recipients",
    settings: {
      smtpd_recipient_restrictions: "check_recipient_access inline:{" + [
        "a1@example.com=OK",
        "a2@example.com=554",
        "a3@example.com=12345",
        "a4@example.com=250 fine",
        "a5@example.com=354 go on",
        "a6@example.com=600 what",
        "a7@example.com=550-text",
        "a8@example.com=550 5.1.1 no such",
        "a9@example.com=550 5.1.7 bad sender",
        "a10@example.com=450 5.7.1 mixed",
        "a11@example.com=REJECT",
        "a12@example.com=REJECT go away",
        "a13@example.com=REJECT 4.7.9 go away",
        "a14@example.com=reject lower case",
        "a15@example.com=DEFER",
        "a16@example.com=DEFER later please",
        "a17@example.com=DEFER_IF_PERMIT",
        "a18@example.com=DEFER_IF_PERMIT greylisted",
        "a19@example.com=DEFER_IF_REJECT",
        "a20@example.com=DUNNO",
        "a21@example.com=DUNNO with text",
        "a22@example.com=421 4.3.2 leave",
        "a23@example.com=554 4.7.1 x",
        "a24@example.com=550 9.9.9 x",
        "a25@example.com=550 5.1.1",
        "a26@example.com=RELAY",
        "a27@example.com=nonsense",
        "a28@example.com=permit_mynetworks reject",
        "a29@example.com=hash:/etc/x",
        "a30@example.com=check_sender_access inline:{a=b}",
        "a31@example.com=REDIRECT bob@example.com",
        "a32@example.com=REDIRECT nobody",
        "a33@example.com=FILTER smtp:[127.0.0.1]:9",
        "a34@example.com=FILTER nocolon",
        "a35@example.com=FILTER",
        "a36@example.com=BCC bob@example.com",
        "a37@example.com=BCC nobody",
        "a38@example.com=PREPEND X-Header: yes",
        "a39@example.com=PREPEND no header",
        "a40@example.com=WARN watch out",
        "a41@example.com=INFO noted",
        "a42@example.com=WARN",
        "a43@example.com=HOLD",
        "a44@example.com=HOLD for review",
        "a45@example.com=DELAY 5",
        "a46@example.com=OK text",
        "a47@example.com=defer_if_permit",
        "a48@example.com=reject_unauth_destination",
        "a49@example.com=permit_auth_destination",
        "a50@example.com=user_class",
        "a51@example.com=warn_if_reject reject",
        "a52@example.com=550 5.2.1 other subject",
        "a53@example.com=550 5.1.6 moved",
        "a54@example.com=550 5.1.9 unknown detail",
      ].map((row) => `{${row}}`).join(",") + "}, reject_unauth_destination",
      smtpd_restriction_classes: "user_class",
      user_class: "check_sender_access inline:{{ann@example.org=REJECT class says no}}, permit",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: Array.from({ length: 54 }, (_, at) => ({
      client: STRANGER,
      commands: rcpts("ann@example.org", `a${at + 1}@example.com`, "other@example.com"),
    })),
  },
  {
    name: "discard accepts whatever follows",
    settings: {
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{bin@example.com=DISCARD nope},{no@example.com=REJECT}}, reject_unauth_destination",
      smtpd_data_restrictions: "reject",
    },
    sessions: [
      {
        client: STRANGER,
        commands: [
          ...rcpts(
            "ann@example.org",
            "no@example.com",
            "bin@example.com",
            "no@example.com",
            "x@else.example",
            "nobody@example.com",
          ),
          "DATA",
          ".",
        ],
      },
      { client: STRANGER, commands: [...rcpts("ann@example.org", "bob@example.com"), "DATA"] },
      {
        client: STRANGER,
        commands: [...rcpts("ann@example.org", "bob@example.com", "alice@example.com"), "DATA"],
      },
    ],
  },
  {
    name: "statuses by stage",
    settings: {
      smtpd_client_restrictions:
        "check_client_access inline:{{192.0.2.1=550 5.1.1 c},{192.0.2.2=550 5.1.7 c},{192.0.2.3=550 5.7.8 c}}",
      smtpd_helo_restrictions:
        "check_helo_access inline:{{h1.example=550 5.1.1 h},{h2.example=REJECT 5.1.8 h}}",
      smtpd_sender_restrictions: "check_sender_access inline:{" +
        [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `{s${n}@a.example=550 5.1.${n} s}`).join(",") + "}",
      smtpd_recipient_restrictions: "check_recipient_access inline:{" +
        [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `{r${n}@example.com=550 5.1.${n} r}`).join(",") +
        "}, reject_unauth_destination",
    },
    sessions: [
      ...[1, 2, 3].map((last) => ({
        client: { address: `192.0.2.${last}` },
        commands: rcpts("ann@example.org", "bob@example.com"),
      })),
      ...["h1.example", "h2.example"].map((helo) => ({
        commands: [`EHLO ${helo}`, "MAIL ann@example.org", "RCPT bob@example.com"],
      })),
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => ({ commands: rcpts(`s${n}@a.example`, "bob@example.com") })),
      { commands: rcpts("ann@example.org", ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `r${n}@example.com`)) },
    ],
  },
  {
    name: "lookup order of addresses",
    settings: {
      smtpd_recipient_restrictions: "check_recipient_access inline:{" + [
        "full+ext@example.com=REJECT full",
        "plain@example.com=REJECT without extension",
        "sub.dom.example=REJECT domain",
        "dom.example=REJECT parent",
        ".dots.example=REJECT dotted",
        "anybody@=REJECT local part",
        "ext+x@=REJECT local part with extension",
        "first@sub.dom.example=REJECT address first",
        "both@=REJECT never, the domain goes first",
      ].map((row) => `{${row}}`).join(",") + "}, permit",
      smtpd_relay_restrictions: "check_client_access static:OK, reject_unauth_destination",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: [{
      commands: rcpts(
        "ann@example.org",
        "full+ext@example.com",
        "full@example.com",
        "plain@example.com",
        "plain+ext@example.com",
        "PLAIN+EXT@EXAMPLE.COM",
        "x@sub.dom.example",
        "x@deep.sub.dom.example",
        "x@dom.example",
        "x@a.dots.example",
        "x@dots.example",
        "anybody@some.example",
        "anybody+e@some.example",
        "ext+x@some.example",
        "ext@some.example",
        "first@sub.dom.example",
        "both@dom.example",
        "both@other.example",
        "anybody",
      ),
    }],
  },
  {
    name: "lookup order without parent matching",
    settings: {
      parent_domain_matches_subdomains: "",
      smtpd_client_restrictions:
        "check_client_access inline:{{.dom.example=REJECT dotted},{dom.example=REJECT exact},{192.0.2=REJECT net}}",
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{.dom.example=REJECT dotted},{dom.example=REJECT exact},{.example=REJECT top}}, reject",
      smtpd_delay_reject: "yes",
    },
    sessions: [
      {
        client: { address: "198.51.100.1" },
        commands: rcpts("a@b.example", "x@dom.example", "x@sub.dom.example", "x@top.example"),
      },
      {
        client: { address: "198.51.100.1", name: "a.dom.example" },
        commands: rcpts("a@b.example", "x@dom.example"),
      },
      {
        client: { address: "198.51.100.1", name: "dom.example" },
        commands: rcpts("a@b.example", "x@dom.example"),
      },
      { client: { address: "192.0.2.200" }, commands: rcpts("a@b.example", "x@dom.example") },
    ],
  },
  {
    name: "clients by name and network",
    settings: {
      smtpd_client_restrictions: "check_client_access inline:{" + [
        "bad.example=REJECT domain",
        "unknown=REJECT nameless",
        "192.0.2=REJECT network",
        "198.51.100.7=REJECT address",
        "198=REJECT big network",
        "ok.bad.example=DUNNO",
        "2001:db8:5=REJECT six",
        "2001:db8::9=REJECT host six",
      ].map((row) => `{${row}}`).join(",") + "}",
      smtpd_delay_reject: "yes",
    },
    sessions: [
      {
        client: { address: "203.0.113.1", name: "x.bad.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: { address: "192.0.2.1", name: "ok.bad.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: { address: "192.0.2.1", name: "good.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: { address: "198.51.100.7", name: "good.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: { address: "198.0.0.1", name: "good.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      { client: { address: "203.0.113.1" }, commands: rcpts("a@b.example", "bob@example.com") },
      {
        client: { address: "2001:db8:5::1", name: "good.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: { address: "2001:db8::9", name: "good.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: { address: "2001:db8::10", name: "good.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
    ],
  },
  {
    name: "client names that are missing or forged",
    settings: {
      smtpd_client_restrictions:
        "check_client_access inline:{{203.0.113.9=reject_unknown_client}}, reject_unknown_reverse_client_hostname, " +
        "reject_unknown_client_hostname",
      unknown_client_reject_code: "550",
    },
    sessions: [
      { client: { address: "203.0.113.1" }, commands: rcpts("a@b.example", "bob@example.com") },
      {
        client: { address: "203.0.113.1", nameStatus: 4, reverseNameStatus: 4 },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: { address: "203.0.113.1", reverseName: "forged.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      {
        client: { address: "203.0.113.1", nameStatus: 4, reverseName: "slow.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
      { client: { address: "203.0.113.9" }, commands: rcpts("a@b.example", "bob@example.com") },
      { client: STRANGER, commands: rcpts("a@b.example", "bob@example.com") },
    ],
  },
  {
    name: "reverse names may not permit",
    settings: {
      smtpd_recipient_restrictions:
        "check_reverse_client_hostname_access inline:{{liar.example=OK},{bad.example=REJECT},{dunno.example=DUNNO},{sub.example=permit}}, reject_unauth_destination",
    },
    sessions: ["liar.example", "bad.example", "dunno.example", "sub.example", "else.example"].map((
      reverseName,
    ) => ({
      client: { address: "203.0.113.1", reverseName },
      commands: rcpts("a@b.example", "bob@example.com", "x@else.example"),
    })),
  },
  {
    name: "HELO names",
    settings: {
      smtpd_helo_restrictions:
        "check_helo_access inline:{{listed.example=REJECT listed},{x.ok.example=OK}}, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname",
    },
    sessions: [
      "client.example.org",
      "client.example.org.",
      "client.example.org..",
      "client",
      "bad_host!",
      "under_score.example",
      "-lead.example",
      "trail-.example",
      "a..b",
      "[192.0.2.1]",
      "[IPv6:2001:db8::1]",
      "[2001:db8::1]",
      "[1.2.3]",
      "[192.0.2.1",
      "192.0.2.1",
      "12345",
      "1.2",
      "listed.example",
      "sub.listed.example",
      "x.ok.example",
      "LISTED.EXAMPLE",
      "a".repeat(64) + ".example",
    ].map((helo) => ({
      client: STRANGER,
      commands: [`EHLO ${helo}`, "MAIL a@b.example", "RCPT bob@example.com"],
    })),
  },
  {
    name: "HELO by the older names, other codes",
    settings: {
      smtpd_helo_restrictions: "reject_invalid_hostname, reject_non_fqdn_hostname, permit_naked_ip_address",
      invalid_hostname_reject_code: "554",
      non_fqdn_reject_code: "450",
    },
    sessions: ["a..b", "short", "[1.2]", "192.0.2.1", "1.2.3", "ok.example"].map((helo) => ({
      client: STRANGER,
      commands: [`HELO ${helo}`, "MAIL a@b.example", "RCPT bob@example.com"],
    })),
  },
  {
    name: "addresses that are not fully qualified",
    settings: {
      smtpd_sender_restrictions: "reject_non_fqdn_sender",
      smtpd_recipient_restrictions: "reject_non_fqdn_recipient, reject_unauth_destination",
      smtpd_reject_unlisted_recipient: "no",
    },
    sessions: [
      ...[
        "ann",
        "ann@host",
        "ann@host.example",
        "ann@host.",
        "ann@[192.0.2.1]",
        "",
        "a b",
        "ann@under_score.example",
      ].map(
        (sender) => ({ commands: rcpts(sender, "bob@example.com") }),
      ),
      {
        commands: rcpts(
          "ann@example.org",
          "bob",
          "bob@localhost",
          "bob@example.com",
          "bob@[127.0.0.1]",
          "bob@example.com.",
        ),
      },
    ],
  },
  {
    name: "null and multiple recipients of bounces",
    settings: {
      smtpd_recipient_restrictions:
        "reject_multi_recipient_bounce, check_sender_access inline:{{<>=REJECT no bounces}}, permit",
      smtpd_relay_restrictions: "reject_unauth_destination",
    },
    sessions: [
      { commands: rcpts("", "bob@example.com", "alice@example.com") },
      { commands: rcpts("ann@example.org", "bob@example.com", "alice@example.com") },
    ],
  },
  {
    name: "bounces with two recipients at DATA",
    settings: {
      smtpd_data_restrictions: "reject_multi_recipient_bounce",
      smtpd_null_access_lookup_key: "nullsender",
      smtpd_sender_restrictions: "check_sender_access inline:{{nullsender=WARN a bounce}}",
    },
    sessions: [
      { commands: [...rcpts("", "bob@example.com", "alice@example.com"), "DATA"] },
      { commands: [...rcpts("", "bob@example.com"), "DATA", "."] },
      { commands: [...rcpts("ann@example.org", "bob@example.com", "alice@example.com"), "DATA", "."] },
    ],
  },
  {
    name: "warn_if_reject",
    settings: {
      smtpd_client_restrictions: "warn_if_reject reject_unknown_client_hostname",
      smtpd_sender_restrictions:
        "warn_if_reject check_sender_access inline:{{w@a.example=REJECT bad sender},{d@a.example=DEFER_IF_PERMIT maybe},{c@a.example=strict}}",
      smtpd_recipient_restrictions:
        "warn_if_reject reject_unauth_destination, warn_if_reject strict, warn_if_reject nonsense, reject",
      smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
      smtpd_restriction_classes: "strict",
      strict: "reject_non_fqdn_sender, check_sender_access inline:{{c@a.example=REJECT strictly}}, reject",
    },
    sessions: [
      ...["w@a.example", "d@a.example", "c@a.example", "o@a.example"].map((sender) => ({
        client: { address: "203.0.113.1" },
        commands: rcpts(sender, "bob@example.com", "x@else.example"),
      })),
      { client: TRUSTED, commands: rcpts("o@a.example", "bob@example.com", "x@else.example") },
    ],
  },
  {
    name: "restriction classes inside classes",
    settings: {
      smtpd_restriction_classes: "outer, inner, lenient",
      outer: "permit_mynetworks, inner, check_recipient_access inline:{{alice@example.com=REJECT outer}}",
      inner: "check_recipient_access inline:{{bob@example.com=REJECT inner},{carol@example.com=lenient}}",
      lenient: "permit",
      smtpd_recipient_restrictions:
        "outer, reject_unauth_destination, inline:{{aliased@example.com=REJECT bare table}}",
    },
    sessions: [
      {
        client: STRANGER,
        commands: rcpts(
          "a@b.example",
          "bob@example.com",
          "alice@example.com",
          "carol@example.com",
          "aliased@example.com",
          "x@e.example",
        ),
      },
      { client: TRUSTED, commands: rcpts("a@b.example", "bob@example.com", "x@e.example") },
    ],
  },
  {
    name: "bare tables in each list",
    settings: {
      smtpd_client_restrictions: "inline:{{192.0.2.1=REJECT c}}",
      smtpd_helo_restrictions: "inline:{{bad.example=REJECT h}}",
      smtpd_sender_restrictions: "inline:{{s@a.example=REJECT s}}",
      smtpd_recipient_restrictions: "inline:{{bob@example.com=REJECT r}}, reject_unauth_destination",
    },
    sessions: [
      { client: { address: "192.0.2.1" }, commands: rcpts("a@b.example", "alice@example.com") },
      { commands: ["EHLO bad.example", "MAIL a@b.example", "RCPT alice@example.com"] },
      { commands: rcpts("s@a.example", "alice@example.com") },
      { commands: rcpts("a@b.example", "bob@example.com", "alice@example.com") },
    ],
  },
  {
    name: "a bare table at DATA",
    settings: { smtpd_data_restrictions: "inline:{{bob@example.com=REJECT r}}" },
    sessions: [{ commands: [...rcpts("a@b.example", "alice@example.com"), "DATA"] }],
  },
  {
    name: "mistakes show when they are reached",
    settings: {
      smtpd_client_restrictions:
        "check_client_access inline:{{192.0.2.1=nonsense},{192.0.2.2=permit_mynetwork}}",
      smtpd_helo_restrictions:
        "check_helo_access inline:{{h1.example=check_helo_access},{h2.example=sleep x},{h3.example=reject_rbl_client}}",
      smtpd_sender_restrictions:
        "check_sender_access inline:{{s1@a.example=check_policy_service},{s2@a.example=DUNNO}}",
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{bob@example.com=OK}}, unknown_restriction, reject_unauth_destination",
    },
    sessions: [
      ...[1, 2].map((last) => ({
        client: { address: `192.0.2.${last}` },
        commands: rcpts("a@b.example", "bob@example.com"),
      })),
      ...["h1.example", "h2.example", "h3.example"].map((helo) => ({
        commands: [`EHLO ${helo}`, "MAIL a@b.example", "RCPT bob@example.com"],
      })),
      ...["s1@a.example", "s2@a.example"].map((sender) => ({ commands: rcpts(sender, "bob@example.com") })),
      { commands: rcpts("a@b.example", "bob@example.com", "alice@example.com", "x@else.example") },
    ],
  },
  {
    name: "check_client_access without a table",
    settings: { smtpd_client_restrictions: "check_client_access hash, permit" },
    sessions: [{ commands: rcpts("a@b.example", "bob@example.com") }],
  },
  {
    name: "tables that cannot be opened",
    settings: {
      smtpd_client_restrictions:
        "check_client_access inline:{{192.0.2.1=DUNNO}}, check_client_access fail:broken",
    },
    sessions: [
      { client: { address: "192.0.2.1" }, commands: rcpts("a@b.example", "bob@example.com") },
    ],
  },
  {
    name: "the sender table is broken",
    settings: { smtpd_recipient_restrictions: "check_sender_access fail:broken, reject_unauth_destination" },
    sessions: [
      { commands: rcpts("a@b.example", "bob@example.com") },
      { commands: rcpts("", "bob@example.com") },
    ],
  },
  {
    name: "mynetworks with mistakes",
    settings: { mynetworks: "10.0.0.0/8, 192.0.2.1/24, 198.51.100.0/24" },
    sessions: [
      { client: { address: "10.1.1.1" }, commands: rcpts("a@b.example", "x@else.example") },
      {
        client: { address: "198.51.100.1" },
        commands: rcpts("a@b.example", "x@else.example", "bob@example.com"),
      },
    ],
  },
  {
    name: "DEFER_IF memory across lists",
    settings: {
      smtpd_client_restrictions:
        "check_client_access inline:{{192.0.2.1=DEFER_IF_PERMIT client},{192.0.2.2=DEFER_IF_REJECT client}}",
      smtpd_helo_restrictions:
        "check_helo_access inline:{{dip.example=DEFER_IF_PERMIT helo},{dir.example=DEFER_IF_REJECT helo}}",
      smtpd_sender_restrictions:
        "check_sender_access inline:{{dip@a.example=DEFER_IF_PERMIT sender},{dir@a.example=DEFER_IF_REJECT sender},{no@a.example=REJECT sender}}",
      smtpd_relay_restrictions:
        "check_recipient_access inline:{{dir@example.com=DEFER_IF_REJECT relay},{both@example.com=two}}, permit_mynetworks, reject_unauth_destination",
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{dir@example.com=REJECT later list},{both@example.com=REJECT both},{ok@example.com=OK}}",
      smtpd_restriction_classes: "two",
      two: "defer_if_permit, defer_if_reject, reject",
    },
    sessions: [1, 2, 3].flatMap((last) =>
      ["ok.example", "dip.example", "dir.example"].flatMap((helo) =>
        ["a@b.example", "dip@a.example", "dir@a.example", "no@a.example"].map((sender) => ({
          client: { address: `192.0.2.${last}` },
          commands: [
            `EHLO ${helo}`,
            `MAIL ${sender}`,
            "RCPT bob@example.com",
            "RCPT x@else.example",
            "RCPT nobody@example.com",
            "RCPT dir@example.com",
            "RCPT both@example.com",
            "RCPT ok@example.com",
          ],
        }))
      )
    ),
  },
  {
    name: "smtpd_delay_reject = no",
    settings: {
      smtpd_delay_reject: "no",
      smtpd_client_restrictions:
        "check_client_access inline:{{192.0.2.2=DEFER_IF_PERMIT client},{192.0.2.3=HOLD},{192.0.2.4=PREPEND X: y},{192.0.2.5=WARN early}}",
      smtpd_helo_restrictions:
        "check_helo_access inline:{{bad.example=REJECT helo},{dip.example=DEFER_IF_PERMIT helo}}",
      smtpd_sender_restrictions:
        "check_sender_access inline:{{no@a.example=REJECT sender},{dip@a.example=DEFER_IF_PERMIT sender}}",
      smtpd_recipient_restrictions: "reject_unauth_destination",
    },
    sessions: [
      ...[2, 3, 4, 5, 6].map((last) => ({
        client: { address: `192.0.2.${last}` },
        commands: rcpts("a@b.example", "bob@example.com", "x@else.example"),
      })),
      {
        client: STRANGER,
        commands: [
          "EHLO bad.example",
          "MAIL a@b.example",
          "RCPT bob@example.com",
          "RSET",
          "EHLO dip.example",
          "MAIL a@b.example",
          "RCPT bob@example.com",
        ],
      },
      { client: STRANGER, commands: rcpts("no@a.example", "bob@example.com") },
      { client: STRANGER, commands: rcpts("dip@a.example", "bob@example.com", "x@else.example") },
    ],
  },
  {
    name: "recipient restrictions before relay restrictions",
    settings: {
      smtpd_relay_before_recipient_restrictions: "no",
      smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{x@else.example=REJECT recipient list},{y@else.example=OK}}",
    },
    sessions: [{
      client: STRANGER,
      commands: rcpts("a@b.example", "x@else.example", "y@else.example", "z@else.example", "bob@example.com"),
    }],
  },
  {
    name: "relay restrictions before recipient restrictions",
    settings: {
      smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{x@else.example=REJECT recipient list},{y@else.example=OK}}",
    },
    sessions: [{
      client: STRANGER,
      commands: rcpts("a@b.example", "x@else.example", "y@else.example", "z@else.example", "bob@example.com"),
    }],
  },
  {
    name: "routed recipients get no permit from tables",
    settings: {
      smtpd_relay_restrictions: "",
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{a%b@example.com=OK},{a%b.example@relay.example=OK},{relay.example=OK},{elsewhere.example=OK},{example.com=OK}}, reject",
    },
    sessions: [{
      client: STRANGER,
      commands: rcpts(
        "a@b.example",
        "a%b@example.com",
        "a%b.example@relay.example",
        "x!y@relay.example",
        "a@b@relay.example",
        "known@relay.example",
        "a@elsewhere.example@example.com",
        "u@elsewhere.example",
        "c%d@elsewhere.example",
        "bob@example.com",
      ),
    }],
  },
  {
    name: "allow_untrusted_routing",
    settings: { allow_untrusted_routing: "yes", smtpd_relay_restrictions: "reject_unauth_destination" },
    sessions: [{
      client: STRANGER,
      commands: rcpts(
        "a@b.example",
        "a%b.example@relay.example",
        "x!y@relay.example",
        "a%b@example.com",
        "u@elsewhere.example",
      ),
    }],
  },
  {
    name: "permit_auth_destination and check_relay_domains",
    settings: {
      relay_domains: "relay.example",
      smtpd_relay_restrictions: "",
      smtpd_recipient_restrictions:
        "check_sender_access inline:{{crd@a.example=check_relay_domains}}, permit_auth_destination, reject",
    },
    sessions: [
      {
        client: STRANGER,
        commands: rcpts(
          "a@b.example",
          "bob@example.com",
          "known@relay.example",
          "x@else.example",
          "info@alias.example",
        ),
      },
      {
        client: STRANGER,
        commands: rcpts("crd@a.example", "bob@example.com", "known@relay.example", "x@else.example"),
      },
      {
        client: { address: "192.0.2.80", name: "mx.relay.example" },
        commands: rcpts("crd@a.example", "x@else.example"),
      },
    ],
  },
  {
    name: "reply codes that are none",
    settings: {
      reject_code: "299",
      smtpd_client_restrictions:
        "check_client_access inline:{{192.0.2.1=reject},{192.0.2.2=defer},{192.0.2.3=REJECT x}}",
      defer_code: "455",
      access_map_reject_code: "600",
    },
    sessions: [1, 2, 3].map((last) => ({
      client: { address: `192.0.2.${last}` },
      commands: rcpts("a@b.example", "bob@example.com"),
    })),
  },
  {
    name: "access permits in the log",
    settings: {
      smtpd_log_access_permit_actions: "static:all",
      smtpd_recipient_restrictions:
        "permit_mynetworks, check_recipient_access inline:{{alice@example.com=OK},{carol@example.com=12345},{bob@example.com=permit_auth_destination}}, permit_auth_destination, reject",
      smtpd_relay_restrictions: "",
    },
    sessions: [
      { client: TRUSTED, commands: rcpts("a@b.example", "bob@example.com") },
      {
        client: STRANGER,
        commands: rcpts(
          "a@b.example",
          "alice@example.com",
          "carol@example.com",
          "bob@example.com",
          "info@alias.example",
        ),
      },
    ],
  },
  {
    name: "plaintext, inet interfaces, end of data",
    settings: {
      smtpd_sender_restrictions: "check_sender_access inline:{{p@a.example=reject_plaintext_session}}",
      smtpd_recipient_restrictions: "permit_inet_interfaces, reject",
      smtpd_end_of_data_restrictions:
        "check_sender_access inline:{{e@a.example=REJECT too late},{w@a.example=PREPEND X: y},{d@a.example=DEFER_IF_PERMIT eod}}",
      smtpd_relay_restrictions: "permit",
      plaintext_reject_code: "554",
    },
    sessions: [
      { commands: rcpts("p@a.example", "bob@example.com") },
      {
        commands: [
          ...rcpts("e@a.example", "bob@example.com"),
          "DATA",
          ".",
          "MAIL a@b.example",
          "RSET",
          "MAIL a@b.example",
        ],
      },
      { commands: [...rcpts("w@a.example", "bob@example.com"), "DATA", "."] },
      { commands: [...rcpts("d@a.example", "bob@example.com"), "DATA", "."] },
      { commands: [...rcpts("d@a.example", "bob@example.com", "alice@example.com"), "DATA", "."] },
    ],
  },
  {
    name: "pattern tables see whole keys only",
    settings: {
      smtpd_client_restrictions:
        "check_client_access regexp:{{/^192\\.0\\.2$$/ REJECT never},{/^192\\.0\\.2\\.9$$/ REJECT client nine},{/evil/ REJECT evil name}}",
      smtpd_recipient_restrictions:
        "check_recipient_access regexp:{{/^bob@$$/ REJECT never},{/^example\\.com$$/ REJECT never},{/^alice(\\+.*)?@/ REJECT alice$$1}}, reject_unauth_destination",
    },
    sessions: [
      { client: { address: "192.0.2.9" }, commands: rcpts("a@b.example", "bob@example.com") },
      {
        client: { address: "192.0.2.8" },
        commands: rcpts("a@b.example", "bob@example.com", "alice@example.com", "alice+x@example.com"),
      },
      {
        client: { address: "192.0.2.8", name: "x.evil.example" },
        commands: rcpts("a@b.example", "bob@example.com"),
      },
    ],
  },
  {
    name: "VRFY",
    settings: { disable_vrfy_command: "no", smtpd_relay_restrictions: "reject_unauth_destination" },
    sessions: [{
      client: STRANGER,
      commands: [
        "EHLO client.example.org",
        "VRFY bob@example.com",
        "VRFY nobody@example.com",
        "VRFY x@else.example",
        "VRFY postmaster",
      ],
    }],
  },
];
