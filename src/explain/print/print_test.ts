import { afterEach, describe, expect, test } from "bun:test";
import { type ExplainKit, explainKit } from "../../../test/kit/explain.ts";
import { SCENARIO_FILES, SCENARIO_MAIN_CF } from "../../../test/kit/scenes/scenario.ts";
import fc from "fast-check";
import type { Explanation } from "../explanation.ts";
import { printExplanation } from "./print.ts";
import { ExplainFault } from "../session_description.ts";
import { wrapped } from "./sheet.ts";

let kits: ExplainKit[] = [];
afterEach(() => {
  for (const each of kits) each.close();
  kits = [];
});

async function scenario(): Promise<ExplainKit> {
  const main = Object.entries(SCENARIO_MAIN_CF).map(([name, value]) => `${name} = ${value}\n`).join("");
  const users = "local_recipient_maps = inline:{webmaster=x, haha=x}\n";
  const kit = explainKit(`compatibility_level = 3.6\n${main}${users}`, SCENARIO_FILES, false);
  kits.push(kit);
  for (const name of Object.keys(SCENARIO_FILES)) await kit.index(name);
  return kit;
}

const OUTSIDE = { client: { address: "192.0.2.7", port: 40_000, name: "client.example.org" } };

/** From the first recipient on: what is before is the same in all. */
const fromRecipient = (text: string) => text.slice(text.indexOf("RCPT TO"));

describe("the founding scenario, explained", () => {
  test("the recipient who is not listed", async () => {
    const printed = await (await scenario()).print(
      { ...OUTSIDE, helo: "localhost", sender: "test@gmail.com", recipients: ["haha@example.com"] },
      { edits: true },
    );
    expect(printed).toBe(`/etc/postfix, as it is on disk: service smtp (built-in master.cf)
client client.example.org[192.0.2.7]:40000

(connection)
  220 mail.example.com ESMTP mta

EHLO localhost
  250-mail.example.com ... (10 lines)

MAIL FROM:<test@gmail.com>
  250 2.1.0 Ok

RCPT TO:<haha@example.com>
  smtpd_client_restrictions                                 empty, default
  smtpd_helo_restrictions                                   empty, default
  smtpd_sender_restrictions                                 main.cf line 9
    permit_mynetworks                                       dunno
      mynetworks: client.example.org[192.0.2.7]             not there
    check_sender_access hash:/etc/postfix/sender_access     dunno
      key: test@gmail.com, gmail.com, com, test@,
        @gmail.com                                          not there
    permit                                                  PERMIT
  smtpd_relay_restrictions                                  default
    permit_mynetworks                                       dunno
      mynetworks: client.example.org[192.0.2.7]             not there
    permit_sasl_authenticated                               dunno
    defer_unauth_destination                                dunno
      mydestination: example.com                            example.com
      address class: haha@example.com                       local (local:mail.example.com)
  smtpd_recipient_restrictions                              main.cf line 10
    permit_mynetworks                                       dunno
      mynetworks: client.example.org[192.0.2.7]             not there
    check_recipient_access
      hash:/etc/postfix/recipient_access                    dunno
      key: haha@example.com, example.com, com, haha@,
        @example.com                                        not there
    reject                                                  REJECT
  554 5.7.1 <haha@example.com>: Recipient address rejected: Access denied

rejected at RCPT TO:<haha@example.com> by smtpd_recipient_restrictions/reject

An edit that would let it pass:

  add a line to /etc/postfix/recipient_access
    + haha@example.com OK
    then: mta postmap hash:/etc/postfix/recipient_access
    RCPT TO:<haha@example.com> is then answered: 250 2.1.5 Ok
`);
  });

  test("an @domain key permits, but is no leave to relay", async () => {
    const kit = await scenario();
    const main = kit.read("main.cf");
    kit.write("main.cf", `${main}smtpd_relay_restrictions =\n`);
    const printed = await kit.print({ ...OUTSIDE, recipients: ["x@smalltreemedia.com"] });
    expect(fromRecipient(printed)).toContain(`
  smtpd_recipient_restrictions                              main.cf line 10
    permit_mynetworks                                       dunno
      mynetworks: client.example.org[192.0.2.7]             not there
    check_recipient_access
      hash:/etc/postfix/recipient_access                    PERMIT
      key: x@smalltreemedia.com, smalltreemedia.com, com,
        x@                                                  not there
      key: @smalltreemedia.com                              OK (recipient_access line 1)
    not reached: reject
  access_at_domain_keys                                     default
    reject_unauth_destination                               REJECT
`);
  });

  test("our own network is not restricted", async () => {
    const printed = await (await scenario()).print({
      client: { address: "10.0.0.2", port: 1, name: "unknown" },
      recipients: ["anybody@elsewhere.example"],
    });
    expect(printed).toContain("mynetworks: 10.0.0.2                                  10.0.0.2/32\n");
    expect(printed).toEndWith("\naccepted\n");
  });
});

test("no line is wider than 100 columns, whatever is long", async () => {
  const kit = explainKit(
    `smtpd_recipient_restrictions = check_sender_access inline:{ { ${"k".repeat(90)}.example = REJECT ${
      "why ".repeat(60)
    } } },
  check_recipient_access inline:{bob@example.com=${"x".repeat(200)}}\n`,
  );
  kits.push(kit);
  const printed = await kit.print({ sender: `${"u".repeat(60)}@${"k".repeat(60)}.example` }, { edits: true });
  expect(printed.split("\n").filter((line) => line.length > 100)).toEqual([]);
});

test("lists that name each other are shown as deep as they are evaluated", async () => {
  const kit = explainKit(`smtpd_restriction_classes = a, b
a = b
b = a
smtpd_client_restrictions = a
`);
  kits.push(kit);
  const printed = await kit.print({}, { edits: true });
  expect(printed).toContain("451 4.3.5 Server configuration error");
  expect(printed).toContain("causes unreasonable recursion");
  expect(printed.split("\n").filter((line) => line.length > 100)).toEqual([]);
});

test("recipients after the first do not repeat what is the same", async () => {
  const kit = explainKit("smtpd_client_restrictions = permit\n");
  kits.push(kit);
  const printed = await kit.print({ recipients: ["bob@example.com", "ann@example.com"] });
  expect(printed).toContain("  smtpd_client_restrictions                                 as above\n");
});

test("colours are for terminals; what peers say cannot send escapes to them", async () => {
  const kit = explainKit("smtpd_helo_restrictions = reject\n");
  kits.push(kit);
  const explanation = await kit.explain({});
  const evil: Explanation = { ...explanation, assumptions: ["\x1b[2J gone"] };
  expect(printExplanation(evil, { colour: false, all: false })).not.toContain("\x1b");
  const coloured = printExplanation(evil, { colour: true, all: false });
  expect(coloured).toContain("\x1b[31mREJECT\x1b[0m");
  expect(coloured).not.toContain("\x1b[2J");
});

test("wrapped() loses nothing but blanks", () => {
  expect(wrapped("one two three four", 9, 2)).toEqual(["one two", "  three", "  four"]);
  expect(wrapped("abcdefghij", 4, 0)).toEqual(["abcd", "efgh", "ij"]);
  expect(wrapped("", 4, 0)).toEqual([""]);
});

const text = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom('"a b"@example.com', "a@[1.2.3.4]", "@a:b@c", "bob", "", "a%b@example.com", "ü@ä.example"),
);

test("whatever is described, it ends, and prints clean lines of at most 100 columns", async () => {
  const kit = explainKit(
    `smtpd_restriction_classes = a, b
a = b, check_sender_access inline:{x=b}
b = a, check_policy_service inet:x
smtpd_client_restrictions = check_client_access texthash:%DIR%/clients
smtpd_recipient_restrictions = check_recipient_access regexp:%DIR%/rules, nonsense
virtual_alias_domains = alias.example
`,
    { clients: "192.0.2 a\nunknown REJECT\n", rules: "/^b/ a\n/(x)(y)/ REJECT $1\n" },
  );
  kits.push(kit);
  const described = fc.record({
    helo: text,
    sender: text,
    recipients: fc.array(text, { minLength: 1, maxLength: 3 }),
    smtp: fc.boolean(),
    client: fc.constantFrom("unknown", "a.example").map((name) => ({ address: "192.0.2.7", port: 1, name })),
  });
  await fc.assert(
    fc.asyncProperty(described, async (session) => {
      const explanation = await kit.explain(session, { edits: true, dns: false }).catch((error) => error);
      if (explanation instanceof ExplainFault) return;
      const printed = printExplanation(explanation, { colour: false, all: true });
      expect(printed.split("\n").filter((line) => line.length > 100)).toEqual([]);
      expect(/[\x00-\x09\x0b-\x1f\x7f]/.test(printed)).toBe(false);
    }),
    { numRuns: 60 },
  );
}, 30_000);
