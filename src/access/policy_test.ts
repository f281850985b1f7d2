import { expect, test } from "bun:test";
import { facts, policyKit } from "../../test/kit/policy.ts";
import type { DkimResult } from "../mailauth/dkim/dkim_result.ts";
import type { DmarcResult } from "../mailauth/dmarc/dmarc_result.ts";
import { replyText } from "../smtp/reply.ts";
import type { Decision, Tracer, TraceStep } from "./policy.ts";

const BASE = `
compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
mynetworks = 10.0.0.0/8
local_recipient_maps =
`;

const first = (decision: Decision) => decision.refusal?.lines[0];

/** The founding scenario's main.cf: a tutorial that Postfix serves at level 0. */
const TUTORIAL = `
myhostname = mail.example.com
mydomain = example.com
myorigin = $mydomain
mydestination = $mydomain
mynetworks = 127.0.0.1 10.0.0.2/32 10.0.0.4/32
relay_domains = $mydomain
local_recipient_maps =
smtpd_sender_restrictions = permit_mynetworks, check_sender_access inline:{{@monitor.stm.com=OK},{*=REJECT}}, permit
smtpd_recipient_restrictions = permit_mynetworks, check_recipient_access inline:{{@smalltreemedia.com=OK},{*@smalltreemedia.com=OK},{webmaster@example.com=OK}}, reject
`;

test.each([
  ["webmaster@example.com", undefined],
  ["haha@example.com", "<haha@example.com>: Recipient address rejected: Access denied"],
  ["x@smalltreemedia.com", "<x@smalltreemedia.com>: Relay access denied"],
  ["y%z@smalltreemedia.com", "<y%z@smalltreemedia.com>: Recipient address rejected: Access denied"],
])("the tutorial's configuration answers %s from outside", (recipient, want) => {
  const decision = policyKit(TUTORIAL).policy.check("RCPT", facts({ recipient, sender: "test@gmail.com" }));
  expect(decision).not.toBeInstanceOf(Promise);
  expect(first(decision as Decision)).toBe(want);
});

test("the tutorial's networks may relay", () => {
  const client = { ...facts().client, address: "10.0.0.4" };
  const decision = policyKit(TUTORIAL).policy.check(
    "RCPT",
    facts({ client, recipient: "x@elsewhere.example" }),
  );
  expect(first(decision as Decision)).toBeUndefined();
});

test("an @domain key permits own recipients, and strangers no foreign ones", async () => {
  const { policy } = policyKit(`${BASE}
relay_domains = relay.example
smtpd_relay_restrictions =
smtpd_recipient_restrictions = check_recipient_access inline:{{@example.com=OK},{@relay.example=permit},{@else.example=permit}}, reject
`);
  const ask = async (recipient: string, more = {}) =>
    first(await policy.check("RCPT", facts({ recipient, ...more })));
  expect(await ask("any@example.com")).toBeUndefined();
  expect(await ask("any@relay.example")).toBeUndefined();
  expect(await ask("any@else.example")).toBe("<any@else.example>: Relay access denied");
  expect(await ask("any@else.example", { saslUsername: "ann", saslMethod: "PLAIN" })).toBeUndefined();
  expect(await ask("any@sub.example.com")).toContain("Access denied");
});

test("an @domain key comes after all of Postfix's own", async () => {
  const { policy } = policyKit(`${BASE}
smtpd_recipient_restrictions = check_recipient_access inline:{{@example.com=REJECT at},{bob@=REJECT local},{alice@example.com=REJECT full}}
`);
  const ask = async (recipient: string) => first(await policy.check("RCPT", facts({ recipient })));
  expect(await ask("bob@example.com")).toEndWith("local");
  expect(await ask("alice@example.com")).toEndWith("full");
  expect(await ask("carol@example.com")).toEndWith("at");
});

test("an @domain key with an empty list for a value lets nobody relay either", async () => {
  const { policy } = policyKit(`${BASE}
smtpd_relay_restrictions =
smtpd_recipient_restrictions = check_sender_access inline:{{@partner.example = ,}}, reject
`);
  const ask = async (recipient: string) =>
    first(await policy.check("RCPT", facts({ sender: "ann@partner.example", recipient })));
  expect(await ask("any@example.com")).toBeUndefined();
  expect(await ask("any@elsewhere.example")).toBe("<any@elsewhere.example>: Relay access denied");
});

test("access_at_domain_keys = no gives Postfix's keys alone", async () => {
  const { policy } = policyKit(`${BASE}
access_at_domain_keys = no
smtpd_recipient_restrictions = check_recipient_access inline:{{@example.com=REJECT at}}
`);
  expect((await policy.check("RCPT", facts())).refusal).toBeUndefined();
});

test("effects of all lists come in order, with their lines for the log", async () => {
  const { policy } = policyKit(`${BASE}
smtpd_client_restrictions = check_client_access static:{PREPEND X-One: 1}
smtpd_helo_restrictions = check_helo_access static:{HOLD please}
smtpd_sender_restrictions = check_sender_access static:{FILTER smtp:[127.0.0.1]:9}, check_sender_access static:HOLD
smtpd_recipient_restrictions = check_recipient_access static:{BCC watch@example.com}, check_recipient_access static:{REDIRECT other@example.com}
`);
  const { effects, notes, refusal } = await policy.check("RCPT", facts());
  expect(refusal).toBeUndefined();
  expect(effects).toEqual([
    { is: "prepend", text: "X-One: 1" },
    { is: "hold", text: "please" },
    { is: "filter", text: "smtp:[127.0.0.1]:9" },
    { is: "bcc", text: "watch@example.com" },
    { is: "redirect", text: "other@example.com" },
  ]);
  expect(notes).toEqual([
    { verb: "hold", text: "<client.example.org>: Helo command please" },
    { verb: "filter", text: "<ann@example.org>: Sender address triggers FILTER smtp:[127.0.0.1]:9" },
    { verb: "bcc", text: "<bob@example.com>: Recipient address triggers BCC watch@example.com" },
    { verb: "redirect", text: "<bob@example.com>: Recipient address triggers REDIRECT other@example.com" },
  ]);
});

test("a refusal says which list and restriction refused", async () => {
  const { policy } = policyKit(
    `${BASE}smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n`,
  );
  const { refusedBy } = await policy.check("RCPT", facts({ recipient: "x@elsewhere.example" }));
  expect(refusedBy).toBe("smtpd_relay_restrictions/reject_unauth_destination");
});

test("a trace names every list and restriction, the verdict and the reply", async () => {
  const { policy } = policyKit(`${BASE}
smtpd_restriction_classes = own_class
own_class = permit_mynetworks, check_recipient_access inline:{{example.com=REJECT closed}}
smtpd_recipient_restrictions = own_class
`);
  const steps: TraceStep[] = [];
  const lists: string[] = [];
  const tracer: Tracer = { list: ({ list }) => lists.push(list), step: (step) => steps.push(step) };
  await policy.check("RCPT", facts(), tracer);
  expect(lists).toEqual([
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "own_class",
  ]);
  expect(steps.map(({ list, restriction, depth, verdict }) => [list, restriction, depth, verdict])).toEqual([
    ["smtpd_relay_restrictions", "permit_mynetworks", 1, "dunno"],
    ["smtpd_relay_restrictions", "permit_sasl_authenticated", 1, "dunno"],
    ["smtpd_relay_restrictions", "defer_unauth_destination", 1, "dunno"],
    ["smtpd_recipient_restrictions", "own_class", 1, "dunno"],
    ["own_class", "permit_mynetworks", 2, "dunno"],
    ["own_class", "check_recipient_access inline:{{example.com=REJECT closed}}", 2, "reject"],
  ]);
  const last = steps.at(-1);
  expect(last?.reply?.code).toBe(554);
});

test("tables in process answer at once, never by a promise", () => {
  const { policy } = policyKit(
    `${BASE}smtpd_recipient_restrictions = check_client_access static:DUNNO, reject\n`,
  );
  expect(policy.check("RCPT", facts())).not.toBeInstanceOf(Promise);
});

test("restrictions after a pending one go on where they stopped", async () => {
  const asked: string[] = [];
  const dns = {
    query: (name: string) => {
      asked.push(name);
      return Promise.resolve({ is: "nxdomain" as const, authentic: false });
    },
    addresses: () => Promise.resolve({ is: "nxdomain" as const, authentic: false, type: "A" as const }),
  };
  const { policy } = policyKit(
    `${BASE}smtpd_recipient_restrictions = reject_rbl_client a.example, reject_rbl_client b.example, reject\n`,
    { dns },
  );
  const decision = policy.check("RCPT", facts());
  expect(decision).toBeInstanceOf(Promise);
  expect(first(await decision)).toContain("Access denied");
  expect(asked).toEqual(["7.2.0.192.a.example", "7.2.0.192.b.example"]);
});

test("a class that contains itself ends in a configuration error", async () => {
  const { policy } = policyKit(`${BASE}
smtpd_restriction_classes = loop
loop = loop
smtpd_recipient_restrictions = loop
`);
  expect((await policy.check("RCPT", facts())).refusal).toMatchObject({ code: 451, status: "4.3.5" });
});

test("classes that reach themselves end, whatever they contain beside, and are named before", async () => {
  const { policy } = policyKit(`${BASE}
smtpd_restriction_classes = a, b, c, d
a = warn_if_reject b, permit_mynetworks, b
b = warn_if_reject reject, c, c
c = check_client_access inline:{192.0.2.7=a}, a
d = permit
smtpd_recipient_restrictions = warn_if_reject a, reject
`);
  expect(policy.problems.map(({ text }) => text)).toEqual([
    "restriction class contains itself: a -> b -> c -> a; whoever gets there is deferred with 451",
  ]);
  const decision = await policy.check("RCPT", facts());
  expect(decision.refusal).toMatchObject({ code: 451, status: "4.3.5" });
  expect(decision.notes.length).toBeLessThan(200);
});

test("filters of blocklists that are none are named before, and defer; Postfix's smtpd dies of them", async () => {
  const bad = [
    "127.0.0",
    "127.0.0.x",
    "127.0.0.256",
    "",
    "127.0.0.[1;2",
    "127.0.0.[9..1]",
    "1.2.3.4.5",
    "127.0.0.[]",
  ];
  for (const filter of bad) {
    const { policy } = policyKit(
      `${BASE}smtpd_recipient_restrictions = reject_rbl_client bl.example=${filter}\n`,
    );
    expect(policy.problems.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^restriction reject_rbl_client bl\.example=\S*: (need 4 fields|bad field)/),
    ]);
    expect((await policy.check("RCPT", facts())).refusal).toMatchObject({ code: 451, status: "4.3.5" });
  }
});

test("an unlisted sender is refused at every recipient, in whatever list; Postfix forgets every other time", async () => {
  const { policy } = policyKit(`${BASE}
local_recipient_maps = inline:{bob=x}
smtpd_client_restrictions = reject_unlisted_sender
`);
  const peer = facts({ sender: "nobody@example.com" });
  for (const _ of [1, 2, 3]) {
    expect(first(await policy.check("RCPT", peer))).toContain("User unknown in local recipient table");
  }
});

test("problems name unknown restrictions with what may be meant, and missing class definitions", () => {
  const { policy } = policyKit(`${BASE}
smtpd_restriction_classes = nothing
smtpd_recipient_restrictions = permit_mynetwork, reject_rbl_client
smtpd_client_restrictions = permit, reject
`);
  expect(policy.problems.map(({ level, text }) => `${level} ${text}`)).toEqual([
    "fatal restriction class `nothing' needs a definition",
    "warning restriction `reject' after `permit' is ignored",
    'warning unknown smtpd restriction: "permit_mynetwork"; did you mean permit_mynetworks?',
    "warning restriction reject_rbl_client requires domain name argument",
  ]);
});

test("unverified addresses are deferred while nobody verifies", async () => {
  const { policy } = policyKit(`${BASE}smtpd_recipient_restrictions = reject_unverified_recipient\n`);
  expect(first(await policy.check("RCPT", facts()))).toEndWith("address verification problem");
});

test.each(
  [
    ["deliverable", "", undefined],
    [
      "undeliverable",
      "550",
      "<bob@example.com>: Recipient address rejected: undeliverable address: no such user",
    ],
    ["undeliverable", "", "<bob@example.com>: Recipient address rejected: unverified address: no such user"],
    ["unknown", "", "<bob@example.com>: Recipient address rejected: unverified address: no such user"],
  ] as const,
)("reject_unverified_recipient: %s with code %j", async (is, code, want) => {
  const setting = code === "" ? "" : `unverified_recipient_reject_code = ${code}\n`;
  const { policy } = policyKit(
    `${BASE}${setting}smtpd_recipient_restrictions = reject_unverified_recipient\n`,
    {
      verifier: {
        verify: () => is === "deliverable" ? { is } : { is, why: "no such user" },
        known: () => undefined,
      },
    },
  );
  expect(first(await policy.check("RCPT", facts()))).toBe(want);
});

test("client certificates open what their fingerprints are listed for", async () => {
  const peer = {
    trusted: false,
    fingerprint: "AA:BB",
    publicKeyFingerprint: "CC:DD",
    subject: "ann",
    issuer: "ca",
  };
  const tls = { protocol: "TLSv1.3", cipher: "X", keysize: 256, peer };
  const { policy } = policyKit(`${BASE}
relay_clientcerts = inline:{CC:DD=ann}
smtpd_tls_ask_ccert = yes
smtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination
smtpd_sender_restrictions = check_ccert_access { inline:{EE:FF=REJECT} { search_order = pubkey_fingerprint } }
`);
  const ask = async (more: Parameters<typeof facts>[0]) =>
    first(await policy.check("RCPT", facts({ recipient: "x@elsewhere.example", ...more })));
  expect(await ask({ tls })).toBeUndefined();
  expect(await ask({})).toBe("<x@elsewhere.example>: Relay access denied");
  expect(await ask({ tls: { ...tls, peer: { ...peer, publicKeyFingerprint: "EE:FF" } } }))
    .toBe("<ann>: Client certificate rejected: Access denied");
});

test("headers of own clients are completed, and nobody else's", async () => {
  const { policy } = policyKit(
    `${BASE}local_header_rewrite_clients = permit_mynetworks, inline:{192.0.2.9=yes}\n`,
  );
  const at = async (address: string) =>
    (await policy.headerContext(facts({ client: { ...facts().client, address } }))).is;
  expect([await at("10.1.1.1"), await at("192.0.2.9"), await at("192.0.2.8")]).toEqual([
    "local",
    "local",
    "remote",
  ]);
});

test("mail of clients whom dkim_signing_clients permits is signed, and nobody else's; who cannot be judged is put off", async () => {
  const signs = async (main: string, changes: Parameters<typeof facts>[0] = {}) => {
    const { policy } = policyKit(`${BASE}dkim_signing_keys = inline:{example.com=s:/k}\n${main}`);
    const { signs, refusal } = await policy.signs!(facts(changes));
    return refusal === undefined ? signs : refusal.code;
  };
  const own = { client: { ...facts().client, address: "10.1.1.1" } };
  const login = { saslMethod: "plain", saslUsername: "ann" };
  expect([await signs("", own), await signs("", login), await signs("")]).toEqual([true, true, false]);
  const listed = "dkim_signing_clients = check_sender_access inline:{bad@x.example=REJECT}, permit\n";
  expect([await signs(listed, { sender: "a@x.example" }), await signs(listed, { sender: "bad@x.example" })])
    .toEqual([true, false]);
  // Neither a warning only, nor a permit after trouble.
  expect(await signs("dkim_signing_clients = check_client_access fail:x, permit\n")).toBe(451);
  expect(await signs("dkim_signing_clients =\n", own)).toBe(false);
  expect(policyKit(BASE).policy.signs).toBeUndefined();
});

const SIGNED: DkimResult = {
  is: "pass",
  domain: "mail.example.org",
  selector: "s",
  identity: "@mail.example.org",
  algorithm: "rsa-sha256",
  b: "abcdefgh",
  testing: false,
};
const FAILS: DmarcResult = {
  is: "fail",
  domain: "a.example.org",
  policy: "reject",
  policyDomain: "example.org",
  spfAligned: false,
  dkimAligned: false,
};

type Content = NonNullable<Parameters<typeof facts>[0]>["content"];

/** What smtpd_end_of_data_restrictions say of content. */
async function ofContent(list: string, content: Content): Promise<string> {
  const main = `${BASE}mail_authentication = yes\nsmtpd_end_of_data_restrictions = ${list}\n`;
  const { refusal, effects, warnings } = await policyKit(main).policy.check(
    "END-OF-MESSAGE",
    facts({ content }),
  );
  if (refusal !== undefined) return replyText(refusal);
  return [...effects.map(({ is }) => is), ...warnings ?? []].join(" ");
}

test.each(
  [
    [
      "check_dmarc",
      {},
      "550 5.7.26 <a.example.org>: Author domain rejected: DMARC fails, and a.example.org asks to reject such mail",
    ],
    ["check_dmarc", { policy: "quarantine" }, ""],
    ["check_dmarc", { policy: "none" }, ""],
    ["check_dmarc", { is: "pass", policy: "none" }, ""],
    ["check_dmarc", { is: "none", policy: "none" }, ""],
    ["check_dmarc", { is: "permerror", policy: "none" }, ""],
    [
      "check_dmarc",
      { is: "temperror", policy: "none" },
      "451 4.4.3 <a.example.org>: Author domain rejected: DMARC cannot be checked now, try again later",
    ],
    [
      "check_dmarc",
      { is: "permerror", policy: "none", author: "many" },
      "550 5.7.1 <a.example.org>: Author domain rejected: more authors in From: than DMARC can be checked for",
    ],
    [
      "check_dmarc",
      { is: "permerror", policy: "none", author: "none", domain: "" },
      "550 5.7.1 <>: Author domain rejected: no address with a domain in From:",
    ],
    ["check_dmarc_access inline:{reject:a.example.org=HOLD}", {}, "hold"],
    ["check_dmarc_access inline:{reject:example.org=HOLD}", {}, "hold"],
    ["check_dmarc_access inline:{reject=HOLD}", {}, "hold"],
    ["check_dmarc_access inline:{reject:a.example.org=DUNNO reject=HOLD}", {}, ""],
    ["check_dmarc_access inline:{fail=HOLD}", {}, ""],
    ["check_dmarc_access inline:{fail=HOLD}", { policy: "none" }, "hold"],
    ["check_dmarc_access inline:{quarantine=HOLD}", { policy: "quarantine" }, "hold"],
    [
      "check_dmarc_access inline:{temperror=DEFER}",
      { is: "temperror", policy: "none" },
      "450 4.7.1 <a.example.org>: Author domain rejected: Access denied",
    ],
    ["check_dmarc_access inline:{none=HOLD}", { is: "none", policy: "none" }, "hold"],
  ] as const,
)("%s of DMARC %j: %j", async (list, changes, said) => {
  expect(await ofContent(list, { dkim: [], dmarc: { ...FAILS, ...changes } })).toBe(said);
});

test("a trusted forwarder's word makes a failure a pass", async () => {
  const content = { dkim: [], dmarc: FAILS, passesBy: "trusted forwarder list.example" };
  expect(await ofContent("check_dmarc", content)).toBe("");
  expect(await ofContent("check_dmarc_access inline:{reject=REJECT pass=HOLD}", content)).toBe("hold");
});

test.each(
  [
    ["check_dkim", [], ""],
    ["check_dkim", ["pass"], ""],
    ["check_dkim", ["fail", "pass"], ""],
    [
      "check_dkim",
      ["fail", "permerror"],
      "550 5.7.20 <mail.example.org>: DKIM signature rejected: no passing DKIM signature",
    ],
    [
      "check_dkim",
      ["fail", "temperror"],
      "451 4.4.3 <mail.example.org>: DKIM signature rejected: DKIM cannot be checked now, try again later",
    ],
    ["check_dkim_access inline:{none=HOLD}", [], "hold"],
    ["check_dkim_access inline:{none=HOLD}", ["fail"], ""],
    ["check_dkim_access inline:{fail:mail.example.org=HOLD}", ["fail", "permerror"], "hold"],
    ["check_dkim_access inline:{pass:example.org=HOLD fail=REJECT}", ["fail", "pass"], "hold"],
    ["check_dkim_access inline:{permerror=HOLD}", ["permerror"], "hold"],
  ] as const,
)("%s of DKIM %j: %j", async (list, results, said) => {
  const dkim = results.map((is) => ({ ...SIGNED, is }));
  expect(await ofContent(list, { dkim, dmarc: FAILS })).toBe(said);
});

test("who is exempt has no content that is judged", async () => {
  expect(await ofContent("check_dkim, check_dmarc", undefined)).toBe("");
});

test("restrictions on content are told where they cannot act, and refuse for now", async () => {
  const at = async (main: string, stage: "RCPT" | "END-OF-MESSAGE") => {
    const { policy } = policyKit(`${BASE}${main}`);
    const { refusal } = await policy.check(stage, facts());
    return [policy.problems.map(({ parameter, text }) => `${parameter}: ${text}`).join(), refusal?.code];
  };
  const on = "mail_authentication = yes\n";
  expect(await at("smtpd_end_of_data_restrictions = check_dmarc\n", "END-OF-MESSAGE")).toEqual([
    "smtpd_end_of_data_restrictions: restriction check_dmarc needs mail_authentication = yes",
    451,
  ]);
  expect(await at(`${on}smtpd_sender_restrictions = check_dkim_access inline:{x=y}\n`, "RCPT")).toEqual([
    "smtpd_sender_restrictions: restriction check_dkim_access works in smtpd_end_of_data_restrictions only: before, there is no content",
    451,
  ]);
  const proxied = "smtpd_proxy_filter = inet:127.0.0.1:1\nsmtpd_end_of_data_restrictions = check_dmarc\n";
  expect(await at(`${on}${proxied}`, "END-OF-MESSAGE")).toEqual([
    "smtpd_end_of_data_restrictions: restriction check_dmarc does not act where smtpd_proxy_filter takes the content",
    451,
  ]);
  const classes = `${on}smtpd_restriction_classes = strict\nstrict = check_dmarc\n`;
  expect(await at(`${classes}smtpd_sender_restrictions = strict\n`, "RCPT")).toEqual([
    "smtpd_sender_restrictions: restriction check_dmarc works in smtpd_end_of_data_restrictions only: before, there is no content",
    451,
  ]);
  expect(await at(`${classes}smtpd_end_of_data_restrictions = strict\n`, "END-OF-MESSAGE")).toEqual([
    "",
    undefined,
  ]);
});

test("mail of clients whom mail_authentication_exempt permits is not checked; who cannot be judged is", async () => {
  const checks = async (main: string, changes: Parameters<typeof facts>[0] = {}) => {
    const { policy } = policyKit(`${BASE}mail_authentication = yes\n${main}`);
    return (await policy.checksContent!(facts(changes))).checks;
  };
  const own = { client: { ...facts().client, address: "10.1.1.1" } };
  const login = { saslMethod: "plain", saslUsername: "ann" };
  expect([await checks("", own), await checks("", login), await checks("")]).toEqual([false, false, true]);
  expect(await checks("mail_authentication_exempt =\n", own)).toBe(true);
  expect(await checks("mail_authentication_exempt = check_client_access fail:x, permit\n", own)).toBe(true);
  expect(policyKit(BASE).policy.checksContent).toBeUndefined();
});

test("what an earlier stage wants deferred is the session's, whoever copies the client; other sessions know nothing of it", async () => {
  const { policy } = policyKit(`${BASE}
smtpd_delay_reject = no
smtpd_client_restrictions = defer_if_permit
`);
  const copied = () => facts({ client: { ...facts().client } });
  const [session, other] = [policy.open(), policy.open()];
  await session.check("CONNECT", copied());
  for (const stage of ["EHLO", "MAIL"] as const) {
    for (const each of [session, other]) await each.check(stage, copied());
  }
  expect((await session.check("RCPT", copied())).refusal?.code).toBe(450);
  expect((await other.check("RCPT", copied())).refusal).toBeUndefined();
});
