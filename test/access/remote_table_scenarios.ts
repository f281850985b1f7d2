// Every parameter that names tables, with a table on a server: alive, silent about a key, in trouble, and gone.
import type { Scenario } from "./scenarios.ts";

/** A map of the peer at %PEER%. */
const alive = (map: string) => `socketmap:inet:%PEER%:${map}`;
/** A map where nobody listens. */
const gone = (map: string) => `socketmap:inet:%GONE%:${map}`;
const tcp = "tcp:%TCP%";

/** What the peer knows; keys that start with `temp`, `timeout` and `perm` are in trouble, whatever the map. */
export const PEER_MAPS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  client: { "192.0.2.9": "REJECT by address", "bad.example.org": "REJECT by name" },
  helo: { "bad.example.org": "REJECT bad helo" },
  sender: { "evil@x.example": "REJECT evil sender", "x.example": "REJECT never asked", "<>": "REJECT null" },
  recipient: { "no@example.com": "550 5.7.1 not him", "@example.com": "REJECT never asked" },
  destination: { "example.com": "x", "dest.example": "x", "temp.example": "x" },
  relay: { "relay.example": "x", "example": "x" },
  aliasdomains: { "alias.example": "x" },
  mailboxdomains: { "vmail.example": "x" },
  users: { "bob": "x", "carol@example.com": "x" },
  relayusers: { "known@relay.example": "x" },
  mailboxes: { "ann@vmail.example": "ann/", "@vmail.example": "all/" },
  aliases: {
    "info@alias.example": "bob@example.com",
    "@alias.example": "bob@example.com",
    "bob+x@example.com": "y",
  },
  canonical: { "old@example.com": "bob@example.com" },
  transport: { "closed@example.com": "error:5.2.1 mailbox closed", "example.com": "error:5.2.1 never asked" },
  relocated: { "moved@example.com": "moved@new.example" },
  networks: { "192.0.2.7": "x", "client.example.org": "x" },
  logins: { "ann@example.com": "ann" },
};

const session = (...recipients: string[]) => ({
  client: { address: "192.0.2.7", name: "client.example.org" },
  commands: [
    "EHLO client.example.org",
    "MAIL ann@x.example",
    ...recipients.map((recipient) => `RCPT ${recipient}`),
  ],
});

const from = (sender: string) => ({
  commands: ["EHLO client.example.org", `MAIL ${sender}`, "RCPT bob@example.com"],
});

const BOTH = [["alive", alive], ["gone", gone]] as const;

/** A parameter with each peer, and the recipients that show it. */
function each(
  name: string,
  settings: (map: (name: string) => string) => Readonly<Record<string, string>>,
  ...sessions: Scenario["sessions"]
): Scenario[] {
  return BOTH.map(([how, map]) => ({ name: `${name}: ${how}`, settings: settings(map), sessions }));
}

const DOMAINS = [
  "bob@example.com",
  "bob@dest.example",
  "known@relay.example",
  "x@sub.relay.example",
  "info@alias.example",
  "none@alias.example",
  "ann@vmail.example",
  "bob@vmail.example",
  "x@elsewhere.example",
];

const RULES: readonly Scenario[] = [
  ...each(
    "check_client_access",
    (map) => ({ smtpd_client_restrictions: `check_client_access ${map("client")}` }),
    {
      client: { address: "192.0.2.9", name: "client.example.org" },
      commands: ["EHLO x.example", "MAIL a@x.example", "RCPT bob@example.com"],
    },
    {
      client: { address: "192.0.2.7", name: "bad.example.org" },
      commands: ["EHLO x.example", "MAIL a@x.example", "RCPT bob@example.com"],
    },
    {
      client: { address: "192.0.2.7", name: "sub.bad.example.org" },
      commands: ["EHLO x.example", "MAIL a@x.example", "RCPT bob@example.com"],
    },
    {
      client: { address: "192.0.2.7", name: "temp.example.org" },
      commands: ["EHLO x.example", "MAIL a@x.example", "RCPT bob@example.com"],
    },
  ),
  ...each("check_helo_access", (map) => ({ smtpd_helo_restrictions: `check_helo_access ${map("helo")}` }), {
    commands: ["EHLO bad.example.org", "MAIL a@x.example", "RCPT bob@example.com"],
  }, { commands: ["EHLO perm.example.org", "MAIL a@x.example", "RCPT bob@example.com"] }),
  ...each(
    "check_sender_access",
    (map) => ({ smtpd_sender_restrictions: `check_sender_access ${map("sender")}` }),
    from("evil@x.example"),
    from("EVIL@X.EXAMPLE"),
    from("evil+ext@x.example"),
    from("good@x.example"),
    from(""),
    from("temp@x.example"),
    from("timeout@x.example"),
    from("perm@x.example"),
  ),
  ...each(
    "check_recipient_access",
    (map) => ({ smtpd_recipient_restrictions: `check_recipient_access ${map("recipient")}` }),
    session("no@example.com", "bob@example.com", "temp@example.com", "perm@example.com"),
  ),
  ...each(
    "local_recipient_maps",
    (map) => ({ local_recipient_maps: map("users") }),
    session(
      "bob@example.com",
      "nobody@example.com",
      "carol@example.com",
      "temp@example.com",
      "perm@example.com",
      "postmaster@example.com",
    ),
  ),
  ...each(
    "relay_recipient_maps",
    (map) => ({ relay_recipient_maps: map("relayusers") }),
    session("known@relay.example", "known+x@relay.example", "unknown@relay.example", "temp@relay.example"),
  ),
  ...each(
    "virtual_mailbox_maps",
    (map) => ({ virtual_mailbox_maps: map("mailboxes") }),
    session("ann@vmail.example", "bob@vmail.example", "perm@vmail.example"),
  ),
  ...each(
    "virtual_alias_maps",
    (map) => ({ virtual_alias_maps: map("aliases") }),
    session(
      "info@alias.example",
      "other@alias.example",
      "bob@example.com",
      "bob+x@example.com",
      "temp@alias.example",
    ),
  ),
  ...each(
    "canonical_maps",
    (map) => ({ canonical_maps: map("canonical") }),
    session("old@example.com", "bob@example.com", "nobody@example.com"),
  ),
  ...each(
    "recipient_canonical_maps",
    (map) => ({ recipient_canonical_maps: map("canonical") }),
    session("old@example.com", "nobody@example.com"),
  ),
  ...each("mynetworks", (map) => ({ mynetworks: map("networks") }), session("x@elsewhere.example"), {
    client: { address: "192.0.2.8", name: "client.example.org" },
    commands: ["EHLO x.example", "MAIL a@x.example", "RCPT x@elsewhere.example"],
  }),
  ...each(
    "smtpd_sender_login_maps",
    (map) => ({
      smtpd_sender_login_maps: map("logins"),
      smtpd_sender_restrictions: "reject_sender_login_mismatch",
    }),
    from("ann@example.com"),
    from("free@example.com"),
  ),
  {
    name: "check_sender_access: tcp",
    settings: { smtpd_sender_restrictions: `check_sender_access ${tcp}` },
    sessions: [from("evil@x.example"), from("good@x.example"), from("")],
  },
];

/** Parameters of trivial-rewrite(8). */
const ROUTING: readonly Scenario[] = [
  ...each("mydestination", (map) => ({ mydestination: map("destination") }), session(...DOMAINS)),
  ...each(
    "mydestination among names",
    (map) => ({ mydestination: `mail.example.com, ${map("destination")}` }),
    session(...DOMAINS, "bob@mail.example.com"),
  ),
  ...each("relay_domains", (map) => ({ relay_domains: map("relay") }), session(...DOMAINS)),
  ...each(
    "virtual_alias_domains",
    (map) => ({ virtual_alias_domains: map("aliasdomains") }),
    session(...DOMAINS),
  ),
  ...each(
    "virtual_mailbox_domains",
    (map) => ({ virtual_mailbox_domains: map("mailboxdomains") }),
    session(...DOMAINS),
  ),
  ...each(
    "transport_maps",
    (map) => ({ transport_maps: map("transport") }),
    session("closed@example.com", "bob@example.com", "x@elsewhere.example"),
  ),
  ...each(
    "relocated_maps",
    (map) => ({ relocated_maps: map("relocated") }),
    session("moved@example.com", "bob@example.com"),
  ),
].map((scenario) => ({ ...scenario, routing: true }));

export const REMOTE: readonly Scenario[] = [...RULES, ...ROUTING];
