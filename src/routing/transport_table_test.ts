import { expect, test } from "bun:test";
import { policyKit } from "../../test/kit/policy.ts";

const MAIN = `
compatibility_level = 3.6
myhostname = mail.example.com
mydestination = example.com
relay_domains = relay.example
virtual_alias_domains = alias.example
recipient_delimiter = +
`;

function hopOf(recipient: string, table: string, more = "") {
  const route = policyKit(`${MAIN}transport_maps = inline:{ ${table} }\n${more}`).router.route("", recipient);
  return "transport" in route ? `${route.transport}:${route.nexthop}` : route;
}

test.each([
  ["smtp:[gw.example]", "smtp:[gw.example]"],
  ["slow:", "slow:other.example"],
  ["slow", "slow:other.example"],
  [":[gw.example]:2525", "smtp:[gw.example]:2525"],
  [":", "smtp:other.example"],
  ["error:5.1.2 no such thing", "error:5.1.2 no such thing"],
  ["error:", "error:Address is undeliverable"],
  ["retry:", "retry:Address is undeliverable"],
  ["lmtp:unix:/run/lmtp", "lmtp:unix:/run/lmtp"],
])("the value %s is the hop %s", (value, hop) => {
  expect(hopOf("bob@other.example", `{ other.example = ${value} }`)).toBe(hop);
});

const ORDER = [
  ["bob+news@sub.other.example", "full:"],
  ["bob@sub.other.example", "plain:"],
  ["sub.other.example", "domain:"],
  [".other.example", "parent:"],
  [".example", "top:"],
  ["*", "any:"],
] as const;

test("the address is asked for first, then without extension, the domain, its parents with a dot, and *", () => {
  for (const [at, [, hop]] of ORDER.entries()) {
    const table = ORDER.slice(at).map(([key, value]) => `{ ${key} = ${value} }`).join(" ");
    expect(hopOf("bob+news@sub.other.example", table)).toBe(`${hop}sub.other.example`);
  }
  expect(hopOf("bob+news@sub.other.example", "{ other.example = parent: }")).toBe("smtp:sub.other.example");
});

test("with transport_maps in parent_domain_matches_subdomains a domain stands for its subdomains", () => {
  const more = "parent_domain_matches_subdomains = transport_maps\n";
  expect(hopOf("bob@sub.other.example", "{ other.example = parent: }", more)).toBe(
    "parent:sub.other.example",
  );
});

test("it overrides every class but virtual alias, and relayhost; an empty value keeps the relayhost", () => {
  const more = "relayhost = [gw.example]\n";
  expect(hopOf("bob@example.com", "{ * = any: }")).toBe("any:example.com");
  expect(hopOf("bob@relay.example", "{ * = any: }")).toBe("any:relay.example");
  expect(hopOf("bob@alias.example", "{ * = any: }")).toStartWith("error:5.1.1 User unknown");
  expect(hopOf("bob@other.example", "{ * = any: }", more)).toBe("any:other.example");
  expect(hopOf("bob@other.example", "{ * = : }", more)).toBe("smtp:[gw.example]");
});

test("a table in trouble is trouble that names it, never the hop without it", () => {
  const { router } = policyKit(`${MAIN}transport_maps = fail:broken\n`);
  expect(router.route("", "bob@other.example")).toMatchObject({
    is: "trouble",
    why: expect.stringContaining("transport_maps lookup failure"),
  });
});
