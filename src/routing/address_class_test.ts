import { expect, test } from "bun:test";
import { policyKit } from "../../test/kit/policy.ts";
import { createAddressClass } from "./address_class.ts";

const MAIN = `
compatibility_level = 3.6
virtual_alias_domains = alias.example, both.example
virtual_mailbox_domains = inline:{vmail.example=x, both.example=x}, .dot.example
relay_domains = relay.example, .dotted.example, !not.relay.example
`;

function classOf(domain: string, main = MAIN) {
  const { settings, openTables } = policyKit(main);
  return createAddressClass(settings, openTables)(domain);
}

test.each([
  ["alias.example", "virtual alias"],
  ["ALIAS.example", "virtual alias"],
  ["sub.alias.example", "default"],
  ["vmail.example", "virtual mailbox"],
  ["sub.vmail.example", "default"],
  ["relay.example", "relay"],
  ["sub.relay.example", "relay"],
  ["notrelay.example", "default"],
  ["dotted.example", "default"],
  ["sub.dotted.example", "default"],
  ["other.example", "default"],
  ["[192.0.2.1]", "default"],
])("%s is of the class %s", async (domain, kind) => {
  expect(await classOf(domain)).toBe(kind as never);
});

test("a domain in two lists is of the first class: virtual alias, virtual mailbox, relay", async () => {
  expect(await classOf("both.example")).toBe("virtual alias");
  expect(await classOf("both.example", `${MAIN}virtual_alias_domains =\n`)).toBe("virtual mailbox");
  const main = `${MAIN}virtual_alias_domains =\nvirtual_mailbox_domains =\nrelay_domains = both.example\n`;
  expect(await classOf("both.example", main)).toBe("relay");
});

test("without parent_domain_matches_subdomains a relay domain's subdomains need a dot of their own", async () => {
  const main = `${MAIN}parent_domain_matches_subdomains =\n`;
  expect(await classOf("relay.example", main)).toBe("relay");
  expect(await classOf("sub.relay.example", main)).toBe("default");
  expect(await classOf("sub.dotted.example", main)).toBe("relay");
});

test("a list in trouble is trouble from where it is asked on, and no matter before", async () => {
  const main = `${MAIN}virtual_mailbox_domains = fail:broken\n`;
  expect(await classOf("alias.example", main)).toBe("virtual alias");
  expect(await classOf("relay.example", main)).toHaveProperty("trouble");
});
