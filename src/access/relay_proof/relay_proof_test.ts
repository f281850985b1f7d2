import { describe, expect, test } from "bun:test";
import { MISTAKEN, SANE } from "../../../test/access/relay_configurations.ts";
import { BASE, LISTS } from "../../../test/access/relay_lists.ts";
import { proofOf, verdictOf } from "../../../test/kit/relay_proof.ts";

/** No relay restrictions: the recipient restrictions are alone. */
const main = (recipient: string) =>
  `${BASE}smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = ${recipient}\n`;

test("a certificate opens nothing where nobody is asked for one", async () => {
  const list = main("check_ccert_access static:OK, reject");
  expect(verdictOf(await proofOf(list))).toBe("closed");
  expect(verdictOf(await proofOf(`${list}smtpd_tls_ask_ccert = yes\n`))).toBe("open");
});

test.each(LISTS)("smtpd_recipient_restrictions = %s: %s", async (recipient, want) => {
  expect(verdictOf(await proofOf(main(recipient)))).toBe(want);
});

test.each(SANE.map(({ name, main }) => [name, main]))("served in silence: %s", async (_name, text) => {
  const proof = await proofOf(text);
  expect(proof.witnesses).toEqual([]);
  expect([...proof.doubts, ...proof.loosely]).toEqual([]);
});

test.each(MISTAKEN.map(({ name, main, verdict }) => [name, main, verdict] as const))(
  "found out: %s",
  async (_name, text, verdict) => {
    expect(verdictOf(await proofOf(text))).toBe(verdict);
  },
);

test("addresses that a relay domain's hosts would route on are warned of (allow_untrusted_routing)", async () => {
  const text = `${BASE}smtpd_relay_restrictions = reject_unauth_destination\n`;
  expect(verdictOf(await proofOf(text))).toBe("closed");
  const { witnesses, loosely } = await proofOf(`${text}allow_untrusted_routing = yes\n`);
  expect(witnesses).toEqual([]);
  expect(loosely).toEqual([
    "allow_untrusted_routing: RCPT TO:<victim%elsewhere.example@relay.example> goes to the hosts of relay.example, " +
    "who may send it on",
  ]);
});

const networks = (mynetworks: string, more = "") =>
  `${BASE}mynetworks = ${mynetworks}\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n${more}`;

test.each(
  [
    ["10.0.0.0/8, friend.example", "closed"],
    ["10.0.0.0/8, com", "open"],
    ["inline:{{com = x}}", "open"],
    ["inline:{{friend.example = x}}", "closed"],
    ["regexp:{{/^10\\./ x}}", "open"],
    ["regexp:{{/^10\\.[0-9.]+$$/ x}}", "closed"],
    ["pcre:{{/friend\\.example/ x}}", "open"],
    ["pcre:{{/\\.friend\\.example$$/ x}}", "closed"],
    ["!unknown, 10.0.0.0/8", "closed"],
  ] as const,
)("mynetworks = %s: %s, as names count there too", async (mynetworks, verdict) => {
  const text = networks(mynetworks);
  expect(verdictOf(await proofOf(text))).toBe(verdict);
  expect(verdictOf(await proofOf(`${text}smtpd_peername_lookup = no\n`))).toBe("closed");
});

test("who may use XCLIENT by a name that anybody can have may be anybody", async () => {
  const { witnesses } = await proofOf(
    networks("127.0.0.0/8", "smtpd_authorized_xclient_hosts = regexp:{{/^10\\./ x}}\n"),
  );
  expect(witnesses).toHaveLength(1);
  expect(witnesses[0]?.through[0]).toContain("smtpd_authorized_xclient_hosts: 10.stranger.example is in it");
});

test("the first keys of a table in relay_domains are tried like domains that stand there by name", async () => {
  const { loosely } = await proofOf(`${BASE}relay_domains = inline:{relay.example=x}
allow_untrusted_routing = yes
smtpd_relay_restrictions = reject_unauth_destination
`);
  expect(loosely).toHaveLength(1);
  expect(loosely[0]).toContain("RCPT TO:<victim%elsewhere.example@relay.example>");
});

test.each(
  [
    [
      "every branch of a client pattern",
      "check_client_access regexp:{{/^(mail\\.friend\\.example$$|192\\.168\\.|mx\\.friend\\.example$$)/ OK}}, reject",
      "open",
    ],
    [
      "every branch of a recipient pattern",
      "check_recipient_access pcre:{{/^ann@(example\\.com|partner\\.example|example\\.com)$$/ OK}}, reject",
      "loose",
    ],
    [
      "a recipient pattern for our own addresses alone",
      "check_recipient_access pcre:{{/^(ann|bob)@example\\.com$$/ OK}}, reject",
      "closed",
    ],
    [
      "what stands behind a pattern whose + is a plain character",
      "check_client_access regexp:{{/.+/x REJECT},{/friend/ OK}}, reject",
      "open",
    ],
  ] as const,
)("%s is looked at", async (_name, list, verdict) => {
  expect(verdictOf(await proofOf(main(list)))).toBe(verdict);
});

test("a table that leads to itself four times over, by another key each time, is followed to the end", async () => {
  const table =
    "inline:{{ann@example.org = permit_mynetworks, byhelo}, {h.example = permit_mynetworks, byclient}, " +
    "{unknown = permit_mynetworks, byrecipient}, {postmaster@ = permit_mynetworks, permit}}";
  const { witnesses } = await proofOf(`${main("check_sender_access $table, reject")}
table = ${table}
smtpd_restriction_classes = byhelo, byclient, byrecipient
byhelo = check_helo_access $table
byclient = check_client_access $table
byrecipient = check_recipient_access $table
`);
  expect(witnesses[0]!.attempt.facts).toMatchObject({
    sender: "ann@example.org",
    helo: "h.example",
    recipient: "postmaster@elsewhere.example",
  });
});

test.each<[string, ReturnType<typeof verdictOf>]>([
  ["pass=OK", "open"],
  ["softfail=OK", "open"],
  ["none=OK", "open"],
  ["pass:partner.example=OK", "closed"],
  ["softfail:partner.example=OK", "doubt"],
  ["pass=REJECT", "closed"],
])("whom a check of SPF lets by where others are refused, with %s, is %s", async (entry, verdict) => {
  const senders = `smtpd_sender_restrictions = check_spf_access inline:{${entry}}, reject\n`;
  expect(verdictOf(await proofOf(`${main("permit")}${senders}`))).toBe(verdict);
});

test("patterns beyond the time for reading tables are not called closed", async () => {
  const list = "check_client_access pcre:{{/^mail\\.friend\\.example$$/ OK}}, reject";
  let now = 0;
  const { doubts } = await proofOf(main(list), { clock: () => now += 2000 });
  expect(doubts).toEqual([expect.stringContaining("were read")]);
  expect(verdictOf(await proofOf(main(list)))).toBe("closed");
});

test("where no domain can be told from ours, nothing is called closed", async () => {
  const list = `${main("permit")}virtual_mailbox_domains = hash:/nonexistent/domains\n`;
  const { doubts } = await proofOf(list);
  expect(doubts).toEqual([expect.stringContaining("cannot be read: virtual_mailbox_domains: ")]);
});

test("a table that takes too long to read is not called closed", async () => {
  const keys = Array.from({ length: 5000 }, (_, at) => `{a${at}@x.example=REJECT}`).join(",");
  const list = `check_sender_access inline:{${keys},{last.example=OK}}, reject_unauth_destination`;
  let now = 0;
  const slow = await proofOf(main(list), { clock: () => now += 2000 });
  expect(slow.doubts).toHaveLength(1);
  expect(slow.doubts[0]).toEndWith("only the first 4096 entries were read");
  expect(verdictOf(await proofOf(main(list)))).toBe("open");
});

test("a permit that nobody can foresee and a named recipient together are in doubt", async () => {
  const { doubts, loosely } = await proofOf(`${BASE}
smtpd_relay_restrictions = check_policy_service inet:127.0.0.1:9, reject
smtpd_recipient_restrictions = check_recipient_access inline:{partner.example=OK}, reject
`);
  expect(doubts).toHaveLength(1);
  expect(doubts[0]).toContain("the policy server inet:127.0.0.1:9 may permit");
  expect(loosely).toEqual([]);
});

test("a certificate that anybody makes for himself opens what has them all", async () => {
  const { witnesses } = await proofOf(`${BASE}relay_clientcerts = static:yes
smtpd_tls_ask_ccert = yes
smtpd_relay_restrictions = permit_tls_clientcerts, reject
smtpd_recipient_restrictions = permit
`);
  expect(witnesses[0]!.through[0]).toBe(
    "smtpd_relay_restrictions: any client certificate is in relay_clientcerts",
  );
  expect(witnesses[0]!.attempt.facts.tls?.peer?.subject).toBe("stranger");
});

test("whoever may use XCLIENT is anybody", async () => {
  const { witnesses } = await proofOf(`${BASE}smtpd_authorized_xclient_hosts = 0.0.0.0/0
smtpd_relay_restrictions = permit_sasl_authenticated, reject
`);
  expect(witnesses[0]!.claims).toEqual({ address: "198.51.100.77" });
  expect(witnesses[0]!.attempt.facts.saslUsername).toBe("anybody");
});

describe("logins", () => {
  const LOGINS = `smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_auth_enable = yes
`;

  test("whoever logs in may relay, which is no stranger", async () => {
    const { witnesses, doubts, loosely, surely } = await proofOf(BASE + LOGINS);
    expect([witnesses, doubts, loosely]).toEqual([[], [], []]);
    expect(surely).toHaveLength(1);
    expect(surely[0]).toStartWith("smtpd_relay_restrictions: permit_sasl_authenticated: whoever logs in");
  });

  test("nobody does where nobody can log in", async () => {
    const { surely } = await proofOf(BASE + LOGINS.replace("= yes", "= no"));
    expect(surely).toEqual([]);
  });

  test("an anonymous login is none, but has a name for check_sasl_access", async () => {
    const anonymous = `${LOGINS}smtpd_sasl_security_options =\n`;
    expect((await proofOf(BASE + anonymous)).witnesses).toEqual([]);
    const access = anonymous.replace("permit_sasl", "check_sasl_access static:OK, permit_sasl");
    const { witnesses } = await proofOf(BASE + access);
    expect(witnesses[0]!.attempt.facts).toMatchObject({ saslMethod: "ANONYMOUS", saslUsername: "anonymous" });
    const guarded = access.replace("options =\n", "options = noanonymous\n");
    expect((await proofOf(BASE + guarded)).witnesses).toEqual([]);
  });
});
