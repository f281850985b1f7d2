// Aggregate reports of DMARC as RFC 9990 says that they are, by a validator that is not ours: the golden report, and made-up ones.
import { expect } from "bun:test";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { policyKey, rowKey } from "../../../src/mailauth/reports/counted_key.ts";
import { gatherReport } from "../../../src/mailauth/reports/gather_report.ts";
import { printReport } from "../../../src/mailauth/reports/print_report.ts";
import type { VerifiedMessage } from "../../../src/mailauth/reports/verified_message.ts";
import { withPeers } from "../../kit/peers.ts";

const { test } = withPeers(import.meta.path, "xmllint");

const SCHEMA = join(import.meta.dir, "report.xsd");
const GOLDEN = join(import.meta.dir, "report.xml");

/** What xmllint says against a document; "" when it fits. */
function objections(xml: string): string {
  const run = Bun.spawnSync(["xmllint", "--noout", "--nonet", "--schema", SCHEMA, "-"], {
    stdin: Buffer.from(xml),
  });
  return run.exitCode === 0 ? "" : `${run.stderr}`;
}

test("the golden report fits the schema, and the schema is no empty word", () => {
  const golden = readFileSync(GOLDEN, "utf8");
  expect(objections(golden)).toBe("");
  for (
    const [what, instead] of [
      ["<selector>s1</selector>", ""],
      ["<p>quarantine</p>", "<p>strict</p>"],
      ["<dkim>pass</dkim>", "<dkim>neutral</dkim>"],
      ["<scope>mfrom</scope>", "<scope>helo</scope>"],
      ['xmlns="urn:ietf:params:xml:ns:dmarc-2.0"', ""],
    ] as const
  ) expect(objections(golden.replace(what, instead))).not.toBe("");
});

test("any verified message makes a report that fits the schema", () => {
  const policy = fc.constantFrom("none", "quarantine", "reject");
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("<&>", "\0", "\ud800", "]]>", "\ufffe"),
  );
  const message: fc.Arbitrary<VerifiedMessage> = fc.record({
    sourceIp: fc.constantFrom("192.0.2.1", "2001:db8::1"),
    headerFrom: text,
    envelopeFrom: text,
    policy: fc.record({
      domain: text,
      p: policy,
      sp: fc.option(policy, { nil: undefined }),
      np: fc.option(policy, { nil: undefined }),
      adkim: fc.constantFrom("r", "s"),
      aspf: fc.constantFrom("r", "s"),
      fo: fc.option(text, { nil: undefined }),
      testing: fc.boolean(),
      discovery: fc.constantFrom("treewalk", "psl"),
      hasRua: fc.constant(true),
    }),
    disposition: fc.constantFrom("none", "pass", "quarantine", "reject"),
    aligned: fc.record({ dkim: fc.boolean(), spf: fc.boolean() }),
    reasons: fc.array(
      fc.record({
        type: fc.constantFrom(
          "local_policy",
          "mailing_list",
          "other",
          "policy_test_mode",
          "trusted_forwarder",
        ),
        comment: fc.option(text, { nil: undefined }),
      }),
      { maxLength: 3 },
    ),
    dkim: fc.array(
      fc.record({
        domain: text,
        selector: text,
        result: fc.constantFrom("none", "pass", "fail", "policy", "neutral", "temperror", "permerror"),
      }),
      { maxLength: 3 },
    ),
    spf: fc.option(
      fc.record({ domain: text, result: fc.constantFrom("none", "softfail", "policy", "permerror") }),
      { nil: undefined },
    ),
  });
  const reporter = { organization: "\u001b", from: "a@b.example", submitter: "b.example", generator: "mta" };
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (messages) => {
      const keys = messages.flatMap((each) => [rowKey(each), policyKey(each, 3)]);
      const counts = [...new Set(keys)].map((key) => ({ key, count: 1 }));
      const report = gatherReport({ day: "2026-03-04", domain: "example.com" }, counts, reporter);
      expect(report!.records.length).toBeGreaterThan(0);
      expect(objections(printReport(report!))).toBe("");
    }),
    { numRuns: 40 },
  );
});
