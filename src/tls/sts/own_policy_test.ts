import { expect, test } from "bun:test";
import { ownPolicyId, type OwnPolicySettings, ownStsPolicy, policyServedFor } from "./own_policy.ts";
import { parseStsPolicy } from "./sts_policy.ts";

const SETTINGS: OwnPolicySettings = {
  mta_sts_domains: "Example.com, example.net",
  mta_sts_max_age: 604_800,
  mta_sts_mode: "enforce",
  mta_sts_mx: "mail.example.com *.mx.example.com",
};

test("our policy is what we would take of others", () => {
  const served = policyServedFor("mta-sts.example.com", SETTINGS);
  expect(served).toBe(
    "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.mx.example.com\r\nmax_age: 604800\r\n",
  );
  expect(parseStsPolicy(served!)).toEqual({
    mode: "enforce",
    mx: ["mail.example.com", "*.mx.example.com"],
    maxAge: 604_800,
  });
});

test("it is served for mta-sts. of our domains, and nothing else", () => {
  for (const host of ["MTA-STS.example.NET", "mta-sts.example.net:443", "mta-sts.example.com."]) {
    expect([host, policyServedFor(host, SETTINGS)?.slice(0, 14)]).toEqual([host, "version: STSv1"]);
  }
  for (
    const host of [
      "",
      "example.com",
      "mta-sts.example.org",
      "x.mta-sts.example.com",
      "mta-sts.",
      "mta-sts.com",
    ]
  ) {
    expect([host, policyServedFor(host, SETTINGS)]).toEqual([host, undefined]);
  }
});

test("what no mail could be sent by is no policy", () => {
  expect(ownStsPolicy({ ...SETTINGS, mta_sts_mx: "" })).toHaveProperty("problem");
  expect(ownStsPolicy({ ...SETTINGS, mta_sts_mx: "[192.0.2.1]" })).toHaveProperty("problem");
  expect(ownStsPolicy({ ...SETTINGS, mta_sts_mx: "", mta_sts_mode: "none" })).toEqual({
    mode: "none",
    mx: [],
    maxAge: 604_800,
  });
  expect(policyServedFor("mta-sts.example.com", { ...SETTINGS, mta_sts_mx: "a_b" })).toBeUndefined();
});

test("each policy has an id of its own", () => {
  const id = (changes: Partial<OwnPolicySettings>) => {
    const policy = ownStsPolicy({ ...SETTINGS, ...changes });
    if ("problem" in policy) throw new Error(policy.problem);
    return ownPolicyId(policy);
  };
  expect(id({})).toMatch(/^[0-9a-f]{20}$/);
  expect(id({ mta_sts_domains: "x" })).toBe(id({}));
  expect(id({ mta_sts_mode: "testing" })).not.toBe(id({}));
  expect(id({ mta_sts_max_age: 1 })).not.toBe(id({}));
});
