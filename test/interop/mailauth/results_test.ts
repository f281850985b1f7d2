// Authentication-Results that we print, read by Python's authres, and its own by us.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import type { AuthResult } from "../../../src/mailauth/auth_result.ts";
import { parseResults } from "../../../src/mailauth/results/parse_results.ts";
import { resultsField, wireResults } from "../../../src/mailauth/results/results_field.ts";
import { chanceOf } from "../../kit/chance.ts";
import { withPeers } from "../../kit/peers.ts";

const { test } = withPeers(import.meta.path, "authres");
const chance = chanceOf(import.meta.path);

/** What a sender can bring into a value; but no quotes and backslashes, whose escapes authres does not undo. */
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom(..."ab@.-_+/=;:()<> '*%[]{}|~!#$&?^`,"),
    minLength: 1,
    maxLength: 40,
  }),
  fc.constantFrom("ann@example.com", "@example.com", "sub.example.org", "ab+/cd=="),
).map((value) => value.trim()).filter((value) => value !== "");

const plain = fc.constantFrom("ann@example.com", "@example.com", "sub.example.org", "rsa-sha256");

/** Properties as each method has them: of others authres keeps one. */
const PROPERTIES = {
  spf: ["smtp.mailfrom", "smtp.helo"],
  dkim: ["header.d", "header.i", "header.s", "header.a"],
  dmarc: ["header.from"],
  arc: ["header.oldest-pass"],
} as const;

const ofMethod = (method: keyof typeof PROPERTIES): fc.Arbitrary<AuthResult> =>
  fc.record({
    method: fc.constant(method),
    result: fc.constantFrom("pass", "fail", "none", "temperror"),
    comment: text,
    reason: text,
    // A quoted value is one to authres only where it is the last.
    properties: fc.tuple(fc.array(plain), text, fc.nat(PROPERTIES[method].length)).map((
      [plains, last, count],
    ) =>
      PROPERTIES[method].slice(0, count).map((each, at, all) => {
        const [type = "", name = ""] = each.split(".");
        const value = at === all.length - 1 ? last : plains[at] ?? "x";
        return { type: type as "smtp" | "header", name, value };
      })
    ),
  }, { requiredKeys: ["method", "result", "properties"] });

const result = fc.oneof(ofMethod("spf"), ofMethod("dkim"), ofMethod("dmarc"), ofMethod("arc"));

const CASES = fc.sample(fc.array(result, { minLength: 1, maxLength: 5 }), {
  numRuns: 500,
  seed: Math.floor(chance.random() * 2 ** 31),
});

const said = ({ method, result, reason, properties }: AuthResult) => ({
  method,
  result,
  reason: reason ?? null,
  properties,
});

test("authres reads what we print as it was meant, and we what it prints", () => {
  const fields = CASES.map((results) => resultsField(wireResults("mx.example.com", results, false)));
  const { stdout, stderr } = spawnSync("/usr/bin/python3", [join(import.meta.dirname, "results_cases.py")], {
    input: JSON.stringify(fields),
    maxBuffer: 1 << 28,
  });
  expect(stderr.toString()).toBe("");
  const answers: readonly { results: unknown; authservId: string; text: string }[] = JSON.parse(
    stdout.toString(),
  );
  let compared = 0;
  for (const [at, { results, authservId, text }] of answers.entries()) {
    expect(authservId).toBe("mx.example.com");
    expect([fields[at], results]).toEqual([fields[at], CASES[at]!.map(said)]);
    // It prints others without the quotes that they need.
    const values = CASES[at]!.flatMap(({ reason, properties }) => [
      reason ?? "x",
      ...properties.map(({ value }) => value),
    ]);
    if (!values.every((value) => /^[A-Za-z0-9.@-]+$/.test(value))) continue;
    compared++;
    const theirs = parseResults(text.slice(text.indexOf(":") + 1));
    expect([text, theirs?.results.map(said)]).toEqual([text, CASES[at]!.map(said)]);
  }
  expect(answers.length).toBe(CASES.length);
  expect(compared).toBeGreaterThan(10);
});
