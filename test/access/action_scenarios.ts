// Every action of access(5) at every stage: what a table can answer, in each list, through the check that belongs to it.
import type { Scenario } from "./scenarios.ts";

/** What a table may say; the key is made by each list's own way of asking. */
export const ACTIONS: readonly string[] = [
  "OK",
  "OK text",
  "RELAY",
  "permit",
  "12345",
  "250 fine",
  "299",
  "421 4.3.2 leave",
  "450 later",
  "450 4.1.1 who",
  "450 5.7.1 mixed",
  "521 5.3.2 closed",
  "550 5.1.1 no such",
  "550 5.1.8 bad domain",
  "550 5.7.8 login",
  "550 9.9.9 no status",
  "550",
  "554 ",
  "599 strange",
  "600 what",
  "REJECT",
  "REJECT go away",
  "REJECT 5.7.27 go away",
  "REJECT 4.7.9 go away",
  "reject lower case",
  "reject",
  "DEFER",
  "DEFER later please",
  "DEFER 4.2.1 later please",
  "defer",
  "DEFER_IF_PERMIT",
  "DEFER_IF_PERMIT maybe later",
  "DEFER_IF_PERMIT 4.9.9 maybe later",
  "DEFER_IF_REJECT",
  "DEFER_IF_REJECT maybe later",
  "defer_if_permit",
  "defer_if_reject, reject",
  "DUNNO",
  "dunno with text",
  "HOLD",
  "HOLD for review",
  "DISCARD",
  "DISCARD nope",
  "REDIRECT bob@example.com",
  "REDIRECT nobody",
  "REDIRECT",
  "FILTER smtp:[127.0.0.1]:9",
  "FILTER nocolon",
  "FILTER",
  "BCC bob@example.com",
  "BCC nobody",
  "PREPEND X-Header: yes",
  "PREPEND no header",
  "PREPEND",
  "WARN",
  "WARN watch out",
  "INFO noted",
  "DELAY 5",
  "a_class",
  "A_CLASS",
  "no_such_class",
  "permit_mynetworks, reject",
  "warn_if_reject reject",
  "warn_if_reject a_class, permit",
  "reject_unauth_destination",
  "permit_auth_destination",
  "reject_non_fqdn_sender, permit",
  "hash:/etc/x",
  "check_sender_access inline:{a=b}",
  "check_sender_access",
  ",",
];

const table = (key: (at: number) => string) =>
  `inline:{${ACTIONS.map((action, at) => `{${key(at)}=${action}}`).join(",")}}`;

const CLASS = {
  smtpd_restriction_classes: "a_class",
  a_class:
    "reject_non_fqdn_sender, check_sender_access inline:{{ann@example.org=REJECT class says no}}, permit",
};

interface Way {
  readonly settings: Readonly<Record<string, string>>;
  session(at: number): Scenario["sessions"][number];
}

const envelope = (at: number, ...recipients: string[]) => [
  "EHLO client.example.org",
  "MAIL ann@example.org",
  ...recipients.map((recipient) => `RCPT ${recipient}`),
  ...(at < 0 ? ["DATA", "."] : []),
];
const TWO = ["bob@example.com", "x@elsewhere.example"] as const;

const client = (at: number) => ({ address: `192.0.2.${at + 1}` });
const helo = (at: number) => `h${at}.example`;
const sender = (at: number) => `s${at}@a.example`;
const senderSession = (at: number) => ({
  commands: ["EHLO client.example.org", `MAIL ${sender(at)}`, ...TWO.map((to) => `RCPT ${to}`), "DATA", "."],
});

const WAYS: Readonly<Record<string, Way>> = {
  "the client list": {
    settings: { smtpd_client_restrictions: `check_client_access ${table((at) => `192.0.2.${at + 1}`)}` },
    session: (at) => ({ client: client(at), commands: envelope(at, ...TWO) }),
  },
  "the client list at once": {
    settings: {
      smtpd_delay_reject: "no",
      smtpd_client_restrictions: `check_client_access ${table((at) => `192.0.2.${at + 1}`)}`,
    },
    session: (at) => ({ client: client(at), commands: envelope(at, ...TWO) }),
  },
  "the HELO list": {
    settings: { smtpd_helo_restrictions: `check_helo_access ${table(helo)}` },
    session: (at) => ({
      commands: [`EHLO ${helo(at)}`, "MAIL ann@example.org", ...TWO.map((to) => `RCPT ${to}`)],
    }),
  },
  "the HELO list at once": {
    settings: { smtpd_delay_reject: "no", smtpd_helo_restrictions: `check_helo_access ${table(helo)}` },
    session: (at) => ({
      commands: [`EHLO ${helo(at)}`, "MAIL ann@example.org", ...TWO.map((to) => `RCPT ${to}`)],
    }),
  },
  "the sender list": {
    settings: { smtpd_sender_restrictions: `check_sender_access ${table(sender)}` },
    session: senderSession,
  },
  "the sender list at once": {
    settings: { smtpd_delay_reject: "no", smtpd_sender_restrictions: `check_sender_access ${table(sender)}` },
    session: senderSession,
  },
  "the relay list": {
    settings: {
      smtpd_relay_restrictions: `check_sender_access ${table(sender)}, reject_unauth_destination`,
    },
    session: senderSession,
  },
  "the DATA list": {
    settings: { smtpd_data_restrictions: `check_sender_access ${table(sender)}` },
    session: senderSession,
  },
  "the end-of-data list": {
    settings: { smtpd_end_of_data_restrictions: `check_sender_access ${table(sender)}` },
    session: senderSession,
  },
  "the ETRN list": {
    settings: { smtpd_etrn_restrictions: `check_etrn_access ${table((at) => `e${at}.example`)}` },
    session: (at) => ({
      commands: ["EHLO client.example.org", `ETRN e${at}.example`, "ETRN x.elsewhere.example"],
    }),
  },
};

/** One scenario for each list, one session for each action. */
export const ACTION_SCENARIOS: readonly Scenario[] = Object.entries(WAYS).map((
  [name, { settings, session }],
) => ({
  name: `every action in ${name}`,
  settings: { ...CLASS, smtpd_relay_restrictions: "reject_unauth_destination", ...settings },
  sessions: ACTIONS.map((_, at) => session(at)),
}));
