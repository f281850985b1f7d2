import { expect, test } from "bun:test";
import fc from "fast-check";
import { facts, policyKit } from "../../../test/kit/policy.ts";
import type { TraceStep } from "../../access/policy.ts";
import { relayFlaw } from "./relay_guard.ts";

const BASE = `
compatibility_level = 3.6
myhostname = mail.example.com
mydomain = example.com
mydestination = example.com, localhost
mynetworks = 10.0.0.0/8
relay_domains = relay.example
virtual_alias_domains = alias.example
local_recipient_maps =
smtpd_restriction_classes = dunno_class, strict_class, nested_class, lenient_class
dunno_class = check_sender_access inline:{other@x.example=OK}, permit_mynetworks
strict_class = permit_auth_destination, reject_unauth_destination
nested_class = warn_if_reject strict_class, permit_sasl_authenticated
lenient_class = check_sender_access inline:{ann@example.org=OK}
`;

const guard = (recipient: string, relay: string) =>
  relayFlaw({
    smtpd_recipient_restrictions: recipient,
    smtpd_relay_restrictions: relay,
    classText: (name) =>
      /^\w+_class$/.test(name) ? BASE.match(new RegExp(`^${name} = (.*)$`, "m"))?.[1] : undefined,
  });

/** Restrictions that permit no stranger, whatever they do. */
const HARMLESS = [
  "permit_mynetworks",
  "permit_sasl_authenticated",
  "permit_auth_destination",
  "permit_inet_interfaces",
  "permit_tls_clientcerts",
  "reject_unauth_destination",
  "defer_unauth_destination",
  "reject_unlisted_recipient",
  "reject_non_fqdn_sender",
  "reject_unauth_pipelining",
  "warn_if_reject reject_unauth_destination",
  "warn_if_reject reject",
  "defer_if_permit",
  "defer_if_reject",
  "dunno_class",
  "strict_class",
  "nested_class",
  "check_recipient_access inline:{elsewhere.example=DUNNO,x@elsewhere.example=permit_mynetworks}",
  "check_recipient_access inline:{@elsewhere.example=OK}",
  "check_sender_access inline:{@example.org=permit}",
  "check_client_access inline:{192.0.2=DUNNO,10=OK}",
  "check_reverse_client_hostname_access inline:{client.example.org=OK}",
  "check_recipient_access inline:{x@elsewhere.example={WARN seen}}",
];
const PERMITS = [
  "permit",
  "lenient_class",
  "check_recipient_access inline:{elsewhere.example=OK}",
  "check_client_access inline:{192.0.2=12345}",
  "check_sender_access inline:{ann@example.org=RELAY}",
];
const FOREIGN = [
  "x@elsewhere.example",
  "a%elsewhere.example@example.com",
  "a@elsewhere.example@example.com",
  "elsewhere.example!a@example.com",
  "a%elsewhere.example@relay.example",
  "x@[192.0.2.200]",
];

const list = (pool: readonly string[]) =>
  fc.array(fc.constantFrom(...pool), { maxLength: 5 }).map((items) => items.join(", "));

function build(relay: string, recipient: string) {
  return policyKit(
    `${BASE}smtpd_relay_restrictions = ${relay}\nsmtpd_recipient_restrictions = ${recipient}\n`,
  ).policy;
}

test("a stranger never relays where nothing permits it and the service may start", async () => {
  await fc.assert(
    fc.asyncProperty(
      list(HARMLESS),
      list(HARMLESS),
      fc.constantFrom(...FOREIGN),
      async (relay, recipient, to) => {
        fc.pre(guard(recipient, relay) === undefined);
        const policy = build(relay, recipient);
        expect(policy.problems.filter(({ level }) => level === "fatal")).toEqual([]);
        const { refusal } = await policy.check("RCPT", facts({ recipient: to }));
        expect(refusal).toBeDefined();
      },
    ),
    { numRuns: 800 },
  );
});

test("a foreign recipient is accepted only after an explicit permit in the relay or recipient list", async () => {
  const pool = [...HARMLESS, ...PERMITS];
  await fc.assert(
    fc.asyncProperty(list(pool), list(pool), fc.constantFrom(...FOREIGN), async (relay, recipient, to) => {
      const policy = build(relay, recipient);
      fc.pre(policy.problems.every(({ level }) => level !== "fatal"));
      const steps: TraceStep[] = [];
      const { refusal } = await policy.check("RCPT", facts({ recipient: to }), {
        step: (step) => steps.push(step),
      });
      if (refusal === undefined) expect(steps.some(({ verdict }) => verdict === "permit")).toBe(true);
    }),
    { numRuns: 800 },
  );
});

test("no spelling of a foreign address passes reject_unauth_destination", async () => {
  const policy = build("reject_unauth_destination", "");
  const resolver = policyKit(BASE).router;
  const piece = fc.constantFrom(
    "a",
    "bob",
    "example.com",
    "localhost",
    "relay.example",
    "@",
    "%",
    "!",
    '"',
    "\\",
    " ",
    ".",
    "[",
    "]",
    "(",
    ")",
  );
  const before = fc.array(piece, { maxLength: 5 }).map((parts) => parts.join(""));
  const foreign = fc.constantFrom("@elsewhere.example", "%elsewhere.example", "elsewhere.example!");
  await fc.assert(
    fc.asyncProperty(before, foreign, fc.constantFrom("", "a"), before, async (head, evil, user, tail) => {
      const address = `${head}${user}${evil}${user}${tail}`;
      const accepts = await policy.acceptsAddress(address, "ann@example.org", false);
      const { refusal } = await policy.check("RCPT", facts({ recipient: address }));
      if (!accepts || refusal !== undefined) return;
      const kit = await resolver.resolve("", address);
      const domain = kit.is === "resolved" ? kit.recipient.slice(kit.recipient.lastIndexOf("@") + 1) : "";
      expect(kit).toMatchObject({ is: "resolved", routed: false, malformed: false });
      expect(domain).toMatch(/^(example\.com|localhost|alias\.example|(.*\.)?relay\.example)$/i);
    }),
    { numRuns: 3000 },
  );
});

test("a configuration that would relay for anybody is fatal, with Postfix's text", () => {
  const { problems } = build("", "permit_mynetworks");
  expect(problems).toContainEqual({
    level: "fatal",
    parameter: "smtpd_relay_restrictions",
    text:
      "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working instance of: " +
      "reject_unauth_destination, defer_unauth_destination, reject, defer, defer_if_permit or check_relay_domains",
  });
});

test("allow_open_relay turns the refusal to start into a warning", () => {
  const { policy } = policyKit(`${BASE}smtpd_relay_restrictions =\nallow_open_relay = yes\n`);
  expect(policy.problems.map(({ level }) => level)).toEqual(["warning"]);
});

test.each([
  ["reject_unauth_destination", undefined],
  ["permit, reject_unauth_destination", "flaw"],
  ["warn_if_reject reject_unauth_destination", "flaw"],
  ["strict_class", undefined],
  ["warn_if_reject strict_class", "flaw"],
  ["REJECT_UNAUTH_DESTINATION", undefined],
  ["defer_if_permit", undefined],
  ["check_client_access static:reject", "flaw"],
  ["", "flaw"],
])("relayFlaw() judges %j", (recipient, want) => {
  expect(guard(recipient, "") === undefined ? undefined : "flaw").toBe(want as "flaw" | undefined);
});
