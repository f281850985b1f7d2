// Our judgement by DMARC beside Mail::DMARC's, by records and identifiers that chance makes up.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { evaluateDmarc } from "../../../src/mailauth/dmarc/evaluate_dmarc.ts";
import { chanceOf } from "../../kit/chance.ts";
import { textZone } from "../../kit/memory/text_zone.ts";
import { withPeers } from "../../kit/peers.ts";

const { test } = withPeers(import.meta.path, "Mail::DMARC");
const chance = chanceOf(import.meta.path);

/** Organizations, as its list of public suffixes has them, and what is below them. */
const ORGANIZATIONS = ["example.com", "example.co.uk", "example.net"];
const name = fc.tuple(fc.constantFrom("", "", "a.", "b.a.", "c."), fc.constantFrom(...ORGANIZATIONS))
  .map(([host, organization]) => `${host}${organization}`);

const policy = fc.constantFrom("none", "quarantine", "reject", "REJECT");
const record = fc.record({
  p: policy,
  sp: fc.option(policy),
  adkim: fc.constantFrom(null, "r", "s"),
  aspf: fc.constantFrom(null, "r", "s"),
  rua: fc.constantFrom(null, "mailto:a@example.com", "mailto:a@example.com,mailto:b@example.net"),
  sign: fc.constantFrom(";", "; ", " ; "),
}).map(({ p, sp, adkim, aspf, rua, sign }) =>
  [
    "v=DMARC1",
    `p=${p}`,
    ...Object.entries({ sp, adkim, aspf, rua }).flatMap(([tag, value]) =>
      value === null ? [] : [`${tag}=${value}`]
    ),
  ]
    .join(sign)
);

const word = fc.constantFrom("pass" as const, "pass" as const, "fail" as const);
const one = fc.record({
  from: name,
  // What is below an organization has a record only where that has one: the two find others otherwise (RFC 9989 appendix C.5).
  organization: fc.dictionary(fc.constantFrom(...ORGANIZATIONS), record),
  below: fc.dictionary(
    fc.tuple(fc.constantFrom("a.", "b.a.", "c."), fc.constantFrom(...ORGANIZATIONS)).map((parts) =>
      parts.join("")
    ),
    record,
    { maxKeys: 3 },
  ),
  spf: fc.record({ domain: name, is: word }),
  dkim: fc.array(fc.record({ domain: name, is: word }), { maxLength: 3 }),
}).map(({ organization, below, ...rest }) => {
  const records = [
    ...Object.entries(organization),
    ...Object.entries(below).filter(([at]) =>
      Object.keys(organization).some((each) => at.endsWith(`.${each}`))
    ),
  ];
  return { ...rest, zone: Object.fromEntries(records.map(([at, text]) => [`_dmarc.${at}`, [text]])) };
});

test("a message means the same to both", async () => {
  const cases = fc.sample(one, { numRuns: 2000, seed: Math.floor(chance.random() * 2 ** 31) });
  const { stdout, stderr } = spawnSync("perl", [join(import.meta.dirname, "dmarc_cases.pl")], {
    input: JSON.stringify(cases),
    maxBuffer: 1 << 28,
  });
  expect(stderr.toString()).toBe("");
  const theirs: readonly { readonly is: string; readonly disposition: string }[] = JSON.parse(
    stdout.toString(),
  );
  const counts = new Map<string, number>();
  for (const [at, { from, zone, spf, dkim }] of cases.entries()) {
    const result = await evaluateDmarc({ fromDomains: [from], spf, dkim }, textZone(zone));
    const ours = { is: result.is, disposition: result.policy };
    counts.set(ours.is + ours.disposition, (counts.get(ours.is + ours.disposition) ?? 0) + 1);
    const { is, disposition } = theirs[at]!;
    expect([cases[at], ours]).toEqual([
      cases[at],
      { is, disposition: disposition.toLowerCase() } as typeof ours,
    ]);
  }
  expect(counts.size).toBe(5);
}, 120_000);
