import { expect, test } from "bun:test";
import fc from "fast-check";
import { memoryDns } from "../../../test/kit/memory/memory_dns.ts";
import { facts, policyKit } from "../../../test/kit/policy.ts";
import type { Zone } from "../../../test/kit/servers/dns_server.ts";
import { replyText } from "../../smtp/reply.ts";
import type { Decision, Facts } from "../policy.ts";

const BASE = `
compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
mynetworks = 10.0.0.0/8
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
`;

const ZONE: Zone = {
  "example.org": { TXT: ["v=spf1 ip4:192.0.2.1 -all exp=why.example.org"] },
  "why.example.org": { TXT: ["See http://example.org/?i=%{I}\u0026s=%{S}"] },
  "soft.example": { TXT: ["v=spf1 ~all"] },
  "host.soft.example": { TXT: ["v=spf1 ~all"] },
  "neutral.example": { TXT: ["v=spf1 ?all"] },
  "pass.example": { TXT: ["v=spf1 +all"] },
  "wrong.example": { TXT: ["v=spf1 ipv4:192.0.2.7 -all"] },
  "broken.example": "SERVFAIL",
  "client.example.org": { TXT: ["v=spf1 -all"] },
};

const SENDERS = {
  fail: "ann@example.org",
  softfail: "ann@soft.example",
  neutral: "ann@neutral.example",
  none: "ann@none.example",
  pass: "ann@pass.example",
  permerror: "ann@wrong.example",
  temperror: "ann@broken.example",
};

/** A service with these lists, and the answers that it gives to RCPT. */
function service(lists: string) {
  const dns = { ...memoryDns(ZONE), addresses: () => Promise.reject(new Error("not asked")) };
  const { policy } = policyKit(`${BASE}${lists}\n`, { dns });
  const ask = (more: Partial<Facts> = {}) => policy.check("RCPT", facts(more));
  return { dns, policy, ask, said: async (more?: Partial<Facts>) => said(await ask(more)) };
}

function said({ refusal }: Decision): string {
  return refusal === undefined ? "OK" : replyText(refusal);
}

test("check_spf refuses what the domain says to refuse, and defers what cannot be told", async () => {
  const { said } = service("smtpd_recipient_restrictions = check_spf");
  const answers: Record<string, string> = {};
  for (const [word, sender] of Object.entries(SENDERS)) answers[word] = await said({ sender });
  const { fail, temperror, ...others } = answers;
  expect(fail).toBe(
    "550 5.7.23 <ann@example.org>: Sender address rejected: SPF fail by -all of 192.0.2.7 for example.org; " +
      "example.org explains: See http://example.org/?i=192.0.2.7&s=ann%40example.org",
  );
  expect(temperror).toBe(
    "451 4.7.24 <ann@broken.example>: Sender address rejected: SPF temperror of 192.0.2.7 for broken.example: " +
      "broken.example TXT: SERVFAIL",
  );
  expect(others).toEqual({ softfail: "OK", neutral: "OK", none: "OK", pass: "OK", permerror: "OK" });
});

test("the null sender is judged by the HELO name", async () => {
  const { said } = service("smtpd_recipient_restrictions = check_spf");
  expect(await said({ sender: "" })).toBe(
    "550 5.7.23 <client.example.org>: Helo command rejected: SPF fail by -all of 192.0.2.7 for client.example.org",
  );
  expect(await said({ sender: "", helo: undefined })).toBe("OK");
});

test("an explanation cannot end the line or the reply's length", async () => {
  const { said } = service("smtpd_recipient_restrictions = check_spf");
  await fc.assert(fc.asyncProperty(fc.string({ unit: "binary", maxLength: 600 }), async (local) => {
    const text = await said({ sender: `${local}@example.org` });
    expect(text).toStartWith("550 5.7.23 <");
    expect(text.length).toBeLessThanOrEqual(512);
    // What is beyond ASCII is the sender's own spelling, in front.
    expect(text).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
  }));
});

test.each(["smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions"])(
  "with smtpd_delay_reject SPF may stand in %s",
  async (list) => {
    const { said } = service(`${list} = permit_mynetworks, check_spf`);
    expect(await said()).toStartWith("550 5.7.23 ");
    expect(await said({ client: { ...facts().client, address: "10.0.0.1" } })).toBe("OK");
  },
);

test("where there is no sender SPF has nothing to say", async () => {
  const lists = ["client", "helo", "etrn"].map((list) =>
    `smtpd_${list}_restrictions = check_spf, check_spf_access static:REJECT`
  );
  const { policy, dns } = service(`smtpd_delay_reject = no\n${lists.join("\n")}`);
  const early = facts({ sender: undefined, recipient: undefined });
  expect((await policy.check("CONNECT", early)).refusal).toBeUndefined();
  expect((await policy.check("EHLO", early)).refusal).toBeUndefined();
  expect((await policy.check("ETRN", { ...early, etrnDomain: "example.com" })).refusal).toBeUndefined();
  expect(dns.asked).toEqual([]);
});

test("SPF may stand in every list that comes after MAIL", async () => {
  const { policy } = service(
    "smtpd_delay_reject = no\nsmtpd_sender_restrictions = check_spf\nsmtpd_data_restrictions = check_spf\n" +
      "smtpd_end_of_data_restrictions = check_spf",
  );
  for (const stage of ["MAIL", "DATA", "END-OF-MESSAGE"] as const) {
    expect(said(await policy.check(stage, facts({ recipientCount: 1 })))).toStartWith("550 5.7.23 ");
  }
});

test("a session looks a sender up once, whatever asks and how often", async () => {
  const { policy, dns } = service(
    "smtpd_sender_restrictions = check_spf_access static:DUNNO\nsmtpd_recipient_restrictions = check_spf\n" +
      "smtpd_data_restrictions = check_spf",
  );
  const session = policy.open();
  for (const recipient of ["a@example.com", "b@example.com"]) {
    await session.check("RCPT", facts({ recipient }));
  }
  await session.check("DATA", facts({ recipientCount: 2 }));
  expect(await session.spf(facts())).toMatchObject({ is: "fail", domain: "example.org" });
  expect(dns.asked).toEqual(["TXT example.org", "TXT why.example.org"]);
  await session.check("RCPT", facts({ sender: SENDERS.pass }));
  expect(dns.asked).toHaveLength(3);
  expect(session.spf(facts({ sender: undefined }))).toBeUndefined();
});

test("the next transaction asks again for what the DNS did not answer", async () => {
  const { policy, dns } = service("smtpd_recipient_restrictions = check_spf");
  const session = policy.open();
  const ask = async (sender: string) => {
    await session.check("MAIL", facts({ sender, recipient: undefined }));
    for (let time = 0; time < 2; time++) await session.check("RCPT", facts({ sender }));
  };
  for (const sender of [SENDERS.temperror, SENDERS.temperror, SENDERS.pass, SENDERS.pass]) await ask(sender);
  expect(dns.asked).toEqual(["TXT broken.example", "TXT broken.example", "TXT pass.example"]);
});

const TABLE = `smtpd_recipient_restrictions = check_spf_access inline:{
  { fail = REJECT }, { fail:client.example.org = REJECT our own words },
  { softfail:soft.example = HOLD }, { softfail = WARN soft }, { permerror = DEFER },
  { temperror = DEFER_IF_PERMIT }, { none = PREPEND X-Spf: none }, { pass = local_rules }, { neutral = 521 5.7.1 no }
 }, reject
smtpd_restriction_classes = local_rules
local_rules = check_sender_access inline:{{pass.example=REJECT passes}}`;

test.each([
  [
    SENDERS.fail,
    "554 5.7.23 <ann@example.org>: Sender address rejected: SPF fail by -all of 192.0.2.7 for example.org; " +
    "example.org explains: See http://example.org/?i=192.0.2.7&s=ann%40example.org",
  ],
  ["", "554 5.7.1 <client.example.org>: Helo command rejected: our own words"],
  [
    SENDERS.permerror,
    "450 4.7.24 <ann@wrong.example>: Sender address rejected: SPF permerror of 192.0.2.7 for wrong.example: " +
    'wrong.example: "ipv4:192.0.2.7": unknown mechanism',
  ],
  [SENDERS.pass, "554 5.7.1 <ann@pass.example>: Sender address rejected: passes"],
  [SENDERS.neutral, "521 5.7.1 <ann@neutral.example>: Sender address rejected: no"],
])("check_spf_access does what the table says about %s", async (sender, answer) => {
  expect(await service(TABLE).said({ sender })).toBe(answer);
});

test("check_spf_access has the actions that go with a message", async () => {
  const { ask } = service(TABLE.replace(", reject\n", "\n"));
  expect((await ask({ sender: SENDERS.softfail })).effects).toEqual([{ is: "hold", text: "" }]);
  // A parent matches its subdomains, or `.parent` does, as in other access tables.
  expect((await ask({ sender: "ann@host.soft.example" })).effects).toEqual([{ is: "hold", text: "" }]);
  expect((await ask({ sender: SENDERS.none })).effects).toEqual([{ is: "prepend", text: "X-Spf: none" }]);
  expect(said(await ask({ sender: SENDERS.temperror }))).toStartWith("450 4.7.24 ");
});

test("check_spf_access asks for the domain, its parents and the result alone", async () => {
  const keys = async (more: string) => {
    const { said } = service(`parent_domain_matches_subdomains = ${more}\nsmtpd_recipient_restrictions =
      check_spf_access pcre:{{/^softfail:host\\.soft\\.example$$/ DUNNO},{/./ REJECT other key}},
      check_spf_access inline:{{softfail:.soft.example = REJECT dotted},{softfail:soft.example = REJECT bare}}`);
    return await said({ sender: "ann@host.soft.example" });
  };
  expect(await keys("smtpd_access_maps")).toEndWith("bare");
  expect(await keys("debug_peer_list")).toEndWith("dotted");
});

test("a table that cannot be asked is no leave to send", async () => {
  const { said } = service("smtpd_recipient_restrictions = check_spf_access hash:/nonexistent/spf");
  expect(await said()).toBe(
    "451 4.3.5 <ann@example.org>: Sender address rejected: Server configuration error",
  );
});

test("a permit of check_spf_access lets in what is for us, and nobody relay", async () => {
  const lists =
    "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = check_spf_access inline:{{pass=OK}}, reject";
  const { said } = service(lists);
  const sender = SENDERS.pass;
  expect(await said({ sender })).toBe("OK");
  expect(await said({ sender, recipient: "x@elsewhere.example" })).toBe(
    "554 5.7.1 <x@elsewhere.example>: Relay access denied",
  );
  const client = { ...facts().client, address: "10.0.0.1" };
  expect(await said({ sender, recipient: "x@elsewhere.example", client })).toBe("OK");
  expect(await said({ sender: SENDERS.none })).toStartWith(
    "554 5.7.1 <bob@example.com>: Recipient address rejected",
  );
});
