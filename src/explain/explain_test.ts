import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { ZONE } from "../../test/access/worldly_scenarios.ts";
import { type DnsServer, startDnsServer } from "../../test/kit/servers/dns_server.ts";
import { type ExplainKit, explainKit } from "../../test/kit/explain.ts";
import { startPolicyDaemon } from "../../test/kit/servers/policy_daemon.ts";
import type { ExplainedStep, Explanation, Lookup } from "./explanation.ts";
import { stepPathsOf } from "./watch/step_path.ts";

let kits: ExplainKit[] = [];
afterEach(() => {
  for (const each of kits) each.close();
  kits = [];
});

function kit(main: string, files?: Readonly<Record<string, string>>): ExplainKit {
  const made = explainKit(main, files);
  kits.push(made);
  return made;
}

const PLAIN_TLS = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", keysize: 128 };

/** All steps of the recipient's command. */
function stepsOf({ commands }: Explanation): ExplainedStep[] {
  const command = commands.find((each) => each.command.startsWith("RCPT"))!;
  return stepPathsOf(command).map(({ step }) => step);
}

const step = (explanation: Explanation, name: string): ExplainedStep =>
  stepsOf(explanation).find(({ restriction }) => restriction.startsWith(name))!;

/** `KEY = ANSWER (line N)`, the source in front unless it is a table. */
function short({ kind, source, key, answer, trouble, line }: Lookup): string {
  const of = kind === "table" ? "" : `${source}: `;
  const found = trouble === undefined ? answer ?? "-" : `! ${trouble}`;
  return `${of}${key} = ${found}${line === undefined ? "" : ` (line ${line})`}`;
}

const asked = (explanation: Explanation, name: string, kind?: Lookup["kind"]) =>
  step(explanation, name).lookups.filter((each) => kind === undefined || each.kind === kind).map(short);

const lastReply = ({ decidedBy }: Explanation) => decidedBy.reply;

test("milters are named as what is not asked", async () => {
  const { explain } = kit("smtpd_milters = inet:127.0.0.1:1, { unix:/x, default_action=accept }\n");
  const explanation = await explain({ recipients: ["bob@example.com"] });
  expect(explanation.assumptions).toContain(
    "milters are not asked, and assumed to have nothing against it: " +
      "smtpd_milters = inet:127.0.0.1:1, { unix:/x, default_action=accept }",
  );
  const without = kit("smtpd_milters = inet:127.0.0.1:1\nreceive_override_options = no_milters\n");
  const free = await without.explain({ recipients: ["bob@example.com"] });
  expect(free.assumptions.join()).not.toContain("milters");
});

test("checks of content are named as what is not known", async () => {
  const { explain } = kit(
    "mail_authentication = yes\nsmtpd_end_of_data_restrictions = check_dmarc_access inline:{none=HOLD}, check_dmarc\n",
  );
  const { assumptions, outcome } = await explain({ recipients: ["bob@example.com"] });
  expect(assumptions).toContain(
    "the content is not known: check_dmarc_access and check_dmarc are assumed to have nothing against it " +
      "(mail_authentication = yes)",
  );
  expect(outcome).toBe("permit");
});

describe("what a restriction asks is shown", () => {
  test("an access table's keys, in order, up to the one that matches, with its line", async () => {
    const { explain } = kit(
      "recipient_delimiter = +\nsmtpd_recipient_restrictions = check_recipient_access texthash:%DIR%/access\n",
      { access: "# ours\n\nother@example.com OK\nbob@ REJECT go away\n" },
    );
    const explanation = await explain({ recipients: ["bob+ext@example.com"] });
    expect(asked(explanation, "check_recipient_access", "table")).toEqual([
      "bob+ext@example.com = -",
      "bob@example.com = -",
      "example.com = -",
      "com = -",
      "bob+ext@ = -",
      "bob@ = REJECT go away (line 4)",
    ]);
    expect(lastReply(explanation)).toBe(
      "554 5.7.1 <bob+ext@example.com>: Recipient address rejected: go away",
    );
  });

  test("the line of an indexed table is found in the text that it was made from", async () => {
    const { directory, explain } = kit(
      "smtpd_client_restrictions = check_client_access hash:%DIR%/clients\n",
      { clients: "10.1 OK\n\n192.0.2\n  REJECT your network\n" },
    );
    await kits.at(-1)!.index("clients");
    const explanation = await explain({});
    const found = step(explanation, "check_client_access").lookups.at(-1);
    expect(found).toMatchObject({
      key: "192.0.2",
      answer: "REJECT your network",
      file: `${directory}/clients`,
      line: 3,
    });
  });

  test.each([
    ["cidr", "10.0.0.0/8 OK\n192.0.2.0/24 REJECT\n", 2],
    ["regexp", "/nobody/ OK\n\n/example\\.org$/ REJECT\n", 3],
    ["pcre", "# one\n/^client\\./ REJECT\n", 2],
  ])("%s: the rule that matches, by its line", async (type, text, line) => {
    const { directory, explain } = kit(
      `smtpd_client_restrictions = check_client_access ${type}:%DIR%/rules\n`,
      { rules: text },
    );
    const found = step(await explain({}), "check_client_access").lookups.at(-1);
    expect(found).toMatchObject({ answer: "REJECT", file: `${directory}/rules`, line });
  });

  test("the item of mynetworks that matches, in main.cf or in a file that it names", async () => {
    const { directory, explain } = kit("mynetworks = 10.0.0.0/8, %DIR%/more\n", {
      more: "# branch office\n!192.0.2.9\n192.0.2.0/24\n",
    });
    const inMain = await explain({ client: { address: "10.1.2.3", port: 1, name: "unknown" } });
    expect(asked(inMain, "permit_mynetworks")).toEqual(["mynetworks: 10.1.2.3 = 10.0.0.0/8"]);
    const inFile = step(await explain({}), "permit_mynetworks").lookups[0];
    expect(inFile).toMatchObject({ answer: "192.0.2.0/24", file: `${directory}/more`, line: 3 });
    const excluded = await explain({ client: { address: "192.0.2.9", port: 1, name: "unknown" } });
    expect(asked(excluded, "permit_mynetworks")).toEqual([
      "mynetworks: 192.0.2.9 = !192.0.2.9 (line 2)",
    ]);
    expect(step(excluded, "permit_mynetworks").verdict).toBe("dunno");
  });

  test("the tables of known recipients, and the address class that chose them", async () => {
    const { explain } = kit(
      `
virtual_mailbox_domains = vmail.example
virtual_mailbox_maps = texthash:%DIR%/boxes
`,
      { boxes: "ann@vmail.example ann/\n" },
    );
    const explanation = await explain({ recipients: ["nobody@vmail.example"] });
    expect(asked(explanation, "reject_unlisted_recipient")).toEqual([
      "mydestination: vmail.example = -",
      "virtual_mailbox_domains: vmail.example = vmail.example",
      "address class: nobody@vmail.example = virtual mailbox (virtual:vmail.example)",
      "mydestination: vmail.example = -", // is a bare "nobody" a key, too?
      "nobody@vmail.example = -",
      "@vmail.example = -",
    ]);
    expect(lastReply(explanation)).toContain("User unknown in virtual mailbox table");
  });

  describe("a login is made as the service has it", () => {
    const rows: readonly (readonly [title: string, main: string, session: object, auth: string])[] = [
      ["not where AUTH is off", "", {}, "503 5.5.1 Error: authentication not enabled"],
      ["not where sasldb would be asked", "smtpd_sasl_auth_enable = yes\n", {}, "503 5.5.1 "],
      ["by Dovecot, whoever it is", "smtpd_sasl_type = dovecot\n", {}, "235 2.7.0 "],
      ["by a user of sasl_users", "sasl_users = inline:{ann={PLAIN}x}\n", {}, "235 2.7.0 "],
      ["by nobody else", "sasl_users = inline:{eve={PLAIN}x}\n", {}, "535 5.7.8 "],
      ["not in the clear with smtpd_tls_auth_only", "smtpd_tls_auth_only = yes\n", {}, "503 5.5.1 "],
      ["but over TLS", "smtpd_tls_auth_only = yes\n", { tls: PLAIN_TLS }, "235 2.7.0 "],
      [
        "not with what noplaintext forbids",
        "sasl_mechanisms = PLAIN SCRAM-SHA-256\nsmtpd_sasl_security_options = noplaintext\n",
        {},
        "535 5.7.8 ",
      ],
      [
        "but where it does not",
        "smtpd_sasl_security_options = noplaintext\nsmtpd_sasl_tls_security_options =\n",
        { tls: PLAIN_TLS },
        "235 2.7.0 ",
      ],
    ];
    test.each(rows)("%s", async (_title, main, session, auth) => {
      const type = /sasl_type|sasl_auth_enable/.test(main) ? "" : "smtpd_sasl_type = internal\n";
      const users = main.includes("sasl_users") ? "" : "sasl_users = inline:{ann={PLAIN}x}\n";
      const enabled = main === "" ? "" : `smtpd_sasl_auth_enable = yes\n${type}${users}`;
      const { explain } = kit(`${enabled}${main}`);
      const { commands } = await explain({ login: { username: "ann", method: "PLAIN" }, ...session });
      const said = commands.find(({ command }) => command === "AUTH PLAIN");
      expect(said?.reply.at(-1)).toStartWith(auth);
    });
  });

  test("a service in wrapper mode has its clients in TLS without being told", async () => {
    const { explain } = kit(
      "smtpd_tls_wrappermode = yes\nsmtpd_sender_restrictions = reject_plaintext_session\n",
    );
    const { commands } = await explain({});
    expect(commands.map(({ code }) => code)).toEqual([220, 250, 250, 250, 354, 250]);
  });

  test("login names: smtpd_sender_login_maps, and access by login", async () => {
    const { explain } = kit(
      `
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sender_login_maps = texthash:%DIR%/logins
smtpd_sender_restrictions = check_sasl_access inline:{eve=REJECT}, reject_sender_login_mismatch
`,
      { logins: "ann@example.org ann\n" },
    );
    const explanation = await explain({ login: { username: "bob", method: "PLAIN" } });
    expect(asked(explanation, "check_sasl_access")).toEqual(["bob = -"]);
    expect(asked(explanation, "reject_sender_login_mismatch", "table")).toEqual([
      "ann@example.org = ann (line 1)",
    ]);
    expect(lastReply(explanation)).toBe(
      "553 5.7.1 <ann@example.org>: Sender address rejected: not owned by user bob",
    );
  });

  test("client certificates by fingerprint", async () => {
    const { explain } = kit(`
smtpd_tls_ask_ccert = yes
relay_clientcerts = inline:{AA:BB=friend}
smtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination
`);
    const peer = {
      trusted: false,
      fingerprint: "AA:BB",
      publicKeyFingerprint: "CC",
      subject: "x",
      issuer: "",
    };
    const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", keysize: 128, peer };
    const explanation = await explain({ tls, recipients: ["x@elsewhere.example"] });
    expect(asked(explanation, "permit_tls_clientcerts")).toEqual(["AA:BB = friend"]);
    expect(explanation.outcome).toBe("permit");
  });

  test("encryption", async () => {
    const { explain } = kit("smtpd_helo_restrictions = reject_plaintext_session\n");
    const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", keysize: 128 };
    expect((await explain({})).decidedBy.reply).toContain("Session encryption is required");
    expect((await explain({ tls })).outcome).toBe("permit");
  });

  test("a table that cannot be asked", async () => {
    const { explain } = kit("smtpd_client_restrictions = check_client_access fail:broken\n");
    const explanation = await explain({});
    expect(asked(explanation, "check_client_access")[0]).toStartWith("client.example.org = ! ");
    expect(explanation.outcome).toBe("defer");
  });
});

describe("DNS", () => {
  let dns: DnsServer;
  beforeAll(async () => {
    dns = await startDnsServer({
      ...ZONE,
      "7.2.0.192.in-addr.arpa": { PTR: ["client.example.org"] },
      "client.example.org": { A: ["192.0.2.7"] },
      "8.2.0.192.in-addr.arpa": { PTR: ["forged.example"] },
      "forged.example": { A: ["203.0.113.1"] },
      "refusing.example": { TXT: ["v=spf1 mx -all"], MX: ["10 mx.refusing.example"] },
    });
  });
  afterAll(() => dns.close());
  const withDns = (main: string) =>
    kit(`dns_servers = ${dns.address}\nsmtpd_recipient_restrictions = ${main}\n`);

  test.each<[string, string, Partial<Parameters<ExplainKit["explain"]>[0]>, string[]]>([
    [
      "reject_rbl_client bl.example",
      "a list's answer and its reason",
      { client: { address: "192.0.2.66", port: 1, name: "unknown" } },
      ["A: 66.2.0.192.bl.example = 127.0.0.2", 'TXT: 66.2.0.192.bl.example = "see https://bl.example/66"'],
    ],
    ["reject_rbl_client bl.example", "a list that does not know the client", {}, [
      "A: 7.2.0.192.bl.example = -",
    ]],
    [
      "reject_rbl_client bl.example",
      "a list that does not answer",
      { client: { address: "192.0.2.68", port: 1, name: "unknown" } },
      ["A: 68.2.0.192.bl.example = ! Host not found, try again"],
    ],
    ["reject_unknown_sender_domain", "mail exchangers", { sender: "x@good.example" }, [
      "MX: good.example = 10 mx.good.example",
    ]],
    ["reject_unknown_sender_domain", "a domain that takes no mail", { sender: "x@nullmx.example" }, [
      "MX: nullmx.example = 0 .",
    ]],
    ["reject_unknown_sender_domain", "neither mail exchanger nor address", { sender: "x@only-txt.example" }, [
      "MX: only-txt.example = -",
      "A: only-txt.example = -",
      "AAAA: only-txt.example = -",
    ]],
    ["check_sender_mx_access inline:{198.51.100.66=REJECT}", "servers and their addresses", {
      sender: "x@badmx.example",
    }, [
      "MX: badmx.example = 10 mx.evil.example, 20 mx2.evil.example",
      "mx.evil.example = -",
      "evil.example = -",
      "example = -",
      "A, AAAA: mx.evil.example = 198.51.100.66",
      "198.51.100.66 = REJECT",
    ]],
    ["check_spf", "a record, and what comes of it", { sender: "x@refusing.example" }, [
      'TXT: refusing.example = "v=spf1 mx -all"',
      "MX: refusing.example = 10 mx.refusing.example",
      "A: mx.refusing.example = -",
      "SPF: refusing.example for 192.0.2.7 = fail by -all",
    ]],
    ["check_spf_access inline:{softfail=REJECT}", "the keys of a result", { sender: "x@refusing.example" }, [
      'TXT: refusing.example = "v=spf1 mx -all"',
      "MX: refusing.example = 10 mx.refusing.example",
      "A: mx.refusing.example = -",
      "SPF: refusing.example for 192.0.2.7 = fail by -all",
      "fail:refusing.example = -",
      "fail:example = -",
      "fail = -",
    ]],
    ["check_helo_ns_access inline:{ns.evil.example=REJECT}", "name servers of the parent", {
      helo: "sub.evil.example",
    }, ["NS: sub.evil.example = -", "NS: evil.example = ns.evil.example", "ns.evil.example = REJECT"]],
  ])("%s: %s", async (main, _what, session, lookups) => {
    const explanation = await withDns(main).explain(session);
    const found = asked(explanation, main.split(/[ ,]/)[0]!).filter((text) =>
      !/^(?:address class|my|relay)/.test(text)
    );
    expect(found).toEqual(lookups);
  });

  test("permit_mx_backup: the mail exchangers of a backup domain", async () => {
    const { explain } = kit(
      `dns_servers = ${dns.address}\nsmtpd_relay_restrictions = permit_mx_backup, reject_unauth_destination\n`,
    );
    expect(asked(await explain({ recipients: ["x@backup.example"] }), "permit_mx_backup", "dns")).toEqual([
      "MX: backup.example = 10 mx.good.example, 20 mail.example.com",
      "A, AAAA: mx.good.example = 192.0.2.81",
      "A, AAAA: mail.example.com = 127.0.0.1",
    ]);
  });

  test("an SPF result is shown for each recipient, and looked up for the first", async () => {
    const explanation = await withDns("check_spf").explain({
      sender: "x@refusing.example",
      recipients: ["bob@example.com", "ann@example.com"],
    });
    const shown = explanation.commands.filter(({ stage }) => stage === "RCPT").map(({ lists }) =>
      lists.flatMap(({ steps }) => steps).filter(({ restriction }) => restriction === "check_spf")
        .flatMap(({ lookups }) => lookups).length
    );
    expect(shown).toEqual([4, 1]);
    expect(explanation.outcome).toBe("reject");
  });

  test("what a table of SPF results is asked about is shown before its keys", async () => {
    const main = "check_spf_access inline:{fail=REJECT}";
    const { print } = kit(`dns_servers = ${dns.address}\nsmtpd_recipient_restrictions = ${main}\n`);
    expect(await print({ sender: "x@refusing.example" })).toMatch(
      /DNS TXT: refusing\.example [^]*SPF: refusing\.example for 192\.0\.2\.7 +fail by -all\n +key: fail:refusing\.example, fail:example/,
    );
  });

  test("the client's name is looked up as smtpd does, and the answers are shown", async () => {
    const explanation = await withDns("reject_unknown_client_hostname").explain({
      client: { address: "192.0.2.7", port: 1 },
    });
    expect(explanation.client).toMatchObject({ name: "client.example.org", nameStatus: 2 });
    expect(explanation.commands[0]!.lookups.filter(({ kind }) => kind === "dns").map(short)).toEqual([
      "PTR: 192.0.2.7 = client.example.org",
      "A: client.example.org = 192.0.2.7",
    ]);
  });

  test("a name that does not lead back is unverified", async () => {
    const explanation = await withDns("reject_unknown_client_hostname").explain({
      client: { address: "192.0.2.8", port: 1 },
    });
    expect(explanation.client).toMatchObject({
      name: "unknown",
      reverseName: "forged.example",
      nameStatus: 5,
    });
    expect(lastReply(explanation)).toStartWith("450 4.7.25 Client host rejected: cannot find your hostname");
  });

  test("--no-dns asks nobody, and says so", async () => {
    const before = dns.asked.length;
    const explanation = await withDns("reject_unknown_sender_domain").explain({
      client: { address: "192.0.2.7", port: 1 },
    }, { dns: false });
    expect(dns.asked.length).toBe(before);
    expect(asked(explanation, "reject_unknown_sender_domain", "dns")[0]).toBe(
      "MX: example.org = ! not asked (--no-dns)",
    );
  });
});

describe("policy servers", () => {
  const main = (port: number) => `
smtpd_recipient_restrictions = check_policy_service { inet:127.0.0.1:${port}, { default_action = 451 4.3.5 later } }
`;

  test("are not asked: DUNNO is assumed, and the default action is named", async () => {
    const daemon = await startPolicyDaemon(() => "REJECT");
    const explanation = await kit(main(daemon.port)).explain({});
    expect(daemon.requests).toEqual([]);
    expect(explanation.outcome).toBe("permit");
    const [lookup] = step(explanation, "check_policy_service").lookups;
    expect(lookup).toMatchObject({ kind: "policy", answer: "not asked; DUNNO is assumed" });
    expect(lookup!.request).toContain("client_address=192.0.2.7");
    expect(explanation.assumptions).toEqual([
      `policy server inet:127.0.0.1:${daemon.port} was not asked (--ask-policy asks it): DUNNO is assumed; ` +
      'without an answer of it the server would do "451 4.3.5 later"',
    ]);
    await daemon.close();
  });

  test("are asked with --ask-policy", async () => {
    const daemon = await startPolicyDaemon(({ recipient }) => `REJECT not ${recipient}`);
    const explanation = await kit(main(daemon.port)).explain({}, { askPolicy: true, edits: true });
    expect(explanation.tried).toBeGreaterThan(0);
    expect(daemon.requests.length).toBe(1); // trials of edits know the answer
    expect(step(explanation, "check_policy_service").lookups[0]).toMatchObject({
      answer: "REJECT not bob@example.com",
    });
    expect(lastReply(explanation)).toEndWith("not bob@example.com");
    await daemon.close();
  });
});

describe("lists", () => {
  test("classes and restrictions out of tables are shown where they are evaluated", async () => {
    const { explain } = kit(`
smtpd_restriction_classes = strict
strict = permit_mynetworks, check_sender_access inline:{example.org=REJECT strict}
smtpd_recipient_restrictions = check_recipient_access inline:{bob@example.com=strict}, permit
`);
    const explanation = await explain({});
    const rcpt = explanation.commands.find(({ command }) => command.startsWith("RCPT"))!;
    const outer = rcpt.lists.find(({ name }) => name === "smtpd_recipient_restrictions")!;
    expect(outer.notReached).toEqual(["permit"]);
    const inTable = outer.steps[0]!;
    expect(inTable).toMatchObject({ applies: "inline:{bob@example.com=strict}", verdict: "dunno" });
    const inClass = inTable.inside!.steps[0]!;
    expect(inClass).toMatchObject({ restriction: "strict", applies: "strict" });
    expect(inClass.inside).toMatchObject({ name: "strict", place: { from: "file", line: 10 } });
    expect(inClass.inside!.steps.map(({ verdict }) => verdict)).toEqual(["dunno", "reject"]);
    expect(explanation.decidedBy.refusedBy).toBe(
      "strict/check_sender_access inline:{example.org=REJECT strict}",
    );
  });

  test("each list names the line that it comes from", async () => {
    const { explain } = kit(
      `
smtpd_client_restrictions =
  permit_mynetworks,
  # not these
  reject_unknown_client_hostname
`,
      {
        "master.cf": "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n  -o syslog_name=sub\n" +
          "  -o smtpd_helo_restrictions=permit\n",
      },
    );
    const explanation = await explain({ service: "587" });
    const rcpt = explanation.commands.find(({ command }) => command.startsWith("RCPT"))!;
    expect(explanation.service).toEqual({ name: "submission", line: 2 });
    expect(rcpt.lists.slice(0, 3).map(({ place }) => place)).toEqual([
      { from: "file", file: expect.stringMatching(/main\.cf$/), line: 9 },
      { from: "file", file: expect.stringMatching(/master\.cf$/), line: 4 },
      { from: "default" },
    ]);
  });

  test("warn_if_reject: what would be refused is only logged", async () => {
    const { explain } = kit("smtpd_client_restrictions = warn_if_reject check_client_access static:REJECT\n");
    const explanation = await explain({});
    expect(step(explanation, "check_client_access")).toMatchObject({ verdict: "reject", warn: true });
    expect(explanation.outcome).toBe("permit");
    expect(explanation.commands.flatMap(({ notes }) => notes)).toEqual([
      {
        verb: "reject_warning",
        text: "554 5.7.1 <client.example.org[192.0.2.7]>: Client host rejected: Access denied",
      },
    ]);
  });

  test("without smtpd_delay_reject lists run where they belong, and the session ends there", async () => {
    const { explain } = kit("smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject\n");
    const explanation = await explain({});
    expect(explanation.commands.map(({ command, stage, code }) => [command, stage, code])).toEqual([
      ["", "CONNECT", 220],
      ["EHLO client.example.org", "EHLO", 554],
    ]);
    expect(explanation.outcome).toBe("reject");
  });

  test("every recipient is explained, then DATA and the end of the message", async () => {
    const { explain } = kit(`
smtpd_recipient_restrictions = check_recipient_access inline:{ann@example.com=DEFER}
smtpd_data_restrictions = permit
smtpd_end_of_data_restrictions = check_sender_access inline:{example.org=HOLD}
`);
    const explanation = await explain({ recipients: ["ann@example.com", "bob@example.com"], size: 1000 });
    expect(explanation.commands.map(({ command, code }) => [command, code])).toEqual([
      ["", 220],
      ["EHLO client.example.org", 250],
      ["MAIL FROM:<ann@example.org> SIZE=1000", 250],
      ["RCPT TO:<ann@example.com>", 450],
      ["RCPT TO:<bob@example.com>", 250],
      ["DATA", 354],
      [".", 250],
    ]);
    expect(explanation.outcome).toBe("defer");
    expect(explanation.commands.at(-1)!.effects).toEqual([{ is: "hold", text: "" }]);
  });

  test("what actions do to the message", async () => {
    const actions = [
      "HOLD please",
      "FILTER smtp:[127.0.0.1]:9",
      "REDIRECT other@example.com",
      "BCC watch@example.com",
      "PREPEND X-Seen: yes",
      "WARN look",
      "DISCARD",
    ];
    const checks = actions.map((action) => `check_sender_access inline:{{example.org=${action}}}`).join(", ");
    const made = kit(`smtpd_sender_restrictions = ${checks}\nsmtpd_recipient_restrictions = reject\n`);
    const explanation = await made.explain({});
    const rcpt = explanation.commands.find(({ command }) => command.startsWith("RCPT"))!;
    expect(rcpt.effects.map((effect) => `${effect.is} ${"text" in effect ? effect.text : ""}`.trim()))
      .toEqual([
        "hold please",
        "filter smtp:[127.0.0.1]:9",
        "redirect other@example.com",
        "bcc watch@example.com",
        "prepend X-Seen: yes",
        "discard",
      ]);
    expect(explanation.outcome).toBe("permit"); // what is thrown away is accepted; no list is read after it
    const printed = await made.print({});
    expect(printed).toContain("check_sender_access");
    expect(printed).toContain("  does: PREPEND X-Seen: yes\n  does: DISCARD\n  250 2.1.5 Ok\n");
    expect(printed).toContain("  log: warn: look\n");
  });

  test("ETRN", async () => {
    const { explain } = kit("smtpd_etrn_restrictions = check_etrn_access inline:{example.com=REJECT}\n");
    const explanation = await explain({ etrn: "example.com" });
    expect(explanation.commands.at(-1)).toMatchObject({
      command: "ETRN example.com",
      stage: "ETRN",
      refusedBy: "smtpd_etrn_restrictions/check_etrn_access inline:{example.com=REJECT}",
    });
  });

  test("sleep does not sleep", async () => {
    const { explain } = kit("smtpd_client_restrictions = sleep 3600\n");
    expect(step(await explain({}), "sleep")).toMatchObject({ sleep: 3600, verdict: "dunno" });
  });

  test("a message larger than the server takes is refused where the server refuses it", async () => {
    const explanation = await kit("message_size_limit = 1000\n").explain({ size: 2000 });
    expect(lastReply(explanation)).toBe("552 5.3.4 Message size exceeds fixed limit");
    expect(explanation.outcome).toBe("reject");
  });
});

test("a description that makes no session is refused in words", async () => {
  const { explain } = kit("");
  const bad = (session: Parameters<typeof explain>[0]) => expect(explain(session)).rejects;
  await bad({ service: "imap" }).toThrow('no smtpd service "imap" in master.cf; there is smtp');
  await bad({ sender: undefined }).toThrow("recipients without a sender");
  await bad({ recipients: ["a\r\nDATA"] }).toThrow("control characters");
  await bad({ client: { address: "300.1.1.1", port: 1 } }).toThrow("no IP address");
});

test("no address probe is sent: the answer is that of a first session", async () => {
  const { explain } = kit("smtpd_recipient_restrictions = reject_unverified_recipient\n");
  const explanation = await explain({});
  expect(lastReply(explanation)).toBe(
    "450 4.1.1 <bob@example.com>: Recipient address rejected: unverified address: Address verification in progress",
  );
  expect(explanation.assumptions[0]).toStartWith("no probe was sent for bob@example.com: ");
});

test("behind postscreen the smtpd of type pass is meant", async () => {
  const { explain } = kit("", {
    "master.cf":
      "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n  -o smtpd_client_restrictions=reject\n",
  });
  for (const session of [{}, { service: "25" }, { service: "smtp" }, { service: "smtpd" }]) {
    const explanation = await explain(session);
    expect(explanation.service).toEqual({ name: "smtpd", line: 2 });
    expect(explanation.decidedBy.refusedBy).toBe("smtpd_client_restrictions/reject");
  }
});

test("the address that probes come from is taken unseen, as in the server", async () => {
  const { explain } = kit("address_verify_sender = probe@example.com\nsmtpd_client_restrictions = reject\n");
  const { commands, outcome } = await explain({ recipients: ["probe@example.com"] });
  expect(commands.find(({ command }) => command.startsWith("RCPT"))).toMatchObject({ code: 250, lists: [] });
  expect(outcome).toBe("permit");
});
