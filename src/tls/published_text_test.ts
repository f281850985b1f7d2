import { expect, test } from "bun:test";
import fc from "fast-check";
import { isPolicyFault } from "./client_policy.ts";
import { parsePolicy } from "./client/policy_text.ts";
import { POLICY_FAILURES, type PublishedPolicy } from "./published_policy.ts";

const context = { where: "here", digest: "sha256", trustAnchors: { read: () => [] } };

const word = fc.stringMatching(/^[A-Za-z0-9:*._-]{1,20}$/);
const words = fc.array(word, { minLength: 1, maxLength: 5 }).map((all) => all.join(" "));
const published: fc.Arbitrary<PublishedPolicy> = fc.record({
  type: fc.constantFrom("sts" as const, "no-policy-found" as const),
  domain: fc.constantFrom("example.com", "xn--bcher-kva.example"),
  strings: fc.array(words, { maxLength: 5 }),
  mxHosts: fc.array(word, { maxLength: 5 }),
  failure: fc.constantFrom(...POLICY_FAILURES),
});

test("what a plug-in tells of a policy is read as it was meant, blanks and line ends included", () => {
  const blank = fc.constantFrom(" ", "  ", "\t", "\n ", ", ");
  fc.assert(fc.property(published, blank, fc.boolean(), (policy, between, spread) => {
    const attribute = (name: string, value: string, braced = false) => {
      if (!braced) return `${name}=${value}`;
      return spread ? `{ ${name} = ${value.replaceAll(" ", "\n")} }` : `{${name}=${value}}`;
    };
    const text = [
      "secure",
      "match=.example.com",
      attribute("policy_type", policy.type),
      attribute("policy_domain", policy.domain),
      attribute("Policy_TTL", "86400"),
      ...policy.strings.map((value) => attribute("policy_string", value, true)),
      ...policy.mxHosts.map((value) => attribute("mx_host_pattern", value)),
      attribute("policy_failure", policy.failure!, spread),
    ].join(between);
    const { is, warnings } = parsePolicy(text, context);
    expect(warnings).toEqual([]);
    expect(is).toMatchObject({ level: "secure", match: [".example.com"], published: policy });
  }));
});

test("no text of a policy throws, and what is not understood makes it unusable", () => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom("secure ", "{", "}", "=", "policy_type=sts ", "{ policy_string = x } ", "match="),
  );
  fc.assert(fc.property(fc.array(part), (parts) => {
    const { is, warnings } = parsePolicy(parts.join(""), context);
    if (isPolicyFault(is)) expect(warnings.length).toBeGreaterThan(0);
  }));
});
